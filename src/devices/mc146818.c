#include "devices/mc146818.h"

#include <assert.h>
#include <string.h>

#include "bus/device.h"
#include "devices/mc146818_calendar.h"

enum {
    REGISTER_SECONDS = 0x0,
    REGISTER_SECONDS_ALARM = 0x1,
    REGISTER_MINUTES = 0x2,
    REGISTER_MINUTES_ALARM = 0x3,
    REGISTER_HOURS = 0x4,
    REGISTER_HOURS_ALARM = 0x5,
    REGISTER_WEEKDAY = 0x6,
    REGISTER_DAY = 0x7,
    REGISTER_MONTH = 0x8,
    REGISTER_YEAR = 0x9,
    REGISTER_A = 0xa,
    REGISTER_B = 0xb,
    REGISTER_C = 0xc,
    REGISTER_D = 0xd,
};

enum {
    A_UPDATE_IN_PROGRESS = 0x80,
    A_DIVIDER = 0x70,
    A_DIVIDER_32KHZ = 0x20, /* the only crystal a PC has */
    A_RATE = 0x0f,
    A_POWER_ON = 0x26,
    B_SET = 0x80,
    B_DAYLIGHT_SAVING = 0x01,
    B_24_HOURS = 0x02,
    B_BINARY = 0x04,
    C_REQUEST = 0x80,
    FLAG_PERIODIC = 0x40, /* flags of C and their enables in B */
    FLAG_ALARM = 0x20,
    FLAG_UPDATE = 0x10,
    FLAGS = FLAG_PERIODIC | FLAG_ALARM | FLAG_UPDATE,
    B_SQUARE_WAVE = 0x08,
    D_VALID = 0x80,
    HOURS_PM = 0x80,
    ALARM_ANY = 0xc0, /* both bits set: matches always */
    INDEX_NMI_MASK = 0x80,
    CRYSTAL_HZ = 32768,
    HALF_SECOND_NS = NS_PER_SECOND / 2,
    UPDATE_NS = 244000 + 1984000, /* from UIP to the end of the update cycle */
};

struct mc146818 {
    struct device device;
    struct clock *clock;
    struct irq_line irq8;
    struct timer timer;
    uint8_t index; /* port 0x70, with the NMI mask */
    /* Time registers are valid while the time stands still; else see below. */
    uint8_t cmos[MC146818_BYTES];
    int64_t base_s;        /* the time of day, seconds since 1970, … */
    int64_t base_ns;       /* … that began at this virtual time */
    int64_t divider_ns;    /* virtual time at which the divider chain started */
    int64_t settled_ns;    /* virtual time up to which flags are worked out */
    uint8_t weekday_shift; /* 0-6: what the guest's weekday is ahead of the date's */
};

static const struct state_field mc146818_fields[] = {
    STATE_FIELD(struct mc146818, index, 1),
    STATE_FIELD(struct mc146818, cmos, 1),
    STATE_FIELD(struct mc146818, base_s, 1),
    STATE_FIELD(struct mc146818, base_ns, 1),
    STATE_FIELD(struct mc146818, divider_ns, 1),
    STATE_FIELD(struct mc146818, settled_ns, 1),
    STATE_FIELD(struct mc146818, weekday_shift, 1),
    STATE_END,
};

static int64_t now_ns(struct mc146818 *rtc)
{
    return (int64_t)clock_now_ns(rtc->clock);
}

static bool divider_runs(const struct mc146818 *rtc)
{
    return (rtc->cmos[REGISTER_A] & A_DIVIDER) == A_DIVIDER_32KHZ;
}

static bool time_runs(const struct mc146818 *rtc)
{
    return divider_runs(rtc) && !(rtc->cmos[REGISTER_B] & B_SET);
}

/* Whole seconds from base_ns to `ns`. */
static int64_t seconds_at(const struct mc146818 *rtc, int64_t ns)
{
    int64_t elapsed_ns = ns - rtc->base_ns;
    if (elapsed_ns < 0) {
        return -1 - (-1 - elapsed_ns) / (int64_t)NS_PER_SECOND;
    }
    return elapsed_ns / (int64_t)NS_PER_SECOND;
}

