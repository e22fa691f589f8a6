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

/* `lock`, `clock`: the machine's; both outlive the loop. A host clock that has no
 * deadline_changed callback yet gets event_loop_deadline_changed. */
struct event_loop *event_loop_create(struct lock *lock, struct clock *clock,
                                     struct error *error);
bool event_loop_start(struct event_loop *loop, struct error *error);
/* Stops and joins the thread; call without the lock. Nobody is called back any more;
 * watches may still be changed. Not started or NULL is fine. */
void event_loop_stop(struct event_loop *loop);
/* Stops it, if that has not been done. NULL is fine. */
void event_loop_destroy(struct event_loop *loop);

/* Watches `fd` for `events`; one watch per fd, a second call changes it, events = 0
 * ends it. Call with the lock held (or before the start). */
void event_loop_watch(struct event_loop *loop, int fd, unsigned events,
                      event_callback *callback, void *opaque);

/* A clock that follows the host's time whatever the machine's clock does: for what a
 * guest cannot notice, as when a picture is refreshed. Its timers fire in the loop's
 * thread. Lock held. */
struct clock *event_loop_host_clock(struct event_loop *loop);

/* Makes the loop look at the clocks and its watches again. Any thread, lock or not. */
void event_loop_wake(struct event_loop *loop);

/* For clock.deadline_changed (`opaque`: the loop), lock held: wakes the loop only if it
 * would otherwise sleep past the new deadline. */
void event_loop_deadline_changed(void *opaque);

#endif
