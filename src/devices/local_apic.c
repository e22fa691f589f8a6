/* The local APIC as a device: its registers, and where they are. */
#include "devices/local_apic_internal.h"

#include <string.h>

/* Registers: SDM vol. 3, table 10-1. */
enum {
    REGISTER_ID = 0x020,
    REGISTER_VERSION = 0x030,
    REGISTER_TASK_PRIORITY = 0x080,
    REGISTER_ARBITRATION = 0x090,
    REGISTER_PROCESSOR_PRIORITY = 0x0a0,
    REGISTER_EOI = 0x0b0,
    REGISTER_REMOTE_READ = 0x0c0,
    REGISTER_LOGICAL_DESTINATION = 0x0d0,
    REGISTER_DESTINATION_FORMAT = 0x0e0,
    REGISTER_SPURIOUS = 0x0f0,
    REGISTER_IN_SERVICE = 0x100, /* eight words each */
    REGISTER_LEVEL_TRIGGERED = 0x180,
    REGISTER_REQUESTED = 0x200,
    REGISTER_ERRORS = 0x280,
    REGISTER_COMMAND_LOW = 0x300,
    REGISTER_COMMAND_HIGH = 0x310,
    REGISTER_LVT = 0x320,
    REGISTER_LVT_LAST = 0x370,
    REGISTER_INITIAL_COUNT = 0x380,
    REGISTER_CURRENT_COUNT = 0x390,
    REGISTER_DIVIDE = 0x3e0,
    REGISTER_STEP = 0x10,
};

enum {
    VERSION = 0x14 | (APIC_SOURCES - 1) << 16,
    SPURIOUS_DEFINED = 0x1ff,
    SPURIOUS_AFTER_RESET = 0xff,
    COMMAND_DEFINED = 0xccfff,
    COMMAND_STATUS = 1 << 12, /* never pending: messages take no time */
    DIVIDE_DEFINED = 0xb,
    LVT_EXTINT = INTERRUPT_EXTINT << LVT_MODE_SHIFT,
};
#define BYTE_ON_TOP 0xff000000U
#define DESTINATION_FORMAT_ONES 0x0fffffffU
#define BASE_AFTER_RESET (0xfee00000ULL | APIC_BASE_ENABLED)

/* What can be written of an entry of the local vector table. */
static const uint32_t lvt_defined[APIC_SOURCES] = {
    [APIC_TIMER] = LVT_PERIODIC | LVT_MASKED | LVT_VECTOR,
    [APIC_THERMAL] = LVT_MASKED | LVT_MODE | LVT_VECTOR,
    [APIC_PERFORMANCE] = LVT_MASKED | LVT_MODE | LVT_VECTOR,
    [APIC_LINT0] = LVT_MASKED | 0xa000 | LVT_MODE | LVT_VECTOR,
    [APIC_LINT1] = LVT_MASKED | 0xa000 | LVT_MODE | LVT_VECTOR,
    [APIC_ERROR] = LVT_MASKED | LVT_VECTOR,
};

static const struct state_field local_apic_fields[] = {
    STATE_FIELD(struct local_apic, base, 1),
    STATE_FIELD(struct local_apic, id, 1),
    STATE_FIELD(struct local_apic, logical_destination, 1),
    STATE_FIELD(struct local_apic, destination_format, 1),
    STATE_FIELD(struct local_apic, task_priority, 1),
    STATE_FIELD(struct local_apic, spurious, 1),
    STATE_FIELD(struct local_apic, errors, 1),
    STATE_FIELD(struct local_apic, new_errors, 1),
    STATE_FIELD(struct local_apic, command_low, 1),
    STATE_FIELD(struct local_apic, command_high, 1),
    STATE_FIELD(struct local_apic, lvt, 1),
    STATE_FIELD(struct local_apic, requested, 1),
    STATE_FIELD(struct local_apic, in_service, 1),
    STATE_FIELD(struct local_apic, level_triggered, 1),
    STATE_FIELD(struct local_apic, pins, 1),
    STATE_FIELD(struct local_apic, initial_count, 1),
    STATE_FIELD(struct local_apic, divide, 1),
    STATE_FIELD(struct local_apic, start_count, 1),
    STATE_FIELD(struct local_apic, start_ns, 1),
    STATE_FIELD(struct local_apic, due_ns, 1),
    STATE_END,
};

/* -- registers -- */