/* Registers to numbers and back, in the format register B asks for. */

static uint8_t encode(const struct mc146818 *rtc, int value)
{
    bool binary = rtc->cmos[REGISTER_B] & B_BINARY;
    return (uint8_t)(binary ? value : value / 10 << 4 | value % 10);
}

static int decode(const struct mc146818 *rtc, uint8_t value)
{
    bool binary = rtc->cmos[REGISTER_B] & B_BINARY;
    return binary ? value : (value >> 4) * 10 + (value & 0xf);
}

static uint8_t encode_hour(const struct mc146818 *rtc, int hour)
{
    if (rtc->cmos[REGISTER_B] & B_24_HOURS) {
        return encode(rtc, hour);
    }
    uint8_t value = encode(rtc, hour % 12 ? hour % 12 : 12);
    return hour >= 12 ? value | HOURS_PM : value;
}

static int decode_hour(const struct mc146818 *rtc, uint8_t value)
{
    if (rtc->cmos[REGISTER_B] & B_24_HOURS) {
        return decode(rtc, value);
    }
    int hour = decode(rtc, value & (uint8_t)~HOURS_PM) % 12;
    return value & HOURS_PM ? hour + 12 : hour;
}

/* Brings the time registers up to date. */
static void store_time(struct mc146818 *rtc, int64_t ns)
{
    if (!time_runs(rtc)) {
        return;
    }
    struct calendar_time time =
        calendar_from_seconds(rtc->base_s + seconds_at(rtc, ns));
    rtc->cmos[REGISTER_SECONDS] = encode(rtc, time.second);
    rtc->cmos[REGISTER_MINUTES] = encode(rtc, time.minute);
    rtc->cmos[REGISTER_HOURS] = encode_hour(rtc, time.hour);
    rtc->cmos[REGISTER_WEEKDAY] =
        encode(rtc, (time.weekday - 1 + rtc->weekday_shift) % 7 + 1);
    rtc->cmos[REGISTER_DAY] = encode(rtc, time.day);
    rtc->cmos[REGISTER_MONTH] = encode(rtc, time.month);
    int year = (time.year % 10000 + 10000) % 10000; /* four digits, whatever was set */
    rtc->cmos[REGISTER_YEAR] = encode(rtc, year % 100);
    rtc->cmos[MC146818_CENTURY] = encode(rtc, year / 100);
}

/* Lets the time go on from the registers; the current second began at `second_ns`. */
static void load_time(struct mc146818 *rtc, int64_t second_ns)
{
    struct calendar_time time = {
        .year = decode(rtc, rtc->cmos[MC146818_CENTURY]) * 100 +
                decode(rtc, rtc->cmos[REGISTER_YEAR]),
        .month = decode(rtc, rtc->cmos[REGISTER_MONTH]),
        .day = decode(rtc, rtc->cmos[REGISTER_DAY]),
        .hour = decode_hour(rtc, rtc->cmos[REGISTER_HOURS]),
        .minute = decode(rtc, rtc->cmos[REGISTER_MINUTES]),
        .second = decode(rtc, rtc->cmos[REGISTER_SECONDS]),
    };
    rtc->base_s = calendar_to_seconds(&time);
    rtc->base_ns = second_ns;
    int weekday = calendar_from_seconds(rtc->base_s).weekday;
    int wanted = decode(rtc, rtc->cmos[REGISTER_WEEKDAY]);
    rtc->weekday_shift = (uint8_t)((wanted % 7 + 7 - weekday % 7) % 7);
}

/* Start of the second that is under way at `ns`. */
static int64_t second_start(const struct mc146818 *rtc, int64_t ns)
{
    return rtc->base_ns + seconds_at(rtc, ns) * (int64_t)NS_PER_SECOND;
}

