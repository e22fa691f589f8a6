/* The run loop: the CPU's thread. It runs the engine, sleeps while the CPU is halted,
 * fires timers where time is counted, and does what devices have asked for. */
#define _GNU_SOURCE /* pthread_cond_clockwait */
#include "machine/display.h"
#include "machine/machine_internal.h"

#include <sys/prctl.h>
#include <time.h>

enum {
    TIMER_SLACK_NS = 1000, /* as the event loop's */
    TIMERS_AT_ONCE = 1000, /* of a halted CPU, before others get the lock */
};

void machine_wake_cpu(struct machine *machine)
{
    cpu_kick(&machine->cpu);
    pthread_cond_signal(&machine->wake);
}

static bool counted(const struct machine *machine)
{
    return machine->clock.kind == CLOCK_KIND_COUNTED;
}

/* Somebody has asked for something that is done whether or not the CPU runs. */
static bool is_asked(const struct machine *machine)
{
    return machine->stop_requested || machine->reset_requested ||
           machine->power_off_requested || machine->debug_exit_requested ||
           machine->init_requested || machine->disk_failed ||
           machine->halted_for_good || machine->interrupted;
}

static bool is_due(const struct machine *machine, const struct machine_visitor *visitor)
{
    return visitor->requested || machine->cpu.retired >= visitor->at;
}

static bool visit_is_due(const struct machine *machine)
{
    for (const struct machine_visitor *v = machine->visitors; v; v = v->next) {
        if (is_due(machine, v)) {
            return true;
        }
    }
    return false;
}

static bool wants_attention(const struct machine *machine)
{
    return is_asked(machine) || machine_is_held(machine) || visit_is_due(machine);
}

static void receive_visitors(struct machine *machine)
{
    struct machine_visitor *next;
    for (struct machine_visitor *v = machine->visitors; v; v = next) {
        next = v->next;
        if (is_due(machine, v)) {
            v->requested = false;
            v->at = UINT64_MAX;
            v->visit(v->opaque);
        }
    }
}

/* Tells whoever waits for it that the CPU is out of the engine. Lock held. */
static void wait_while_held(struct machine *machine)
{
    machine->waits = true;
    pthread_cond_broadcast(&machine->held);
    while (machine_is_held(machine) && !is_asked(machine)) {
        pthread_cond_wait(&machine->wake, &machine->lock.mutex);
    }
    machine->waits = false;
}

/* Whether a halted CPU would go on. */
static bool cpu_can_wake(struct machine *machine)
{
    struct cpu *cpu = &machine->cpu;
    uint32_t request = atomic_load(&cpu->request);
    return ((request & CPU_REQUEST_NMI) && !cpu->nmi_blocked) ||
           ((request & CPU_REQUEST_INTERRUPT) && (cpu->system_flags & EFLAGS_IF));
}

/* Host clock: sleeps until `deadline_ns` at most, and fires what is due. Lock held. */
static void wait_for_timer(struct machine *machine, uint64_t deadline_ns)
{
    uint64_t now_ns = clock_now_ns(&machine->clock);
    if (deadline_ns > now_ns) {
        struct timespec end;
        clock_gettime(CLOCK_MONOTONIC, &end);
        uint64_t end_ns = (uint64_t)end.tv_nsec + (deadline_ns - now_ns);
        end.tv_sec += (time_t)(end_ns / NS_PER_SECOND);
        end.tv_nsec = (long)(end_ns % NS_PER_SECOND);
        pthread_cond_clockwait(&machine->wake, &machine->lock.mutex, CLOCK_MONOTONIC,
                               &end);
    }
    clock_run_timers(&machine->clock);
}

/* Lets the event loop go on. It must sleep: a mutex that is only released and taken
 * again stays with us. */
static void give_way(struct machine *machine)
{
    lock_release(&machine->lock);
    nanosleep(&(struct timespec){.tv_nsec = TIMER_SLACK_NS}, NULL);
    lock_take(&machine->lock);
}

/* The CPU has halted: sleeps until something is to be done. On a counted clock time
 * jumps to the next timer instead; a CPU that no interrupt can wake waits for the user.
 * Timers may fire for ever without an interrupt that gets through. Lock held. */
