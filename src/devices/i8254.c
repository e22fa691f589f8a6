#include "devices/i8254.h"

#include <assert.h>

#include "bus/device.h"
#include "devices/i8254_counter.h"

enum {
    PORT_CONTROL = 3,
    CONTROL_CHANNEL_SHIFT = 6,
    CONTROL_READ_BACK = 3, /* as a channel number */
    CONTROL_MASK = 0x3f,
    CONTROL_POWER_ON = 0x36, /* both bytes, mode 3, binary */
    ACCESS_SHIFT = 4,
    ACCESS_LATCH = 0,
    ACCESS_LOW = 1,
    ACCESS_HIGH = 2,
    ACCESS_BOTH = 3,
    READ_BACK_NO_COUNT = 0x20,
    READ_BACK_NO_STATUS = 0x10,
    STATUS_OUTPUT = 0x80,
    STATUS_NULL_COUNT = 0x40,
    MODE_RATE = 2,
    MODE_SQUARE = 3,
    MODE_HARDWARE_STROBE = 5,
    SPEAKER_CHANNEL = 2,
};

struct channel {
    struct i8254_counter counter;
    uint16_t latched_count;
    uint8_t latched_status;
    uint8_t low_byte; /* written, its high byte is to come */
    bool high_written_next, high_read_next;
    bool count_latched, status_latched;
};

struct i8254 {
    struct device device;
    struct clock *clock;
    struct irq_line irq0;
    struct timer timer;
    struct {
        void (*before)(void *opaque); /* or NULL */
        void *opaque;
    } speaker;
    struct channel channels[I8254_CHANNELS];
    uint64_t edge_tick; /* next edge of channel 0 that matters; I8254_NEVER: none */
    bool edge_rises;
    bool irq0_level;
};

#define CHANNEL_FIELDS(member)                                                         \
    STATE_FIELD(struct i8254, member.counter.start_tick, 1),                           \
        STATE_FIELD(struct i8254, member.counter.reload_tick, 1),                      \
        STATE_FIELD(struct i8254, member.counter.not_null_tick, 1),                    \
        STATE_FIELD(struct i8254, member.counter.held_elapsed, 1),                     \
        STATE_FIELD(struct i8254, member.counter.count, 1),                            \
        STATE_FIELD(struct i8254, member.counter.written, 1),                          \
        STATE_FIELD(struct i8254, member.counter.held_value, 1),                       \
        STATE_FIELD(struct i8254, member.counter.control, 1),                          \
        STATE_FIELD(struct i8254, member.counter.mode, 1),                             \
        STATE_FIELD(struct i8254, member.counter.gate, 1),                             \
        STATE_FIELD(struct i8254, member.counter.loaded, 1),                           \
        STATE_FIELD(struct i8254, member.counter.held, 1),                             \
        STATE_FIELD(struct i8254, member.counter.start_level, 1),                      \
        STATE_FIELD(struct i8254, member.counter.idle_level, 1),                       \
        STATE_FIELD(struct i8254, member.latched_count, 1),                            \
        STATE_FIELD(struct i8254, member.latched_status, 1),                           \
        STATE_FIELD(struct i8254, member.low_byte, 1),                                 \
        STATE_FIELD(struct i8254, member.high_written_next, 1),                        \
        STATE_FIELD(struct i8254, member.high_read_next, 1),                           \
        STATE_FIELD(struct i8254, member.count_latched, 1),                            \
        STATE_FIELD(struct i8254, member.status_latched, 1)

static const struct state_field i8254_fields[] = {
    CHANNEL_FIELDS(channels[0]),
    CHANNEL_FIELDS(channels[1]),
    CHANNEL_FIELDS(channels[2]),
    STATE_FIELD(struct i8254, edge_tick, 1),
    STATE_FIELD(struct i8254, edge_rises, 1),
    STATE_FIELD(struct i8254, irq0_level, 1),
    STATE_END,
};

static uint64_t ns_to_tick(uint64_t ns)
{
    return clock_scale(ns, I8254_FREQUENCY_HZ, NS_PER_SECOND);
}

static uint64_t now_tick(struct i8254 *pit)
{
    return ns_to_tick(clock_now_ns(pit->clock));
}

/* The first nanosecond of a tick. */
static uint64_t tick_to_ns(uint64_t tick)
{
    if (tick == I8254_NEVER) {
        return CLOCK_NEVER;
    }
    uint64_t ns = clock_scale(tick, NS_PER_SECOND, I8254_FREQUENCY_HZ);
    bool early = clock_scale(ns, I8254_FREQUENCY_HZ, NS_PER_SECOND) < tick;
    return ns + early;
}

static void set_irq0(struct i8254 *pit, bool level)
{
    pit->irq0_level = level;
    irq_set(&pit->irq0, level);
}

/* Brings the line up to date. If time has passed an edge, perhaps by more than a period
 * because the host was late, the sink gets to see one rising edge. */
