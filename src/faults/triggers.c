/* What faults wait for. */
#include "faults/faults_internal.h"

#include <string.h>

/* It has come once more. */
static void met(struct fault *fault)
{
    if (fault->report.state == FAULT_WAITING && fault->is_set_up && !fault->triggered &&
        ++fault->seen == fault->spec.when.count) {
        fault->triggered = true;
        fault_request_visit(fault);
    }
}

static bool is_waiting(const struct fault *fault)
{
    return fault->report.state == FAULT_WAITING && fault->is_set_up &&
           !fault->triggered;
}

static bool is_linear(const struct fault_trigger *when)
{
    return when->event == FAULT_EXECUTE ||
           (when->event >= FAULT_READ && when->event <= FAULT_ACCESS &&
            !when->physical);
}

static bool is_physical(const struct fault_trigger *when)
{
    return when->event >= FAULT_READ && when->event <= FAULT_ACCESS && when->physical;
}

static bool fits_cr3(const struct fault *fault)
{
    const struct fault_trigger *when = &fault->spec.when;
    return !when->has_cr3 || fault_cpu(fault)->cr3 == when->cr3;
}

/* -- memory, by its physical address -- */

static bool equals(const struct fault_trigger *when, gpa_t address, unsigned width,
                   uint32_t value)
{
    uint32_t mask = width == 4 ? UINT32_MAX : (1U << (8 * width)) - 1;
    return !when->has_equals || (address == when->at && (value & mask) == when->equals);
}

static void has_read(void *opaque, gpa_t address, unsigned width, uint32_t *value)
{
    struct fault *fault = opaque;
    const struct fault_trigger *when = &fault->spec.when;
    if (when->event != FAULT_WRITE && fits_cr3(fault) &&
        equals(when, address, width, *value)) {
        met(fault);
    }
}

static bool writes(void *opaque, gpa_t address, unsigned width, uint32_t *value)
{
    struct fault *fault = opaque;
    const struct fault_trigger *when = &fault->spec.when;
    if (when->event != FAULT_READ && fits_cr3(fault) &&
        equals(when, address, width, *value)) {
        met(fault);
    }
    return true;
}

static void watch_pages(struct fault *fault)
{
    const struct fault_trigger *when = &fault->spec.when;
    fault->trigger_pages = (struct page_user){
        .first = when->at,
        .bytes = when->length,
        .opaque = fault,
        .has_read = has_read,
        .writes = writes,
    };
    if ((when->at & PAGE_OFFSET_MASK) + when->length > PAGE_BYTES) {
        fault->report.state = FAULT_REFUSED;
        fault_refuse(fault, "a physical range has to be within one page");
    } else if (!page_watch_add(&fault->owner->pages, &fault->trigger_pages)) {
        fault->report.state = FAULT_REFUSED;
        fault_refuse(fault, "no more than %d pages can be watched", PAGE_WATCHES);
    }
}

/* -- all kinds -- */

void trigger_set_up(struct fault *fault)
{
    const struct fault_trigger *when = &fault->spec.when;
    if (when->event == FAULT_NOW) {
        fault->triggered = true;
    } else if (when->event == FAULT_TIME) {
        timer_set_ns(&fault->timer, when->at);
    } else if (is_physical(when)) {
        watch_pages(fault);
    }
}

void trigger_take_down(struct fault *fault)
{
    page_watch_remove(&fault->owner->pages, &fault->trigger_pages);
}

uint64_t trigger_instruction(const struct fault *fault)
{
    bool waits = fault->report.state == FAULT_WAITING && !fault->triggered;
    return waits && fault->spec.when.event == FAULT_INSTRUCTION ? fault->spec.when.at
                                                                : UINT64_MAX;
}

static struct debugger_point point_of(const struct fault_trigger *when)
{
    static const enum debugger_kind kinds[FAULT_EVENTS] = {
        [FAULT_EXECUTE] = DEBUGGER_EXECUTE,
        [FAULT_READ] = DEBUGGER_READ,
        [FAULT_WRITE] = DEBUGGER_WRITE,
        [FAULT_ACCESS] = DEBUGGER_ACCESS,
    };
    return (struct debugger_point){
        .kind = kinds[when->event],
        .address = (gla_t)when->at,
        .bytes = (uint32_t)when->length,
    };
}

void trigger_add_points(struct fault *fault)
{
    if (is_waiting(fault) && is_linear(&fault->spec.when)) {
        struct debugger_point point = point_of(&fault->spec.when);
        if (!debugger_add(&fault->owner->debugger, &point)) {
            fault->report.state = FAULT_REFUSED;
            fault_refuse(fault, "no more than %d addresses can be waited for",
                         DEBUGGER_POINTS);
        }
    }
}

