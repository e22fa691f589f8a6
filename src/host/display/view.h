/* host/display/view.h: the machine's end of one viewer, a companion process that shows
 * the picture and passes on what the user does (host/display/messages.h).
 *
 * A viewer that says what it may not say, or that ends on its own, is done without: one
 * line tells the user.
 * Thread: any that holds the machine lock; start and stop where there is no other
 * thread. Saved by: nobody. */
#ifndef HOST_DISPLAY_VIEW_H
#define HOST_DISPLAY_VIEW_H

#include "base/log.h"
#include "bus/display.h"
#include "bus/input.h"
#include "host/companion/companion.h"
#include "host/display/messages.h"
#include "host/event_loop.h"

struct view;

/* Who hears of what a viewer says. */
struct view_listener {
    const struct input_sink *input;
    void (*stirred)(
        void *opaque); /* it watches, has shown something, or brings input */
    void (*quit)(void *opaque);
    void (*screenshot)(void *opaque);
    void *opaque;
};

/* Starts the process and waits until it shows something or says why not. `what` is for
 * messages: "the window". NULL with one clear line in `error`. */
struct view *view_start(const struct companion_role *role, const char *what,
                        const struct view_settings *settings, struct error *error);
/* NULL is fine. */
void view_stop(struct view *view);

/* From now on it is heard. `listener` is copied, its sink is not. */
void view_connect(struct view *view, const struct view_listener *listener,
                  struct event_loop *loop, struct log *log);

/* Whether somebody looks. */
bool view_is_watched(const struct view *view);
/* Whether an update would be sent at once. */
bool view_is_idle(const struct view *view);

/* The pixels have changed. What cannot be told now is told later, joined. Whoever
 * begins to watch hears of everything, by its own. */
void view_update(struct view *view, const struct display_size *size,
                 const struct display_rectangle *changed);
/* Told if it has changed. */
void view_tell_state(struct view *view, const struct view_state *state);

#endif
