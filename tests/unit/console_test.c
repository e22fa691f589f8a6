/* Character devices: the back ends, queues and Ctrl-A commands. The event loop is not
 * started where the order of things matters: its work is then done by character_close,
 * or by a turn of the loop that the test waits for. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/console/character.h"

struct fixture {
    struct lock lock;
    struct clock clock;
    struct log log;
    struct event_loop *loop;
    struct error error;
    struct character *character;
    char folder[64];
    char specification[160];
    const char *path; /* in `specification` */
    size_t room;
    char received[4096];
    size_t received_count;
    unsigned breaks, quits;
};

static size_t room(void *opaque)
{
    return ((struct fixture *)opaque)->room;
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    struct fixture *f = opaque;
    assert_true(count > 0 && count <= f->room);
    memcpy(f->received + f->received_count, bytes, count);
    f->received_count += count;
    f->room -= count;
}

static void line_break(void *opaque)
{
    struct fixture *f = opaque;
    f->breaks++;
    f->received[f->received_count++] = '!';
}

static void quit(void *opaque)
{
    ((struct fixture *)opaque)->quits++;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    lock_init(&f->lock);
    clock_init(&f->clock, CLOCK_KIND_HOST, 0);
    f->loop = event_loop_create(&f->lock, &f->clock, &f->error);
    strcpy(f->folder, "/tmp/faumachine-console-XXXXXX");
    f->room = sizeof(f->received);
    *state = f;
    return f->loop && mkdtemp(f->folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    event_loop_destroy(f->loop);
    if (f->path) {
        unlink(f->path);
    }
    rmdir(f->folder);
    free(f);
    return 0;
}

static void open_character(struct fixture *f, const char *specification,
                           bool multiplexed)
{
    const struct character_commands commands = {.quit = quit, .opaque = f};
    const struct character_receiver receiver = {
        .room = room, .receive = receive, .line_break = line_break, .opaque = f};
    f->character = character_open(specification, multiplexed, &commands, f->loop,
                                  &f->log, &f->error);
    if (!f->character) {
        fail_msg("%s", f->error.text);
    }
    character_connect(f->character, &receiver);
}

/* "PREFIX" + a path in the test's folder + "SUFFIX". */
static const char *in_folder(struct fixture *f, const char *prefix, const char *suffix)
{
    snprintf(f->specification, sizeof(f->specification), "%s%s/x%s", prefix, f->folder,
             suffix);
    f->path = f->specification + strlen(prefix);
    return f->specification;
}

static void write_text(struct fixture *f, const char *text)
{
    lock_take(&f->lock);
    character_write(f->character, (const uint8_t *)text, strlen(text));
    lock_release(&f->lock);
}

static void close_character(struct fixture *f)
{
    lock_take(&f->lock);
    character_close(f->character);
    lock_release(&f->lock);
}

static void start(struct fixture *f)
{
    assert_true(event_loop_start(f->loop, &f->error));
}

/* Waits for the loop to have delivered `count` bytes. */
static void wait_for_input(struct fixture *f, size_t count)
{
    bool there = false;
    for (int i = 0; i < 5000 && !there; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        lock_take(&f->lock);
        there = f->received_count >= count;
        lock_release(&f->lock);
    }
    assert_true(there);
}

/* Reads exactly `expected` from `fd`, within five seconds. */
static void expect_output(int fd, const char *expected)
{
    char text[256] = "";
    size_t count = 0, wanted = strlen(expected);
    while (count < wanted) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&polled, 1, 5000), 1);
        ssize_t got = read(fd, text + count, wanted - count);
        assert_true(got > 0);
        count += (size_t)got;
    }
    assert_string_equal(text, expected);
}

static void refuses_what_it_does_not_know(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "",
        "stdi",
        "stdiox",
        "file:",
        "file:/nonexistent/x",
        "unix:",
        "unix:/x,serves",
        "tcp::1",
        "unix:/no/x",
        "file:/",
        "nulls",
        "unix:/no/such/folder/x,server,nowait",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        f->error.text[0] = '\0';
        assert_null(character_open(bad[i], false, NULL, f->loop, &f->log, &f->error));
        assert_true(strlen(f->error.text) > 10);
        assert_null(strchr(f->error.text, '\n'));
    }
}