static void catch_up(struct i8254 *pit, uint64_t tick)
{
    struct i8254_counter *counter = &pit->channels[0].counter;
    if (pit->edge_tick <= tick) {
        uint64_t edge_tick = pit->edge_tick;
        pit->edge_tick = I8254_NEVER;
        if (pit->edge_rises || i8254_counter_next_rise(counter, edge_tick) <= tick) {
            set_irq0(pit, false);
            set_irq0(pit, true);
        }
    }
    set_irq0(pit, i8254_counter_output(counter, tick));
}

/* Arms the timer for the next edge. The falling edges of a strobe or rate generator are
 * of no use to an interrupt controller: the rising one is a tick later. */
static void arm(struct i8254 *pit, uint64_t tick)
{
    struct i8254_counter *counter = &pit->channels[0].counter;
    uint64_t rise = i8254_counter_next_rise(counter, tick);
    uint64_t fall = counter->mode == MODE_SQUARE
                        ? i8254_counter_next_fall(counter, tick)
                        : I8254_NEVER;
    pit->edge_rises = rise <= fall;
    pit->edge_tick = pit->edge_rises ? rise : fall;
    timer_set_ns(&pit->timer, tick_to_ns(pit->edge_tick));
}

static void edge_due(void *opaque)
{
    struct i8254 *pit = opaque;
    uint64_t tick = now_tick(pit);
    catch_up(pit, tick);
    arm(pit, tick);
}

/* Somebody is about to look at the channel. */
static void announce(struct i8254 *pit, unsigned channel)
{
    if (channel == SPEAKER_CHANNEL && pit->speaker.before) {
        pit->speaker.before(pit->speaker.opaque);
    }
}

void i8254_follow_speaker(struct i8254 *pit, void (*before)(void *opaque), void *opaque)
{
    pit->speaker.before = before;
    pit->speaker.opaque = opaque;
}

bool i8254_speaker_output_at(struct i8254 *pit, uint64_t ns)
{
    return i8254_counter_output(&pit->channels[SPEAKER_CHANNEL].counter,
                                ns_to_tick(ns));
}

uint64_t i8254_speaker_next_edge_ns(struct i8254 *pit, uint64_t ns)
{
    struct i8254_counter *counter = &pit->channels[SPEAKER_CHANNEL].counter;
    uint64_t tick = ns_to_tick(ns);
    uint64_t rise = i8254_counter_next_rise(counter, tick);
    uint64_t fall = i8254_counter_next_fall(counter, tick);
    return tick_to_ns(rise < fall ? rise : fall);
}

/* To be called before and after a channel is changed at `tick`. */
static void begin_change(struct i8254 *pit, unsigned channel, uint64_t tick)
{
    announce(pit, channel);
    if (channel == 0) {
        catch_up(pit, tick);
    }
}

static void end_change(struct i8254 *pit, unsigned channel, uint64_t tick)
{
    if (channel == 0) {
        set_irq0(pit, i8254_counter_output(&pit->channels[0].counter, tick));
        arm(pit, tick);
    }
}

bool i8254_channel_output(struct i8254 *pit, unsigned channel)
{
    assert(channel < I8254_CHANNELS);
    announce(pit, channel);
    return i8254_counter_output(&pit->channels[channel].counter, now_tick(pit));
}

void i8254_set_gate(struct i8254 *pit, unsigned channel, bool level)
{
    assert(channel < I8254_CHANNELS);
    uint64_t tick = now_tick(pit);
    begin_change(pit, channel, tick);
    i8254_counter_set_gate(&pit->channels[channel].counter, level, tick);
    end_change(pit, channel, tick);
}

static unsigned access_of(const struct channel *channel)
{
    return (channel->counter.control >> ACCESS_SHIFT) & 3;
}

static void latch_count(struct channel *channel, uint64_t tick)
{
    if (!channel->count_latched) {
        channel->latched_count = i8254_counter_value(&channel->counter, tick);
        channel->count_latched = true;
    }
}

static void latch_status(struct channel *channel, uint64_t tick)
{
    if (!channel->status_latched) {
        bool output = i8254_counter_output(&channel->counter, tick);
        bool null = i8254_counter_null(&channel->counter, tick);
        channel->latched_status =
            (uint8_t)(channel->counter.control | (output ? STATUS_OUTPUT : 0) |
                      (null ? STATUS_NULL_COUNT : 0));
        channel->status_latched = true;
    }
}

static void read_back(struct i8254 *pit, uint8_t value, uint64_t tick)
{
    for (unsigned i = 0; i < I8254_CHANNELS; i++) {
        if (!(value & (2U << i))) {
            continue;
        }
        announce(pit, i);
        if (!(value & READ_BACK_NO_COUNT)) {
            latch_count(&pit->channels[i], tick);
        }
        if (!(value & READ_BACK_NO_STATUS)) {
            latch_status(&pit->channels[i], tick);
        }
    }
}

static void program(struct channel *channel, uint8_t control, uint64_t tick)
{
    i8254_counter_program(&channel->counter, control, tick);
    channel->high_written_next = false;
    channel->high_read_next = false;
    channel->count_latched = false;
    channel->status_latched = false;
}