static void wait_while_halted(struct machine *machine)
{
    for (unsigned timers = 0; !cpu_can_wake(machine) && !wants_attention(machine);
         timers++) {
        uint64_t deadline_ns = clock_next_deadline_ns(&machine->clock);
        bool wakeable = machine->cpu.system_flags & EFLAGS_IF;
        if (timers == TIMERS_AT_ONCE) {
            timers = 0;
            give_way(machine);
        } else if (counted(machine) && wakeable && deadline_ns != CLOCK_NEVER) {
            clock_skip_to_ns(&machine->clock, deadline_ns);
            clock_run_timers(&machine->clock);
        } else if (machine->untold_deadline && deadline_ns != CLOCK_NEVER) {
            wait_for_timer(machine, deadline_ns);
        } else if (machine->config.halt_ends && counted(machine)) {
            machine->halted_for_good = true;
        } else {
            pthread_cond_wait(&machine->wake, &machine->lock.mutex);
        }
    }
}

/* How many instructions may run before the next timer or the end of the run. */
static uint64_t budget(struct machine *machine)
{
    uint64_t left = machine->run_until - machine->cpu.retired;
    for (const struct machine_visitor *v = machine->visitors; v; v = v->next) {
        uint64_t until = v->at - machine->cpu.retired;
        left = until < left ? until : left;
    }
    uint64_t deadline_ns = clock_next_deadline_ns(&machine->clock);
    if (counted(machine) && deadline_ns != CLOCK_NEVER) {
        uint64_t now_ns = clock_now_ns(&machine->clock);
        uint64_t until = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        left = until < left ? until : left;
    }
    if (machine->untold_deadline && left > UNTOLD_INSTRUCTIONS) {
        left = UNTOLD_INSTRUCTIONS;
    }
    return left;
}

static void reset(struct machine *machine)
{
    machine->init_requested = false;
    pc_reset(machine);
    disks_give_up(machine);
    /* cpu_reset() looks at the clock through the bus, which takes the lock. */
    lock_release(&machine->lock);
    cpu_reset(&machine->cpu);
    lock_take(&machine->lock);
}

static void reset_again(struct machine *machine)
{
    const char *reason = machine->reset_reason;
    machine->reset_reason = NULL;
    reset(machine);
    machine_notify(machine, MACHINE_EVENT_RESET, !reason,
                   reason ? reason : "guest-reset");
    if (machine->state != MACHINE_RUNNING) {
        machine->state = MACHINE_PRELAUNCH;
    }
    machine->reset_requested = false;
    pthread_cond_broadcast(&machine->held);
}

/* The guest has switched off: true if that ends the run. */
static bool shut_down(struct machine *machine)
{
    machine->power_off_requested = false;
    machine_notify(machine, MACHINE_EVENT_SHUTDOWN, true, "guest-shutdown");
    if (machine->config.no_shutdown) {
        machine_stand_still(machine, MACHINE_SHUT_DOWN);
    }
    return !machine->config.no_shutdown;
}

/* A disk image wants the user's help: see disks.c. */
static void wait_for_help(struct machine *machine)
{
    machine->disk_failed = false;
    if (machine->state == MACHINE_RUNNING) {
        machine_stand_still(machine, MACHINE_IO_ERROR);
    }
}

