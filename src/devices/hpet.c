#include "devices/hpet.h"

#include "bus/device.h"

enum {
    OFFSET_CAPABILITIES = 0x000, /* and the period of a tick, in fs */
    OFFSET_CONFIGURATION = 0x010,
    OFFSET_STATUS = 0x020,
    OFFSET_COUNTER = 0x0f0,
    OFFSET_TIMERS = 0x100,
    TIMER_STRIDE = 0x20,
    TIMER_CONFIGURATION = 0x00,
    TIMER_COMPARATOR = 0x08,
    TIMERS = 3,
    REGION_BYTES = 0x400,
    TICK_NS = 10,
    TICK_FS = TICK_NS * 1000000,
    CONFIGURATION_ENABLE = 1,
    CONFIGURATION_LEGACY = 2,
};

enum {
    TIMER_LEVEL = 1 << 1,
    TIMER_ENABLE = 1 << 2,
    TIMER_PERIODIC = 1 << 3,
    TIMER_CAN_BE_PERIODIC = 1 << 4,
    TIMER_HAS_64_BITS = 1 << 5,
    TIMER_SET_VALUE = 1 << 6,
    TIMER_32_BITS = 1 << 8,
    TIMER_ROUTE = 0x3e00,
    TIMER_WRITABLE = TIMER_LEVEL | TIMER_ENABLE | TIMER_PERIODIC | TIMER_SET_VALUE |
                     TIMER_32_BITS | TIMER_ROUTE,
    TIMER_CAPABILITIES = TIMER_CAN_BE_PERIODIC | TIMER_HAS_64_BITS,
    TIMER_ROUTES = 1 << 2, /* inputs of the I/O APIC: the high half */
};

struct comparator {
    struct hpet *hpet;
    struct timer timer;
    /* saved */
    uint32_t configuration;
    uint64_t comparator, period;
    uint64_t due_ns; /* what `timer` is armed for */
};

struct hpet {
    struct device device;
    struct clock *clock;
    struct irq_line legacy[HPET_LEGACY_LINES], io_apic;
    struct comparator timers[TIMERS];
    /* saved */
    uint32_t configuration, status;
    uint64_t counter;  /* what it was… */
    uint64_t since_ns; /* …then, or is while it stands still */
    bool sources[HPET_LEGACY_LINES];
};

#define TIMER_FIELDS(n)                                                                \
    STATE_FIELD(struct hpet, timers[n].configuration, 1),                              \
        STATE_FIELD(struct hpet, timers[n].comparator, 1),                             \
        STATE_FIELD(struct hpet, timers[n].period, 1),                                 \
        STATE_FIELD(struct hpet, timers[n].due_ns, 1)

static const struct state_field hpet_fields[] = {
    TIMER_FIELDS(0),
    TIMER_FIELDS(1),
    TIMER_FIELDS(2),
    STATE_FIELD(struct hpet, configuration, 1),
    STATE_FIELD(struct hpet, status, 1),
    STATE_FIELD(struct hpet, counter, 1),
    STATE_FIELD(struct hpet, since_ns, 1),
    STATE_FIELD(struct hpet, sources, 1),
    STATE_END,
};

/* -- time -- */

static bool is_running(const struct hpet *hpet)
{
    return hpet->configuration & CONFIGURATION_ENABLE;
}

static uint64_t counter_now(const struct hpet *hpet)
{
    uint64_t now_ns = clock_now_ns(hpet->clock);
    return is_running(hpet) ? hpet->counter + (now_ns - hpet->since_ns) / TICK_NS
                            : hpet->counter;
}

static void set_counter(struct hpet *hpet, uint64_t value)
{
    hpet->counter = value;
    hpet->since_ns = clock_now_ns(hpet->clock);
}

static uint64_t width_mask(const struct comparator *timer)
{
    return timer->configuration & TIMER_32_BITS ? UINT32_MAX : UINT64_MAX;
}

/* Arms the timer for when the counter will next be what the comparator says. */
static void arm(struct comparator *timer)
{
    const struct hpet *hpet = timer->hpet;
    const uint64_t centuries = UINT64_MAX / TICK_NS / 2;
    timer->due_ns = CLOCK_NEVER;
    if (is_running(hpet) && (timer->configuration & TIMER_ENABLE)) {
        uint64_t mask = width_mask(timer);
        uint64_t ahead = (timer->comparator - counter_now(hpet) - 1) & mask;
        if (ahead < centuries) {
            uint64_t now_ns = clock_now_ns(hpet->clock);
            uint64_t into_tick_ns = (now_ns - hpet->since_ns) % TICK_NS;
            timer->due_ns = now_ns - into_tick_ns + (ahead + 1) * TICK_NS;
        }
    }
    timer_set_ns(&timer->timer, timer->due_ns);
}

/* -- interrupts -- */

static unsigned number_of(const struct comparator *timer)
{
    return (unsigned)(timer - timer->hpet->timers);
}

