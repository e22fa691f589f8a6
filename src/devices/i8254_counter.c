#include "devices/i8254_counter.h"

enum {
    MODE_TERMINAL_COUNT,
    MODE_ONE_SHOT,
    MODE_RATE,
    MODE_SQUARE,
    MODE_SOFTWARE_STROBE,
    MODE_HARDWARE_STROBE,
    CONTROL_BCD = 0x01,
    CONTROL_MODE_SHIFT = 1,
    BINARY_COUNTS = I8254_MAXIMUM_COUNT,
    BCD_COUNTS = 10000,
};

static bool is_periodic(const struct i8254_counter *counter)
{
    return counter->mode == MODE_RATE || counter->mode == MODE_SQUARE;
}

/* Modes in which only a rising edge of the gate starts counting. */
static bool is_triggered(const struct i8254_counter *counter)
{
    return counter->mode == MODE_ONE_SHOT || counter->mode == MODE_HARDWARE_STROBE;
}

static uint32_t decode_count(const struct i8254_counter *counter, uint16_t value)
{
    if (!(counter->control & CONTROL_BCD)) {
        return value ? value : BINARY_COUNTS;
    }
    uint32_t count = 0;
    for (int shift = 12; shift >= 0; shift -= 4) {
        count = count * 10 + ((value >> shift) & 0xf);
    }
    return count ? count : BCD_COUNTS;
}

static uint16_t encode_value(const struct i8254_counter *counter, uint64_t value)
{
    if (!(counter->control & CONTROL_BCD)) {
        return (uint16_t)value;
    }
    uint16_t digits = 0;
    for (int shift = 0; shift < 16; shift += 4) {
        digits |= (uint16_t)((value % 10) << shift);
        value /= 10;
    }
    return digits;
}

/* Counts after the load. */
static uint64_t elapsed(const struct i8254_counter *counter, uint64_t tick)
{
    if (counter->held) {
        return counter->held_elapsed;
    }
    return tick > counter->start_tick ? tick - counter->start_tick : 0;
}

/* Length of a half cycle of mode 3; odd counts have a longer high half. */
static uint32_t half_cycle(const struct i8254_counter *counter, bool level)
{
    return level ? (counter->count + 1) / 2 : counter->count / 2;
}

/* Mode 3 at `counts` after the load: the level, and counts into its half cycle. */
static bool square_phase(const struct i8254_counter *counter, uint64_t counts,
                         uint32_t *into_half)
{
    uint32_t position = (uint32_t)(counts % counter->count);
    uint32_t first_half = half_cycle(counter, counter->start_level);
    if (position < first_half) {
        *into_half = position;
        return counter->start_level;
    }
    *into_half = position - first_half;
    return !counter->start_level;
}

/* Loads the written count at `tick`. A count of 1 is illegal in the periodic modes; it
 * counts like 2. */
static void load(struct i8254_counter *counter, uint64_t tick)
{
    counter->count = counter->written;
    if (is_periodic(counter) && counter->count < 2) {
        counter->count = 2;
    }
    counter->start_tick = tick;
    counter->start_level = true;
    counter->loaded = true;
    counter->held = false;
    counter->reload_tick = I8254_NEVER;
    counter->not_null_tick = tick;
}

static void hold(struct i8254_counter *counter, uint64_t tick)
{
    if (counter->loaded && !counter->held) {
        counter->held_elapsed = elapsed(counter, tick);
        counter->held = true;
    }
}

/* Carries out the reload of a periodic mode if its time has come. */
static void settle(struct i8254_counter *counter, uint64_t tick)
{
    uint64_t reload_tick = counter->reload_tick;
    if (!counter->loaded || tick < reload_tick) {
        return;
    }
    uint32_t into_half;
    bool level = counter->mode == MODE_RATE ||
                 square_phase(counter, reload_tick - counter->start_tick, &into_half);
    counter->idle_level = true;
    load(counter, reload_tick);
    counter->start_level = level;
}

