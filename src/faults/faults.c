/* The faults of a machine: how they are armed, and who is asked for them. */
#include "faults/faults_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct fault_target *const targets[FAULT_TARGETS] = {
    [FAULT_RAM] = &fault_ram,       [FAULT_REGISTER] = &fault_register,
    [FAULT_CODE] = &fault_code,     [FAULT_TLB] = &fault_tlb,
    [FAULT_PORT] = &fault_port,     [FAULT_MMIO] = &fault_mmio,
    [FAULT_DMA] = &fault_dma,       [FAULT_IRQ] = &fault_irq,
    [FAULT_DISK] = &fault_disk,     [FAULT_NETWORK] = &fault_network,
    [FAULT_SERIAL] = &fault_serial, [FAULT_CLOCK] = &fault_clock,
    [FAULT_POWER] = &fault_power,
};

/* -- all of them -- */

/* The debugger is the CPU's only while it has something to wait for: engines interpret
 * then. */
static void update_debugger(struct faults *faults)
{
    struct debugger *debugger = &faults->debugger;
    bool watched = debugger->watch_count;
    debugger->count = debugger->watch_count = 0;
    bool steps = false, interprets = false;
    debugger->no_interrupts = false;
    for (struct fault *f = faults->first; f; f = f->next) {
        steps |= f->steps;
        interprets |= f->interprets;
        debugger->no_interrupts |= f->masks;
        trigger_add_points(f);
    }
    bool wanted = steps || interprets || debugger->count;
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
    dma_filter_update(faults);
    serial_taps_update(faults);
    update_debugger(faults);
}

static void visit(void *opaque)
{
    struct faults *faults = opaque;
    for (struct fault *f = faults->first; f; f = f->next) {
        fault_attend(f);
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
    faults->injected = config->injected;
    faults->opaque = config->opaque;
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
    fault_end(fault);
    if (fault->is_set_up) {
        trigger_take_down(fault);
    }
    timer_cancel(&fault->timer);
    if (fault->target->disarm) {
        fault->target->disarm(fault);
    }
    fault->steps = fault->masks = fault->interprets = false;
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

void faults_forget_all(struct faults *faults, uint64_t seed)
{
    struct fault *next;
    faults_disarm_all(faults);
    for (struct fault *f = faults->first; f; f = next) {
        next = f->next;
        free(f->data);
        free(f);
    }
    faults->first = faults->last = NULL;
    faults->armed = 0;
    faults->seed = seed;
    update(faults);
}

void faults_destroy(struct faults *faults)
{
    if (!faults) {
        return;
    }
    lock_take(machine_lock(faults->machine));
    faults_forget_all(faults, 0);
    machine_remove_visitor(faults->machine, &faults->visitor);
    lock_release(machine_lock(faults->machine));
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
    if (spec->module.is_meant) {
        fault->target = &fault_module;
    }
    if (!*spec->id) {
        snprintf(fault->spec.id, sizeof(fault->spec.id), "fault%u", faults->armed);
    }
    fault->random.state = seed_of(faults, &fault->spec);
    fault->report.detected_vector = FAULT_NO_VECTOR;
    timer_init(&fault->timer, machine_clock(faults->machine), fault_timer_fired, fault);
    return fault;
}

struct fault *faults_arm(struct faults *faults, const struct fault_spec *spec,
                         struct error *error)
{
    struct fault *fault = check(faults, spec, error) ? create(faults, spec) : NULL;
    if (!fault) {
        return NULL;
    }
    if (!trigger_resolve(fault, error) ||
        (fault->target->arm && !fault->target->arm(fault, error))) {
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
