/* The screen and its viewers: what they are told and when, and what becomes of the
 * machine if they lie or die. The viewers are processes of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/input-event-codes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/display/screen.h"

#define MS 1000000ULL

enum { LIMIT_MS = 5000, WIDTH = 64, HEIGHT = 32 };

/* Shared with the viewers, which are processes of their own. */
struct shared {
    atomic_int updates; /* that a viewer has seen */
    atomic_uint width, seen_pixel;
    atomic_int states;
};

struct fixture {
    struct lock lock;
    struct clock clock;
    struct log log;
    struct event_loop *loop;
    struct screen *screen;
    struct shared *shared;
    struct input_sink input;
    unsigned width;
    uint32_t color; /* of the whole picture */
    bool dirty;
    atomic_int draws, keys, quits, moves;
};

/* -- a display adapter of one color -- */

static struct display_size size(void *opaque)
{
    const struct fixture *f = opaque;
    return (struct display_size){f->width, HEIGHT};
}

static bool draw(void *opaque, const struct display_pixels *pixels, bool everything,
                 struct display_rectangle *changed)
{
    struct fixture *f = opaque;
    atomic_fetch_add(&f->draws, 1);
    if (!f->dirty && !everything) {
        return false;
    }
    f->dirty = false;
    for (size_t y = 0; y < HEIGHT; y++) {
        for (size_t x = 0; x < f->width; x++) {
            pixels->first[y * pixels->stride + x] = f->color;
        }
    }
    *changed = (struct display_rectangle){0, 0, f->width, HEIGHT};
    return true;
}

static size_t text(void *opaque, char *utf8, size_t bytes)
{
    (void)opaque, (void)utf8, (void)bytes;
    return 0;
}

/* -- viewers -- */

static void say(int socket, struct view_message message)
{
    send(socket, &message, sizeof(message), MSG_NOSIGNAL);
}

static int wait_for_end(int socket)
{
    struct view_message message;
    while (recv(socket, &message, sizeof(message), 0) > 0) {
    }
    return 0;
}

/* Notes each update and answers it. */
static int watch(void *opaque, int socket)
{
    struct fixture *f = opaque;
    struct view_message message;
    const uint32_t *pixels = mmap(NULL, VIEW_PIXELS_BYTES, PROT_READ, MAP_SHARED,
                                  screen_memory(f->screen), 0);
    say(socket, (struct view_message){.kind = VIEW_READY});
    say(socket, (struct view_message){.kind = VIEW_WATCHING, .on = true});
    while (recv(socket, &message, sizeof(message), 0) == sizeof(message)) {
        if (!view_message_from_machine(&message, sizeof(message))) {
            return 1;
        }
        if (message.kind == VIEW_STATE) {
            atomic_fetch_add(&f->shared->states, 1);
        }
        if (message.kind == VIEW_UPDATE) {
            const struct view_update *update = &message.update;
            atomic_store(&f->shared->width, update->size.width);
            atomic_store(&f->shared->seen_pixel,
                         pixels[update->changed.y * update->size.width]);
            atomic_fetch_add(&f->shared->updates, 1);
            say(socket, (struct view_message){.kind = VIEW_SHOWN});
        }
    }
    return 0;
}

/* Takes updates, but never answers. */
static int hang(void *opaque, int socket)
{
    struct fixture *f = opaque;
    struct view_message message;
    say(socket, (struct view_message){.kind = VIEW_READY});
    say(socket, (struct view_message){.kind = VIEW_WATCHING, .on = true});
    while (recv(socket, &message, sizeof(message), 0) == sizeof(message)) {
        if (message.kind == VIEW_UPDATE) {
            atomic_fetch_add(&f->shared->updates, 1);
        }
    }
    return 0;
}

static int look_away(void *opaque, int socket)
{
    (void)opaque;
    say(socket, (struct view_message){.kind = VIEW_READY});
    return wait_for_end(socket);
}

