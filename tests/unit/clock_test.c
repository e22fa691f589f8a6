/* Virtual time and the order of timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "clock/clock.h"

enum { EAGER_LIMIT = 1000000 };

static struct clock clock; /* of the test that runs */
static char fired[16];     /* a letter for each timer that fired */

static void note(void *opaque)
{
    fired[strlen(fired)] = *(const char *)opaque;
}

static int set_up(void **state)
{
    clock_init(&clock, CLOCK_KIND_MANUAL, 0);
    memset(fired, 0, sizeof(fired));
    return 0;
}

static void by_deadline_then_by_arming(void **state)
{
    struct timer timers[4];
    for (int i = 0; i < 4; i++) {
        timer_init(&timers[i], &clock, note, &"abcd"[i]);
    }
    timer_set_ns(&timers[0], 20);
    timer_set_ns(&timers[1], 10);
    timer_set_ns(&timers[2], 20);
    timer_set_ns(&timers[3], 5);
    timer_cancel(&timers[3]);
    assert_int_equal(clock_next_deadline_ns(&clock), 10);
    clock_step_ns(&clock, 20);
    assert_string_equal(fired, "bac");
    assert_int_equal(clock_next_deadline_ns(&clock), CLOCK_NEVER);
}

static void skipping_never_goes_back(void **state)
{
    clock_skip_to_ns(&clock, 100);
    clock_skip_to_ns(&clock, 50);
    assert_int_equal(clock_now_ns(&clock), 100);
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
        timer_set_ns(&eager->timer, clock_now_ns(&clock) + 1);
    }
}

/* Whoever fires the timers must come back, or nobody else gets the machine lock. */
static void faster_than_the_host(void **state)
{
    struct eager eager = {.calls = 0};
    clock_init(&clock, CLOCK_KIND_HOST, 0);
    timer_init(&eager.timer, &clock, again_at_once, &eager);
    timer_set_ns(&eager.timer, 1);
    while (clock_now_ns(&clock) < 2) {
    }
    assert_int_equal(clock_run_timers(&clock), 1);
    assert_int_equal(eager.calls, 1);
    assert_true(timer_is_armed(&eager.timer));
}

static void scaling_does_not_overflow(void **state)
{
    assert_int_equal(clock_scale(UINT64_MAX, 1193182, 1193182), UINT64_MAX);
    assert_int_equal(clock_scale(3, 10, 4), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(by_deadline_then_by_arming, set_up),
        cmocka_unit_test_setup(skipping_never_goes_back, set_up),
        cmocka_unit_test_setup(faster_than_the_host, set_up),
        cmocka_unit_test_setup(scaling_does_not_overflow, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
