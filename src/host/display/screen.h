/* host/display/screen.h: the picture of a display adapter, kept up to date for all
 * viewers.
 *
 * A timer (of the host's time) has the adapter draw into pixels that the viewers have
 * mapped, and tells them what has changed: 30 times a second, 60 if drawing is cheap,
 * ever more rarely while nothing changes, and not at all while nobody looks.
 * Thread: any that holds the machine lock; create, add and destroy where there is no
 * other thread. Saved by: nobody. */
#ifndef HOST_DISPLAY_SCREEN_H
#define HOST_DISPLAY_SCREEN_H

#include "host/display/view.h"

enum { SCREEN_VIEWS = 4 };

struct screen;

struct screen_wiring {
    struct event_loop *loop;
    struct log *log;
    const struct input_sink *input;
    void (*state)(void *opaque, struct view_state *state);
    void (*quit)(void *opaque);
    void (*screenshot)(void *opaque);
    void *opaque;
};

/* NULL with `error` set if the host has no memory. */
struct screen *screen_create(const struct screen_wiring *wiring, struct error *error);
/* Stops the viewers. NULL is fine. */
void screen_destroy(struct screen *screen);

/* The pixels, for viewers to map: VIEW_PIXELS_BYTES. */
int screen_memory(const struct screen *screen);
/* At most SCREEN_VIEWS. From screen_start() on it is heard. */
void screen_add_view(struct screen *screen, struct view *view);

/* There is something to draw. Without it nothing happens. */
void screen_start(struct screen *screen, const struct display_source *source);

/* Draws what has changed now; returns the pixels, of which no line is longer than
 * `size` says. */
const uint32_t *screen_draw(struct screen *screen, struct display_size *size);

#endif
