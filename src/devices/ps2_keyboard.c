#include "devices/ps2_keyboard.h"

#include <string.h>

/* Commands. */
enum {
    COMMAND_FIRST = 0xed, /* no parameter is that large */
    COMMAND_SET_LEDS = 0xed,
    COMMAND_ECHO = 0xee,
    COMMAND_SCAN_CODE_SET = 0xf0,
    COMMAND_IDENTIFY = 0xf2,
    COMMAND_TYPEMATIC = 0xf3,
    COMMAND_ENABLE = 0xf4,
    COMMAND_DISABLE = 0xf5,
    COMMAND_DEFAULTS = 0xf6,
    COMMAND_ALL_TYPEMATIC = 0xf7,
    COMMAND_ALL_MAKE_BREAK = 0xf8,
    COMMAND_ALL_MAKE = 0xf9,
    COMMAND_ALL_TYPEMATIC_MAKE_BREAK = 0xfa,
    COMMAND_KEY_TYPEMATIC = 0xfb,
    COMMAND_KEY_MAKE_BREAK = 0xfc,
    COMMAND_KEY_MAKE = 0xfd,
    COMMAND_RESEND = 0xfe,
    COMMAND_RESET = 0xff,
};

enum {
    REPLY_SELF_TEST_PASSED = 0xaa,
    REPLY_ID_FIRST = 0xab,
    REPLY_ID_SECOND = 0x83,
    REPLY_ECHO = 0xee,
    REPLY_ACKNOWLEDGE = 0xfa,
    REPLY_RESEND = 0xfe,
    OVERRUN_SET_1 = 0xff,
    OVERRUN_SETS_2_3 = 0x00,
    TYPEMATIC_DEFAULT = 0x2b, /* after 500 ms, 10.9 a second */
    LEDS_MASK = 0x07,
    SEQUENCE_BYTES = 8, /* the longest: Pause */
};

/* Types of a key in set 3. */
enum { TYPE_MAKE = 0, TYPE_BREAK = 1, TYPE_TYPEMATIC = 2 };

/* How Print Screen was pressed. */
enum { PRINT_PLAIN, PRINT_WITH_SHIFT_OR_CTRL, PRINT_WITH_ALT };

struct sequence {
    uint8_t bytes[SEQUENCE_BYTES];
    unsigned count;
};

static bool is_down(const struct ps2_keyboard *keyboard, uint16_t key)
{
    return keyboard->down[key / 8] & (1U << key % 8);
}

static void append(struct sequence *sequence, uint8_t byte)
{
    sequence->bytes[sequence->count++] = byte;
}

static void append_set2(struct sequence *sequence, uint8_t code, bool extended,
                        bool down)
{
    if (extended) {
        append(sequence, PS2_EXTENDED);
    }
    if (!down) {
        append(sequence, PS2_BREAK);
    }
    append(sequence, code);
}

/* Print Screen pretends to be pressed with a shift, unless it is pressed with one. */
static void append_print_screen(struct ps2_keyboard *keyboard,
                                struct sequence *sequence, bool down)
{
    enum { SHIFT = 0x12, PRINT = 0x7c, ALT_PRINT = 0x84 };
    if (down) {
        bool alt =
            is_down(keyboard, PS2_KEY_LEFT_ALT) || is_down(keyboard, PS2_KEY_RIGHT_ALT);
        bool shift_or_ctrl = is_down(keyboard, PS2_KEY_LEFT_SHIFT) ||
                             is_down(keyboard, PS2_KEY_RIGHT_SHIFT) ||
                             is_down(keyboard, PS2_KEY_LEFT_CTRL) ||
                             is_down(keyboard, PS2_KEY_RIGHT_CTRL);
        keyboard->print_variant = PRINT_PLAIN;
        if (alt || shift_or_ctrl) {
            keyboard->print_variant = alt ? PRINT_WITH_ALT : PRINT_WITH_SHIFT_OR_CTRL;
        }
    }
    if (keyboard->print_variant == PRINT_WITH_ALT) {
        append_set2(sequence, ALT_PRINT, false, down);
        return;
    }
    bool shift = keyboard->print_variant == PRINT_PLAIN;
    if (shift && down) {
        append_set2(sequence, SHIFT, true, true);
    }
    append_set2(sequence, PRINT, true, down);
    if (shift && !down) {
        append_set2(sequence, SHIFT, true, false);
    }
}

