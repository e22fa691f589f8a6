/* machine/inputs.h: which device gets what the user does.
 *
 * Keys go to the PS/2 keyboard; the mouse's motions and buttons to the PS/2 mouse, but
 * while a guest has a driver for a pointer that knows positions, to that.
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef MACHINE_INPUTS_H
#define MACHINE_INPUTS_H

#include "bus/input.h"

enum { INPUT_POINTERS = 4 };

struct machine;

struct inputs {
    struct input_sink pointers[INPUT_POINTERS];
    unsigned pointer_count;
    unsigned mouse_buttons; /* of the PS/2 mouse: PS2_MOUSE_LEFT… */
};

/* For whoever watches the user. */
struct input_sink inputs_sink(struct machine *machine);

/* A device that knows positions, say a tablet: `pointer` is copied; its key() is not
 * used. Before the machine runs. */
void inputs_add_pointer(struct machine *machine, const struct input_sink *pointer);

#endif
