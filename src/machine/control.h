/* machine/control.h: what one can do to a machine that runs: pause it, reset it, look
 * into it, and be told what happens to it.
 *
 * Thread: the event loop's, or the CPU's in a callback of its own; machine lock held.
 * Whoever wants the CPU to stand still has it stop at an instruction boundary first:
 * the lock is let go for as long as that takes. Saved by: nobody. */
#ifndef MACHINE_CONTROL_H
#define MACHINE_CONTROL_H

#include "base/error.h"
#include "base/types.h"
#include "cpu/core/debugger.h"
#include "host/event_loop.h"
#include "machine/machine.h"

enum machine_state {
    MACHINE_PRELAUNCH, /* before the first instruction, or after a reset while paused */
    MACHINE_RUNNING,
    MACHINE_PAUSED,
    MACHINE_IO_ERROR,  /* a disk image could not be read or written */
    MACHINE_DEBUG,     /* the debugger has stopped it */
    MACHINE_SHUT_DOWN, /* the guest has switched off, and with no_shutdown this is kept
                        */
};

enum machine_event_kind {
    MACHINE_EVENT_RESUME,
    MACHINE_EVENT_STOP,
    MACHINE_EVENT_RESET,
    MACHINE_EVENT_SHUTDOWN,
    MACHINE_EVENT_POWER_BUTTON,
    MACHINE_EVENT_TRAY_MOVED,
    MACHINE_EVENT_DISK_FAILED,
};

struct machine_event {
    enum machine_event_kind kind;
    bool guest;                          /* RESET, SHUTDOWN: the guest wanted it */
    const char *reason;                  /* likewise, as QMP calls it */
    const char *drive;                   /* TRAY_MOVED, DISK_FAILED: whose */
    bool open;                           /* TRAY_MOVED */
    const struct block_failure *failure; /* DISK_FAILED */
};

/* Who is told of events, in the order of registration; on either thread, lock held. */
struct machine_observer {
    void (*notify)(void *opaque, const struct machine_event *event);
    void *opaque;
    struct machine_observer *next;
};

void machine_add_observer(struct machine *machine, struct machine_observer *observer);
void machine_remove_observer(struct machine *machine,
                             struct machine_observer *observer);

enum machine_state machine_state(const struct machine *machine);

/* The CPU stands still, and so does time, until machine_continue(). Not running is
 * fine.
 */
void machine_pause(struct machine *machine);
/* Fails if only a reset helps. Running is fine. */
bool machine_continue(struct machine *machine, struct error *error);
/* Resets the machine, running or not: it is done when this returns. `reason`: for the
 * event. */
void machine_reset(struct machine *machine, const char *reason);
/* Presses the power button, which a guest may heed. */
void machine_power_down(struct machine *machine);
/* Ends machine_run() soon. */
void machine_quit(struct machine *machine, const char *reason);

/* Has machine_run() return so that it can be called again to go on. In a callback on
 * the CPU's thread, as a device's output and timers have it: right after the
 * instruction that caused it. Lock held. */
void machine_interrupt(struct machine *machine);

/* Whether the guest's switching off only stops it. */
bool machine_keeps_after_shutdown(const struct machine *machine);

/* The CPU stands at an instruction boundary from the return of machine_hold() until as
 * many machine_release(); time goes on. */
void machine_hold(struct machine *machine);
void machine_release(struct machine *machine);

/* Whoever acts on a machine between two instructions: a visitor is called by the CPU's
 * thread, out of the engine and between two runs of timers, and may change what it
 * likes. With a counted clock an instruction count is met exactly, by every engine. */
struct machine_visitor {
    void (*visit)(void *opaque);
    void *opaque;
    uint64_t at;    /* instructions retired since power on; UINT64_MAX: not by count */
    bool requested; /* see machine_request_visit() */
    struct machine_visitor *next;
};

void machine_add_visitor(struct machine *machine, struct machine_visitor *visitor);
void machine_remove_visitor(struct machine *machine, struct machine_visitor *visitor);
/* Before the next instruction; that of an access to a device is completed before. A
 * machine that is paused is visited when it goes on. */
void machine_request_visit(struct machine *machine, struct machine_visitor *visitor);

/* Adds one more debugger, and takes it away. The CPU does not run; of one that watches
 * memory, see machine_debugger_changed(). */
void machine_add_debugger(struct machine *machine, struct debugger *debugger);
void machine_remove_debugger(struct machine *machine, struct debugger *debugger);

/* gdb's: while there is a debugger, the CPU stops where it says, and machine_state() is
 * MACHINE_DEBUG then. NULL: none any more. The CPU does not run. */
void machine_set_debugger(struct machine *machine, struct debugger *debugger);
/* The debugger, whether or not the machine has it just now, watches more. */
void machine_debugger_changed(struct machine *machine);
/* Executes one instruction, and stops as at a breakpoint; time stands still for that if
 * `no_time`. Not running. Fails as machine_continue(). */
bool machine_step(struct machine *machine, bool no_time, struct error *error);

void machine_raise_nmi(struct machine *machine);

struct clock *machine_clock(struct machine *machine);
struct event_loop *machine_event_loop(struct machine *machine);
struct log *machine_log(struct machine *machine);
struct lock *machine_lock(struct machine *machine);
/* No callbacks any more. Lock not held. */
void machine_stop_event_loop(struct machine *machine);

#endif