/* Crystal ticks per periodic interrupt, 0 for none: rates 1 and 2 repeat 8 and 9. */
static int64_t periodic_ticks(const struct mc146818 *rtc)
{
    unsigned rate = rtc->cmos[REGISTER_A] & A_RATE;
    if (rate == 0 || !divider_runs(rtc)) {
        return 0;
    }
    return 1LL << (rate <= 2 ? rate + 6 : rate - 1);
}

/* The first periodic event after `ns`. */
static int64_t next_periodic_ns(const struct mc146818 *rtc, int64_t ns)
{
    int64_t period = periodic_ticks(rtc);
    if (period == 0) {
        return INT64_MAX;
    }
    uint64_t elapsed_ns = ns > rtc->divider_ns ? (uint64_t)(ns - rtc->divider_ns) : 0;
    uint64_t ticks = clock_scale(elapsed_ns, CRYSTAL_HZ, NS_PER_SECOND);
    uint64_t event = (ticks / (uint64_t)period + 1) * (uint64_t)period;
    uint64_t event_ns = clock_scale(event, NS_PER_SECOND, CRYSTAL_HZ);
    if (clock_scale(event_ns, CRYSTAL_HZ, NS_PER_SECOND) < event) {
        event_ns++; /* the first nanosecond of that tick */
    }
    return rtc->divider_ns + (int64_t)event_ns;
}

static int64_t next_update_ns(const struct mc146818 *rtc, int64_t ns)
{
    return time_runs(rtc) ? second_start(rtc, ns) + (int64_t)NS_PER_SECOND : INT64_MAX;
}

static bool alarm_matches(uint8_t alarm, uint8_t value)
{
    return (alarm & ALARM_ANY) == ALARM_ANY || alarm == value;
}

/* The first second after the one at `ns` that the alarm matches. Goes by hours, minutes
 * and seconds, so it takes about 150 steps at most. */
static int64_t next_alarm_ns(const struct mc146818 *rtc, int64_t ns)
{
    if (!time_runs(rtc)) {
        return INT64_MAX;
    }
    int64_t last = rtc->base_s + seconds_at(rtc, ns);
    int64_t second = last + 1;
    while (second - last <= 24 * 3600) {
        struct calendar_time time = calendar_from_seconds(second);
        if (!alarm_matches(rtc->cmos[REGISTER_HOURS_ALARM],
                           encode_hour(rtc, time.hour))) {
            second += 3600 - time.minute * 60 - time.second;
        } else if (!alarm_matches(rtc->cmos[REGISTER_MINUTES_ALARM],
                                  encode(rtc, time.minute))) {
            second += 60 - time.second;
        } else if (!alarm_matches(rtc->cmos[REGISTER_SECONDS_ALARM],
                                  encode(rtc, time.second))) {
            second++;
        } else {
            return rtc->base_ns + (second - rtc->base_s) * (int64_t)NS_PER_SECOND;
        }
    }
    return INT64_MAX;
}

/* Works out what has happened since the last call. */
static void settle(struct mc146818 *rtc, int64_t ns)
{
    uint8_t *flags = &rtc->cmos[REGISTER_C];
    int64_t since_ns = rtc->settled_ns;
    if (!(*flags & FLAG_PERIODIC) && next_periodic_ns(rtc, since_ns) <= ns) {
        *flags |= FLAG_PERIODIC;
    }
    if (!(*flags & FLAG_UPDATE) && next_update_ns(rtc, since_ns) <= ns) {
        *flags |= FLAG_UPDATE;
    }
    if (!(*flags & FLAG_ALARM) && next_update_ns(rtc, since_ns) <= ns &&
        next_alarm_ns(rtc, since_ns) <= ns) {
        *flags |= FLAG_ALARM;
    }
    rtc->settled_ns = ns;
}

