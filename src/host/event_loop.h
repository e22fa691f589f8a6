/* host/event_loop.h: the thread that waits for host file descriptors and timers.
 *
 * One loop per machine. Callbacks run in the loop's thread with the machine lock held.
 * On a host clock the loop also fires the clock's timers; on a counted clock the CPU's
 * thread does. Saved by: nobody. */
#ifndef HOST_EVENT_LOOP_H
#define HOST_EVENT_LOOP_H

#include "base/error.h"
#include "base/lock.h"
#include "clock/clock.h"

struct event_loop;

enum { EVENT_READABLE = 1, EVENT_WRITABLE = 2 };

typedef void event_callback(void *opaque, unsigned events);

/* `lock`, `clock`: the machine's. `after` (may be NULL) is called, lock held, after
 * each round in which timers fired or callbacks ran. */
struct event_loop *event_loop_create(struct lock *lock, struct clock *clock,
                                     struct error *error);
/* Stops and joins the thread; call without the lock. */
void event_loop_destroy(struct event_loop *loop);
bool event_loop_start(struct event_loop *loop, struct error *error);

/* Watches `fd` for `events`; one watch per fd, a second call changes it, events = 0
 * ends it. Call with the lock held (or before the start). */
void event_loop_watch(struct event_loop *loop, int fd, unsigned events,
                      event_callback *callback, void *opaque);

/* Makes the loop look at the clock and its watches again. Any thread, lock or not. */
void event_loop_wake(struct event_loop *loop);

#endif
