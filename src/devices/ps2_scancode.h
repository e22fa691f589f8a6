/* devices/ps2_scancode.h: scan codes of the sets 1, 2 and 3.
 *
 * Keys are named by Linux's input event codes (KEY_…, see linux/input-event-codes.h).
 * Sources: IBM PS/2 Hardware Interface Technical Reference, keyboard chapter; Microsoft
 * Keyboard Scan Code Specification 1.3a. Pure functions on constant tables. */
#ifndef DEVICES_PS2_SCANCODE_H
#define DEVICES_PS2_SCANCODE_H

#include "base/types.h"

enum {
    PS2_KEYS = 256, /* keys have codes below this */
    PS2_EXTENDED = 0xe0,
    PS2_PAUSE = 0xe1,
    PS2_BREAK = 0xf0, /* sets 2 and 3: the next code is a release */
};

/* The keys that are treated apart. */
enum {
    PS2_KEY_LEFT_CTRL = 29,
    PS2_KEY_LEFT_SHIFT = 42,
    PS2_KEY_RIGHT_SHIFT = 54,
    PS2_KEY_LEFT_ALT = 56,
    PS2_KEY_RIGHT_CTRL = 97,
    PS2_KEY_PRINT_SCREEN = 99,
    PS2_KEY_RIGHT_ALT = 100,
    PS2_KEY_PAUSE = 119,
};

/* The code of a key in set 2, 0 if it has none; `*extended`: 0xe0 goes before it. Not
 * for Print Screen and Pause, which are sequences. */
uint8_t ps2_set2_code(uint16_t key, bool *extended);

/* The code of a key in set 3, 0 if it has none. */
uint8_t ps2_set3_code(uint16_t key);

/* What a keyboard controller makes of the byte of set 2: its code in set 1. */
uint8_t ps2_translate_code(uint8_t set2);

/* Translates a stream of bytes. Returns false if `byte` was a break prefix, which shows
 * in bit 7 of the next code instead; else the result is in `*translated`. */
static inline bool ps2_translate(bool *break_pending, uint8_t byte, uint8_t *translated)
{
    if (byte == PS2_BREAK) {
        *break_pending = true;
        return false;
    }
    *translated = ps2_translate_code(byte);
    if (byte != PS2_EXTENDED && byte != PS2_PAUSE) {
        *translated |= *break_pending ? 0x80 : 0;
        *break_pending = false;
    }
    return true;
}

#endif
