/* Lines into the interrupt controllers: between the OR of a line's sources and the 8259
 * and the I/O APIC. */
#include "faults/faults_internal.h"

#include "machine/isa_interrupts.h"

#include <stdlib.h>
#include <string.h>

enum { DELAYED = 64, PULSE_NS = 10000 };

struct broken_line {
    struct fault *fault;
    struct isa_interrupts *lines;
    struct controller_tap {
        struct broken_line *line;
        unsigned index;
        irq_sink *sink;
        void *opaque;
    } taps[ISA_CONTROLLERS];
    bool level;     /* as its sources have it */
    bool swallowed; /* this high is lost */
    bool pulse;     /* a spurious one: it is high meanwhile */
    bool wrapped;
    struct timer timer;
    struct {
        uint64_t due_ns;
        bool level;
    } queue[DELAYED];
    unsigned queued;
};

static void pass(struct broken_line *line, bool level)
{
    for (unsigned i = 0; i < ISA_CONTROLLERS; i++) {
        if (line->taps[i].sink) {
            line->taps[i].sink(line->taps[i].opaque, line->fault->spec.line, level);
        }
    }
}

static void pass_later(struct broken_line *line, bool level)
{
    uint64_t due_ns = clock_now_ns(line->timer.clock) + line->fault->spec.delay_ns;
    if (line->queued == DELAYED) {
        return; /* as good as lost */
    }
    line->queue[line->queued].due_ns = due_ns;
    line->queue[line->queued++].level = level;
    if (line->queued == 1) {
        timer_set_ns(&line->timer, due_ns);
    }
}

static void timer_fired(void *opaque)
{
    struct broken_line *line = opaque;
    if (line->pulse) {
        line->pulse = false;
        pass(line, line->level);
        return;
    }
    bool level = line->queue[0].level;
    line->queued--;
    memmove(line->queue, line->queue + 1, line->queued * sizeof(line->queue[0]));
    if (line->queued) {
        timer_set_ns(&line->timer, line->queue[0].due_ns);
    }
    pass(line, level);
}

/* The level has changed, seen from the first controller's side. */
static void changed(struct broken_line *line, bool level)
{
    struct fault *fault = line->fault;
    bool rises = level && !line->level;
    bool changes = level != line->level;
    line->level = level;
    if (fault->spec.model == FAULT_DELAY) {
        bool late = (rises && fault_strikes(fault)) || line->queued > 0;
        if (changes && late) {
            pass_later(line, level);
        } else if (!line->queued) {
            pass(line, level);
        }
        return;
    }
    if (rises) {
        line->swallowed = fault->spec.model == FAULT_LOST && fault_strikes(fault);
    }
    if (!(level && line->swallowed)) {
        pass(line, level || line->pulse);
    }
}

/* Both controllers are told the same: what the first one is told is for both. */
static void tapped(void *opaque, unsigned number, bool level)
{
    struct controller_tap *tap = opaque;
    if (number != tap->line->fault->spec.line) {
        tap->sink(tap->opaque, number, level);
    } else if (tap->index == 0) {
        changed(tap->line, level);
    }
}

static bool arm_irq(struct fault *fault, struct error *error)
{
    struct broken_line *line = calloc(1, sizeof(*line));
    if (!line) {
        return error_set(error, "out of memory for a fault");
    }
    line->fault = fault;
    line->lines = machine_isa_interrupts(fault->owner->machine);
    timer_init(&line->timer, machine_clock(fault->owner->machine), timer_fired, line);
    fault->data = line;
    return true;
}

static void wrap(struct broken_line *line)
{
    for (unsigned i = 0; i < ISA_CONTROLLERS; i++) {
        struct controller_tap *tap = &line->taps[i];
        *tap = (struct controller_tap){.line = line,
                                       .index = i,
                                       .sink = line->lines->controllers[i].sink,
                                       .opaque = line->lines->controllers[i].opaque};
        if (tap->sink) {
            line->lines->controllers[i].sink = tapped;
            line->lines->controllers[i].opaque = tap;
        }
    }
    line->level = line->lines->levels[line->fault->spec.line] != 0;
    line->wrapped = true;
}

static bool begin_irq(struct fault *fault)
{
    struct broken_line *line = fault->data;
    if (fault->spec.line == FAULT_LINE_NMI) {
        fault->present = false;
        fault_note_use(fault);
        machine_raise_nmi(fault->owner->machine);
        return true;
    }
    if (!line->wrapped) {
        wrap(line);
    }
    if (fault->spec.model == FAULT_SPURIOUS) {
        fault->present = false;
        line->pulse = true;
        fault_note_use(fault);
        timer_set_ns(&line->timer, clock_now_ns(line->timer.clock) + PULSE_NS);
        pass(line, true);
    }
    return true;
}

static void end_irq(struct fault *fault)
{
    struct broken_line *line = fault->data;
    if (line->swallowed && line->level) {
        line->swallowed = false;
        pass(line, true);
    }
}

static void disarm_irq(struct fault *fault)
{
    struct broken_line *line = fault->data;
    timer_cancel(&line->timer);
    for (unsigned i = 0; line->wrapped && i < ISA_CONTROLLERS; i++) {
        line->lines->controllers[i].sink = line->taps[i].sink;
        line->lines->controllers[i].opaque = line->taps[i].opaque;
    }
    if (line->wrapped) {
        line->wrapped = false;
        pass(line, line->level);
    }
}

const struct fault_target fault_irq = {
    .arm = arm_irq,
    .begin = begin_irq,
    .end = end_irq,
    .disarm = disarm_irq,
};
