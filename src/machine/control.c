/* Two things keep the CPU's thread from the engine: a state other than running, and
 * holds. It waits for both in wait_while_held() and says that it does. */
#include "machine/control.h"

#include "machine/machine_internal.h"
#include "machine/services.h"

void machine_notify_event(struct machine *machine, const struct machine_event *event)
{
    struct machine_observer *next;
    for (struct machine_observer *o = machine->observers; o; o = next) {
        next = o->next;
        o->notify(o->opaque, event);
    }
}

void machine_notify(struct machine *machine, enum machine_event_kind kind, bool guest,
                    const char *reason)
{
    const struct machine_event event = {.kind = kind, .guest = guest, .reason = reason};
    machine_notify_event(machine, &event);
}

void machine_add_observer(struct machine *machine, struct machine_observer *observer)
{
    struct machine_observer **place = &machine->observers;
    while (*place) {
        place = &(*place)->next;
    }
    observer->next = NULL;
    *place = observer;
}

void machine_remove_observer(struct machine *machine, struct machine_observer *observer)
{
    struct machine_observer **place = &machine->observers;
    while (*place && *place != observer) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = observer->next;
    }
}

enum machine_state machine_state(const struct machine *machine)
{
    return machine->state;
}

bool machine_keeps_after_shutdown(const struct machine *machine)
{
    return machine->config.no_shutdown;
}

bool machine_is_held(const struct machine *machine)
{
    return machine->holds || machine->state != MACHINE_RUNNING;
}

/* Nobody else can be in the engine then. */
static bool on_cpu_thread(const struct machine *machine)
{
    return pthread_equal(pthread_self(), machine->cpu_thread);
}

void machine_hold(struct machine *machine)
{
    machine->holds++;
    /* The event loop runs before the machine has been reset for the first time. */
    while (!machine->powered_on && !on_cpu_thread(machine)) {
        pthread_cond_wait(&machine->held, &machine->lock.mutex);
    }
    while (machine->in_run && !machine->waits && !on_cpu_thread(machine)) {
        machine_wake_cpu(machine);
        pthread_cond_wait(&machine->held, &machine->lock.mutex);
    }
}

void machine_release(struct machine *machine)
{
    machine->holds--;
    pthread_cond_signal(&machine->wake);
}

void machine_stand_still(struct machine *machine, enum machine_state state)
{
    bool was_running = machine->state == MACHINE_RUNNING;
    machine->state = state;
    clock_pause(&machine->clock);
    if (was_running) {
        machine_notify(machine, MACHINE_EVENT_STOP, false, NULL);
    }
}

void machine_pause(struct machine *machine)
{
    machine_hold(machine);
    if (machine->state == MACHINE_RUNNING) {
        machine_stand_still(machine, MACHINE_PAUSED);
    }
    machine_release(machine);
}

static bool go_on(struct machine *machine, bool step, bool no_time, struct error *error)
{
    if (machine->state == MACHINE_RUNNING) {
        return true;
    }
    if (machine->state == MACHINE_SHUT_DOWN) {
        return error_set(error, "Resetting the Virtual Machine is required");
    }
    if (machine->debugger) {
        debugger_let_go(machine->debugger, step);
    }
    machine->state = MACHINE_RUNNING;
    if (!no_time) {
        clock_resume(&machine->clock);
    }
    machine_notify(machine, MACHINE_EVENT_RESUME, false, NULL);
    disks_retry(machine);
    pthread_cond_signal(&machine->wake);
    return true;
}

bool machine_continue(struct machine *machine, struct error *error)
{
    return go_on(machine, false, false, error);
}

bool machine_step(struct machine *machine, bool no_time, struct error *error)
{
    return go_on(machine, true, no_time, error);
}

void machine_set_debugger(struct machine *machine, struct debugger *debugger)
{
    if (machine->debugger) {
        machine_remove_debugger(machine, machine->debugger);
    }
    machine->debugger = debugger;
    if (debugger) {
        machine_add_debugger(machine, debugger);
    }
}

void machine_add_debugger(struct machine *machine, struct debugger *debugger)
{
    debugger->next = machine->cpu.debugger;
    machine->cpu.debugger = debugger;
}

void machine_remove_debugger(struct machine *machine, struct debugger *debugger)
{
    struct debugger **place = &machine->cpu.debugger;
    while (*place && *place != debugger) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = debugger->next;
    }
}

void machine_add_visitor(struct machine *machine, struct machine_visitor *visitor)
{
    visitor->next = machine->visitors;
    machine->visitors = visitor;
}

void machine_remove_visitor(struct machine *machine, struct machine_visitor *visitor)
{
    struct machine_visitor **place = &machine->visitors;
    while (*place && *place != visitor) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = visitor->next;
    }
}

void machine_request_visit(struct machine *machine, struct machine_visitor *visitor)
{
    visitor->requested = true;
    machine_wake_cpu(machine);
}

void machine_debugger_changed(struct machine *machine)
{
    cpu_request(&machine->cpu, CPU_REQUEST_FLUSH);
}

void machine_reset(struct machine *machine, const char *reason)
{
    machine->reset_requested = true;
    machine->reset_reason = reason;
    while ((machine->run_ahead || machine->in_run) && machine->reset_requested &&
           !on_cpu_thread(machine)) {
        machine_wake_cpu(machine);
        pthread_cond_wait(&machine->held, &machine->lock.mutex);
    }
}

void machine_power_down(struct machine *machine)
{
    machine_press_power_button(machine);
    machine_notify(machine, MACHINE_EVENT_POWER_BUTTON, false, NULL);
}

void machine_quit(struct machine *machine, const char *reason)
{
    machine_notify(machine, MACHINE_EVENT_SHUTDOWN, false, reason);
    machine->stop_requested = true;
    machine_wake_cpu(machine);
}

void machine_interrupt(struct machine *machine)
{
    machine->interrupted = true;
    machine_wake_cpu(machine);
}

void machine_raise_nmi(struct machine *machine)
{
    interrupts_raise_nmi(machine);
}

struct clock *machine_clock(struct machine *machine)
{
    return &machine->clock;
}

struct event_loop *machine_event_loop(struct machine *machine)
{
    return machine->loop;
}

struct log *machine_log(struct machine *machine)
{
    return &machine->log;
}

struct lock *machine_lock(struct machine *machine)
{
    return &machine->lock;
}

void machine_stop_event_loop(struct machine *machine)
{
    event_loop_stop(machine->loop);
}