static int use_keys(void *opaque, int socket)
{
    (void)opaque;
    say(socket, (struct view_message){.kind = VIEW_READY});
    say(socket, (struct view_message){.kind = VIEW_KEY, .key = {KEY_A, true}});
    say(socket, (struct view_message){.kind = VIEW_KEY, .key = {KEY_A, false}});
    say(socket, (struct view_message){.kind = VIEW_MOTION, .motion = {1, 2, 0}});
    say(socket, (struct view_message){.kind = VIEW_POSITION, .position = {1, 2}});
    say(socket, (struct view_message){.kind = VIEW_QUIT});
    return wait_for_end(socket);
}

static int talk_nonsense(void *opaque, int socket)
{
    struct fixture *f = opaque;
    if (ftruncate(screen_memory(f->screen), 0) == 0) { /* the machine would crash */
        return 1;
    }
    say(socket, (struct view_message){.kind = VIEW_READY});
    say(socket, (struct view_message){.kind = VIEW_WATCHING, .on = true});
    say(socket,
        (struct view_message){.kind = VIEW_MOTION, .motion = {INT32_MIN, 0, 0}});
    say(socket, (struct view_message){.kind = VIEW_KEY, .key = {KEY_A, true}});
    return wait_for_end(socket);
}

/* A socket that is closed with something unread loses what was sent by it, too. */
static void read_settings(int socket)
{
    struct view_message message;
    recv(socket, &message, sizeof(message), 0);
}

static int leave(void *opaque, int socket)
{
    (void)opaque;
    read_settings(socket);
    say(socket, (struct view_message){.kind = VIEW_READY});
    say(socket, (struct view_message){.kind = VIEW_WATCHING, .on = true});
    return 0;
}

static int fail_to_start(void *opaque, int socket)
{
    (void)opaque;
    read_settings(socket);
    say(socket, (struct view_message){.kind = VIEW_FAILED, .text = "no screen here"});
    return 1;
}

static int end_at_once(void *opaque, int socket)
{
    (void)opaque, (void)socket;
    return 1;
}

/* -- the machine -- */

static void key(void *opaque, uint16_t code, bool down)
{
    struct fixture *f = opaque;
    assert_int_equal(code, KEY_A);
    (void)down;
    atomic_fetch_add(&f->keys, 1);
}

static void button(void *opaque, uint16_t code, bool down)
{
    (void)opaque, (void)code, (void)down;
}

static void move(void *opaque, int dx, int dy, int wheel)
{
    struct fixture *f = opaque;
    atomic_fetch_add(&f->moves, dx == 1 && dy == 2 && wheel == 0);
}

static void position(void *opaque, unsigned x, unsigned y)
{
    (void)opaque, (void)x, (void)y;
    fail_msg("there is nobody for positions");
}

static bool has_position(void *opaque)
{
    (void)opaque;
    return false;
}

static void describe(void *opaque, struct view_state *state)
{
    (void)opaque;
    *state = (struct view_state){.running = true};
}

static void quit(void *opaque)
{
    struct fixture *f = opaque;
    atomic_fetch_add(&f->quits, 1);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error error;
    lock_init(&f->lock);
    clock_init(&f->clock, CLOCK_KIND_MANUAL, 0);
    f->loop = event_loop_create(&f->lock, &f->clock, &error);
    f->shared = mmap(NULL, sizeof(*f->shared), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    f->input = (struct input_sink){key, button, move, position, has_position, f};
    f->width = WIDTH;
    f->color = 0x123456;
    const struct screen_wiring wiring = {
        .loop = f->loop,
        .log = &f->log,
        .input = &f->input,
        .state = describe,
        .quit = quit,
        .screenshot = quit,
        .opaque = f,
    };
    f->screen = screen_create(&wiring, &error);
    *state = f;
    return f->screen ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    event_loop_stop(f->loop);
    screen_destroy(f->screen);
    event_loop_destroy(f->loop);
    munmap(f->shared, sizeof(*f->shared));
    lock_destroy(&f->lock);
    free(f);
    return 0;
}

static struct view *start_view(struct fixture *f, int (*main)(void *opaque, int socket),
                               struct error *error)
{
    int memory = screen_memory(f->screen);
    const struct companion_role role = {
        .name = "test", .main = main, .opaque = f, .keep = &memory, .keep_count = 1};
    const struct view_settings settings = {.name = "test"};
    return view_start(&role, "the viewer", &settings, error);
}

static void add(struct fixture *f, int (*main)(void *opaque, int socket))
{
    struct error error;
    struct view *view = start_view(f, main, &error);
    assert_non_null(view);
    screen_add_view(f->screen, view);
}

static void run(struct fixture *f)
{
    const struct display_source source = {size, draw, text, f};
    struct error error;
    screen_start(f->screen, &source);
    assert_true(event_loop_start(f->loop, &error));
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * MS}, NULL);
}