/* Pause sends everything when pressed; with Ctrl it is Break. */
static void append_pause(struct ps2_keyboard *keyboard, struct sequence *sequence,
                         bool down)
{
    static const uint8_t pause[] = {PS2_PAUSE, 0x14, 0x77,      PS2_PAUSE,
                                    PS2_BREAK, 0x14, PS2_BREAK, 0x77};
    enum { SCROLL_LOCK = 0x7e };
    if (!down) {
        return;
    }
    if (is_down(keyboard, PS2_KEY_LEFT_CTRL) || is_down(keyboard, PS2_KEY_RIGHT_CTRL)) {
        append_set2(sequence, SCROLL_LOCK, true, true);
        append_set2(sequence, SCROLL_LOCK, true, false);
        return;
    }
    memcpy(sequence->bytes, pause, sizeof(pause));
    sequence->count = sizeof(pause);
}

static void make_set2(struct ps2_keyboard *keyboard, struct sequence *sequence,
                      uint16_t key, bool down)
{
    bool extended;
    uint8_t code;
    switch (key) {
    case PS2_KEY_PRINT_SCREEN:
        append_print_screen(keyboard, sequence, down);
        break;
    case PS2_KEY_PAUSE:
        append_pause(keyboard, sequence, down);
        break;
    default:
        code = ps2_set2_code(key, &extended);
        if (code) {
            append_set2(sequence, code, extended, down);
        }
        break;
    }
}

/* Set 1 is what a controller makes of set 2. */
static void translate_sequence(struct sequence *sequence)
{
    bool break_pending = false;
    unsigned count = 0;
    for (unsigned i = 0; i < sequence->count; i++) {
        if (ps2_translate(&break_pending, sequence->bytes[i],
                          &sequence->bytes[count])) {
            count++;
        }
    }
    sequence->count = count;
}

static void make_set3(const struct ps2_keyboard *keyboard, struct sequence *sequence,
                      uint16_t key, bool down)
{
    uint8_t code = ps2_set3_code(key);
    if (code == 0 || (!down && !(keyboard->key_types[code] & TYPE_BREAK))) {
        return;
    }
    append_set2(sequence, code, false, down);
}

static void send_key(struct ps2_keyboard *keyboard, uint16_t key, bool down)
{
    struct sequence sequence = {.count = 0};
    if (keyboard->set == 3) {
        make_set3(keyboard, &sequence, key, down);
    } else {
        make_set2(keyboard, &sequence, key, down);
    }
    if (keyboard->set == 1) {
        translate_sequence(&sequence);
    }
    unsigned room = ps2_queue_room(&keyboard->events);
    if (room <= sequence.count) { /* the last place is for the overrun code */
        if (sequence.count > 0) {
            ps2_queue_put(&keyboard->events,
                          keyboard->set == 1 ? OVERRUN_SET_1 : OVERRUN_SETS_2_3);
        }
        return;
    }
    for (unsigned i = 0; i < sequence.count; i++) {
        ps2_queue_put(&keyboard->events, sequence.bytes[i]);
    }
    if (sequence.count > 0) {
        keyboard->changed(keyboard->opaque);
    }
}

static uint64_t repeat_delay_ns(const struct ps2_keyboard *keyboard)
{
    return (1 + ((keyboard->typematic >> 5) & 3)) * (NS_PER_SECOND / 4);
}

/* (8 + A) * 2^B / 240 s, with A in bits 2-0 and B in bits 4-3. */
static uint64_t repeat_period_ns(const struct ps2_keyboard *keyboard)
{
    unsigned units = (8U + (keyboard->typematic & 7))
                     << ((keyboard->typematic >> 3) & 3);
    return units * NS_PER_SECOND / 240;
}

static void set_repeat(struct ps2_keyboard *keyboard, uint16_t key, uint64_t delay_ns)
{
    keyboard->repeat_key = key;
    keyboard->repeat_deadline_ns =
        key ? clock_now_ns(keyboard->clock) + delay_ns : CLOCK_NEVER;
    timer_set_ns(&keyboard->repeat, keyboard->repeat_deadline_ns);
}

/* A guest that does not fetch the codes gets no more of them. */
static void repeat_due(void *opaque)
{
    struct ps2_keyboard *keyboard = opaque;
    if (keyboard->scanning && keyboard->events.count == 0) {
        send_key(keyboard, keyboard->repeat_key, true);
    }
    set_repeat(keyboard, keyboard->repeat_key, repeat_period_ns(keyboard));
}