static void file_gets_everything(void **state)
{
    struct fixture *f = *state;
    open_character(f, in_folder(f, "file:", ""), false);
    write_text(f, "first ");
    write_text(f, "last");
    close_character(f); /* the loop never ran: closing flushes */
    int fd = open(f->path, O_RDONLY);
    char text[32] = "";
    assert_int_equal(read(fd, text, sizeof(text)), 10);
    assert_string_equal(text, "first last");
    close(fd);
}

static void full_device_is_survived(void **state)
{
    struct fixture *f = *state;
    open_character(f, "file:/dev/full", false);
    write_text(f, "lost");
    close_character(f);
}

static void null_takes_and_gives_nothing(void **state)
{
    struct fixture *f = *state;
    open_character(f, "null", false);
    write_text(f, "nowhere");
    close_character(f);
    assert_int_equal(f->received_count, 0);
}

/* A client in the test's own process. */
static int connect_client(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strcspn(f->path, ",");
    memcpy(address.sun_path, f->path, length);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Until a client is connected its output is lost: write until something arrives. */
static void write_until_connected(struct fixture *f, int client)
{
    struct pollfd polled = {.fd = client, .events = POLLIN};
    for (int i = 0; i < 500; i++) {
        write_text(f, "x");
        if (poll(&polled, 1, 10) == 1) {
            char text[512];
            assert_true(read(client, text, sizeof(text)) > 0);
            return;
        }
    }
    fail_msg("no connection");
}

static void socket_serves_one_client_after_the_other(void **state)
{
    struct fixture *f = *state;
    open_character(f, in_folder(f, "unix:", ",server,nowait"), false);
    start(f);
    for (int round = 0; round < 3; round++) {
        int client = connect_client(f);
        write_until_connected(f, client);
        f->received_count = 0;
        assert_int_equal(write(client, "in", 2), 2);
        wait_for_input(f, 2);
        assert_memory_equal(f->received, "in", 2);
        write_text(f, "out");
        char byte = 0;
        while (byte != 't') { /* some 'x' may come first */
            assert_int_equal(read(client, &byte, 1), 1);
        }
        close(client);
    }
    close_character(f);
    char path[160];
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(f->path, ","), f->path);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void socket_takes_over_a_stale_path(void **state)
{
    struct fixture *f = *state;
    in_folder(f, "unix:", ",server,nowait");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, f->path, strcspn(f->path, ","));
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof(address)), 0);
    close(stale);
    open_character(f, f->specification, false);
    close_character(f);
}

/* A reader that takes nothing costs the guest its output, not its time. */
static void slow_reader_loses_output(void **state)
{
    struct fixture *f = *state;
    open_character(f, in_folder(f, "unix:", ",server,nowait"), false);
    start(f);
    int client = connect_client(f);
    write_until_connected(f, client);
    uint8_t block[4096];
    memset(block, 'y', sizeof(block));
    for (int i = 0; i < 2048; i++) { /* 8 MiB */
        lock_take(&f->lock);
        character_write(f->character, block, sizeof(block));
        lock_release(&f->lock);
    }
    close_character(f); /* waits for its patience only, then warns */
    size_t count = 0;
    ssize_t got;
    while ((got = read(client, block, sizeof(block))) > 0) {
        count += (size_t)got;
    }
    assert_true(count > 0 && count < 8 << 20);
    close(client);
}

static void pty_carries_both_ways(void **state)
{
    struct fixture *f = *state;
    /* The name is announced on standard error. */
    int announced[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(announced), 0);
    fflush(stderr);
    dup2(announced[1], STDERR_FILENO);
    open_character(f, "pty", false);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    char line[256] = "";
    assert_true(read(announced[0], line, sizeof(line) - 1) > 0);
    char *name = strstr(line, "/dev/pts/");
    assert_non_null(name);
    name[strcspn(name, "\r\n")] = '\0';
    start(f);
    for (int round = 0; round < 2; round++) { /* terminal programs come and go */
        int terminal = open(name, O_RDWR | O_NOCTTY);
        assert_true(terminal >= 0);
        f->received_count = 0;
        write_text(f, "out\n");
        expect_output(terminal, "out\n");
        assert_int_equal(write(terminal, "in\r", 3), 3);
        wait_for_input(f, 3);
        assert_memory_equal(f->received, "in\r", 3);
        close(terminal);
    }
    close_character(f);
}