static void write_control(struct i8254 *pit, uint8_t value, uint64_t tick)
{
    unsigned number = value >> CONTROL_CHANNEL_SHIFT;
    if (number == CONTROL_READ_BACK) {
        read_back(pit, value, tick);
        return;
    }
    struct channel *channel = &pit->channels[number];
    announce(pit, number);
    if (((value >> ACCESS_SHIFT) & 3) == ACCESS_LATCH) {
        latch_count(channel, tick);
        return;
    }
    begin_change(pit, number, tick);
    program(channel, value & CONTROL_MASK, tick);
    end_change(pit, number, tick);
}

static void write_count(struct channel *channel, uint8_t value, uint64_t tick)
{
    switch (access_of(channel)) {
    case ACCESS_LOW:
        i8254_counter_write(&channel->counter, value, tick);
        break;
    case ACCESS_HIGH:
        i8254_counter_write(&channel->counter, (uint16_t)(value << 8), tick);
        break;
    default:
        if (channel->high_written_next) {
            i8254_counter_write(&channel->counter,
                                (uint16_t)(value << 8 | channel->low_byte), tick);
        } else {
            channel->low_byte = value;
            i8254_counter_suspend(&channel->counter, tick);
        }
        channel->high_written_next = !channel->high_written_next;
        break;
    }
}

static uint8_t read_channel(struct channel *channel, uint64_t tick)
{
    if (channel->status_latched) {
        channel->status_latched = false;
        return channel->latched_status;
    }
    uint16_t count = channel->count_latched
                         ? channel->latched_count
                         : i8254_counter_value(&channel->counter, tick);
    unsigned access = access_of(channel);
    bool high = access == ACCESS_HIGH;
    if (access == ACCESS_BOTH) {
        high = channel->high_read_next;
        channel->high_read_next = !high;
    }
    if (access != ACCESS_BOTH || high) {
        channel->count_latched = false;
    }
    return (uint8_t)(high ? count >> 8 : count);
}

static uint32_t i8254_read(void *opaque, uint16_t offset, unsigned width)
{
    struct i8254 *pit = opaque;
    if (offset == PORT_CONTROL) {
        return 0xff; /* write-only */
    }
    announce(pit, offset);
    return read_channel(&pit->channels[offset], now_tick(pit));
}

static void i8254_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i8254 *pit = opaque;
    uint64_t tick = now_tick(pit);
    if (offset == PORT_CONTROL) {
        write_control(pit, (uint8_t)value, tick);
        return;
    }
    begin_change(pit, offset, tick);
    write_count(&pit->channels[offset], (uint8_t)value, tick);
    end_change(pit, offset, tick);
}

static const struct port_ops i8254_ops = {i8254_read, i8254_write, 1};

/* The chip has no reset pin and starts undefined; here it starts as a square wave that
 * waits for its count. */
static void i8254_reset(void *device)
{
    struct i8254 *pit = device;
    uint64_t tick = now_tick(pit);
    for (unsigned i = 0; i < I8254_CHANNELS; i++) {
        program(&pit->channels[i], CONTROL_POWER_ON, tick);
        pit->channels[i].counter.gate = i != SPEAKER_CHANNEL;
        pit->channels[i].counter.held_value = 0;
    }
    pit->edge_tick = I8254_NEVER;
    timer_cancel(&pit->timer);
}

static void i8254_reset_lines(void *device)
{
    struct i8254 *pit = device;
    set_irq0(pit, i8254_channel_output(pit, 0));
}

static bool i8254_loaded(void *device, struct error *error)
{
    struct i8254 *pit = device;
    for (unsigned i = 0; i < I8254_CHANNELS; i++) {
        const struct i8254_counter *counter = &pit->channels[i].counter;
        uint32_t least =
            counter->mode == MODE_RATE || counter->mode == MODE_SQUARE ? 2 : 1;
        if (counter->mode > MODE_HARDWARE_STROBE || counter->control > CONTROL_MASK ||
            counter->count > I8254_MAXIMUM_COUNT ||
            counter->written > I8254_MAXIMUM_COUNT ||
            (counter->loaded && counter->count < least)) {
            return error_set(error, "saved state of i8254: channel %u is out of range",
                             i);
        }
    }
    irq_set(&pit->irq0, pit->irq0_level);
    timer_set_ns(&pit->timer, tick_to_ns(pit->edge_tick));
    return true;
}

static void i8254_destroy(void *device)
{
    struct i8254 *pit = device;
    timer_cancel(&pit->timer);
}

static const struct device_class i8254_class = {
    .name = "i8254",
    .version = 1,
    .size = sizeof(struct i8254),
    .fields = i8254_fields,
    .reset = i8254_reset,
    .reset_lines = i8254_reset_lines,
    .loaded = i8254_loaded,
    .destroy = i8254_destroy,
};

struct i8254 *i8254_create(struct log *log, struct port_space *ports,
                           struct clock *clock, struct irq_line irq0)
{
    struct i8254 *pit = device_allocate(&i8254_class, log);
    pit->clock = clock;
    pit->irq0 = irq0;
    timer_init(&pit->timer, clock, edge_due, pit);
    port_map(ports, "i8254", 0x40, 4, &i8254_ops, pit);
    i8254_reset(pit);
    i8254_reset_lines(pit);
    return pit;
}
