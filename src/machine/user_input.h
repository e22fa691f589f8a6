/* machine/user_input.h: which device gets what the user does.
 *
 * Keys go to the PS/2 keyboard, the mouse's motions and buttons to the PS/2 mouse; but
 * while the guest has a driver for a virtio keyboard, or for a pointer that knows
 * positions, to those.
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef MACHINE_USER_INPUT_H
#define MACHINE_USER_INPUT_H

#include "bus/input.h"

enum { USER_INPUT_POINTERS = 4 };

struct machine;

struct user_input {
    struct input_sink sink;
    struct input_sink pointers[USER_INPUT_POINTERS];
    unsigned pointer_count;
    unsigned mouse_buttons; /* of the PS/2 mouse: PS2_MOUSE_LEFT… */
};

/* For whoever watches the user. Never NULL; lives as long as the machine. */
const struct input_sink *machine_input(struct machine *machine);

/* A device that knows positions, say a tablet: `pointer` is copied; its key() is not
 * used. Before the machine runs. */
void user_input_add_pointer(struct machine *machine, const struct input_sink *pointer);

#endif
