/* bus/input.h: the seam between who watches the user's keyboard and pointer, and the
 * devices that report them to the guest.
 *
 * Keys and buttons are named by Linux's input event codes (KEY_…, BTN_LEFT…; see
 * linux/input-event-codes.h). Key repetitions are not passed on: keyboards repeat by
 * themselves.
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef BUS_INPUT_H
#define BUS_INPUT_H

#include "base/types.h"

enum { INPUT_POSITION_MAXIMUM = 0x7fff };

struct input_sink {
    void (*key)(void *opaque, uint16_t key, bool down);
    void (*button)(void *opaque, uint16_t button, bool down);
    /* By counts, to the right and down; the wheel by clicks away from the user. */
    void (*move)(void *opaque, int dx, int dy, int wheel);
    /* 0 (left, top) to INPUT_POSITION_MAXIMUM (right, bottom) of the picture. Only
     * while has_position(). */
    void (*position)(void *opaque, unsigned x, unsigned y);
    /* Whether the guest has a driver for a pointer that knows positions: then move()
     * is for the wheel only. May change at any time. */
    bool (*has_position)(void *opaque);
    void *opaque;
};

#endif
