#include "clock/clock.h"

#include <assert.h>

void clock_init(struct clock *clock, enum clock_kind kind, int64_t epoch_s)
{
    *clock = (struct clock){.kind = kind, .epoch_s = epoch_s};
    if (kind == CLOCK_KIND_HOST) {
        host_time_create(&clock->host);
        clock->base_ns = host_time_ns(&clock->host);
    }
}

uint64_t clock_now_ns(struct clock *clock)
{
    if (clock->paused) {
        return clock->paused_ns;
    }
    uint64_t now_ns;
    switch (clock->kind) {
    case CLOCK_KIND_HOST:
        now_ns = host_time_ns(&clock->host) - clock->base_ns;
        atomic_store_explicit(&clock->seen_ns, now_ns, memory_order_relaxed);
        return now_ns;
    case CLOCK_KIND_COUNTED:
        return clock->base_ns +
               (clock->retired ? clock->retired(clock->retired_opaque) : 0);
    case CLOCK_KIND_MANUAL:
        break;
    }
    return clock->manual_ns;
}

bool clock_keeps_vectors(const struct clock *clock)
{
    return clock->kind != CLOCK_KIND_HOST || clock->host.keeps_vectors;
}

uint64_t clock_next_deadline_ns(const struct clock *clock)
{
    return clock->first && !clock->paused ? clock->first->deadline_ns : CLOCK_NEVER;
}

unsigned clock_run_timers(struct clock *clock)
{
    unsigned fired = 0;
    uint64_t now_ns = clock_now_ns(clock);
    while (clock->first && !clock->paused && clock->first->deadline_ns <= now_ns) {
        struct timer *timer = clock->first;
        clock->first = timer->next;
        timer->deadline_ns = CLOCK_NEVER;
        timer->callback(timer->opaque);
        fired++;
    }
    return fired;
}

void clock_catch_up(struct clock *clock)
{
    if (clock_next_deadline_ns(clock) <=
        atomic_load_explicit(&clock->seen_ns, memory_order_relaxed)) {
        clock_run_timers(clock);
    }
}

void clock_pause(struct clock *clock)
{
    clock->paused_ns = clock_now_ns(clock);
    clock->paused = true;
}

void clock_resume(struct clock *clock)
{
    if (!clock->paused) {
        return;
    }
    clock->paused = false;
    uint64_t passed_ns = clock_now_ns(clock) - clock->paused_ns;
    switch (clock->kind) {
    case CLOCK_KIND_HOST:
        clock->base_ns += passed_ns;
        break;
    case CLOCK_KIND_COUNTED: /* steps that were not to count */
        clock->base_ns -= passed_ns;
        break;
    case CLOCK_KIND_MANUAL:
        clock->manual_ns -= passed_ns;
        break;
    }
    if (clock->deadline_changed && clock->first) {
        clock->deadline_changed(clock->deadline_opaque);
    }
}

void clock_skip_to_ns(struct clock *clock, uint64_t time_ns)
{
    uint64_t now_ns = clock_now_ns(clock);
    if (time_ns <= now_ns) {
        return;
    }
    if (clock->kind == CLOCK_KIND_MANUAL) {
        clock->manual_ns = time_ns;
    } else if (clock->kind == CLOCK_KIND_COUNTED) {
        clock->base_ns += time_ns - now_ns;
    }
}

void clock_load_ns(struct clock *clock, uint64_t time_ns)
{
    assert(clock->paused);
    uint64_t moved_ns = time_ns - clock->paused_ns;
    clock->paused_ns = time_ns;
    atomic_store(&clock->seen_ns, time_ns);
    for (struct timer *timer = clock->first; timer; timer = timer->next) {
        timer->deadline_ns += moved_ns;
    }
}

void clock_step_ns(struct clock *clock, uint64_t step_ns)
{
    uint64_t end_ns = clock->manual_ns + step_ns;
    while (clock_next_deadline_ns(clock) <= end_ns) {
        clock_skip_to_ns(clock, clock_next_deadline_ns(clock));
        clock_run_timers(clock);
    }
    clock->manual_ns = end_ns;
}

void timer_init(struct timer *timer, struct clock *clock, timer_callback *callback,
                void *opaque)
{
    *timer = (struct timer){
        .clock = clock,
        .callback = callback,
        .opaque = opaque,
        .deadline_ns = CLOCK_NEVER,
        .rank = clock->timers++,
    };
}

static bool comes_before(const struct timer *timer, uint64_t deadline_ns, unsigned rank)
{
    return timer->deadline_ns < deadline_ns ||
           (timer->deadline_ns == deadline_ns && timer->rank < rank);
}

static void unlink_timer(struct timer *timer)
{
    struct timer **place = &timer->clock->first;
    while (*place && *place != timer) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = timer->next;
    }
    timer->deadline_ns = CLOCK_NEVER;
}

void timer_set_ns(struct timer *timer, uint64_t deadline_ns)
{
    struct clock *clock = timer->clock;
    uint64_t earliest_ns = clock_next_deadline_ns(clock);
    if (timer_is_armed(timer)) {
        unlink_timer(timer);
    }
    if (deadline_ns != CLOCK_NEVER) {
        struct timer **place = &clock->first;
        while (*place && comes_before(*place, deadline_ns, timer->rank)) {
            place = &(*place)->next;
        }
        timer->deadline_ns = deadline_ns;
        timer->next = *place;
        *place = timer;
    }
    if (clock->deadline_changed && clock_next_deadline_ns(clock) != earliest_ns) {
        clock->deadline_changed(clock->deadline_opaque);
    }
}

void timer_cancel(struct timer *timer)
{
    timer_set_ns(timer, CLOCK_NEVER);
}

uint64_t clock_scale(uint64_t value, uint64_t numerator, uint64_t denominator)
{
    return (uint64_t)((unsigned __int128)value * numerator / denominator);
}
