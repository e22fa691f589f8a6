#include "host/display/text_view.h"

#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/display/terminal_keys.h"

enum {
    TEXT_BYTES = 64 << 10, /* 256 columns and 80 lines, of three bytes each */
    LINES_MAXIMUM = 128,
    KEYS_MAXIMUM = 1024, /* typed ahead, or pasted */
    FASTEST_NS = 33000000,
    SLOWEST_NS = 250000000,
    KEY_NS = 15000000, /* a keyboard has room for a few keys only */
};

struct text_view {
    struct character *character;
    struct display_source source;
    struct input_sink input;
    struct clock *clock; /* the host's */
    struct timer refresh, typing;
    uint64_t interval_ns;
    bool started;
    char now[TEXT_BYTES], shown[TEXT_BYTES];
    struct terminal_key keys[KEYS_MAXIMUM]; /* a ring */
    unsigned first_key, key_count;
};

static void print(struct text_view *view, const char *text, size_t length)
{
    character_write(view->character, (const uint8_t *)text, length);
}

static void print_text(struct text_view *view, const char *text)
{
    print(view, text, strlen(text));
}

/* -- the screen -- */

static void read_screen(struct text_view *view)
{
    const struct display_source *source = &view->source;
    size_t length = source->text(source->opaque, view->now, sizeof(view->now));
    if (length == 0) {
        struct display_size size = source->size(source->opaque);
        snprintf(view->now, sizeof(view->now), "%ux%u graphics\n", size.width,
                 size.height);
    }
}

/* Writes the lines that have changed, and clears those that are no more. */
static void show(struct text_view *view)
{
    const char *now = view->now, *shown = view->shown;
    char place[32];
    for (unsigned line = 1; line < LINES_MAXIMUM && (*now || *shown); line++) {
        size_t length = strcspn(now, "\n"), before = strcspn(shown, "\n");
        if (length != before || memcmp(now, shown, length) != 0) {
            snprintf(place, sizeof(place), "\033[%u;1H", line);
            print_text(view, place);
            print(view, now, length);
            print_text(view, "\033[K");
        }
        now += length + (now[length] != '\0');
        shown += before + (shown[before] != '\0');
    }
    strcpy(view->shown, view->now);
}

static void refresh(void *opaque)
{
    struct text_view *view = opaque;
    read_screen(view);
    if (strcmp(view->now, view->shown) != 0) {
        show(view);
        view->interval_ns = FASTEST_NS;
    } else if (view->interval_ns < SLOWEST_NS) {
        view->interval_ns += view->interval_ns / 2;
    }
    timer_set_ns(&view->refresh, clock_now_ns(view->clock) + view->interval_ns);
}

/* -- the keyboard -- */

static void press_modifiers(struct text_view *view, uint8_t modifiers, bool down)
{
    static const uint16_t keys[] = {KEY_LEFTSHIFT, KEY_LEFTALT, KEY_LEFTCTRL};
    for (unsigned i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (modifiers & 1 << i) {
            view->input.key(view->input.opaque, keys[i], down);
        }
    }
}

/* Presses one key, and the next in a while. */
static void type(void *opaque)
{
    struct text_view *view = opaque;
    if (view->key_count == 0) {
        return;
    }
    const struct terminal_key *key = &view->keys[view->first_key];
    press_modifiers(view, key->modifiers, true);
    view->input.key(view->input.opaque, key->key, true);
    view->input.key(view->input.opaque, key->key, false);
    press_modifiers(view, key->modifiers, false);
    view->first_key = (view->first_key + 1) % KEYS_MAXIMUM;
    view->key_count--;
    uint64_t now_ns = clock_now_ns(view->clock);
    timer_set_ns(&view->typing, now_ns + KEY_NS);
    view->interval_ns = FASTEST_NS;
    timer_set_ns(&view->refresh, now_ns + FASTEST_NS);
}

static size_t room(void *opaque)
{
    (void)opaque;
    return KEYS_MAXIMUM; /* what is too much is lost */
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    struct text_view *view = opaque;
    while (count > 0) {
        struct terminal_key key;
        size_t used = terminal_key_read(bytes, count, &key);
        bytes += used;
        count -= used;
        if (key.key && view->key_count < KEYS_MAXIMUM) {
            unsigned last = (view->first_key + view->key_count++) % KEYS_MAXIMUM;
            view->keys[last] = key;
        }
    }
    if (!timer_is_armed(&view->typing)) {
        type(view);
    }
}

/* -- life -- */

struct text_view *text_view_open(const struct character_commands *commands,
                                 struct event_loop *loop, struct log *log,
                                 struct error *error)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        error_set(error, "-display curses: standard input and output are no terminal");
        return NULL;
    }
    struct text_view *view = calloc(1, sizeof(*view));
    if (!view) {
        error_set(error, "no memory for -display curses");
        return NULL;
    }
    view->clock = event_loop_host_clock(loop);
    view->character = character_open("stdio", true, commands, loop, log, error);
    if (!view->character) {
        free(view);
        return NULL;
    }
    print_text(view, "\033[?1049h\033[2J"); /* xterm's second screen, empty */
    return view;
}

void text_view_close(struct text_view *view)
{
    if (!view) {
        return;
    }
    if (view->started) {
        timer_cancel(&view->refresh);
        timer_cancel(&view->typing);
    }
    print_text(view, "\033[?1049l");
    character_close(view->character);
    free(view);
}

void text_view_start(struct text_view *view, const struct display_source *source,
                     const struct input_sink *input)
{
    const struct character_receiver receiver = {
        .room = room, .receive = receive, .opaque = view};
    view->source = *source;
    view->input = *input;
    view->started = true;
    view->interval_ns = FASTEST_NS;
    timer_init(&view->refresh, view->clock, refresh, view);
    timer_init(&view->typing, view->clock, type, view);
    timer_set_ns(&view->refresh, clock_now_ns(view->clock));
    character_connect(view->character, &receiver);
}