/* Sets the line, and arms the timer for the first enabled event whose flag is clear. */
static void update_interrupt(struct mc146818 *rtc)
{
    uint8_t enabled = rtc->cmos[REGISTER_B] & FLAGS;
    bool request = rtc->cmos[REGISTER_C] & enabled;
    rtc->cmos[REGISTER_C] &= FLAGS;
    rtc->cmos[REGISTER_C] |= request ? C_REQUEST : 0;
    irq_set(&rtc->irq8, request);

    int64_t deadline_ns = INT64_MAX;
    if (!request && (enabled & FLAG_PERIODIC)) {
        deadline_ns = next_periodic_ns(rtc, rtc->settled_ns);
    }
    if (!request && (enabled & FLAG_UPDATE)) {
        int64_t update_ns = next_update_ns(rtc, rtc->settled_ns);
        deadline_ns = update_ns < deadline_ns ? update_ns : deadline_ns;
    }
    if (!request && (enabled & FLAG_ALARM)) {
        int64_t alarm_ns = next_alarm_ns(rtc, rtc->settled_ns);
        deadline_ns = alarm_ns < deadline_ns ? alarm_ns : deadline_ns;
    }
    timer_set_ns(&rtc->timer,
                 deadline_ns == INT64_MAX ? CLOCK_NEVER : (uint64_t)deadline_ns);
}

static void event_due(void *opaque)
{
    struct mc146818 *rtc = opaque;
    settle(rtc, now_ns(rtc));
    update_interrupt(rtc);
}

static bool is_time_register(uint8_t index)
{
    return index == MC146818_CENTURY ||
           (index <= REGISTER_YEAR && index != REGISTER_SECONDS_ALARM &&
            index != REGISTER_MINUTES_ALARM && index != REGISTER_HOURS_ALARM);
}

static uint8_t read_register(struct mc146818 *rtc, uint8_t index, int64_t ns)
{
    uint8_t value;
    switch (index) {
    case REGISTER_A:
        value = rtc->cmos[REGISTER_A];
        if (time_runs(rtc) && next_update_ns(rtc, ns) - ns <= UPDATE_NS) {
            value |= A_UPDATE_IN_PROGRESS;
        }
        return value;
    case REGISTER_C:
        settle(rtc, ns);
        update_interrupt(rtc);
        value = rtc->cmos[REGISTER_C];
        rtc->cmos[REGISTER_C] = 0;
        update_interrupt(rtc);
        return value;
    case REGISTER_D:
        return D_VALID;
    default:
        if (is_time_register(index)) {
            store_time(rtc, ns);
        }
        return rtc->cmos[index];
    }
}

/* A change of the divider or of SET stops the time or lets it go on. The first update
 * comes half a second after the divider is started. SET leaves the divider alone:
 * seconds go on where they would have been. */
static void write_control(struct mc146818 *rtc, uint8_t index, uint8_t value,
                          int64_t ns)
{
    bool divider_ran = divider_runs(rtc);
    bool time_ran = time_runs(rtc);
    store_time(rtc, ns);
    rtc->cmos[index] = value;
    int64_t second_ns = second_start(rtc, ns);
    if (!divider_ran && divider_runs(rtc)) {
        rtc->divider_ns = ns;
        second_ns = ns - HALF_SECOND_NS;
        rtc->base_ns = second_ns;
    }
    if (!time_ran && time_runs(rtc)) {
        load_time(rtc, second_ns);
    }
}

static void write_register(struct mc146818 *rtc, uint8_t index, uint8_t value,
                           int64_t ns)
{
    settle(rtc, ns);
    switch (index) {
    case REGISTER_A:
        write_control(rtc, index, value & (uint8_t)~A_UPDATE_IN_PROGRESS, ns);
        break;
    case REGISTER_B:
        if (value & B_SET) { /* the data sheet: SET clears UIE */
            value &= (uint8_t)~FLAG_UPDATE;
        }
        write_control(rtc, index, value, ns);
        break;
    case REGISTER_C:
    case REGISTER_D:
        break; /* read-only */
    default:
        store_time(rtc, ns);
        rtc->cmos[index] = value;
        if (is_time_register(index) && time_runs(rtc)) {
            load_time(rtc, second_start(rtc, ns));
        }
        break;
    }
    update_interrupt(rtc);
}

