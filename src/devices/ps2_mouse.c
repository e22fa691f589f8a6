#include "devices/ps2_mouse.h"

enum {
    COMMAND_SCALING_1_TO_1 = 0xe6,
    COMMAND_SCALING_2_TO_1 = 0xe7,
    COMMAND_RESOLUTION = 0xe8,
    COMMAND_STATUS = 0xe9,
    COMMAND_STREAM = 0xea,
    COMMAND_READ_DATA = 0xeb,
    COMMAND_END_WRAP = 0xec,
    COMMAND_WRAP = 0xee,
    COMMAND_REMOTE = 0xf0,
    COMMAND_IDENTIFY = 0xf2,
    COMMAND_SAMPLE_RATE = 0xf3,
    COMMAND_ENABLE = 0xf4,
    COMMAND_DISABLE = 0xf5,
    COMMAND_DEFAULTS = 0xf6,
    COMMAND_RESEND = 0xfe,
    COMMAND_RESET = 0xff,
};

enum {
    REPLY_SELF_TEST_PASSED = 0xaa,
    REPLY_ACKNOWLEDGE = 0xfa,
    REPLY_RESEND = 0xfe,
    PACKET_ALWAYS = 0x08,
    PACKET_BUTTONS = 0x07,
    PACKET_X_SIGN = 0x10,
    PACKET_Y_SIGN = 0x20,
    STATUS_SCALING = 0x10,
    STATUS_ENABLED = 0x20,
    STATUS_REMOTE = 0x40,
    IDENTITY_STANDARD = 0,
    IDENTITY_WHEEL = 3,
    IDENTITY_EXPLORER = 4,
    DEFAULT_SAMPLE_RATE = 100,
    DEFAULT_RESOLUTION = 2,
    MAXIMUM_MOVE = 255,       /* in one packet */
    MAXIMUM_PENDING = 0xffff, /* counts kept for later packets */
};

static int clamp(int value, int limit)
{
    if (value > limit) {
        return limit;
    }
    return value < -limit ? -limit : value;
}

/* Counts of a packet at a scaling of 2:1 (Technical Reference, set scaling). */
static int scale_2_to_1(int counts)
{
    static const uint8_t small[] = {0, 1, 1, 3, 6, 9};
    int size = counts < 0 ? -counts : counts;
    int scaled = size < (int)ARRAY_LENGTH(small) ? small[size] : 2 * size;
    return clamp(counts < 0 ? -scaled : scaled, MAXIMUM_MOVE);
}

static unsigned packet_bytes(const struct ps2_mouse *mouse)
{
    return mouse->identity == IDENTITY_STANDARD ? 3 : 4;
}

/* The fourth byte: wheel clicks towards the user, and the side buttons. */
static uint8_t wheel_byte(struct ps2_mouse *mouse)
{
    int clicks = clamp(mouse->dz, mouse->identity == IDENTITY_EXPLORER ? 7 : 127);
    mouse->dz -= clicks;
    if (mouse->identity != IDENTITY_EXPLORER) {
        return (uint8_t)-clicks;
    }
    uint8_t side_buttons = (mouse->buttons & (PS2_MOUSE_SIDE | PS2_MOUSE_EXTRA)) << 1;
    return (uint8_t)((-clicks & 0xf) | side_buttons);
}

/* What has moved, or as much of it as fits, as a packet. */
static void queue_packet(struct ps2_mouse *mouse, struct ps2_queue *queue, bool scaled)
{
    int x = clamp(mouse->dx, MAXIMUM_MOVE);
    int y = clamp(mouse->dy, MAXIMUM_MOVE);
    mouse->dx -= x;
    mouse->dy -= y;
    if (scaled) {
        x = scale_2_to_1(x);
        y = scale_2_to_1(y);
    }
    uint8_t flags = PACKET_ALWAYS | (mouse->buttons & PACKET_BUTTONS);
    flags |= x < 0 ? PACKET_X_SIGN : 0;
    flags |= y < 0 ? PACKET_Y_SIGN : 0;
    ps2_queue_put(queue, flags);
    ps2_queue_put(queue, (uint8_t)x);
    ps2_queue_put(queue, (uint8_t)y);
    if (mouse->identity == IDENTITY_STANDARD) {
        mouse->dz = 0;
    } else {
        ps2_queue_put(queue, wheel_byte(mouse));
    }
    mouse->buttons_sent = mouse->buttons;
}

static bool has_moved(const struct ps2_mouse *mouse)
{
    return mouse->dx || mouse->dy || mouse->dz;
}

static void set_sample_deadline(struct ps2_mouse *mouse, uint64_t deadline_ns)
{
    mouse->sample_deadline_ns = deadline_ns;
    timer_set_ns(&mouse->sample, deadline_ns);
}

