/* Faults: how they are armed, begin, come and go. */
#include "faults/faults_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct fault_target *const targets[FAULT_TARGETS] = {
    [FAULT_RAM] = &fault_ram,       [FAULT_REGISTER] = &fault_register,
    [FAULT_CODE] = &fault_code,     [FAULT_PORT] = &fault_port,
    [FAULT_MMIO] = &fault_mmio,     [FAULT_IRQ] = &fault_irq,
    [FAULT_DISK] = &fault_disk,     [FAULT_NETWORK] = &fault_network,
    [FAULT_SERIAL] = &fault_serial, [FAULT_POWER] = &fault_power,
};

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

static void timer_fired(void *opaque)
{
    struct fault *fault = opaque;
    fault->timer_due = true;
    fault_request_visit(fault);
}

static void end(struct fault *fault)
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
    end(fault);
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
    end(fault);
    fault->report.state = FAULT_OVER;
}

static void attend(struct fault *fault)
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
        fault->triggered |= due && fault->spec.when.event == FAULT_TIME;
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

/* -- all of them -- */

/* The debugger is the CPU's only while it has something to wait for: engines interpret
 * then. */
static void update_debugger(struct faults *faults)
{
    struct debugger *debugger = &faults->debugger;
    bool watched = debugger->watch_count;
    debugger->count = debugger->watch_count = 0;
    bool steps = false;
    debugger->no_interrupts = false;
    for (struct fault *f = faults->first; f; f = f->next) {
        steps |= f->steps;
        debugger->no_interrupts |= f->masks;
        trigger_add_points(f);
    }
    bool wanted = steps || debugger->count;
    if (wanted && !faults->debugging) {
        machine_add_debugger(faults->machine, debugger);
        debugger_let_go(debugger, steps);
        debugger->moved = !steps;
    } else if (!wanted && faults->debugging) {
        machine_remove_debugger(faults->machine, debugger);
    }
    faults->debugging = wanted;
    debugger->step = steps;
    if (watched || debugger->watch_count) {
        machine_debugger_changed(faults->machine);
    }
}

static void update(struct faults *faults)
{
    uint64_t at = UINT64_MAX;
    for (struct fault *f = faults->first; f; f = f->next) {
        uint64_t wanted = trigger_instruction(f);
        at = wanted < at ? wanted : at;
    }
    faults->visitor.at = at;
    port_filter_update(faults);
    serial_taps_update(faults);
    update_debugger(faults);
}

static void visit(void *opaque)
{
    struct faults *faults = opaque;
    for (struct fault *f = faults->first; f; f = f->next) {
        attend(f);
    }
    update(faults);
}

/* The debugger has stopped the CPU. Of an instruction that an interrupt comes before is
 * heard again. */
static void reached(void *opaque)
{
    struct faults *faults = opaque;
    for (struct fault *f = faults->first; f; f = f->next) {
        trigger_note_stop(f);
    }
    for (struct fault *f = faults->first; f; f = f->next) {
        if (f->steps) {
            f->target->stepped(f);
        }
    }
    visit(faults);
    if (faults->debugging) {
        debugger_let_go(&faults->debugger, faults->debugger.step);
    }
}

static bool may_have_been_detected(const struct fault *fault)
{
    const struct fault_report *report = &fault->report;
    return report->injections && report->detected_vector == FAULT_NO_VECTOR &&
           (report->activation == FAULT_ACTIVATED ||
            report->activation == FAULT_ACTIVATION_UNKNOWN);
}

static void delivered(void *opaque, unsigned vector, uint32_t error)
{
    struct faults *faults = opaque;
    (void)error;
    bool exception = !(vector & (CPU_DELIVERED_HARDWARE | CPU_DELIVERED_SOFTWARE));
    lock_take(machine_lock(faults->machine));
    for (struct fault *f = faults->first; f; f = f->next) {
        if (exception && may_have_been_detected(f)) {
            f->report.detected_vector =
                vector & CPU_TRIPLE_FAULT ? FAULT_TRIPLE_FAULT : (int)vector;
            fault_place_now(faults, &f->report.detected);
        }
        trigger_note_vector(f, vector);
    }
    lock_release(machine_lock(faults->machine));
}

struct faults *faults_create(struct machine *machine,
                             const struct faults_config *config, struct error *error)
{
    struct faults *faults = calloc(1, sizeof(*faults));
    if (!faults) {
        error_set(error, "out of memory for faults");
        return NULL;
    }
    faults->machine = machine;
    faults->seed = config->seed;
    faults->visitor =
        (struct machine_visitor){.visit = visit, .opaque = faults, .at = UINT64_MAX};
    faults->debugger.reached = reached;
    faults->debugger.opaque = faults;
    faults->observer = (struct cpu_observer){.delivered = delivered, .opaque = faults};
    faults->pages.map = machine_memory_to_change(machine);
    if (config->log && !(faults->log = fopen(config->log, "we"))) {
        error_set_errno(error, errno, "cannot write the faults' log '%s'", config->log);
        free(faults);
        return NULL;
    }
    if (config->symbols && !symbols_read(&faults->symbols, config->symbols, error)) {
        faults_destroy(faults);
        return NULL;
    }
    machine_add_visitor(machine, &faults->visitor);
    return faults;
}