/* The end of the cycle (mode 2) or half cycle (mode 3) under way at `tick`. */
static uint64_t cycle_end(const struct i8254_counter *counter, uint64_t tick)
{
    if (tick < counter->start_tick) {
        return counter->start_tick;
    }
    uint64_t counts = elapsed(counter, tick);
    if (counter->mode == MODE_RATE) {
        return tick + counter->count - counts % counter->count;
    }
    uint32_t into_half;
    bool level = square_phase(counter, counts, &into_half);
    return tick + half_cycle(counter, level) - into_half;
}

void i8254_counter_program(struct i8254_counter *counter, uint8_t control,
                           uint64_t tick)
{
    counter->held_value = i8254_counter_value(counter, tick);
    unsigned mode = (control >> CONTROL_MODE_SHIFT) & 7;
    counter->mode = (uint8_t)(mode > MODE_HARDWARE_STROBE ? mode - 4 : mode);
    counter->control = control;
    counter->loaded = false;
    counter->held = false;
    counter->written = 0;
    counter->reload_tick = I8254_NEVER;
    counter->not_null_tick = I8254_NEVER;
    counter->idle_level = counter->mode != MODE_TERMINAL_COUNT;
}

void i8254_counter_suspend(struct i8254_counter *counter, uint64_t tick)
{
    if (counter->mode == MODE_TERMINAL_COUNT) {
        hold(counter, tick);
        counter->idle_level = false;
        counter->start_tick = I8254_NEVER;
    }
}

void i8254_counter_write(struct i8254_counter *counter, uint16_t value, uint64_t tick)
{
    settle(counter, tick);
    uint16_t previous = i8254_counter_value(counter, tick);
    counter->written = decode_count(counter, value);
    if (is_triggered(counter)) {
        counter->not_null_tick = I8254_NEVER;
        return;
    }
    if (is_periodic(counter) && counter->loaded && !counter->held &&
        tick >= counter->start_tick) {
        counter->reload_tick = cycle_end(counter, tick);
        counter->not_null_tick = counter->reload_tick;
        return;
    }
    counter->held_value = previous;
    load(counter, tick + 1);
    if (!counter->gate) {
        counter->held = true;
        counter->held_elapsed = 0;
    }
}

/* A rising edge: triggers, restarts a period or goes on, as the mode wants. */
static void open_gate(struct i8254_counter *counter, uint64_t tick)
{
    if (counter->written == 0) {
        return;
    }
    if (is_triggered(counter) || is_periodic(counter)) {
        bool level = i8254_counter_output(counter, tick);
        counter->held_value = i8254_counter_value(counter, tick);
        counter->idle_level = level;
        load(counter, tick + 1);
    } else if (counter->held && counter->start_tick != I8254_NEVER) {
        uint64_t counted = counter->held_elapsed;
        counter->start_tick = tick > counted ? tick - counted : 0;
        counter->held = false;
    }
}

void i8254_counter_set_gate(struct i8254_counter *counter, bool level, uint64_t tick)
{
    settle(counter, tick);
    if (counter->gate == level) {
        return;
    }
    counter->gate = level;
    if (level) {
        open_gate(counter, tick);
    } else if (!is_triggered(counter)) {
        hold(counter, tick);
        if (is_periodic(counter)) {
            counter->reload_tick = I8254_NEVER;
        }
    }
}

bool i8254_counter_output(struct i8254_counter *counter, uint64_t tick)
{
    settle(counter, tick);
    if (!counter->loaded || tick < counter->start_tick) {
        return counter->idle_level;
    }
    uint64_t counts = elapsed(counter, tick);
    uint32_t into_half;
    switch (counter->mode) {
    case MODE_RATE:
        return counter->held || counts % counter->count != counter->count - 1;
    case MODE_SQUARE:
        return counter->held || square_phase(counter, counts, &into_half);
    case MODE_SOFTWARE_STROBE:
    case MODE_HARDWARE_STROBE:
        return counts != counter->count;
    default:
        return counts >= counter->count;
    }
}

