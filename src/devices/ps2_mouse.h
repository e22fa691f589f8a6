/* devices/ps2_mouse.h: a PS/2 mouse: two or three buttons, wheel, two side buttons.
 *
 * A standard mouse (identity 0) until the guest knocks with the sample rates 200, 100,
 * 80 (IntelliMouse, identity 3, adds the wheel) or then 200, 200, 80 (IntelliMouse
 * Explorer, identity 4, adds two buttons). Sources: IBM PS/2 Hardware Interface
 * Technical Reference, mouse chapter; Microsoft's description of the IntelliMouse
 * protocol. The resolution is remembered and reported, but a count stays a count of the
 * host's mouse.
 * Thread: any that holds the machine lock. Saved by: its controller, by the rows of
 * PS2_MOUSE_FIELDS. */
#ifndef DEVICES_PS2_MOUSE_H
#define DEVICES_PS2_MOUSE_H

#include "clock/clock.h"
#include "devices/ps2_queue.h"
#include "state/state.h"

enum {
    PS2_MOUSE_LEFT = 0x01,
    PS2_MOUSE_RIGHT = 0x02,
    PS2_MOUSE_MIDDLE = 0x04,
    PS2_MOUSE_SIDE = 0x08,
    PS2_MOUSE_EXTRA = 0x10,
    PS2_MOUSE_BUTTONS = 0x1f,
};

struct ps2_mouse {
    struct clock *clock;
    void (*changed)(void *opaque); /* there is something to send */
    void *opaque;
    struct timer sample;
    struct ps2_queue replies, packets; /* replies go first */
    uint64_t sample_deadline_ns; /* no packet before this; CLOCK_NEVER: any time */
    int32_t dx, dy, dz;          /* moved since the last packet */
    uint8_t buttons, buttons_sent;
    uint8_t identity;    /* 0, 3 or 4 */
    uint8_t sample_rate; /* packets a second */
    uint8_t rates[2];    /* the two rates set before that */
    uint8_t resolution;  /* 0-3: 1, 2, 4, 8 counts per mm */
    uint8_t command;     /* that waits for a parameter; 0: none */
    uint8_t last_sent;
    bool remote, wrap, reporting, scaling_2_to_1;
};

#define PS2_MOUSE_FIELDS(type, member, since)                                          \
    STATE_FIELD(type, member.replies, since),                                          \
        STATE_FIELD(type, member.packets, since),                                      \
        STATE_FIELD(type, member.sample_deadline_ns, since),                           \
        STATE_FIELD(type, member.dx, since), STATE_FIELD(type, member.dy, since),      \
        STATE_FIELD(type, member.dz, since), STATE_FIELD(type, member.buttons, since), \
        STATE_FIELD(type, member.buttons_sent, since),                                 \
        STATE_FIELD(type, member.identity, since),                                     \
        STATE_FIELD(type, member.sample_rate, since),                                  \
        STATE_FIELD(type, member.rates, since),                                        \
        STATE_FIELD(type, member.resolution, since),                                   \
        STATE_FIELD(type, member.command, since),                                      \
        STATE_FIELD(type, member.last_sent, since),                                    \
        STATE_FIELD(type, member.remote, since),                                       \
        STATE_FIELD(type, member.wrap, since),                                         \
        STATE_FIELD(type, member.reporting, since),                                    \
        STATE_FIELD(type, member.scaling_2_to_1, since)

/* For the host: moved by `dx` counts to the right, `dy` down, the wheel by `dz` clicks
 * away from the user; `buttons`: those held now, a sum of PS2_MOUSE_LEFT…. */
void ps2_mouse_move(struct ps2_mouse *mouse, int dx, int dy, int dz, unsigned buttons);

/* The rest is for the controller. `changed` is called when bytes are there to take. */
void ps2_mouse_init(struct ps2_mouse *mouse, struct clock *clock,
                    void (*changed)(void *opaque), void *opaque);
void ps2_mouse_reset(struct ps2_mouse *mouse);
bool ps2_mouse_loaded(struct ps2_mouse *mouse); /* false: it is nonsense */
void ps2_mouse_destroy(struct ps2_mouse *mouse);

bool ps2_mouse_has_byte(const struct ps2_mouse *mouse);
uint8_t ps2_mouse_take_byte(struct ps2_mouse *mouse); /* if it has one */
void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte);

#endif