static bool repeats(const struct ps2_keyboard *keyboard, uint16_t key)
{
    if (keyboard->set != 3) {
        return key != PS2_KEY_PAUSE;
    }
    uint8_t code = ps2_set3_code(key);
    return code && (keyboard->key_types[code] & TYPE_TYPEMATIC);
}

void ps2_keyboard_key(struct ps2_keyboard *keyboard, uint16_t key, bool down)
{
    if (key == 0 || key >= PS2_KEYS || is_down(keyboard, key) == down) {
        return;
    }
    keyboard->down[key / 8] ^= (uint8_t)(1U << key % 8);
    if (!keyboard->scanning) {
        return;
    }
    send_key(keyboard, key, down);
    if (down) {
        set_repeat(keyboard, repeats(keyboard, key) ? key : 0,
                   repeat_delay_ns(keyboard));
    } else if (key == keyboard->repeat_key) {
        set_repeat(keyboard, 0, 0);
    }
}

/* Set 3 after power-on: modifiers make and break, letters repeat, the rest only makes
 * (Technical Reference, table of scan code set 3). */
static void set_default_types(struct ps2_keyboard *keyboard)
{
    static const uint16_t make_break[] = {PS2_KEY_LEFT_CTRL, PS2_KEY_LEFT_SHIFT,
                                          PS2_KEY_RIGHT_SHIFT, PS2_KEY_LEFT_ALT,
                                          58 /* Caps Lock */};
    static const uint16_t make_only[] = {1,  59, 60,  61,  62,  63,  64,  65,  66, 67,
                                         68, 69, 70,  71,  72,  73,  74,  75,  76, 77,
                                         79, 80, 81,  82,  83,  55,  87,  88,  96, 97,
                                         98, 99, 100, 102, 104, 107, 109, 110, 119};
    memset(keyboard->key_types, TYPE_TYPEMATIC, sizeof(keyboard->key_types));
    for (unsigned i = 0; i < ARRAY_LENGTH(make_break); i++) {
        keyboard->key_types[ps2_set3_code(make_break[i])] = TYPE_BREAK;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(make_only); i++) {
        keyboard->key_types[ps2_set3_code(make_only[i])] = TYPE_MAKE;
    }
}

static void set_defaults(struct ps2_keyboard *keyboard)
{
    keyboard->typematic = TYPEMATIC_DEFAULT;
    keyboard->set = 2;
    set_default_types(keyboard);
    ps2_queue_clear(&keyboard->events);
    set_repeat(keyboard, 0, 0);
}

static void reply(struct ps2_keyboard *keyboard, uint8_t byte)
{
    ps2_queue_put(&keyboard->replies, byte);
}

/* Returns whether `byte` was what the command waited for. */
static bool take_parameter(struct ps2_keyboard *keyboard, uint8_t byte)
{
    uint8_t command = keyboard->command;
    keyboard->command = 0;
    if (command == 0 || byte >= COMMAND_FIRST) {
        return false; /* a command takes the place of the parameter */
    }
    reply(keyboard, REPLY_ACKNOWLEDGE);
    switch (command) {
    case COMMAND_SET_LEDS:
        keyboard->leds = byte & LEDS_MASK;
        break;
    case COMMAND_TYPEMATIC:
        keyboard->typematic = byte & 0x7f;
        break;
    case COMMAND_SCAN_CODE_SET:
        if (byte == 0) {
            reply(keyboard, keyboard->set);
        } else if (byte <= 3) {
            keyboard->set = byte;
            ps2_queue_clear(&keyboard->events);
        }
        break;
    default: /* the type of single keys: a list that a command ends */
        if (byte < PS2_SET3_CODES) {
            keyboard->key_types[byte] = command == COMMAND_KEY_TYPEMATIC
                                            ? TYPE_TYPEMATIC
                                        : command == COMMAND_KEY_MAKE_BREAK ? TYPE_BREAK
                                                                            : TYPE_MAKE;
        }
        keyboard->command = command;
        break;
    }
    return true;
}

static void set_all_types(struct ps2_keyboard *keyboard, uint8_t command)
{
    uint8_t type = TYPE_MAKE;
    if (command == COMMAND_ALL_TYPEMATIC) {
        type = TYPE_TYPEMATIC;
    } else if (command == COMMAND_ALL_MAKE_BREAK) {
        type = TYPE_BREAK;
    } else if (command == COMMAND_ALL_TYPEMATIC_MAKE_BREAK) {
        type = TYPE_TYPEMATIC | TYPE_BREAK;
    }
    memset(keyboard->key_types, type, sizeof(keyboard->key_types));
}