static bool streams(const struct ps2_mouse *mouse)
{
    return mouse->reporting && !mouse->remote && !mouse->wrap;
}

/* In stream mode: a packet if there is news. Movement waits for the next sample and for
 * the guest to fetch the last packet; a button does not, so that no click is lost. */
static void report(struct ps2_mouse *mouse)
{
    if (!streams(mouse)) {
        return;
    }
    bool clicked = mouse->buttons != mouse->buttons_sent;
    bool sampled = mouse->sample_deadline_ns == CLOCK_NEVER && has_moved(mouse) &&
                   mouse->packets.count == 0;
    if ((!clicked && !sampled) ||
        ps2_queue_room(&mouse->packets) < packet_bytes(mouse)) {
        return;
    }
    queue_packet(mouse, &mouse->packets, mouse->scaling_2_to_1);
    set_sample_deadline(mouse, clock_now_ns(mouse->clock) +
                                   NS_PER_SECOND / mouse->sample_rate);
    mouse->changed(mouse->opaque);
}

static void sample_due(void *opaque)
{
    struct ps2_mouse *mouse = opaque;
    mouse->sample_deadline_ns = CLOCK_NEVER;
    report(mouse);
}

void ps2_mouse_move(struct ps2_mouse *mouse, int dx, int dy, int dz, unsigned buttons)
{
    mouse->buttons = buttons & PS2_MOUSE_BUTTONS;
    if (mouse->remote || mouse->reporting) {
        mouse->dx = clamp(mouse->dx + clamp(dx, MAXIMUM_PENDING), MAXIMUM_PENDING);
        mouse->dy = clamp(mouse->dy - clamp(dy, MAXIMUM_PENDING), MAXIMUM_PENDING);
        mouse->dz = clamp(mouse->dz + clamp(dz, MAXIMUM_PENDING), MAXIMUM_PENDING);
    }
    report(mouse);
}

static void forget_movement(struct ps2_mouse *mouse)
{
    mouse->dx = 0;
    mouse->dy = 0;
    mouse->dz = 0;
    mouse->buttons_sent = mouse->buttons;
    ps2_queue_clear(&mouse->packets);
}

static void set_defaults(struct ps2_mouse *mouse)
{
    mouse->sample_rate = DEFAULT_SAMPLE_RATE;
    mouse->resolution = DEFAULT_RESOLUTION;
    mouse->scaling_2_to_1 = false;
    mouse->reporting = false;
    mouse->remote = false;
    mouse->wrap = false;
    mouse->rates[0] = 0;
    mouse->rates[1] = 0;
    forget_movement(mouse);
    set_sample_deadline(mouse, CLOCK_NEVER);
}

static void reply(struct ps2_mouse *mouse, uint8_t byte)
{
    ps2_queue_put(&mouse->replies, byte);
}

/* The knock by which a driver asks for more than a standard mouse. */
static void set_sample_rate(struct ps2_mouse *mouse, uint8_t rate)
{
    if (mouse->rates[0] == 200 && mouse->rates[1] == 100 && rate == 80) {
        mouse->identity = IDENTITY_WHEEL;
    } else if (mouse->rates[0] == 200 && mouse->rates[1] == 200 && rate == 80) {
        mouse->identity = IDENTITY_EXPLORER;
    }
    mouse->rates[0] = mouse->rates[1];
    mouse->rates[1] = rate;
    mouse->sample_rate = rate;
}

static void take_parameter(struct ps2_mouse *mouse, uint8_t byte)
{
    bool is_rate = mouse->command == COMMAND_SAMPLE_RATE;
    if (is_rate ? byte == 0 || byte > 200 : byte > 3) {
        reply(mouse, REPLY_RESEND); /* once more, please */
        return;
    }
    mouse->command = 0;
    reply(mouse, REPLY_ACKNOWLEDGE);
    if (is_rate) {
        set_sample_rate(mouse, byte);
    } else {
        mouse->resolution = byte;
    }
}

static void send_status(struct ps2_mouse *mouse)
{
    uint8_t buttons = (uint8_t)((mouse->buttons & PS2_MOUSE_LEFT ? 4 : 0) |
                                (mouse->buttons & PS2_MOUSE_MIDDLE ? 2 : 0) |
                                (mouse->buttons & PS2_MOUSE_RIGHT ? 1 : 0));
    reply(mouse, (uint8_t)(buttons | (mouse->scaling_2_to_1 ? STATUS_SCALING : 0) |
                           (mouse->reporting ? STATUS_ENABLED : 0) |
                           (mouse->remote ? STATUS_REMOTE : 0)));
    reply(mouse, mouse->resolution);
    reply(mouse, mouse->sample_rate);
}

