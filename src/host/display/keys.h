/* host/display/keys.h: keys as window systems, VNC clients and terminals name them, as
 * Linux's KEY_… codes.
 *
 * Thread: any. */
#ifndef HOST_DISPLAY_KEYS_H
#define HOST_DISPLAY_KEYS_H

#include "base/types.h"

/* The key in that place of the keyboard, by its number among SDL's scan codes (which
 * are usages of the USB HID page 7, and a few more); 0: none. */
uint16_t key_of_sdl_scancode(unsigned scancode);

/* Where a US keyboard has that character, and whether with Shift; false: it does not.
 */
bool key_of_character(uint32_t character, uint16_t *key, bool *shift);

/* A key of an X11 keysym (RFC 6143 chapter 7.5.4). `*is_character`: it stands for what
 * it prints, and `*shift` says how to come by it. 0: no key has it. */
uint16_t key_of_keysym(uint32_t keysym, bool *is_character, bool *shift);

#endif