static void execute(struct ps2_keyboard *keyboard, uint8_t command)
{
    switch (command) {
    case COMMAND_ECHO:
        reply(keyboard, REPLY_ECHO);
        return;
    case COMMAND_RESEND:
        reply(keyboard, keyboard->last_sent);
        return;
    case COMMAND_SET_LEDS:
    case COMMAND_SCAN_CODE_SET:
    case COMMAND_TYPEMATIC:
    case COMMAND_KEY_TYPEMATIC:
    case COMMAND_KEY_MAKE_BREAK:
    case COMMAND_KEY_MAKE:
        keyboard->command = command;
        break;
    case COMMAND_IDENTIFY:
    case COMMAND_RESET:
        break; /* more replies below */
    case COMMAND_ENABLE:
        ps2_queue_clear(&keyboard->events);
        keyboard->scanning = true;
        break;
    case COMMAND_DISABLE:
        set_defaults(keyboard);
        keyboard->scanning = false;
        break;
    case COMMAND_DEFAULTS:
        set_defaults(keyboard);
        break;
    case COMMAND_ALL_TYPEMATIC:
    case COMMAND_ALL_MAKE_BREAK:
    case COMMAND_ALL_MAKE:
    case COMMAND_ALL_TYPEMATIC_MAKE_BREAK:
        set_all_types(keyboard, command);
        break;
    default:
        reply(keyboard, REPLY_RESEND);
        return;
    }
    reply(keyboard, REPLY_ACKNOWLEDGE);
    if (command == COMMAND_IDENTIFY) {
        reply(keyboard, REPLY_ID_FIRST);
        reply(keyboard, REPLY_ID_SECOND);
    } else if (command == COMMAND_RESET) {
        set_defaults(keyboard);
        keyboard->leds = 0;
        keyboard->scanning = true;
        reply(keyboard, REPLY_SELF_TEST_PASSED);
    }
}

void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t byte)
{
    if (byte != COMMAND_RESEND) {
        ps2_queue_clear(&keyboard->replies); /* nobody waits for these any more */
    }
    if (!take_parameter(keyboard, byte)) {
        execute(keyboard, byte);
    }
    keyboard->changed(keyboard->opaque);
}

bool ps2_keyboard_has_byte(const struct ps2_keyboard *keyboard)
{
    return keyboard->replies.count > 0 || keyboard->events.count > 0;
}

uint8_t ps2_keyboard_take_byte(struct ps2_keyboard *keyboard)
{
    bool is_reply = keyboard->replies.count > 0;
    keyboard->last_sent =
        ps2_queue_take(is_reply ? &keyboard->replies : &keyboard->events);
    return keyboard->last_sent;
}

void ps2_keyboard_init(struct ps2_keyboard *keyboard, struct clock *clock,
                       void (*changed)(void *opaque), void *opaque)
{
    keyboard->clock = clock;
    keyboard->changed = changed;
    keyboard->opaque = opaque;
    timer_init(&keyboard->repeat, clock, repeat_due, keyboard);
}

/* What the host's user holds down stays down. The self-test's code is not sent: whoever
 * starts the machine finds the keyboard quiet. */
void ps2_keyboard_reset(struct ps2_keyboard *keyboard)
{
    set_defaults(keyboard);
    ps2_queue_clear(&keyboard->replies);
    keyboard->leds = 0;
    keyboard->command = 0;
    keyboard->last_sent = 0;
    keyboard->print_variant = PRINT_PLAIN;
    keyboard->scanning = true;
}

bool ps2_keyboard_loaded(struct ps2_keyboard *keyboard)
{
    if (keyboard->set < 1 || keyboard->set > 3 || keyboard->repeat_key >= PS2_KEYS ||
        !ps2_queue_is_sane(&keyboard->replies) ||
        !ps2_queue_is_sane(&keyboard->events)) {
        return false;
    }
    timer_set_ns(&keyboard->repeat, keyboard->repeat_deadline_ns);
    return true;
}

void ps2_keyboard_destroy(struct ps2_keyboard *keyboard)
{
    timer_cancel(&keyboard->repeat);
}
