/* clock/clock.h: virtual time and timers. All time that a guest can see comes from
 * here.
 *
 * A clock counts nanoseconds since the machine was created. CLOCK_KIND_HOST follows the
 * host's monotonic clock; CLOCK_KIND_COUNTED follows a counter of retired instructions
 * (one instruction is one nanosecond) plus the time skipped while the CPU was halted,
 * so that the same input gives the same run; CLOCK_KIND_MANUAL is for unit tests.
 * CLOCK_KIND_VIEW is another clock as one chip sees it, by an oscillator of its own: it
 * shows the same time unless somebody disturbs it.
 *
 * Timers fire in order of their deadline, and where deadlines are equal in the order in
 * which timer_init() made them: so a machine that was loaded, whose timers were armed
 * in another order, goes on as the one that was saved.
 * Thread: any that holds the machine lock. Saved by: the machine (the time); the owner
 * of a timer saves its deadline and arms it again when it has been loaded. */
#ifndef CLOCK_CLOCK_H
#define CLOCK_CLOCK_H

#include "base/types.h"
#include "clock/host_time.h"

#include <stdatomic.h>

enum clock_kind {
    CLOCK_KIND_HOST,
    CLOCK_KIND_COUNTED,
    CLOCK_KIND_MANUAL,
    CLOCK_KIND_VIEW,
};

#define CLOCK_NEVER UINT64_MAX

struct timer;
typedef void timer_callback(void *opaque);

/* Embed it in the device that owns it. */
struct timer {
    struct clock *clock;
    timer_callback *callback;
    void *opaque;
    uint64_t deadline_ns; /* CLOCK_NEVER: not armed */
    uint64_t due_ns;      /* when that is: another time if the clock is a view */
    unsigned rank;        /* how many of this clock were made before */
    struct timer *next;   /* the clock's list, sorted by due_ns */
};

/* What a view shows: since its source showed `since_ns` that began with `own_ns`. */
struct clock_view {
    struct clock *source; /* no view */
    uint64_t since_ns, own_ns;
    int64_t drift_ppm; /* it goes so much faster */
    unsigned stops;    /* so many hold it */
};

struct clock {
    enum clock_kind kind;
    struct host_time host; /* CLOCK_KIND_HOST */
    uint64_t base_ns;      /* host: time of the host at start; counted: time skipped */
    uint64_t manual_ns;    /* manual: the time, as unit tests set it */
    /* counted: how many instructions have been retired, asked of the CPU */
    uint64_t (*retired)(void *opaque);
    void *retired_opaque;
    struct clock_view view;
    bool paused;
    uint64_t paused_ns; /* where time stands still */
    /* host: the time that somebody was told last */
    _Atomic uint64_t seen_ns;
    struct timer *first;
    unsigned timers; /* that have been made */
    /* Called when the earliest deadline has moved; may be NULL. */
    void (*deadline_changed)(void *opaque);
    void *deadline_opaque;
    /* Host seconds since 1970 at virtual time 0: what an RTC starts from. */
    int64_t epoch_s;
};

/* `epoch_s`: seconds since 1970-01-01 UTC that virtual time 0 stands for. */
void clock_init(struct clock *clock, enum clock_kind kind, int64_t epoch_s);

/* The source outlives it, and has its timers. */
void clock_init_view(struct clock *view, struct clock *source);

/* From now on a view goes faster by so many millionths than it did (slower, if below
 * 0; it never goes back), or is held by one more, or less; and it jumps ahead. */
void clock_view_disturb(struct clock *view, int64_t drift_ppm, int stops,
                        uint64_t jump_ns);
enum { CLOCK_MOST_DRIFT_PPM = 1000000 };
/* How far it is ahead of its source, modulo 2^64; and that it is, from now on: as fast
 * as before. */
uint64_t clock_view_offset_ns(struct clock *view);
void clock_view_load(struct clock *view, uint64_t offset_ns);

/* Virtual time in ns. Never goes back. The thread that skips time need not hold the
 * lock for this. */
uint64_t clock_now_ns(struct clock *clock);
/* Whether that leaves the host's vector registers alone. */
bool clock_keeps_vectors(const struct clock *clock);

/* Time stands still, and no timer is due, from clock_pause() to clock_resume(): a
 * machine that does not run does not age. The CPU is not running either. Twice is once.
 */
void clock_pause(struct clock *clock);
void clock_resume(struct clock *clock);

/* Earliest deadline of all timers, CLOCK_NEVER if none is armed or time stands still.
 */
uint64_t clock_next_deadline_ns(const struct clock *clock);

/* Calls back every timer whose deadline has come by the time of the call; returns how
 * many. One that arms itself again for later waits for the next call: on a host clock
 * it could be due for ever. */
unsigned clock_run_timers(struct clock *clock);

/* Host clock: fires what was due at a time that has been told already. Who has read a
 * counter past a deadline is not to wait for the thread that sleeps until then. */
void clock_catch_up(struct clock *clock);

/* counted and manual clocks: jump ahead to `time_ns` if that is later than now. */
void clock_skip_to_ns(struct clock *clock, uint64_t time_ns);

/* The time, which stands still, becomes `time_ns`, be it earlier: a machine is loaded.
 * Armed timers are as far away as they were; whoever saves deadlines arms his again
 * after this. */
void clock_load_ns(struct clock *clock, uint64_t time_ns);

/* manual clocks (unit tests): step by `step_ns`, firing timers at their own times. */
void clock_step_ns(struct clock *clock, uint64_t step_ns);

void timer_init(struct timer *timer, struct clock *clock, timer_callback *callback,
                void *opaque);

/* Arms or moves the timer; a deadline in the past fires at the next opportunity. */
void timer_set_ns(struct timer *timer, uint64_t deadline_ns);
void timer_cancel(struct timer *timer);
static inline bool timer_is_armed(const struct timer *timer)
{
    return timer->deadline_ns != CLOCK_NEVER;
}

/* value * numerator / denominator without overflow in between (128 bits). */
uint64_t clock_scale(uint64_t value, uint64_t numerator, uint64_t denominator);

#endif