static void wait_for(atomic_int *counter, int wanted)
{
    for (int i = 0; i < LIMIT_MS && atomic_load(counter) < wanted; i++) {
        sleep_ms(1);
    }
    assert_true(atomic_load(counter) >= wanted);
}

static void change(struct fixture *f, unsigned width, uint32_t color)
{
    lock_take(&f->lock);
    f->width = width;
    f->color = color;
    f->dirty = true;
    lock_release(&f->lock);
}

/* -- tests -- */

static void shows_what_changes(void **state)
{
    struct fixture *f = *state;
    add(f, watch);
    run(f);
    wait_for(&f->shared->updates, 1);
    assert_int_equal(atomic_load(&f->shared->seen_pixel), 0x123456);
    change(f, WIDTH, 0xabcdef);
    wait_for(&f->shared->updates, 2);
    assert_int_equal(atomic_load(&f->shared->seen_pixel), 0xabcdef);
    change(f, WIDTH / 2, 0xabcdef);
    wait_for(&f->shared->updates, 3);
    assert_int_equal(atomic_load(&f->shared->width), WIDTH / 2);
    assert_true(atomic_load(&f->shared->states) >= 1);
}

static void serves_several(void **state)
{
    struct fixture *f = *state;
    add(f, watch);
    add(f, watch);
    run(f);
    wait_for(&f->shared->updates, 2);
    change(f, WIDTH, 1);
    wait_for(&f->shared->updates, 4);
}

/* An idle guest is looked at a few times a second, and told about not at all. */
static void slows_down(void **state)
{
    struct fixture *f = *state;
    add(f, watch);
    run(f);
    sleep_ms(1200);
    int before = atomic_load(&f->draws);
    sleep_ms(1000);
    assert_in_range(atomic_load(&f->draws) - before, 1, 8);
    assert_int_equal(atomic_load(&f->shared->updates), 1);
}

static void draws_nothing_for_nobody(void **state)
{
    struct fixture *f = *state;
    add(f, look_away);
    run(f);
    sleep_ms(300);
    assert_int_equal(atomic_load(&f->draws), 0);
}

/* Who does not answer hears of one update, and keeps nobody else from theirs. */
static void one_hangs(void **state)
{
    struct fixture *f = *state;
    add(f, hang);
    add(f, watch);
    run(f);
    wait_for(&f->shared->updates, 2);
    for (int i = 0; i < 3; i++) {
        change(f, WIDTH, (uint32_t)i);
        wait_for(&f->shared->updates, 3 + i);
    }
}

static void passes_input_on(void **state)
{
    struct fixture *f = *state;
    add(f, use_keys);
    run(f);
    wait_for(&f->quits, 1);
    assert_int_equal(atomic_load(&f->keys), 2);
    assert_int_equal(atomic_load(&f->moves), 1);
}

static void goes_on_without(void **state)
{
    struct fixture *f = *state;
    add(f, talk_nonsense);
    add(f, leave);
    add(f, watch);
    run(f);
    wait_for(&f->shared->updates, 1);
    sleep_ms(50);
    change(f, WIDTH, 5);
    wait_for(&f->shared->updates, 2);
    assert_int_equal(atomic_load(&f->keys), 0); /* the one behind the nonsense */
}

static void says_why_not(void **state)
{
    struct fixture *f = *state;
    struct error error;
    assert_null(start_view(f, fail_to_start, &error));
    assert_string_equal(error.text, "no screen here");
    assert_null(start_view(f, end_at_once, &error));
    assert_non_null(strstr(error.text, "the viewer has ended"));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shows_what_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(serves_several, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slows_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(draws_nothing_for_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_hangs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(passes_input_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(goes_on_without, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_why_not, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