static uint32_t mc146818_read(void *opaque, uint16_t offset, unsigned width)
{
    struct mc146818 *rtc = opaque;
    if (offset == 0) {
        return 0xff; /* the index is write-only */
    }
    return read_register(rtc, rtc->index & (uint8_t)~INDEX_NMI_MASK, now_ns(rtc));
}

static void mc146818_write(void *opaque, uint16_t offset, uint32_t value,
                           unsigned width)
{
    struct mc146818 *rtc = opaque;
    if (offset == 0) {
        rtc->index = (uint8_t)value;
    } else {
        write_register(rtc, rtc->index & (uint8_t)~INDEX_NMI_MASK, (uint8_t)value,
                       now_ns(rtc));
    }
}

static const struct port_ops mc146818_ops = {mc146818_read, mc146818_write, 1};

void mc146818_set(struct mc146818 *rtc, uint8_t index, uint8_t value)
{
    assert(index >= MC146818_FIRST_RAM && index < MC146818_BYTES);
    rtc->cmos[index] = value;
}

bool mc146818_nmi_masked(const struct mc146818 *rtc)
{
    return rtc->index & INDEX_NMI_MASK;
}

/* The RESET pin: interrupts and the square wave go off; time and RAM are the
 * battery's. */
static void mc146818_reset(void *device)
{
    struct mc146818 *rtc = device;
    rtc->index = 0;
    rtc->cmos[REGISTER_B] &= (uint8_t) ~(FLAGS | B_SQUARE_WAVE);
    rtc->cmos[REGISTER_C] = 0;
    rtc->settled_ns = now_ns(rtc);
}

static void mc146818_reset_lines(void *device)
{
    update_interrupt(device);
}

static bool is_within(int64_t value, int64_t limit)
{
    return value >= -limit && value <= limit;
}

static bool mc146818_loaded(void *device, struct error *error)
{
    struct mc146818 *rtc = device;
    const int64_t limit_ns = INT64_MAX / 4;
    /* Registers hold any byte: century 255, year 255, month 255… are the year 25776. */
    const int64_t limit_s = 40000LL * 366 * 86400;
    if (!is_within(rtc->base_ns, limit_ns) || !is_within(rtc->divider_ns, limit_ns) ||
        !is_within(rtc->settled_ns, limit_ns) || !is_within(rtc->base_s, limit_s)) {
        return error_set(error, "saved state of mc146818: times are out of range");
    }
    rtc->weekday_shift %= 7;
    rtc->cmos[REGISTER_A] &= (uint8_t)~A_UPDATE_IN_PROGRESS;
    update_interrupt(rtc);
    return true;
}

static void mc146818_destroy(void *device)
{
    struct mc146818 *rtc = device;
    timer_cancel(&rtc->timer);
}

static const struct device_class mc146818_class = {
    .name = "mc146818",
    .version = 1,
    .size = sizeof(struct mc146818),
    .fields = mc146818_fields,
    .reset = mc146818_reset,
    .reset_lines = mc146818_reset_lines,
    .loaded = mc146818_loaded,
    .destroy = mc146818_destroy,
};

struct mc146818 *mc146818_create(struct log *log, struct port_space *ports,
                                 struct clock *clock, struct irq_line irq8)
{
    struct mc146818 *rtc = device_allocate(&mc146818_class, log);
    rtc->clock = clock;
    rtc->irq8 = irq8;
    timer_init(&rtc->timer, clock, event_due, rtc);
    rtc->cmos[REGISTER_A] = A_POWER_ON;
    rtc->cmos[REGISTER_B] = B_24_HOURS;
    rtc->base_s = clock->epoch_s;
    mc146818_reset(rtc);
    store_time(rtc, rtc->settled_ns);
    port_map(ports, "mc146818", 0x70, 2, &mc146818_ops, rtc);
    return rtc;
}
