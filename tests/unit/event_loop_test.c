/* The event loop: descriptors, timers of a host clock, wake-ups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/event_loop.h"

#define MS 1000000ULL

struct fixture {
    struct lock lock;
    struct clock clock;
    struct event_loop *loop;
    int pipe[2];
    atomic_int calls;
    atomic_uint events;
    _Atomic uint64_t fired_at_ns;
    struct timer timer;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error error;
    lock_init(&f->lock);
    clock_init(&f->clock, CLOCK_KIND_HOST, 0);
    f->loop = event_loop_create(&f->lock, &f->clock, &error);
    *state = f;
    return f->loop && pipe(f->pipe) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    event_loop_destroy(f->loop);
    lock_destroy(&f->lock);
    close(f->pipe[0]);
    close(f->pipe[1]);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    struct error error;
    assert_true(event_loop_start(f->loop, &error));
}

/* Waits until `counter` is at least `wanted`, for five seconds at most. */
static void wait_for(atomic_int *counter, int wanted)
{
    for (int i = 0; i < 5000 && atomic_load(counter) < wanted; i++) {
        nanosleep(&(struct timespec){.tv_nsec = MS}, NULL);
    }
    assert_true(atomic_load(counter) >= wanted);
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * MS}, NULL);
}

static void on_readable(void *opaque, unsigned events)
{
    struct fixture *f = opaque;
    char byte;
    assert_int_equal(read(f->pipe[0], &byte, 1), 1);
    atomic_store(&f->events, events);
    atomic_fetch_add(&f->calls, 1);
}

static void on_timer(void *opaque)
{
    struct fixture *f = opaque;
    atomic_store(&f->fired_at_ns, clock_now_ns(&f->clock));
    atomic_fetch_add(&f->calls, 1);
}

static void watches_a_descriptor(void **state)
{
    struct fixture *f = *state;
    event_loop_watch(f->loop, f->pipe[0], EVENT_READABLE, on_readable, f);
    start(f);
    assert_int_equal(write(f->pipe[1], "ab", 2), 2);
    wait_for(&f->calls, 2);
    assert_int_equal(atomic_load(&f->events), EVENT_READABLE);
}

static void watch_begun_while_the_loop_sleeps(void **state)
{
    struct fixture *f = *state;
    start(f);
    sleep_ms(20);
    assert_int_equal(write(f->pipe[1], "a", 1), 1);
    lock_take(&f->lock);
    event_loop_watch(f->loop, f->pipe[0], EVENT_READABLE, on_readable, f);
    lock_release(&f->lock);
    wait_for(&f->calls, 1);
}

static void ended_watch_is_not_called(void **state)
{
    struct fixture *f = *state;
    event_loop_watch(f->loop, f->pipe[0], EVENT_READABLE, on_readable, f);
    start(f);
    sleep_ms(20);
    lock_take(&f->lock);
    event_loop_watch(f->loop, f->pipe[0], 0, NULL, NULL);
    lock_release(&f->lock);
    assert_int_equal(write(f->pipe[1], "a", 1), 1);
    sleep_ms(50);
    assert_int_equal(atomic_load(&f->calls), 0);
}

static void fires_timers_in_time(void **state)
{
    struct fixture *f = *state;
    timer_init(&f->timer, &f->clock, on_timer, f);
    start(f);
    sleep_ms(20); /* it sleeps, without a deadline */
    lock_take(&f->lock);
    uint64_t deadline_ns = clock_now_ns(&f->clock) + 30 * MS;
    timer_set_ns(&f->timer, deadline_ns);
    lock_release(&f->lock);
    wait_for(&f->calls, 1);
    assert_true(atomic_load(&f->fired_at_ns) >= deadline_ns);
    assert_true(atomic_load(&f->fired_at_ns) < deadline_ns + 1000 * MS);
}

static void notices_an_earlier_deadline(void **state)
{
    struct fixture *f = *state;
    timer_init(&f->timer, &f->clock, on_timer, f);
    timer_set_ns(&f->timer, clock_now_ns(&f->clock) + 60 * NS_PER_SECOND);
    start(f);
    sleep_ms(20);
    lock_take(&f->lock);
    timer_set_ns(&f->timer, clock_now_ns(&f->clock) + MS);
    lock_release(&f->lock);
    wait_for(&f->calls, 1);
}

static void leaves_counted_clocks_alone(void **state)
{
    struct fixture *f = *state;
    f->clock.kind = CLOCK_KIND_COUNTED;
    timer_init(&f->timer, &f->clock, on_timer, f);
    timer_set_ns(&f->timer, 0); /* has come */
    start(f);
    event_loop_wake(f->loop);
    sleep_ms(50);
    assert_int_equal(atomic_load(&f->calls), 0);
}

/* What a guest cannot notice goes by the host's time, whatever the machine's clock. */
static void host_timers_beside_a_counted_clock(void **state)
{
    struct fixture *f = *state;
    struct clock *host = event_loop_host_clock(f->loop);
    f->clock.kind = CLOCK_KIND_COUNTED;
    timer_init(&f->timer, host, on_timer, f);
    start(f);
    sleep_ms(20);
    lock_take(&f->lock);
    timer_set_ns(&f->timer, clock_now_ns(host) + 60 * NS_PER_SECOND);
    timer_set_ns(&f->timer, clock_now_ns(host) + MS);
    lock_release(&f->lock);
    wait_for(&f->calls, 1);
}

/* Who takes a machine apart wants quiet, but has watches to end. */
static void stopped_loop_calls_nobody(void **state)
{
    struct fixture *f = *state;
    timer_init(&f->timer, &f->clock, on_timer, f);
    event_loop_watch(f->loop, f->pipe[0], EVENT_READABLE, on_readable, f);
    event_loop_stop(f->loop); /* not started: nothing to do */
    start(f);
    event_loop_stop(f->loop);
    timer_set_ns(&f->timer, 0);
    assert_int_equal(write(f->pipe[1], "a", 1), 1);
    event_loop_watch(f->loop, f->pipe[0], EVENT_READABLE, on_readable, f);
    sleep_ms(50);
    assert_int_equal(atomic_load(&f->calls), 0);
    event_loop_watch(f->loop, f->pipe[0], 0, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(watches_a_descriptor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(watch_begun_while_the_loop_sleeps, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(ended_watch_is_not_called, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fires_timers_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(notices_an_earlier_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_counted_clocks_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(host_timers_beside_a_counted_clock, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(stopped_loop_calls_nobody, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