static void disarm(struct fault *fault)
{
    end(fault);
    if (fault->is_set_up) {
        trigger_take_down(fault);
    }
    timer_cancel(&fault->timer);
    if (fault->target->disarm) {
        fault->target->disarm(fault);
    }
    fault->steps = fault->masks = false;
    fault->is_set_up = true; /* nothing is to come any more */
    fault->triggered = false;
    if (fault->report.state == FAULT_WAITING) {
        fault->report.state = FAULT_REFUSED;
        fault_refuse(fault, "disarmed before its trigger came");
    } else if (fault->report.state == FAULT_PRESENT) {
        fault->report.state = FAULT_OVER;
    }
}

void faults_disarm_all(struct faults *faults)
{
    /* Who came last stands before the others. */
    for (struct fault *f = faults->last; f; f = f->previous) {
        disarm(f);
    }
    update(faults);
    machine_cpu_to_change(faults->machine)->observer = NULL;
}

void faults_destroy(struct faults *faults)
{
    struct fault *next;
    if (!faults) {
        return;
    }
    lock_take(machine_lock(faults->machine));
    faults_disarm_all(faults);
    machine_remove_visitor(faults->machine, &faults->visitor);
    lock_release(machine_lock(faults->machine));
    for (struct fault *f = faults->first; f; f = next) {
        next = f->next;
        free(f->data);
        free(f);
    }
    symbols_free(&faults->symbols);
    if (faults->log) {
        fclose(faults->log);
    }
    free(faults);
}

/* -- arming -- */

static bool check(const struct faults *faults, const struct fault_spec *spec,
                  struct error *error)
{
    const struct machine_config *config = machine_configuration(faults->machine);
    for (const struct fault *f = faults->first; f; f = f->next) {
        if (*spec->id && strcmp(f->spec.id, spec->id) == 0) {
            return error_set(error, "-fault: id=%s is taken; give each fault its own",
                             spec->id);
        }
    }
    return spec->when.event != FAULT_INSTRUCTION ||
           config->clock == CLOCK_KIND_COUNTED ||
           error_set(error, "-fault: when=instruction: needs -clock counted: else "
                            "instructions are not counted exactly");
}

static uint64_t seed_of(const struct faults *faults, const struct fault_spec *spec)
{
    struct fault_random random = {.state = faults->seed};
    uint64_t seed = random_next(&random);
    for (const char *p = spec->id; *p; p++) {
        random.state = seed ^ (uint8_t)*p;
        seed = random_next(&random);
    }
    return spec->has_seed ? spec->seed : seed;
}

static struct fault *create(struct faults *faults, const struct fault_spec *spec)
{
    struct fault *fault = calloc(1, sizeof(*fault));
    if (!fault) {
        return NULL;
    }
    fault->owner = faults;
    fault->spec = *spec;
    fault->target = targets[spec->target];
    if (!*spec->id) {
        snprintf(fault->spec.id, sizeof(fault->spec.id), "fault%u", faults->armed);
    }
    fault->random.state = seed_of(faults, &fault->spec);
    fault->report.detected_vector = FAULT_NO_VECTOR;
    timer_init(&fault->timer, machine_clock(faults->machine), timer_fired, fault);
    return fault;
}

struct fault *faults_arm(struct faults *faults, const struct fault_spec *spec,
                         struct error *error)
{
    struct fault *fault = check(faults, spec, error) ? create(faults, spec) : NULL;
    if (!fault) {
        return NULL;
    }
    if (fault->target->arm && !fault->target->arm(fault, error)) {
        free(fault->data);
        free(fault);
        return NULL;
    }
    faults->armed++;
    fault->previous = faults->last;
    *(faults->last ? &faults->last->next : &faults->first) = fault;
    faults->last = fault;
    machine_cpu_to_change(faults->machine)->observer = &faults->observer;
    fault_request_visit(fault);
    return fault;
}

struct fault *faults_arm_text(struct faults *faults, const char *option,
                              const char *text, struct error *error)
{
    struct fault_spec spec;
    return fault_spec_parse(&spec, option, text, error)
               ? faults_arm(faults, &spec, error)
               : NULL;
}

struct fault *faults_first(const struct faults *faults)
{
    return faults->first;
}

struct fault *fault_next(const struct fault *fault)
{
    return fault->next;
}

const struct fault_spec *fault_spec(const struct fault *fault)
{
    return &fault->spec;
}

const struct fault_report *fault_report(const struct fault *fault)
{
    return &fault->report;
}
