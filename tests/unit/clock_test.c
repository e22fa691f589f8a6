/* Virtual time and the order of timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "clock/clock.h"

enum { EAGER_LIMIT = 1000000 };

struct fixture {
    struct clock clock;
    char fired[16]; /* a letter for each timer that fired */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    clock_init(&f->clock, CLOCK_KIND_MANUAL, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

struct noted {
    struct timer timer;
    struct fixture *fixture;
    char letter;
};

static void note(void *opaque)
{
    const struct noted *noted = opaque;
    char *fired = noted->fixture->fired;
    fired[strlen(fired)] = noted->letter;
}

static void by_deadline_then_by_making(void **state)
{
    struct fixture *f = *state;
    struct noted timers[4];
    for (int i = 0; i < 4; i++) {
        timers[i].fixture = f;
        timers[i].letter = (char)('a' + i);
        timer_init(&timers[i].timer, &f->clock, note, &timers[i]);
    }
    timer_set_ns(&timers[2].timer, 20);
    timer_set_ns(&timers[1].timer, 10);
    timer_set_ns(&timers[0].timer, 20);
    timer_set_ns(&timers[3].timer, 5);
    timer_cancel(&timers[3].timer);
    assert_int_equal(clock_next_deadline_ns(&f->clock), 10);
    clock_step_ns(&f->clock, 20);
    assert_string_equal(f->fired, "bac");
    assert_int_equal(clock_next_deadline_ns(&f->clock), CLOCK_NEVER);
}

static void skipping_never_goes_back(void **state)
{
    struct fixture *f = *state;
    clock_skip_to_ns(&f->clock, 100);
    clock_skip_to_ns(&f->clock, 50);
    assert_int_equal(clock_now_ns(&f->clock), 100);
}

struct eager {
    struct timer timer;
    unsigned calls;
};

/* What a timer chip does whose period is shorter than the host's way round. */
static void again_at_once(void *opaque)
{
    struct eager *eager = opaque;
    if (++eager->calls < EAGER_LIMIT) {
        timer_set_ns(&eager->timer, clock_now_ns(eager->timer.clock) + 1);
    }
}

/* Whoever fires the timers must come back, or nobody else gets the machine lock. */
static void faster_than_the_host(void **state)
{
    struct fixture *f = *state;
    struct eager eager = {.calls = 0};
    clock_init(&f->clock, CLOCK_KIND_HOST, 0);
    timer_init(&eager.timer, &f->clock, again_at_once, &eager);
    timer_set_ns(&eager.timer, 1);
    while (clock_now_ns(&f->clock) < 2) {
    }
    assert_int_equal(clock_run_timers(&f->clock), 1);
    assert_int_equal(eager.calls, 1);
    assert_true(timer_is_armed(&eager.timer));
}

/* Nothing is due and no time passes, of whichever kind the clock is. */
static void stands_still(struct fixture *f, void (*pass_time)(struct clock *clock))
{
    struct noted timer = {.fixture = f, .letter = 'a'};
    timer_init(&timer.timer, &f->clock, note, &timer);
    uint64_t before_ns = clock_now_ns(&f->clock);
    timer_set_ns(&timer.timer, before_ns + 100000);
    clock_pause(&f->clock);
    uint64_t paused_ns = clock_now_ns(&f->clock);
    clock_pause(&f->clock); /* once more is the same */
    pass_time(&f->clock);
    assert_int_equal(clock_now_ns(&f->clock), paused_ns);
    assert_int_equal(clock_next_deadline_ns(&f->clock), CLOCK_NEVER);
    assert_int_equal(clock_run_timers(&f->clock), 0);
    clock_resume(&f->clock);
    assert_in_range(clock_now_ns(&f->clock), paused_ns, paused_ns + NS_PER_SECOND / 2);
    assert_int_equal(clock_next_deadline_ns(&f->clock), before_ns + 100000);
    pass_time(&f->clock);
    assert_int_equal(clock_run_timers(&f->clock), 1);
    assert_string_equal(f->fired, "a");
}

static void pass_manually(struct clock *clock)
{
    clock->manual_ns += NS_PER_SECOND;
}

static void pass_really(struct clock *clock)
{
    clock->base_ns -= NS_PER_SECOND; /* as if it were later */
}

/* A timer is caught up with by who has been told a time past its deadline; nobody has
 * to ask what time it is to find that there is nothing to catch up with. */
static void what_was_due_by_a_time_told(void **state)
{
    struct fixture *f = *state;
    struct noted timer = {.fixture = f, .letter = 'a'};
    clock_init(&f->clock, CLOCK_KIND_HOST, 0);
    timer_init(&timer.timer, &f->clock, note, &timer);
    timer_set_ns(&timer.timer, clock_now_ns(&f->clock) + NS_PER_SECOND);
    pass_really(&f->clock);
    clock_catch_up(&f->clock);
    assert_string_equal(f->fired, "");
    clock_now_ns(&f->clock);
    clock_catch_up(&f->clock);
    assert_string_equal(f->fired, "a");
}

static uint64_t count(void *opaque)
{
    const uint64_t *retired = opaque;
    return *retired;
}

static void pass_by_counting(struct clock *clock)
{
    *(uint64_t *)clock->retired_opaque += NS_PER_SECOND;
}

static void time_stands_still_while_paused(void **state)
{
    struct fixture *f = *state;
    uint64_t retired = 5;
    stands_still(f, pass_manually);
    memset(f, 0, sizeof(*f));
    clock_init(&f->clock, CLOCK_KIND_HOST, 0);
    stands_still(f, pass_really);
    memset(f, 0, sizeof(*f));
    clock_init(&f->clock, CLOCK_KIND_COUNTED, 0);
    f->clock.retired = count;
    f->clock.retired_opaque = &retired;
    stands_still(f, pass_by_counting);
}

/* A view that nobody disturbs is its source; its timers are where they were made. */
static void view_of_a_clock(void **state)
{
    struct fixture *f = *state;
    struct clock view;
    struct noted a = {.fixture = f, .letter = 'a'}, b = {.fixture = f, .letter = 'b'};
    clock_init_view(&view, &f->clock);
    timer_init(&b.timer, &view, note, &b);
    timer_init(&a.timer, &f->clock, note, &a);
    clock_step_ns(&f->clock, 1000);
    assert_int_equal(clock_now_ns(&view), 1000);
    timer_set_ns(&a.timer, 1100);
    timer_set_ns(&b.timer, 1100);
    clock_step_ns(&f->clock, 100);
    assert_string_equal(f->fired, "ba");
}

static void disturbed_view(void **state)
{
    struct fixture *f = *state;
    struct clock view;
    struct noted a = {.fixture = f, .letter = 'a'}, b = {.fixture = f, .letter = 'b'};
    clock_init_view(&view, &f->clock);
    timer_init(&a.timer, &view, note, &a);
    timer_init(&b.timer, &f->clock, note, &b);
    clock_step_ns(&f->clock, 1000);
    timer_set_ns(&a.timer, 2000);
    timer_set_ns(&b.timer, 1501);
    clock_view_disturb(&view, 1000000, 0, 0); /* twice as fast */
    clock_step_ns(&f->clock, 499);
    assert_int_equal(clock_now_ns(&view), 1998);
    assert_string_equal(f->fired, "");
    clock_step_ns(&f->clock, 1);
    assert_string_equal(f->fired, "a");
    clock_view_disturb(&view, -1000000, 1, 0); /* as fast as it ought to be, but held */
    timer_set_ns(&a.timer, 2001);
    clock_step_ns(&f->clock, 1000);
    assert_string_equal(f->fired, "ab");
    assert_int_equal(clock_now_ns(&view), 2000);
    assert_true(timer_is_armed(&a.timer));
    clock_view_disturb(&view, 0, -1, 0);
    clock_step_ns(&f->clock, 1);
    assert_string_equal(f->fired, "aba");
    assert_int_equal(clock_view_offset_ns(&view), (uint64_t)-500);
    timer_set_ns(&a.timer, 500000);
    clock_view_disturb(&view, 0, 0, 1000000);
    assert_int_equal(clock_now_ns(&view), 1002001);
    clock_run_timers(&f->clock);
    assert_string_equal(f->fired, "abaa");
    clock_view_disturb(&view, -250000, 0, 0);
    clock_step_ns(&f->clock, 1000);
    assert_int_equal(clock_now_ns(&view), 1002001 + 750);
    clock_view_load(&view, 0);
    assert_int_equal(clock_now_ns(&view), clock_now_ns(&f->clock));
    /* Years ahead. */
    timer_set_ns(&a.timer, UINT64_MAX / 4);
    clock_view_disturb(&view, -749999, 0, 0);
    assert_int_equal(clock_next_deadline_ns(&f->clock), CLOCK_NEVER);
    timer_cancel(&a.timer);
}

static void scaling_does_not_overflow(void **state)
{
    assert_int_equal(clock_scale(UINT64_MAX, 1193182, 1193182), UINT64_MAX);
    assert_int_equal(clock_scale(3, 10, 4), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_deadline_then_by_making, set_up, tear_down),
        cmocka_unit_test_setup_teardown(skipping_never_goes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(faster_than_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_due_by_a_time_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_stands_still_while_paused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(view_of_a_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disturbed_view, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scaling_does_not_overflow, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
