/* The loop is one ppoll(2) over a handful of descriptors, the first of which is an
 * eventfd that other threads write to. Watches live in an array that only the holder of
 * the machine lock touches; the loop polls a copy of it. */
#define _GNU_SOURCE /* ppoll */
#include "host/event_loop.h"

#include "host/thread.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    WATCH_MAXIMUM = 256,
    TIMER_SLACK_NS = 1000, /* Linux lets sleepers oversleep by 50 us otherwise */
    RETRY_NS = 10000000,   /* pause when the host has no memory for a poll */
};

struct watch {
    int fd;
    unsigned events;
    event_callback *callback;
    void *opaque;
};

struct event_loop {
    struct lock *lock;
    struct clock *clock;
    struct clock host_clock; /* for timers that are nothing of the guest's */
    int wake_fd;
    atomic_bool wake_pending; /* wake_fd has been written and not yet read */
    atomic_bool stopping;
    atomic_bool started;
    pthread_t thread;
    /* 0: awake, looks at the clocks before it sleeps. */
    uint64_t sleeps_until_ns, host_sleeps_until_ns;
    struct watch watches[WATCH_MAXIMUM];
    size_t watch_count;
    struct pollfd polled[1 + WATCH_MAXIMUM]; /* the loop's own copy */
};

static void host_deadline_changed(void *opaque)
{
    struct event_loop *loop = opaque;
    if (clock_next_deadline_ns(&loop->host_clock) < loop->host_sleeps_until_ns) {
        event_loop_wake(loop);
    }
}

struct event_loop *event_loop_create(struct lock *lock, struct clock *clock,
                                     struct error *error)
{
    struct event_loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        error_set(error, "no memory for the event loop");
        return NULL;
    }
    loop->lock = lock;
    loop->clock = clock;
    clock_init(&loop->host_clock, CLOCK_KIND_HOST, 0);
    loop->host_clock.deadline_changed = host_deadline_changed;
    loop->host_clock.deadline_opaque = loop;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        error_set_errno(error, errno, "cannot create an event descriptor");
        free(loop);
        return NULL;
    }
    if (clock->kind == CLOCK_KIND_HOST && !clock->deadline_changed) {
        clock->deadline_changed = event_loop_deadline_changed;
        clock->deadline_opaque = loop;
    }
    return loop;
}

void event_loop_stop(struct event_loop *loop)
{
    if (loop && loop->started) {
        atomic_store(&loop->stopping, true);
        event_loop_wake(loop);
        pthread_join(loop->thread, NULL);
        loop->started = false;
    }
}

void event_loop_destroy(struct event_loop *loop)
{
    if (!loop) {
        return;
    }
    event_loop_stop(loop);
    if (loop->clock->deadline_opaque == loop) {
        loop->clock->deadline_changed = NULL;
        loop->clock->deadline_opaque = NULL;
    }
    close(loop->wake_fd);
    free(loop);
}

/* How long until the next timer of a clock, CLOCK_NEVER if there is none. */
static uint64_t time_to_next(struct clock *clock, uint64_t *deadline_ns)
{
    *deadline_ns = clock_next_deadline_ns(clock);
    if (clock->kind != CLOCK_KIND_HOST || *deadline_ns == CLOCK_NEVER) {
        *deadline_ns = CLOCK_NEVER;
        return CLOCK_NEVER;
    }
    uint64_t now_ns = clock_now_ns(clock);
    return *deadline_ns > now_ns ? *deadline_ns - now_ns : 0;
}

/* How long to sleep, lock held; NULL: until something happens. */
static const struct timespec *time_to_sleep(struct event_loop *loop,
                                            struct timespec *duration)
{
    uint64_t wait_ns = time_to_next(loop->clock, &loop->sleeps_until_ns);
    uint64_t host_ns = time_to_next(&loop->host_clock, &loop->host_sleeps_until_ns);
    wait_ns = host_ns < wait_ns ? host_ns : wait_ns;
    if (wait_ns == CLOCK_NEVER) {
        return NULL;
    }
    duration->tv_sec = (time_t)(wait_ns / NS_PER_SECOND);
    duration->tv_nsec = (long)(wait_ns % NS_PER_SECOND);
    return duration;
}