/* Commands that change a mode; returns false for any other. */
static bool set_mode(struct ps2_mouse *mouse, uint8_t command)
{
    switch (command) {
    case COMMAND_SCALING_1_TO_1:
    case COMMAND_SCALING_2_TO_1:
        mouse->scaling_2_to_1 = command == COMMAND_SCALING_2_TO_1;
        return true;
    case COMMAND_STREAM:
    case COMMAND_REMOTE:
        mouse->remote = command == COMMAND_REMOTE;
        forget_movement(mouse);
        return true;
    case COMMAND_WRAP:
    case COMMAND_END_WRAP:
        mouse->wrap = command == COMMAND_WRAP;
        forget_movement(mouse);
        return true;
    case COMMAND_ENABLE:
    case COMMAND_DISABLE:
        mouse->reporting = command == COMMAND_ENABLE;
        forget_movement(mouse);
        return true;
    case COMMAND_DEFAULTS:
        set_defaults(mouse);
        return true;
    case COMMAND_RESET:
        set_defaults(mouse);
        mouse->identity = IDENTITY_STANDARD;
        return true;
    case COMMAND_RESOLUTION:
    case COMMAND_SAMPLE_RATE:
        mouse->command = command;
        return true;
    default:
        return false;
    }
}

static void execute(struct ps2_mouse *mouse, uint8_t command)
{
    if (command == COMMAND_RESEND) {
        reply(mouse, mouse->last_sent);
        return;
    }
    bool is_query = command == COMMAND_STATUS || command == COMMAND_READ_DATA ||
                    command == COMMAND_IDENTIFY;
    if (!is_query && !set_mode(mouse, command)) {
        reply(mouse, REPLY_RESEND);
        return;
    }
    reply(mouse, REPLY_ACKNOWLEDGE);
    switch (command) {
    case COMMAND_STATUS:
        send_status(mouse);
        break;
    case COMMAND_READ_DATA:
        queue_packet(mouse, &mouse->replies, false);
        break;
    case COMMAND_IDENTIFY:
        reply(mouse, mouse->identity);
        break;
    case COMMAND_RESET:
        reply(mouse, REPLY_SELF_TEST_PASSED);
        reply(mouse, mouse->identity);
        break;
    default:
        break;
    }
}

/* Any byte to the mouse ends the packet it is sending. */
void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte)
{
    ps2_queue_clear(&mouse->packets);
    ps2_queue_clear(&mouse->replies);
    if (mouse->wrap && byte != COMMAND_END_WRAP && byte != COMMAND_RESET) {
        reply(mouse, byte);
    } else if (mouse->command) {
        take_parameter(mouse, byte);
    } else {
        execute(mouse, byte);
    }
    mouse->changed(mouse->opaque);
}

bool ps2_mouse_has_byte(const struct ps2_mouse *mouse)
{
    return mouse->replies.count > 0 || mouse->packets.count > 0;
}

uint8_t ps2_mouse_take_byte(struct ps2_mouse *mouse)
{
    bool is_reply = mouse->replies.count > 0;
    mouse->last_sent = ps2_queue_take(is_reply ? &mouse->replies : &mouse->packets);
    if (!is_reply && mouse->packets.count == 0) {
        report(mouse);
    }
    return mouse->last_sent;
}

void ps2_mouse_init(struct ps2_mouse *mouse, struct clock *clock,
                    void (*changed)(void *opaque), void *opaque)
{
    mouse->clock = clock;
    mouse->changed = changed;
    mouse->opaque = opaque;
    timer_init(&mouse->sample, clock, sample_due, mouse);
}

/* What the host's user holds stays held. */
void ps2_mouse_reset(struct ps2_mouse *mouse)
{
    set_defaults(mouse);
    ps2_queue_clear(&mouse->replies);
    mouse->identity = IDENTITY_STANDARD;
    mouse->command = 0;
    mouse->last_sent = 0;
}

bool ps2_mouse_loaded(struct ps2_mouse *mouse)
{
    if (!ps2_queue_is_sane(&mouse->replies) || !ps2_queue_is_sane(&mouse->packets) ||
        mouse->sample_rate == 0) {
        return false;
    }
    mouse->dx = clamp(mouse->dx, MAXIMUM_PENDING);
    mouse->dy = clamp(mouse->dy, MAXIMUM_PENDING);
    mouse->dz = clamp(mouse->dz, MAXIMUM_PENDING);
    mouse->buttons &= PS2_MOUSE_BUTTONS;
    timer_set_ns(&mouse->sample, mouse->sample_deadline_ns);
    return true;
}

void ps2_mouse_destroy(struct ps2_mouse *mouse)
{
    timer_cancel(&mouse->sample);
}