/* Standard input and output replaced by pipes, for one test. */
struct pipes {
    int saved[2];
    int to_us[2], from_us[2];
};

static void replace_stdio(struct pipes *pipes)
{
    assert_int_equal(pipe(pipes->to_us), 0);
    assert_int_equal(pipe(pipes->from_us), 0);
    fflush(stdout);
    pipes->saved[0] = dup(STDIN_FILENO);
    pipes->saved[1] = dup(STDOUT_FILENO);
    dup2(pipes->to_us[0], STDIN_FILENO);
    dup2(pipes->from_us[1], STDOUT_FILENO);
}

static void restore_stdio(struct pipes *pipes)
{
    dup2(pipes->saved[0], STDIN_FILENO);
    dup2(pipes->saved[1], STDOUT_FILENO);
    close(pipes->to_us[0]);
    close(pipes->to_us[1]);
    close(pipes->from_us[0]);
    close(pipes->from_us[1]);
}

/* Sends `text` to a multiplexed stdio and closes it after `expected` bytes came. */
static void type_keys(struct fixture *f, const char *text, size_t expected)
{
    struct pipes pipes;
    replace_stdio(&pipes);
    open_character(f, "stdio", true);
    start(f);
    ssize_t length = (ssize_t)strlen(text);
    bool sent = write(pipes.to_us[1], text, (size_t)length) == length;
    wait_for_input(f, expected);
    close_character(f);
    restore_stdio(&pipes);
    assert_true(sent);
}

static void ctrl_a_is_an_escape(void **state)
{
    struct fixture *f = *state;
    type_keys(f, "a\001bc\001\001d\001Ze\001xf", 7);
    assert_int_equal(f->quits, 1);
    assert_int_equal(f->breaks, 1);
    assert_int_equal(f->received_count, 7);
    assert_memory_equal(f->received, "a!c\001def", 7);
}

static void input_waits_for_room(void **state)
{
    struct fixture *f = *state;
    f->room = 2;
    type_keys(f, "abcdef", 2);
    assert_int_equal(f->received_count, 2);
}

static void input_goes_on_when_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct pipes pipes;
    replace_stdio(&pipes);
    f->room = 2;
    open_character(f, "stdio", false);
    start(f);
    bool sent = write(pipes.to_us[1], "abcdef", 6) == 6;
    wait_for_input(f, 2);
    lock_take(&f->lock);
    f->room = 100;
    character_accept_input(f->character);
    lock_release(&f->lock);
    wait_for_input(f, 6);
    close_character(f);
    restore_stdio(&pipes);
    assert_true(sent);
    assert_memory_equal(f->received, "abcdef", 6);
}

static void stdio_is_for_one(void **state)
{
    struct fixture *f = *state;
    struct pipes pipes;
    replace_stdio(&pipes);
    open_character(f, "stdio", false);
    struct character *second =
        character_open("stdio", false, NULL, f->loop, &f->log, &f->error);
    close_character(f);
    open_character(f, "stdio", false); /* free again */
    close_character(f);
    restore_stdio(&pipes);
    assert_null(second);
}

static void closed_reader_is_survived(void **state)
{
    struct fixture *f = *state;
    struct pipes pipes;
    replace_stdio(&pipes);
    open_character(f, "stdio", false);
    close(pipes.from_us[0]);
    pipes.from_us[0] = -1;
    dup2(pipes.to_us[0], pipes.from_us[1]); /* no other writer keeps it alive */
    write_text(f, "nobody reads this");
    close_character(f);
    restore_stdio(&pipes);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_what_it_does_not_know, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(file_gets_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_device_is_survived, set_up, tear_down),
        cmocka_unit_test_setup_teardown(null_takes_and_gives_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(socket_serves_one_client_after_the_other,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(socket_takes_over_a_stale_path, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(slow_reader_loses_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pty_carries_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ctrl_a_is_an_escape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(input_waits_for_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(input_goes_on_when_there_is_room, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(stdio_is_for_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closed_reader_is_survived, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