/* Does what devices and the user have asked for; true when the run is over. */
static bool attend(struct machine *machine, struct machine_result *result)
{
    if (machine->power_off_requested && shut_down(machine)) {
        result->end = MACHINE_END_POWER_OFF;
        return true;
    }
    if (machine->debug_exit_requested) {
        machine->debug_exit_requested = false;
        result->end = MACHINE_END_DEBUG_EXIT;
        result->exit_code = (int)(machine->debug_exit_value << 1 | 1) & 0xff;
        return true;
    }
    if (machine->stop_requested) {
        result->end = machine->power_cut ? MACHINE_END_POWER_CUT : MACHINE_END_STOPPED;
        machine->stop_requested = machine->power_cut = false;
        return true;
    }
    if (machine->halted_for_good) {
        machine->halted_for_good = false;
        result->end = MACHINE_END_HALTED;
        return true;
    }
    if (machine->reset_requested && machine->config.no_reboot) {
        machine->reset_requested = false;
        machine_notify(machine, MACHINE_EVENT_SHUTDOWN, !machine->reset_reason,
                       machine->reset_reason ? machine->reset_reason : "guest-reset");
        result->end = MACHINE_END_RESET;
        return true;
    }
    if (machine->reset_requested) {
        reset_again(machine);
    }
    if (machine->init_requested) {
        machine->init_requested = false;
        cpu_init_signal(&machine->cpu);
    }
    if (machine->disk_failed) {
        wait_for_help(machine);
    }
    if (machine->cpu.retired >= machine->run_until) {
        result->end = MACHINE_END_BUDGET;
        return true;
    }
    if (machine->interrupted) {
        machine->interrupted = false;
        result->end = MACHINE_END_INTERRUPTED;
        return true;
    }
    return false;
}

static void tell_event_loop(struct machine *machine)
{
    if (machine->untold_deadline) {
        machine->untold_deadline = false;
        event_loop_deadline_changed(machine->loop);
    }
}

/* Debuggers have stopped the CPU: those that see to it themselves do so. */
static void stop_for_debuggers(struct machine *machine)
{
    struct debugger *next;
    for (struct debugger *d = machine->cpu.debugger; d; d = next) {
        next = d->next;
        if (!debugger_has_stopped(d)) {
            continue;
        }
        if (d->reached) {
            d->reached(d->opaque);
        } else {
            machine_stand_still(machine, MACHINE_DEBUG);
        }
    }
}

/* Runs the engine once, lock held before and after. */
static void run_engine(struct machine *machine)
{
    uint64_t instructions = budget(machine);
    lock_release(&machine->lock);
    enum cpu_exit why = machine->engine->run(&machine->cpu, instructions);
    lock_take(&machine->lock);
    if (counted(machine)) {
        clock_run_timers(&machine->clock);
    }
    if (why != CPU_EXIT_HALT) {
        tell_event_loop(machine);
    }
    switch (why) {
    case CPU_EXIT_HALT:
        wait_while_halted(machine);
        break;
    case CPU_EXIT_TRIPLE_FAULT:
        machine->reset_requested = true;
        break;
    case CPU_EXIT_DEBUG:
        stop_for_debuggers(machine);
        break;
    case CPU_EXIT_BUDGET:
    case CPU_EXIT_KICK:
        break;
    }
}

bool machine_power_on(struct machine *machine, struct error *error)
{
    machine->run_ahead = true;
    if (!disks_start(machine, error) || !event_loop_start(machine->loop, error)) {
        machine->run_ahead = false;
        return false;
    }
    lock_take(&machine->lock);
    reset(machine);
    consoles_connect(machine);
    displays_start(machine);
    machine->powered_on = true;
    pthread_cond_broadcast(&machine->held);
    if (machine->state != MACHINE_RUNNING) {
        clock_pause(&machine->clock);
    }
    lock_release(&machine->lock);
    return true;
}

struct machine_result machine_run(struct machine *machine, uint64_t instructions)
{
    struct machine_result result = {.end = MACHINE_END_STOPPED};
    uint64_t retired = machine->cpu.retired;
    machine->run_until = instructions && instructions < UINT64_MAX - retired
                             ? retired + instructions
                             : UINT64_MAX;
    machine->cpu.free_running = !counted(machine) && machine->run_until == UINT64_MAX;
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    if (!machine->powered_on && !machine_power_on(machine, &result.error)) {
        result.end = MACHINE_END_HOST_ERROR;
        return result;
    }
    lock_take(&machine->lock);
    machine->cpu_thread = pthread_self();
    machine->in_run = true;
    machine->run_ahead = false;
    while (!attend(machine, &result)) {
        if (machine_is_held(machine)) {
            wait_while_held(machine);
        } else if (visit_is_due(machine)) {
            receive_visitors(machine);
        } else {
            run_engine(machine);
        }
    }
    machine->in_run = false;
    pthread_cond_broadcast(&machine->held);
    tell_event_loop(machine);
    lock_release(&machine->lock);
    return result;
}