/* Copies the watches for ppoll, lock held; returns how many entries there are. */
static size_t prepare_poll(struct event_loop *loop)
{
    loop->polled[0] = (struct pollfd){.fd = loop->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < loop->watch_count; i++) {
        const struct watch *watch = &loop->watches[i];
        short events = 0;
        events |= watch->events & EVENT_READABLE ? POLLIN : 0;
        events |= watch->events & EVENT_WRITABLE ? POLLOUT : 0;
        loop->polled[1 + i] = (struct pollfd){.fd = watch->fd, .events = events};
    }
    return 1 + loop->watch_count;
}

static struct watch *find_watch(struct event_loop *loop, int fd)
{
    for (size_t i = 0; i < loop->watch_count; i++) {
        if (loop->watches[i].fd == fd) {
            return &loop->watches[i];
        }
    }
    return NULL;
}

/* Calls back who asked. A callback may change the watches: each is looked up anew. */
static void dispatch(struct event_loop *loop, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        short found = loop->polled[i].revents;
        if (!found) {
            continue;
        }
        unsigned events = 0;
        /* The reader or writer finds out what is wrong when it tries. */
        if (found & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) {
            events |= EVENT_READABLE;
        }
        if (found & (POLLOUT | POLLHUP | POLLERR | POLLNVAL)) {
            events |= EVENT_WRITABLE;
        }
        struct watch *watch = find_watch(loop, loop->polled[i].fd);
        if (watch && (watch->events & events)) {
            watch->callback(watch->opaque, watch->events & events);
        }
    }
}

static void forget_wake(struct event_loop *loop)
{
    uint64_t value;
    while (read(loop->wake_fd, &value, sizeof(value)) < 0 && errno == EINTR) {
    }
    /* Later than the read: a wake in between finds the flag set, and this round looks
     * at everything it could have been about. */
    atomic_store(&loop->wake_pending, false);
}

static void *run(void *opaque)
{
    struct event_loop *loop = opaque;
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    lock_take(loop->lock);
    while (!atomic_load(&loop->stopping)) {
        struct timespec duration;
        const struct timespec *timeout = time_to_sleep(loop, &duration);
        size_t count = prepare_poll(loop);
        lock_release(loop->lock);
        int ready = ppoll(loop->polled, count, timeout, NULL);
        if (ready < 0 && errno != EINTR) {
            nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
        }
        if (ready > 0 && loop->polled[0].revents) {
            forget_wake(loop);
        }
        lock_take(loop->lock);
        loop->sleeps_until_ns = loop->host_sleeps_until_ns = 0;
        clock_run_timers(&loop->host_clock);
        if (loop->clock->kind == CLOCK_KIND_HOST) {
            clock_run_timers(loop->clock);
        }
        if (ready > 0) {
            dispatch(loop, count);
        }
    }
    lock_release(loop->lock);
    return NULL;
}

bool event_loop_start(struct event_loop *loop, struct error *error)
{
    assert(!loop->started);
    if (!thread_start(&loop->thread, run, loop, "for the event loop", error)) {
        return false;
    }
    atomic_store(&loop->started, true);
    return true;
}

void event_loop_watch(struct event_loop *loop, int fd, unsigned events,
                      event_callback *callback, void *opaque)
{
    struct watch *watch = find_watch(loop, fd);
    if (!events) {
        if (watch) {
            *watch = loop->watches[--loop->watch_count];
        }
        /* The sleeping loop may still poll it: that costs one round at most, and
         * dispatch() ignores what it finds. */
        return;
    }
    bool wanted_more = !watch || (events & ~watch->events);
    if (!watch) {
        assert(loop->watch_count < WATCH_MAXIMUM);
        watch = &loop->watches[loop->watch_count++];
    }
    *watch = (struct watch){
        .fd = fd, .events = events, .callback = callback, .opaque = opaque};
    if (wanted_more) {
        event_loop_wake(loop);
    }
}

struct clock *event_loop_host_clock(struct event_loop *loop)
{
    return &loop->host_clock;
}

void event_loop_wake(struct event_loop *loop)
{
    if (loop->started && pthread_equal(loop->thread, pthread_self())) {
        return; /* it looks before it sleeps */
    }
    if (atomic_exchange(&loop->wake_pending, true)) {
        return;
    }
    uint64_t one = 1;
    while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

void event_loop_deadline_changed(void *opaque)
{
    struct event_loop *loop = opaque;
    if (clock_next_deadline_ns(loop->clock) < loop->sleeps_until_ns) {
        event_loop_wake(loop);
    }
}
