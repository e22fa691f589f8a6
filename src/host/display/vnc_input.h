/* host/display/vnc_input.h: what VNC clients send, as keys and motions for the machine.
 *
 * Clients name keys by what they print. That is looked up on a US keyboard, which the
 * guest is to have set; Shift is pressed or let go around a key as that needs, so that
 * a client's own layout does not matter for what a US keyboard can print. Source: RFC
 * 6143 chapters 7.5.4 and 7.5.5. Thread: the one of faumachine-vnc. */
#ifndef HOST_DISPLAY_VNC_INPUT_H
#define HOST_DISPLAY_VNC_INPUT_H

#include "host/display/viewer.h"

enum { VNC_KEYS = 256 };

struct vnc_input {
    const struct viewer *viewer;
    bool down[VNC_KEYS]; /* keys that the guest thinks are */
    bool caps;           /* Caps Lock, if it was off in the beginning */
    unsigned buttons;    /* of the last pointer event */
    int x, y;
    bool has_place; /* x and y are known */
};

void vnc_input_key(struct vnc_input *input, uint32_t keysym, bool down);
/* `buttons`: as clients send them; the pointer is at (x, y) of a picture of that size.
 */
void vnc_input_pointer(struct vnc_input *input, unsigned buttons, int x, int y,
                       const struct display_size *size, bool has_position);
/* The last client has left: nothing is held any more. */
void vnc_input_release(struct vnc_input *input);

#endif