static bool replaces_legacy(const struct hpet *hpet)
{
    return hpet->configuration & CONFIGURATION_LEGACY;
}

/* Where the interrupt of a timer goes; NULL: nowhere. */
static struct irq_line *line_of(struct comparator *timer)
{
    struct hpet *hpet = timer->hpet;
    unsigned number = number_of(timer), route = timer->configuration >> 9 & 0x1f;
    if (replaces_legacy(hpet) && number < HPET_LEGACY_LINES) {
        return &hpet->legacy[number];
    }
    return TIMER_ROUTES >> route & 1 ? &hpet->io_apic : NULL;
}

/* Level-triggered timers hold their lines as long as their status says. */
static bool holds(const struct hpet *hpet, unsigned number)
{
    uint32_t both = TIMER_LEVEL | TIMER_ENABLE;
    return is_running(hpet) && (hpet->status >> number & 1) &&
           (hpet->timers[number].configuration & both) == both;
}

static void update_lines(struct hpet *hpet)
{
    bool legacy = replaces_legacy(hpet), held = false;
    for (unsigned i = 0; i < HPET_LEGACY_LINES; i++) {
        irq_set(&hpet->legacy[i], legacy ? holds(hpet, i) : hpet->sources[i]);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        held |= line_of(&hpet->timers[i]) == &hpet->io_apic && holds(hpet, i);
    }
    irq_set(&hpet->io_apic, held);
}

static void fire(struct comparator *timer)
{
    struct hpet *hpet = timer->hpet;
    struct irq_line *line = line_of(timer);
    if (timer->configuration & TIMER_LEVEL) {
        hpet->status |= 1U << number_of(timer);
        update_lines(hpet);
    } else if (line) {
        irq_pulse(line);
    }
    if ((timer->configuration & TIMER_PERIODIC) && timer->period) {
        /* All that the host was too late for is one interrupt. */
        uint64_t mask = width_mask(timer);
        uint64_t late = (counter_now(hpet) - timer->comparator) & mask;
        timer->comparator += (late / timer->period + 1) * timer->period;
        timer->comparator &= mask;
    }
    arm(timer);
}

static void timer_fired(void *opaque)
{
    fire(opaque);
}

/* Before anything changes: what is due happens. */
static void catch_up(struct hpet *hpet)
{
    for (unsigned i = 0; i < TIMERS; i++) {
        if (hpet->timers[i].due_ns <= clock_now_ns(hpet->clock)) {
            fire(&hpet->timers[i]);
        }
    }
}

static void arm_all(struct hpet *hpet)
{
    for (unsigned i = 0; i < TIMERS; i++) {
        arm(&hpet->timers[i]);
    }
}

void hpet_set_legacy_source(void *opaque, unsigned number, bool level)
{
    struct hpet *hpet = opaque;
    hpet->sources[number] = level;
    if (!replaces_legacy(hpet)) {
        irq_set(&hpet->legacy[number], level);
    }
}

/* -- registers: 64 bits wide, `high` says which half -- */

static uint32_t half_of(uint64_t value, bool high)
{
    return (uint32_t)(high ? value >> 32 : value);
}

static uint64_t with_half(uint64_t value, bool high, uint32_t half)
{
    return high ? (value & UINT32_MAX) | (uint64_t)half << 32
                : (value & ~(uint64_t)UINT32_MAX) | half;
}

static uint32_t read_timer(const struct comparator *timer, unsigned offset, bool high)
{
    switch (offset) {
    case TIMER_CONFIGURATION:
        return high ? TIMER_ROUTES : timer->configuration | TIMER_CAPABILITIES;
    case TIMER_COMPARATOR:
        return half_of(timer->comparator, high);
    default:
        return 0;
    }
}

static void write_comparator(struct comparator *timer, bool high, uint32_t value)
{
    bool periodic = timer->configuration & TIMER_PERIODIC;
    if (high && (timer->configuration & TIMER_32_BITS)) {
        return;
    }
    if (!periodic || (timer->configuration & TIMER_SET_VALUE)) {
        timer->comparator = with_half(timer->comparator, high, value);
    }
    if (periodic) {
        timer->period = with_half(timer->period, high, value);
    }
    timer->configuration &= ~(uint32_t)TIMER_SET_VALUE;
}

static void write_timer(struct comparator *timer, unsigned offset, bool high,
                        uint32_t value)
{
    struct hpet *hpet = timer->hpet;
    catch_up(hpet);
    if (offset == TIMER_CONFIGURATION && !high) {
        timer->configuration = value & TIMER_WRITABLE;
        timer->comparator &= width_mask(timer);
        timer->period &= width_mask(timer);
    } else if (offset == TIMER_COMPARATOR) {
        write_comparator(timer, high, value);
    }
    arm(timer);
    update_lines(hpet);
}