static uint32_t read_other(struct local_apic *apic, unsigned offset)
{
    switch (offset) {
    case REGISTER_ID:
        return apic->id;
    case REGISTER_VERSION:
        return VERSION;
    case REGISTER_TASK_PRIORITY:
        return apic->task_priority;
    case REGISTER_ARBITRATION:
    case REGISTER_REMOTE_READ:
    case REGISTER_EOI:
        return 0;
    case REGISTER_PROCESSOR_PRIORITY:
        return apic_processor_priority(apic);
    case REGISTER_LOGICAL_DESTINATION:
        return apic->logical_destination;
    case REGISTER_DESTINATION_FORMAT:
        return apic->destination_format;
    case REGISTER_SPURIOUS:
        return apic->spurious;
    case REGISTER_ERRORS:
        return apic->errors;
    case REGISTER_COMMAND_LOW:
        return apic->command_low;
    case REGISTER_COMMAND_HIGH:
        return apic->command_high;
    case REGISTER_INITIAL_COUNT:
        return apic->initial_count;
    case REGISTER_CURRENT_COUNT:
        return apic_timer_count(apic);
    case REGISTER_DIVIDE:
        return apic->divide;
    default:
        apic_report_error(apic, ERROR_REGISTER);
        return 0;
    }
}

/* Only what begins on a register is defined; its width always is, see `ops`. */
static uint32_t local_apic_read(void *opaque, uint64_t offset, unsigned width)
{
    struct local_apic *apic = opaque;
    unsigned at = (unsigned)offset;
    if (at % REGISTER_STEP) {
        return 0;
    }
    if (at >= REGISTER_IN_SERVICE && at < REGISTER_ERRORS) {
        const uint32_t *words = at < REGISTER_LEVEL_TRIGGERED ? apic->in_service
                                : at < REGISTER_REQUESTED     ? apic->level_triggered
                                                              : apic->requested;
        return words[at / REGISTER_STEP % VECTOR_WORDS];
    }
    if (at >= REGISTER_LVT && at <= REGISTER_LVT_LAST) {
        return apic->lvt[(at - REGISTER_LVT) / REGISTER_STEP];
    }
    return read_other(apic, at);
}

/* While the APIC is off all entries are masked and stay so. */
static void write_lvt(struct local_apic *apic, unsigned source, uint32_t value)
{
    apic_timer_hold(apic);
    value &= lvt_defined[source];
    if (!(apic->spurious & SPURIOUS_ENABLED)) {
        value |= LVT_MASKED;
    }
    apic->lvt[source] = value;
    apic_timer_arm(apic);
}

static void write_spurious(struct local_apic *apic, uint32_t value)
{
    bool was_enabled = apic->spurious & SPURIOUS_ENABLED;
    apic_timer_hold(apic);
    apic->spurious = value & SPURIOUS_DEFINED;
    if (was_enabled && !(value & SPURIOUS_ENABLED)) {
        for (unsigned i = 0; i < APIC_SOURCES; i++) {
            apic->lvt[i] |= LVT_MASKED;
        }
    }
    apic_timer_arm(apic);
}

static void write_other(struct local_apic *apic, unsigned offset, uint32_t value)
{
    switch (offset) {
    case REGISTER_ID:
        apic->id = value & BYTE_ON_TOP;
        break;
    case REGISTER_TASK_PRIORITY:
        apic->task_priority = value & 0xff;
        break;
    case REGISTER_LOGICAL_DESTINATION:
        apic->logical_destination = value & BYTE_ON_TOP;
        break;
    case REGISTER_DESTINATION_FORMAT:
        apic->destination_format = value | DESTINATION_FORMAT_ONES;
        break;
    case REGISTER_SPURIOUS:
        write_spurious(apic, value);
        break;
    case REGISTER_ERRORS:
        apic->errors = apic->new_errors;
        apic->new_errors = 0;
        break;
    case REGISTER_COMMAND_LOW:
        apic->command_low = value & COMMAND_DEFINED & ~(uint32_t)COMMAND_STATUS;
        apic_send_command(apic);
        break;
    case REGISTER_COMMAND_HIGH:
        apic->command_high = value & BYTE_ON_TOP;
        break;
    case REGISTER_INITIAL_COUNT:
        apic_timer_hold(apic);
        apic_timer_start(apic, value);
        break;
    case REGISTER_DIVIDE:
        apic_timer_hold(apic);
        apic->divide = value & DIVIDE_DEFINED;
        apic_timer_arm(apic);
        break;
    case REGISTER_VERSION:
    case REGISTER_CURRENT_COUNT:
        break; /* read-only */
    default:
        apic_report_error(apic, ERROR_REGISTER);
        break;
    }
}