uint16_t i8254_counter_value(struct i8254_counter *counter, uint64_t tick)
{
    settle(counter, tick);
    if (!counter->loaded || (tick < counter->start_tick && !counter->held)) {
        return counter->held_value;
    }
    uint32_t limit = counter->control & CONTROL_BCD ? BCD_COUNTS : BINARY_COUNTS;
    uint64_t counts = elapsed(counter, tick);
    uint64_t value;
    uint32_t into_half;
    switch (counter->mode) {
    case MODE_RATE:
        value = counter->count - counts % counter->count;
        break;
    case MODE_SQUARE:
        square_phase(counter, counts, &into_half);
        value = (counter->count & ~1U) - 2 * into_half;
        break;
    default: /* goes on from the highest count after zero */
        value = counter->count + limit - counts % limit;
        break;
    }
    return encode_value(counter, value % limit);
}

bool i8254_counter_null(const struct i8254_counter *counter, uint64_t tick)
{
    return tick < counter->not_null_tick;
}

/* Tick of the first event after `tick` in a series that begins at `first` and repeats
 * every `period` ticks. */
static uint64_t next_in_series(uint64_t first, uint64_t period, uint64_t tick)
{
    if (tick < first) {
        return first;
    }
    return first + ((tick - first) / period + 1) * period;
}

/* An event that happens once. */
static uint64_t once(uint64_t event_tick, uint64_t tick)
{
    return event_tick > tick ? event_tick : I8254_NEVER;
}

static bool is_counting(const struct i8254_counter *counter)
{
    return counter->loaded && !counter->held && counter->start_tick != I8254_NEVER;
}

/* `event_tick` follows from the count that is loaded now; if another one is loaded
 * before it comes, asks `next` again from there. */
static uint64_t before_reload(const struct i8254_counter *counter, uint64_t event_tick,
                              uint64_t (*next)(struct i8254_counter *, uint64_t))
{
    if (event_tick <= counter->reload_tick) {
        return event_tick;
    }
    struct i8254_counter reloaded = *counter;
    settle(&reloaded, counter->reload_tick);
    return next(&reloaded, counter->reload_tick);
}

uint64_t i8254_counter_next_rise(struct i8254_counter *counter, uint64_t tick)
{
    settle(counter, tick);
    if (!is_counting(counter)) {
        return I8254_NEVER;
    }
    uint32_t count = counter->count;
    uint64_t rise;
    switch (counter->mode) {
    case MODE_RATE:
        rise = next_in_series(counter->start_tick + count, count, tick);
        return before_reload(counter, rise, i8254_counter_next_rise);
    case MODE_SQUARE:
        rise = counter->start_level ? count : half_cycle(counter, false);
        rise = next_in_series(counter->start_tick + rise, count, tick);
        return before_reload(counter, rise, i8254_counter_next_rise);
    case MODE_SOFTWARE_STROBE:
    case MODE_HARDWARE_STROBE:
        if (!counter->idle_level && counter->start_tick > tick) {
            return counter->start_tick; /* triggered again in the middle of a strobe */
        }
        return once(counter->start_tick + count + 1, tick);
    default:
        return once(counter->start_tick + count, tick);
    }
}

uint64_t i8254_counter_next_fall(struct i8254_counter *counter, uint64_t tick)
{
    settle(counter, tick);
    if (!is_counting(counter)) {
        return I8254_NEVER;
    }
    uint32_t count = counter->count;
    uint64_t fall;
    switch (counter->mode) {
    case MODE_RATE:
        fall = next_in_series(counter->start_tick + count - 1, count, tick);
        return before_reload(counter, fall, i8254_counter_next_fall);
    case MODE_SQUARE:
        fall = counter->start_level ? half_cycle(counter, true) : count;
        fall = next_in_series(counter->start_tick + fall, count, tick);
        return before_reload(counter, fall, i8254_counter_next_fall);
    case MODE_SOFTWARE_STROBE:
    case MODE_HARDWARE_STROBE:
        return once(counter->start_tick + count, tick);
    case MODE_ONE_SHOT:
        return counter->idle_level ? once(counter->start_tick, tick) : I8254_NEVER;
    default:
        return I8254_NEVER;
    }
}
