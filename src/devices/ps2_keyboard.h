/* devices/ps2_keyboard.h: a 102-key PS/2 keyboard.
 *
 * Knows the scan code sets 1, 2 and 3 and all commands of the IBM PS/2 Hardware
 * Interface Technical Reference, keyboard chapter. It sits on a keyboard controller,
 * which embeds it, takes its bytes and writes its commands. As many keyboards do, it
 * sends no shift codes of its own around the cursor keys.
 * Thread: any that holds the machine lock. Saved by: its controller, by the rows of
 * PS2_KEYBOARD_FIELDS. */
#ifndef DEVICES_PS2_KEYBOARD_H
#define DEVICES_PS2_KEYBOARD_H

#include "clock/clock.h"
#include "devices/ps2_queue.h"
#include "devices/ps2_scancode.h"
#include "state/state.h"

enum { PS2_SET3_CODES = 0x90 };

struct ps2_keyboard {
    struct clock *clock;
    void (*changed)(void *opaque); /* there is something to send */
    void *opaque;
    struct timer repeat;
    struct ps2_queue replies, events; /* replies go first */
    uint64_t repeat_deadline_ns;
    uint16_t repeat_key; /* 0: none */
    uint8_t set;         /* 1-3 */
    uint8_t leds;        /* bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock */
    uint8_t typematic;   /* bits 6-5 delay, 4-0 rate */
    uint8_t command;     /* that waits for a parameter; 0: none */
    uint8_t last_sent;
    uint8_t print_variant;             /* how Print Screen was pressed */
    uint8_t down[PS2_KEYS / 8];        /* a bit for each key */
    uint8_t key_types[PS2_SET3_CODES]; /* set 3 */
    bool scanning;
};

#define PS2_KEYBOARD_FIELDS(type, member, since)                                       \
    STATE_FIELD(type, member.replies, since), STATE_FIELD(type, member.events, since), \
        STATE_FIELD(type, member.repeat_deadline_ns, since),                           \
        STATE_FIELD(type, member.repeat_key, since),                                   \
        STATE_FIELD(type, member.set, since), STATE_FIELD(type, member.leds, since),   \
        STATE_FIELD(type, member.typematic, since),                                    \
        STATE_FIELD(type, member.command, since),                                      \
        STATE_FIELD(type, member.last_sent, since),                                    \
        STATE_FIELD(type, member.print_variant, since),                                \
        STATE_FIELD(type, member.down, since),                                         \
        STATE_FIELD(type, member.key_types, since),                                    \
        STATE_FIELD(type, member.scanning, since)

/* For the host: a key (Linux KEY_… code) goes down or up. Keys that no PC keyboard has,
 * and repetitions, are ignored: the keyboard repeats by itself. */
void ps2_keyboard_key(struct ps2_keyboard *keyboard, uint16_t key, bool down);

/* The rest is for the controller. `changed` is called when bytes are there to take. */
void ps2_keyboard_init(struct ps2_keyboard *keyboard, struct clock *clock,
                       void (*changed)(void *opaque), void *opaque);
void ps2_keyboard_reset(struct ps2_keyboard *keyboard);
bool ps2_keyboard_loaded(struct ps2_keyboard *keyboard); /* false: it is nonsense */
void ps2_keyboard_destroy(struct ps2_keyboard *keyboard);

bool ps2_keyboard_has_byte(const struct ps2_keyboard *keyboard);
uint8_t ps2_keyboard_take_byte(struct ps2_keyboard *keyboard); /* if it has one */
void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t byte);

#endif