static void local_apic_write(void *opaque, uint64_t offset, uint32_t value,
                             unsigned width)
{
    struct local_apic *apic = opaque;
    unsigned at = (unsigned)offset;
    if (at % REGISTER_STEP) {
        return;
    }
    if (at == REGISTER_EOI) {
        apic_end_of_interrupt(apic);
        return;
    }
    if (at >= REGISTER_LVT && at <= REGISTER_LVT_LAST) {
        write_lvt(apic, (at - REGISTER_LVT) / REGISTER_STEP, value);
    } else if (at < REGISTER_IN_SERVICE || at >= REGISTER_ERRORS) {
        write_other(apic, at, value);
    }
    apic_update(apic);
}

static const struct memory_ops ops = {local_apic_read, local_apic_write, 4};

/* -- the page of registers -- */

static void place(struct local_apic *apic)
{
    bool enabled = apic->base & APIC_BASE_ENABLED;
    gpa_t at = enabled ? apic->base & ~(gpa_t)PAGE_OFFSET_MASK : 0;
    if (at == apic->mapped_at) {
        return;
    }
    const struct memory_region region = {
        .name = "local APIC",
        .start = at,
        .bytes = PAGE_BYTES,
        .priority = MEMORY_PRIORITY_LOCAL_APIC,
        .ops = &ops,
        .opaque = apic,
    };
    if (apic->mapped_at) {
        memory_remove(apic->memory, apic->region);
    }
    if (at) {
        apic->region = memory_add(apic->memory, &region);
    }
    apic->mapped_at = at;
}

void local_apic_set_base(struct local_apic *apic, uint64_t base)
{
    apic_timer_hold(apic);
    apic->base = base;
    place(apic);
    apic_timer_arm(apic);
    apic_update(apic);
}

/* -- the device -- */

void apic_initialize(struct local_apic *apic)
{
    apic->logical_destination = 0;
    apic->destination_format = UINT32_MAX;
    apic->task_priority = 0;
    apic->spurious = SPURIOUS_AFTER_RESET;
    apic->errors = apic->new_errors = 0;
    apic->command_low = apic->command_high = 0;
    memset(apic->requested, 0, sizeof(apic->requested));
    memset(apic->in_service, 0, sizeof(apic->in_service));
    memset(apic->level_triggered, 0, sizeof(apic->level_triggered));
    for (unsigned i = 0; i < APIC_SOURCES; i++) {
        apic->lvt[i] = LVT_MASKED;
    }
    apic->lvt[APIC_LINT0] = LVT_EXTINT;
    apic->divide = 0;
    apic_timer_start(apic, 0);
}

static void local_apic_reset(void *device)
{
    struct local_apic *apic = device;
    apic->id = 0;
    apic->base = BASE_AFTER_RESET;
    apic_initialize(apic);
    place(apic);
}

static void local_apic_reset_lines(void *device)
{
    apic_update(device);
}

static bool local_apic_loaded(void *device, struct error *error)
{
    struct local_apic *apic = device;
    for (unsigned i = 0; i < APIC_SOURCES; i++) {
        apic->lvt[i] &= lvt_defined[i];
    }
    apic->spurious &= SPURIOUS_DEFINED;
    apic->divide &= DIVIDE_DEFINED;
    apic->command_low &= COMMAND_DEFINED;
    apic->task_priority &= 0xff;
    if (apic->start_ns > clock_now_ns(apic->clock)) {
        return error_set(error, "saved state of local_apic: its timer was started in "
                                "the future");
    }
    place(apic);
    timer_set_ns(&apic->timer, apic->due_ns);
    apic_update(apic);
    return true;
}

static void local_apic_destroy(void *device)
{
    struct local_apic *apic = device;
    timer_cancel(&apic->timer);
}

static const struct device_class local_apic_class = {
    .name = "local_apic",
    .version = 1,
    .size = sizeof(struct local_apic),
    .fields = local_apic_fields,
    .reset = local_apic_reset,
    .reset_lines = local_apic_reset_lines,
    .loaded = local_apic_loaded,
    .destroy = local_apic_destroy,
};

struct local_apic *local_apic_create(struct log *log, struct memory_map *memory,
                                     struct clock *clock,
                                     const struct local_apic_wiring *wiring)
{
    struct local_apic *apic = device_allocate(&local_apic_class, log);
    apic->memory = memory;
    apic->clock = clock;
    apic->wiring = *wiring;
    timer_init(&apic->timer, clock, apic_timer_fired, apic);
    local_apic_reset(apic);
    return apic;
}