static void write_configuration(struct hpet *hpet, uint32_t value)
{
    catch_up(hpet);
    set_counter(hpet, counter_now(hpet));
    hpet->configuration = value & (CONFIGURATION_ENABLE | CONFIGURATION_LEGACY);
    arm_all(hpet);
    update_lines(hpet);
}

static uint32_t hpet_read(void *opaque, uint64_t offset, unsigned width)
{
    struct hpet *hpet = opaque;
    bool high = offset & 4;
    unsigned at = (unsigned)offset & ~7U, timer = (at - OFFSET_TIMERS) / TIMER_STRIDE;
    switch (at) {
    case OFFSET_CAPABILITIES:
        return high ? TICK_FS : HPET_ID;
    case OFFSET_CONFIGURATION:
        return high ? 0 : hpet->configuration;
    case OFFSET_STATUS:
        catch_up(hpet);
        return high ? 0 : hpet->status;
    case OFFSET_COUNTER:
        return half_of(counter_now(hpet), high);
    default:
        return timer < TIMERS
                   ? read_timer(&hpet->timers[timer], at % TIMER_STRIDE, high)
                   : 0;
    }
}

static void hpet_write(void *opaque, uint64_t offset, uint32_t value, unsigned width)
{
    struct hpet *hpet = opaque;
    bool high = offset & 4;
    unsigned at = (unsigned)offset & ~7U, timer = (at - OFFSET_TIMERS) / TIMER_STRIDE;
    switch (at) {
    case OFFSET_CONFIGURATION:
        if (!high) {
            write_configuration(hpet, value);
        }
        break;
    case OFFSET_STATUS:
        catch_up(hpet);
        hpet->status &= high ? UINT32_MAX : ~value;
        update_lines(hpet);
        break;
    case OFFSET_COUNTER:
        catch_up(hpet);
        set_counter(hpet, with_half(counter_now(hpet), high, value));
        arm_all(hpet);
        break;
    default:
        if (timer < TIMERS) {
            write_timer(&hpet->timers[timer], at % TIMER_STRIDE, high, value);
        }
        break;
    }
}

static const struct memory_ops ops = {hpet_read, hpet_write, 4};

/* -- the device -- */

static void hpet_reset(void *device)
{
    struct hpet *hpet = device;
    hpet->configuration = hpet->status = 0;
    hpet->counter = 0;
    hpet->since_ns = clock_now_ns(hpet->clock);
    for (unsigned i = 0; i < TIMERS; i++) {
        hpet->timers[i].configuration = 0;
        hpet->timers[i].comparator = UINT64_MAX;
        hpet->timers[i].period = 0;
    }
    arm_all(hpet);
}

static void hpet_reset_lines(void *device)
{
    update_lines(device);
}

static bool hpet_loaded(void *device, struct error *error)
{
    struct hpet *hpet = device;
    if (hpet->since_ns > clock_now_ns(hpet->clock)) {
        return error_set(error, "saved state of hpet: it was started in the future");
    }
    hpet->configuration &= CONFIGURATION_ENABLE | CONFIGURATION_LEGACY;
    hpet->status &= (1U << TIMERS) - 1;
    for (unsigned i = 0; i < TIMERS; i++) {
        struct comparator *timer = &hpet->timers[i];
        timer->configuration &= TIMER_WRITABLE;
        timer->comparator &= width_mask(timer);
        timer->period &= width_mask(timer);
        timer_set_ns(&timer->timer, timer->due_ns);
    }
    update_lines(hpet);
    return true;
}

static void hpet_destroy(void *device)
{
    struct hpet *hpet = device;
    for (unsigned i = 0; i < TIMERS; i++) {
        timer_cancel(&hpet->timers[i].timer);
    }
}

static const struct device_class hpet_class = {
    .name = "hpet",
    .version = 1,
    .size = sizeof(struct hpet),
    .fields = hpet_fields,
    .reset = hpet_reset,
    .reset_lines = hpet_reset_lines,
    .loaded = hpet_loaded,
    .destroy = hpet_destroy,
};

struct hpet *hpet_create(struct log *log, struct memory_map *memory,
                         struct clock *clock,
                         const struct irq_line legacy[HPET_LEGACY_LINES],
                         struct irq_line io_apic)
{
    struct hpet *hpet = device_allocate(&hpet_class, log);
    hpet->clock = clock;
    hpet->io_apic = io_apic;
    for (unsigned i = 0; i < HPET_LEGACY_LINES; i++) {
        hpet->legacy[i] = legacy[i];
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        hpet->timers[i].hpet = hpet;
        timer_init(&hpet->timers[i].timer, clock, timer_fired, &hpet->timers[i]);
    }
    const struct memory_region region = {
        .name = "hpet",
        .start = HPET_ADDRESS,
        .bytes = REGION_BYTES,
        .priority = MEMORY_PRIORITY_PCI,
        .ops = &ops,
        .opaque = hpet,
    };
    memory_add(memory, &region);
    hpet_reset(hpet);
    return hpet;
}