static bool point_is_met(const struct fault *fault)
{
    const struct debugger *debugger = &fault->owner->debugger;
    const struct debugger_point wanted = point_of(&fault->spec.when);
    for (unsigned i = 0; i < debugger->count; i++) {
        const struct debugger_point *point = &debugger->points[i];
        if (point->met && point->kind == wanted.kind &&
            point->address == wanted.address && point->bytes == wanted.bytes) {
            return true;
        }
    }
    return false;
}

/* What memory holds after the access: that is what it read or wrote. */
static bool memory_equals(const struct fault *fault)
{
    const struct fault_trigger *when = &fault->spec.when;
    const size_t width =
        when->length < sizeof(uint32_t) ? when->length : sizeof(uint32_t);
    uint32_t value = 0;
    return !when->has_equals || (machine_peek(fault->owner->machine, true, when->at,
                                              &value, width) == width &&
                                 value == when->equals);
}

/* Of a repeated string instruction; prefixes come before it. */
static bool is_repeated(const struct fault *fault)
{
    uint8_t code[4] = {0};
    bool repeats = false;
    machine_code(fault->owner->machine, code, sizeof(code));
    for (unsigned i = 0; i < sizeof(code); i++) {
        const uint8_t byte = code[i];
        if (byte == 0xf2 || byte == 0xf3) {
            repeats = true;
        } else if (byte != 0x66 && byte != 0x67 && (byte & 0xe7) != 0x26) {
            bool string = (byte >= 0xa4 && byte <= 0xa7) ||
                          (byte >= 0xaa && byte <= 0xaf) || (byte & 0xfc) == 0x6c;
            return repeats && string;
        }
    }
    return false;
}

/* Whether only iterations of one repeated instruction lie between the last stop and
 * this one: each is retired, and counts ECX down. */
static bool goes_on(struct fault *fault)
{
    const struct cpu *cpu = fault_cpu(fault);
    uint64_t retired = cpu->retired - fault->stop_retired;
    uint32_t iterations = fault->stop_count - cpu->regs[REGISTER_ECX];
    bool same = fault->seen && retired == iterations && is_repeated(fault);
    fault->stop_retired = cpu->retired;
    fault->stop_count = cpu->regs[REGISTER_ECX];
    return same;
}

/* An instruction that an interrupt comes before is not executed yet. */
void trigger_note_stop(struct fault *fault)
{
    const struct fault_trigger *when = &fault->spec.when;
    if (!is_waiting(fault) || !is_linear(when) || !point_is_met(fault) ||
        !fits_cr3(fault)) {
        return;
    }
    bool comes =
        when->event == FAULT_EXECUTE
            ? !machine_interrupt_is_next(fault->owner->machine) && !goes_on(fault)
            : memory_equals(fault);
    if (comes) {
        met(fault);
    }
}

void trigger_note_port(struct fault *fault, bool write, uint16_t port, unsigned width,
                       uint32_t value)
{
    const struct fault_trigger *when = &fault->spec.when;
    const enum fault_event event = write ? FAULT_OUT : FAULT_IN;
    if (is_waiting(fault) && when->event == event && port < when->at + when->length &&
        when->at < (uint64_t)port + width && equals(when, port, width, value)) {
        met(fault);
    }
}

/* The CPU stops before the handler's first instruction, and before any interrupt. */
void trigger_note_vector(struct fault *fault, unsigned vector)
{
    const struct fault_trigger *when = &fault->spec.when;
    struct cpu *cpu = fault_cpu(fault);
    if (is_waiting(fault) && when->event == FAULT_INTERRUPT &&
        !(vector & CPU_TRIPLE_FAULT) && (vector & UINT8_MAX) == when->at) {
        met(fault);
        if (fault->triggered) {
            cpu->budget_end = cpu->retired;
        }
    }
}

void trigger_note_byte(struct fault *fault, unsigned line, uint8_t byte)
{
    const struct fault_trigger *when = &fault->spec.when;
    if (!is_waiting(fault) || when->event != FAULT_TEXT || when->line != line) {
        return;
    }
    /* Falls back to the longest beginning of the text that still fits. */
    while (fault->matched && (uint8_t)when->text[fault->matched] != byte) {
        size_t shorter = fault->matched - 1;
        while (shorter && memcmp(when->text, when->text + fault->matched - shorter,
                                 shorter) != 0) {
            shorter--;
        }
        fault->matched = shorter;
    }
    fault->matched += (uint8_t)when->text[fault->matched] == byte;
    if (!when->text[fault->matched]) {
        fault->matched = 0;
        met(fault);
    }
}
