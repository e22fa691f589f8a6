/* The life of a fault: from its trigger on it comes, goes, and may come again. */
#include "faults/faults_internal.h"

#include <stdarg.h>
#include <string.h>

/* -- for targets -- */

void fault_choose_bits(struct fault *fault, unsigned width)
{
    const struct fault_spec *spec = &fault->spec;
    memcpy(fault->mask, spec->mask, sizeof(fault->mask));
    if (!spec->random_bits) {
        return;
    }
    unsigned count = spec->random_bits < 8 * width ? spec->random_bits : 8 * width;
    unsigned first = (unsigned)random_below(&fault->random, 8ULL * width - count + 1);
    for (unsigned i = first; i < first + count; i++) {
        fault->mask[i / 8] |= (uint8_t)(1U << (i % 8));
    }
}

void fault_apply(const struct fault *fault, uint8_t *bytes, unsigned width)
{
    const struct fault_spec *spec = &fault->spec;
    for (unsigned i = 0; i < width; i++) {
        const uint8_t mask = fault->mask[i];
        switch (spec->model) {
        case FAULT_STUCK0:
            bytes[i] &= (uint8_t)~mask;
            break;
        case FAULT_STUCK1:
            bytes[i] |= mask;
            break;
        case FAULT_SET:
            bytes[i] = (uint8_t)((bytes[i] & ~mask) | (spec->value[i] & mask));
            break;
        default:
            bytes[i] ^= mask;
            break;
        }
    }
}

bool fault_hits(struct fault *fault)
{
    const struct fault_spec *spec = &fault->spec;
    /* Of an intermittent one that is the chance of a period. */
    if (!fault->present || (spec->duration != FAULT_INTERMITTENT &&
                            !random_chance(&fault->random, spec->probability))) {
        return false;
    }
    if (fault->uses_left && --fault->uses_left == 0) {
        fault->present = false;
        fault->report.state = FAULT_OVER;
        fault_request_visit(fault);
    }
    return true;
}

bool fault_strikes(struct fault *fault)
{
    bool hits = fault_hits(fault);
    if (hits) {
        fault_note_use(fault);
    }
    return hits;
}

void fault_note_use(struct fault *fault)
{
    struct fault_report *report = &fault->report;
    if (report->activation != FAULT_ACTIVATED) {
        report->activation = FAULT_ACTIVATED;
        fault_place_now(fault->owner, &report->activated);
    }
    report->uses++;
}

void fault_note_overwritten(struct fault *fault)
{
    if (fault->report.activation == FAULT_NOT_ACTIVATED) {
        fault->report.activation = FAULT_OVERWRITTEN;
    }
}

bool fault_refuse(struct fault *fault, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->report.reason, sizeof(fault->report.reason), format, arguments);
    va_end(arguments);
    return false;
}

void fault_request_visit(struct fault *fault)
{
    machine_request_visit(fault->owner->machine, &fault->owner->visitor);
}

/* -- from the trigger on -- */

void fault_timer_fired(void *opaque)
{
    struct fault *fault = opaque;
    fault->timer_due = true;
    fault_request_visit(fault);
}

void fault_end(struct fault *fault)
{
    if (fault->present) {
        fault->present = false;
        fault->target->end(fault);
    }
}

static void begin(struct fault *fault)
{
    struct fault_report *report = &fault->report;
    struct fault_place place;
    fault_place_now(fault->owner, &place);
    if (fault->present) {
        return;
    }
    fault->present = true;
    fault->uses_left = fault->spec.uses;
    if (!fault->target->begin(fault)) {
        fault->present = false;
        report->state = report->injections ? report->state : FAULT_REFUSED;
        return;
    }
    if (report->injections++ == 0) {
        report->injected = place;
    }
    if (fault->owner->injected) {
        fault->owner->injected(fault->owner->opaque, fault);
    }
}

/* Intermittent: the next edge, at a period's begin or at its end of duty. Periods count
 * from the first, so that nothing drifts. */
static void begin_period(struct fault *fault)
{
    const struct fault_spec *spec = &fault->spec;
    uint64_t start_ns = fault->begun_ns + fault->period * spec->period_ns;
    uint64_t on_ns = clock_scale(spec->period_ns, spec->duty, 100);
    bool lasts = on_ns < spec->period_ns;
    if (random_chance(&fault->random, spec->probability)) {
        begin(fault);
    }
    fault->period++;
    timer_set_ns(&fault->timer,
                 start_ns + (fault->present && lasts ? on_ns : spec->period_ns));
}

static void edge(struct fault *fault)
{
    const struct fault_spec *spec = &fault->spec;
    uint64_t next_ns = fault->begun_ns + fault->period * spec->period_ns;
    fault_end(fault);
    if (clock_now_ns(fault->timer.clock) < next_ns) {
        timer_set_ns(&fault->timer, next_ns);
    } else {
        begin_period(fault);
    }
}

static void start(struct fault *fault)
{
    const struct fault_spec *spec = &fault->spec;
    fault->report.state = FAULT_PRESENT;
    fault->begun_ns = clock_now_ns(fault->timer.clock);
    if (spec->duration == FAULT_INTERMITTENT) {
        begin_period(fault);
        return;
    }
    begin(fault);
    if (spec->for_ns && fault->present) {
        timer_set_ns(&fault->timer, fault->begun_ns + spec->for_ns);
    }
    if (!fault->present && fault->report.state == FAULT_PRESENT) {
        fault->report.state = FAULT_OVER;
    }
}

static void stop(struct fault *fault)
{
    fault_end(fault);
    fault->report.state = FAULT_OVER;
}

void fault_attend(struct fault *fault)
{
    bool due = fault->timer_due;
    fault->timer_due = false;
    if (!fault->is_set_up) {
        fault->is_set_up = true;
        trigger_set_up(fault);
    }
    if (fault->report.state == FAULT_WAITING) {
        const struct cpu *cpu = fault_cpu(fault);
        fault->triggered |= cpu->retired >= trigger_instruction(fault);
        if (due) {
            trigger_note_timer(fault);
        }
        if (fault->triggered) {
            trigger_take_down(fault);
            start(fault);
        }
    } else if (due && fault->report.state == FAULT_PRESENT) {
        if (fault->spec.duration == FAULT_INTERMITTENT) {
            edge(fault);
        } else {
            stop(fault);
        }
    }
    if (fault->report.state == FAULT_OVER && fault->target->settle) {
        fault->target->settle(fault);
    }
}
