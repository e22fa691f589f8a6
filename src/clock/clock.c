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

/* -- views -- */

enum { MILLION = 1000000 };

void clock_init_view(struct clock *view, struct clock *source)
{
    *view = (struct clock){
        .kind = CLOCK_KIND_VIEW, .epoch_s = source->epoch_s, .view.source = source};
}

/* Whose time it is. */
static struct clock *root_of(struct clock *clock)
{
    return clock->kind == CLOCK_KIND_VIEW ? clock->view.source : clock;
}

static bool is_disturbed(const struct clock_view *view)
{
    return view->own_ns != view->since_ns || view->drift_ppm || view->stops;
}

static uint64_t rate_of(const struct clock_view *view)
{
    int64_t rate = MILLION + view->drift_ppm;
    return rate > 0 && !view->stops ? (uint64_t)rate : 0;
}

static uint64_t shown_by(const struct clock_view *view, uint64_t source_ns)
{
    return view->own_ns +
           clock_scale(source_ns - view->since_ns, rate_of(view), MILLION);
}

/* The source's time when the clock shows `deadline_ns`, or more. */
static uint64_t due_of(const struct clock *clock, uint64_t deadline_ns)
{
    const struct clock_view *view = &clock->view;
    if (clock->kind != CLOCK_KIND_VIEW || !is_disturbed(view)) {
        return deadline_ns;
    }
    uint64_t rate = rate_of(view);
    if (deadline_ns <= view->own_ns || deadline_ns == CLOCK_NEVER || !rate) {
        return deadline_ns <= view->own_ns ? view->since_ns : CLOCK_NEVER;
    }
    unsigned __int128 passes_ns =
        ((unsigned __int128)(deadline_ns - view->own_ns) * MILLION + rate - 1) / rate;
    return passes_ns < CLOCK_NEVER - view->since_ns
               ? view->since_ns + (uint64_t)passes_ns
               : CLOCK_NEVER;
}

static void link_timer(struct timer *timer);

static void disturb(struct clock *view, int64_t drift_ppm, int stops, uint64_t jump_ns)
{
    struct clock_view *seen = &view->view;
    uint64_t now_ns = clock_now_ns(seen->source);
    seen->own_ns = shown_by(seen, now_ns) + jump_ns;
    seen->since_ns = now_ns;
    seen->drift_ppm += drift_ppm;
    seen->stops += (unsigned)stops;
}

/* Its timers are due at other times now. */
static void move_timers(const struct clock *view)
{
    struct clock *source = view->view.source;
    struct timer *all = source->first, *next;
    source->first = NULL;
    for (struct timer *timer = all; timer; timer = next) {
        next = timer->next;
        timer->due_ns = due_of(timer->clock, timer->deadline_ns);
        link_timer(timer);
    }
    if (source->deadline_changed) {
        source->deadline_changed(source->deadline_opaque);
    }
}

void clock_view_disturb(struct clock *view, int64_t drift_ppm, int stops,
                        uint64_t jump_ns)
{
    disturb(view, drift_ppm, stops, jump_ns);
    move_timers(view);
}

uint64_t clock_view_offset_ns(struct clock *view)
{
    uint64_t now_ns = clock_now_ns(view->view.source);
    return shown_by(&view->view, now_ns) - now_ns;
}

void clock_view_load(struct clock *view, uint64_t offset_ns)
{
    struct clock *source = view->view.source;
    uint64_t now_ns = clock_now_ns(source);
    if (!offset_ns && !is_disturbed(&view->view)) {
        return;
    }
    view->view.since_ns = now_ns;
    view->view.own_ns = now_ns + offset_ns;
    move_timers(view);
}

/* -- time -- */

uint64_t clock_now_ns(struct clock *clock)
{
    if (clock->kind == CLOCK_KIND_VIEW) {
        uint64_t source_ns = clock_now_ns(clock->view.source);
        return is_disturbed(&clock->view) ? shown_by(&clock->view, source_ns)
                                          : source_ns;
    }
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
    case CLOCK_KIND_VIEW:
        break;
    }
    return clock->manual_ns;
}

bool clock_keeps_vectors(const struct clock *clock)
{
    const struct clock *root =
        clock->kind == CLOCK_KIND_VIEW ? clock->view.source : clock;
    return root->kind != CLOCK_KIND_HOST || root->host.keeps_vectors;
}

uint64_t clock_next_deadline_ns(const struct clock *clock)
{
    return clock->first && !clock->paused ? clock->first->due_ns : CLOCK_NEVER;
}

unsigned clock_run_timers(struct clock *clock)
{
    unsigned fired = 0;
    uint64_t now_ns = clock_now_ns(clock);
    while (clock->first && !clock->paused && clock->first->due_ns <= now_ns) {
        struct timer *timer = clock->first;
        clock->first = timer->next;
        timer->deadline_ns = timer->due_ns = CLOCK_NEVER;
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
    case CLOCK_KIND_VIEW:
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
        timer->due_ns += moved_ns;
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
        .due_ns = CLOCK_NEVER,
        .rank = root_of(clock)->timers++,
    };
}

static bool comes_before(const struct timer *a, const struct timer *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->rank < b->rank);
}

static void link_timer(struct timer *timer)
{
    struct timer **place = &root_of(timer->clock)->first;
    while (*place && comes_before(*place, timer)) {
        place = &(*place)->next;
    }
    timer->next = *place;
    *place = timer;
}

static void unlink_timer(struct timer *timer)
{
    struct timer **place = &root_of(timer->clock)->first;
    while (*place && *place != timer) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = timer->next;
    }
    timer->deadline_ns = timer->due_ns = CLOCK_NEVER;
}

void timer_set_ns(struct timer *timer, uint64_t deadline_ns)
{
    struct clock *clock = root_of(timer->clock);
    uint64_t earliest_ns = clock_next_deadline_ns(clock);
    if (timer_is_armed(timer)) {
        unlink_timer(timer);
    }
    if (deadline_ns != CLOCK_NEVER) {
        timer->deadline_ns = deadline_ns;
        timer->due_ns = due_of(timer->clock, deadline_ns);
        link_timer(timer);
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
