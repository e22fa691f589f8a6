#define _GNU_SOURCE /* memfd_create() */
#include "host/display/screen.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    FAST_PER_SECOND = 60,
    USUAL_PER_SECOND = 30,
    CHEAP_NS = 2000000,     /* a picture that may be drawn more often */
    LONGEST_NS = 250000000, /* between pictures, while nothing changes */
    STATE_NS = 1000000000,
};

struct screen {
    struct screen_wiring wiring;
    struct display_source source;
    struct clock *clock; /* the host's */
    struct timer refresh;
    int memory;
    uint32_t *pixels;
    struct display_size size; /* of what is drawn; 0: nothing is */
    uint64_t interval_ns;     /* to the next picture */
    uint64_t state_due_ns;
    struct view *views[SCREEN_VIEWS];
    unsigned view_count;
    bool started;
};

/* Of a size that no viewer can change: the machine would find a hole in its memory. */
static int create_memory(void)
{
    int memory = memfd_create("faumachine-pixels", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory >= 0 &&
        (ftruncate(memory, VIEW_PIXELS_BYTES) != 0 ||
         fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
        close(memory);
        return -1;
    }
    return memory;
}

struct screen *screen_create(const struct screen_wiring *wiring, struct error *error)
{
    struct screen *screen = calloc(1, sizeof(*screen));
    if (!screen) {
        error_set(error, "no memory for the display");
        return NULL;
    }
    screen->wiring = *wiring;
    screen->clock = event_loop_host_clock(wiring->loop);
    screen->memory = create_memory();
    void *pixels = MAP_FAILED;
    if (screen->memory >= 0) {
        pixels = mmap(NULL, VIEW_PIXELS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                      screen->memory, 0);
    }
    if (pixels == MAP_FAILED) {
        error_set_errno(error, errno, "no memory for the display");
        screen_destroy(screen);
        return NULL;
    }
    screen->pixels = pixels;
    return screen;
}

void screen_destroy(struct screen *screen)
{
    if (!screen) {
        return;
    }
    for (unsigned i = 0; i < screen->view_count; i++) {
        view_stop(screen->views[i]);
    }
    if (screen->started) {
        timer_cancel(&screen->refresh);
    }
    if (screen->pixels) {
        munmap(screen->pixels, VIEW_PIXELS_BYTES);
    }
    if (screen->memory >= 0) {
        close(screen->memory);
    }
    free(screen);
}

int screen_memory(const struct screen *screen)
{
    return screen->memory;
}

void screen_add_view(struct screen *screen, struct view *view)
{
    assert(screen->view_count < SCREEN_VIEWS);
    screen->views[screen->view_count++] = view;
}

/* Brings the pixels up to date and tells who looks; returns whether anything has
 * changed. */
static bool draw(struct screen *screen)
{
    const struct display_source *source = &screen->source;
    struct display_size size = source->size(source->opaque);
    bool everything =
        size.width != screen->size.width || size.height != screen->size.height;
    const struct display_pixels pixels = {screen->pixels, size.width};
    struct display_rectangle changed;
    screen->size = size;
    if (!source->draw(source->opaque, &pixels, everything, &changed)) {
        return false;
    }
    for (unsigned i = 0; i < screen->view_count; i++) {
        view_update(screen->views[i], &size, &changed);
    }
    return true;
}

const uint32_t *screen_draw(struct screen *screen, struct display_size *size)
{
    draw(screen);
    *size = screen->size;
    return screen->pixels;
}

static void tell_state(struct screen *screen, uint64_t now_ns)
{
    if (now_ns < screen->state_due_ns) {
        return;
    }
    struct view_state state;
    screen->state_due_ns = now_ns + STATE_NS;
    screen->wiring.state(screen->wiring.opaque, &state);
    for (unsigned i = 0; i < screen->view_count; i++) {
        view_tell_state(screen->views[i], &state);
    }
}

/* How long to wait for the next picture, after one that took `took_ns` to draw. A
 * cursor that blinks does not make it quick. */
static uint64_t next_interval(uint64_t interval_ns, bool changed, uint64_t took_ns)
{
    uint64_t shortest_ns =
        NS_PER_SECOND / (took_ns < CHEAP_NS ? FAST_PER_SECOND : USUAL_PER_SECOND);
    interval_ns = changed ? interval_ns / 4 : interval_ns * 3 / 2;
    if (interval_ns < shortest_ns) {
        return shortest_ns;
    }
    return interval_ns < LONGEST_NS ? interval_ns : LONGEST_NS;
}

/* Nobody looks: the timer stays off until somebody does. */
static void refresh(void *opaque)
{
    struct screen *screen = opaque;
    bool watched = false, idle = false;
    for (unsigned i = 0; i < screen->view_count; i++) {
        watched |= view_is_watched(screen->views[i]);
        idle |= view_is_idle(screen->views[i]);
    }
    if (!watched) {
        return;
    }
    uint64_t began_ns = clock_now_ns(screen->clock);
    tell_state(screen, began_ns);
    if (idle) { /* or else nobody has seen the last one yet */
        bool changed = draw(screen);
        uint64_t took_ns = clock_now_ns(screen->clock) - began_ns;
        screen->interval_ns = next_interval(screen->interval_ns, changed, took_ns);
    }
    timer_set_ns(&screen->refresh, began_ns + screen->interval_ns);
}

/* A viewer has said something: what it leads to is to be seen soon. */
static void stirred(void *opaque)
{
    struct screen *screen = opaque;
    screen->interval_ns = NS_PER_SECOND / FAST_PER_SECOND;
    uint64_t soon_ns = clock_now_ns(screen->clock) + screen->interval_ns;
    if (soon_ns < screen->refresh.deadline_ns) {
        timer_set_ns(&screen->refresh, soon_ns);
    }
}

static void quit(void *opaque)
{
    struct screen *screen = opaque;
    screen->wiring.quit(screen->wiring.opaque);
}

static void screenshot(void *opaque)
{
    struct screen *screen = opaque;
    screen->wiring.screenshot(screen->wiring.opaque);
}

void screen_start(struct screen *screen, const struct display_source *source)
{
    const struct screen_wiring *wiring = &screen->wiring;
    const struct view_listener listener = {
        .input = wiring->input,
        .stirred = stirred,
        .quit = quit,
        .screenshot = screenshot,
        .opaque = screen,
    };
    screen->source = *source;
    screen->started = true;
    timer_init(&screen->refresh, screen->clock, refresh, screen);
    for (unsigned i = 0; i < screen->view_count; i++) {
        view_connect(screen->views[i], &listener, wiring->loop, wiring->log);
    }
}
