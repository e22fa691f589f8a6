/* What faults wait for. */
#include "faults/faults_internal.h"

#include <stdio.h>
#include <stdlib.h>
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

/* Of what happens beside the CPU nobody knows for whom. */
static bool fits_process(const struct fault *fault)
{
    const struct fault_trigger *when = &fault->spec.when;
    struct faults *faults = fault->owner;
    return (!when->has_cr3 || fault_cpu(fault)->cr3 == when->cr3) &&
           (!*when->process ||
            (machine_on_cpu_thread(faults->machine) &&
             linux_process_is(&faults->kernel, faults->machine, when->process)));
}

/* -- the text screen -- */

enum { SCREEN_PERIOD_NS = 10000000, SCREEN_BYTES = 1 << 16 };

static void look_later(struct fault *fault)
{
    uint64_t now_ns = clock_now_ns(fault->timer.clock);
    timer_set_ns(&fault->timer, (now_ns / SCREEN_PERIOD_NS + 1) * SCREEN_PERIOD_NS);
}

static bool is_on_screen(const struct fault *fault)
{
    char *screen = malloc(SCREEN_BYTES);
    bool there = screen &&
                 machine_screen_text(fault->owner->machine, screen, SCREEN_BYTES) &&
                 strstr(screen, fault->spec.when.text);
    free(screen);
    return there;
}

/* A halted CPU that no timer wakes changes nothing: to look again would keep its time
 * going for nothing. It is looked at again after an interrupt. */
static bool may_change(const struct fault *fault)
{
    return !fault_cpu(fault)->halted ||
           clock_next_deadline_ns(fault->timer.clock) != CLOCK_NEVER;
}

void trigger_note_timer(struct fault *fault)
{
    if (!is_waiting(fault)) {
        return;
    }
    if (fault->spec.when.event == FAULT_TIME) {
        fault->triggered = true;
    } else if (fault->spec.when.event == FAULT_SCREEN) {
        bool there = is_on_screen(fault);
        if (there && !fault->seen_text) {
            met(fault);
        }
        fault->seen_text = there;
        if (!fault->triggered && may_change(fault)) {
            look_later(fault);
        }
    }
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
    if (when->event != FAULT_WRITE && equals(when, address, width, *value) &&
        fits_process(fault)) {
        met(fault);
    }
}

static bool writes(void *opaque, gpa_t address, unsigned width, uint32_t *value)
{
    struct fault *fault = opaque;
    const struct fault_trigger *when = &fault->spec.when;
    if (when->event != FAULT_READ && equals(when, address, width, *value) &&
        fits_process(fault)) {
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

/* "name+0x10" */
static bool find_symbol(const struct fault *fault, uint32_t *address,
                        struct error *error)
{
    const char *text = fault->spec.when.text, *plus = strrchr(text, '+');
    const char *const found[] = {
        [SYMBOLS_NONE] = "there is no such symbol; -fault-symbols names the file",
        [SYMBOLS_SEVERAL] = "there are several; give execute:ADDRESS",
    };
    char name[FAULT_TEXT_BYTES], *end = NULL;
    uint64_t offset = plus ? strtoull(plus + 1, &end, 0) : 0;
    if (plus && (end == plus + 1 || *end)) {
        plus = NULL; /* part of the name */
        offset = 0;
    }
    snprintf(name, sizeof(name), "%.*s", (int)(plus ? plus - text : FAULT_TEXT_BYTES),
             text);
    enum symbols_found result = symbols_find(&fault->owner->symbols, name, address);
    *address += (uint32_t)offset;
    return result == SYMBOLS_ONE ||
           error_set(error, "-fault: when=symbol:%s: %s", text, found[result]);
}

bool trigger_resolve(struct fault *fault, struct error *error)
{
    struct fault_trigger *when = &fault->spec.when;
    struct faults *faults = fault->owner;
    uint32_t address = 0;
    if (when->event == FAULT_SYMBOL) {
        if (!find_symbol(fault, &address, error)) {
            return false;
        }
        when->event = FAULT_EXECUTE;
        when->at = address;
    }
    return !*when->process || linux_kernel_find(&faults->kernel, &faults->symbols) ||
           error_set(error,
                     "-fault: process=%s needs the Linux kernel's symbols "
                     "init_task and current_task: give -fault-symbols",
                     when->process);
}

void trigger_set_up(struct fault *fault)
{
    const struct fault_trigger *when = &fault->spec.when;
    if (when->event == FAULT_NOW) {
        fault->triggered = true;
    } else if (when->event == FAULT_TIME) {
        timer_set_ns(&fault->timer, when->at);
    } else if (when->event == FAULT_SCREEN) {
        look_later(fault);
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
        !fits_process(fault)) {
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
        when->at < (uint64_t)port + width && equals(when, port, width, value) &&
        fits_process(fault)) {
        met(fault);
    }
}

/* The CPU stops before the handler's first instruction, and before any interrupt. */
void trigger_note_vector(struct fault *fault, unsigned vector)
{
    const struct fault_trigger *when = &fault->spec.when;
    struct cpu *cpu = fault_cpu(fault);
    if (is_waiting(fault) && when->event == FAULT_SCREEN &&
        !timer_is_armed(&fault->timer)) {
        look_later(fault);
    }
    if (is_waiting(fault) && when->event == FAULT_INTERRUPT &&
        !(vector & CPU_TRIPLE_FAULT) && (vector & UINT8_MAX) == when->at &&
        fits_process(fault)) {
        met(fault);
        if (fault->triggered) {
            cpu_end_budget(cpu, cpu->retired);
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
