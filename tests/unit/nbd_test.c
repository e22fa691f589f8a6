/* Disks behind NBD servers: a qemu-nbd of our own, one of somebody else's, and what
 * happens when it dies. */
#define _GNU_SOURCE
#include "host/storage/block.h"
#include "host/storage/image.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, SECTORS = 8 * MIB / BLOCK_SECTOR_BYTES, SKIPPED = 77 };

struct fixture {
    char directory[64];
    char image[96], socket[96];
    struct lock lock;
    struct clock clock;
    struct event_loop *loop;
};

static int setup(void **state)
{
    static struct fixture fixture;
    struct error error;
    strcpy(fixture.directory, "/tmp/nbd-test-XXXXXX");
    assert_non_null(mkdtemp(fixture.directory));
    snprintf(fixture.image, sizeof(fixture.image), "%s/disk", fixture.directory);
    snprintf(fixture.socket, sizeof(fixture.socket), "%s/socket", fixture.directory);
    setenv("TMPDIR", fixture.directory, 1);
    lock_init(&fixture.lock);
    clock_init(&fixture.clock, CLOCK_KIND_HOST, 0);
    fixture.loop = event_loop_create(&fixture.lock, &fixture.clock, &error);
    *state = &fixture;
    return fixture.loop ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    event_loop_destroy(fixture->loop);
    lock_destroy(&fixture->lock);
    unlink(fixture->image);
    unlink(fixture->socket);
    return rmdir(fixture->directory); /* fails if anything was left behind */
}

static void make_image(const struct fixture *fixture, const char *format)
{
    struct error error;
    if (!image_create_as(fixture->image, format, 8 * MIB, &error)) {
        fail_msg("%s", error.text);
    }
}

static struct block_backend *must_open(const struct block_options *options,
                                       struct event_loop *loop)
{
    struct error error;
    struct block_backend *backend = block_open(options, NULL, loop, &error);
    if (!backend) {
        fail_msg("%s", error.text);
    }
    return backend;
}

static void must_refuse(const struct block_options *options, const char *hint)
{
    struct error error;
    assert_null(block_open(options, NULL, NULL, &error));
    if (!strstr(error.text, hint) || strchr(error.text, '\n')) {
        fail_msg("'%s' does not say '%s'", error.text, hint);
    }
}

static void note_result(void *opaque, int result)
{
    *(int *)opaque = result;
}

static int submit(struct block_backend *backend, enum block_operation operation,
                  uint64_t sector, uint32_t count, uint8_t *buffer)
{
    int result = -1;
    struct block_request request = {
        .operation = operation,
        .sector = sector,
        .count = count,
        .buffer = buffer,
        .completion = note_result,
        .opaque = &result,
    };
    block_device_submit(block_device_of(backend), &request);
    block_settle(backend);
    return result;
}

/* With a loop, answers come later; without, at once. */
static void exercise(struct fixture *fixture, const char *format,
                     struct event_loop *loop)
{
    struct error error;
    uint8_t buffer[4 * BLOCK_SECTOR_BYTES];
    struct block_options options = {.file = fixture->image, .discard = true};
    make_image(fixture, format);
    struct block_backend *backend = must_open(&options, loop);
    assert_int_equal(block_device_of(backend)->sectors, SECTORS);
    memset(buffer, 0x5a, sizeof(buffer));
    assert_int_equal(submit(backend, BLOCK_WRITE, SECTORS - 4, 4, buffer), 0);
    assert_int_equal(submit(backend, BLOCK_FLUSH, 0, 0, NULL), 0);
    assert_int_equal(submit(backend, BLOCK_DISCARD, 128, 256, NULL), 0);
    assert_true(block_close(backend, &error));
    options.read_only = true;
    backend = must_open(&options, loop);
    assert_true(block_device_of(backend)->read_only);
    assert_int_equal(submit(backend, BLOCK_READ, SECTORS - 2, 1, buffer), 0);
    assert_int_equal(buffer[0], 0x5a);
    assert_int_equal(submit(backend, BLOCK_READ, 0, 1, buffer), 0);
    assert_int_equal(buffer[0], 0);
    assert_true(block_close(backend, &error));
    assert_int_equal(unlink(fixture->image), 0);
}

static void test_formats(void **state)
{
    struct fixture *fixture = *state;
    static const char *const formats[] = {"qcow2", "vdi", "vmdk", "vhdx", "vpc", "qed"};
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        printf("nbd_test: %s\n", formats[i]);
        if (i > 1) { /* the rest do not differ in how they are reached */
            make_image(fixture, formats[i]);
            struct image_info info;
            struct error error;
            assert_true(image_get_info(fixture->image, &info, &error));
            assert_string_equal(info.format, formats[i]);
            unlink(fixture->image);
            continue;
        }
        exercise(fixture, formats[i], fixture->loop);
        exercise(fixture, formats[i], NULL);
    }
}

/* Answers come by the event loop's thread; a snapshot leaves the image alone. */
static void test_event_loop(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    uint8_t buffer[BLOCK_SECTOR_BYTES] = {7};
    int result = -1, seen = -1;
    const struct block_options options = {.file = fixture->image, .snapshot = true};
    make_image(fixture, "qcow2");
    struct block_backend *backend = must_open(&options, fixture->loop);
    assert_true(event_loop_start(fixture->loop, &error));
    lock_take(&fixture->lock);
    struct block_request request = {
        .operation = BLOCK_READ,
        .count = 1,
        .buffer = buffer,
        .completion = note_result,
        .opaque = &result,
    };
    block_device_submit(block_device_of(backend), &request);
    lock_release(&fixture->lock);
    for (unsigned i = 0; i < 10000 && seen < 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        lock_take(&fixture->lock);
        seen = result;
        lock_release(&fixture->lock);
    }
    event_loop_stop(fixture->loop);
    assert_int_equal(seen, 0);
    assert_int_equal(buffer[0], 0);
    buffer[0] = 8;
    assert_int_equal(submit(backend, BLOCK_WRITE, 5, 1, buffer), 0);
    buffer[0] = 9;
    assert_int_equal(submit(backend, BLOCK_READ, 5, 1, buffer), 0);
    assert_int_equal(buffer[0], 8);
    assert_true(block_close(backend, &error));
}

/* -- servers of somebody else -- */

static pid_t start_server(const struct fixture *fixture)
{
    make_image(fixture, "raw");
    pid_t server = fork();
    if (server == 0) {
        execlp("qemu-nbd", "qemu-nbd", "--persistent", "--socket", fixture->socket,
               "--format", "raw", "-x", "export", fixture->image, NULL);
        _exit(1);
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, fixture->socket);
    for (unsigned i = 0; i < 10000; i++) {
        if (connect(client, (struct sockaddr *)&address, sizeof(address)) == 0) {
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    close(client);
    return server;
}

/* What was under way has an error for an answer; so has all that follows. */
static void test_server_dies(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    uint8_t buffer[BLOCK_SECTOR_BYTES] = {1};
    char address[128];
    pid_t server = start_server(fixture);
    snprintf(address, sizeof(address), "nbd+unix:///export?socket=%s", fixture->socket);
    const struct block_options options = {.file = address};
    struct block_backend *backend = must_open(&options, fixture->loop);
    assert_int_equal(submit(backend, BLOCK_WRITE, 0, 1, buffer), 0);
    kill(server, SIGSTOP);
    int results[3] = {-1, -1, -1};
    for (unsigned i = 0; i < ARRAY_LENGTH(results); i++) {
        struct block_request request = {
            .operation = i == 1 ? BLOCK_FLUSH : BLOCK_READ,
            .count = 1,
            .buffer = buffer,
            .completion = note_result,
            .opaque = &results[i],
        };
        block_device_submit(block_device_of(backend), &request);
    }
    assert_int_equal(results[0], -1);
    kill(server, SIGKILL);
    assert_int_equal(waitpid(server, NULL, 0), server);
    block_settle(backend);
    for (unsigned i = 0; i < ARRAY_LENGTH(results); i++) {
        assert_true(results[i] > 0);
    }
    assert_true(submit(backend, BLOCK_WRITE, 0, 1, buffer) > 0);
    assert_false(block_close(backend, &error));
    assert_non_null(strstr(error.text, "could not be flushed"));
}

static void test_wrong_addresses(void **state)
{
    struct fixture *fixture = *state;
    char address[128];
    struct block_options options = {.file = "nbd+unix:///x?socket=/nonexistent/s"};
    must_refuse(&options, "nbd+unix:///x?socket=/nonexistent/s");
    options.file = "nbd:";
    must_refuse(&options, "cannot connect");
    pid_t server = start_server(fixture);
    snprintf(address, sizeof(address), "nbd+unix:///other?socket=%s", fixture->socket);
    options.file = address;
    must_refuse(&options, "other");
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
}

static void test_wrong_images(void **state)
{
    struct fixture *fixture = *state;
    struct block_options options = {.file = fixture->image, .format = "qcow2"};
    make_image(fixture, "raw");
    must_refuse(&options, "not in qcow2 format");
    options.file = "/nonexistent/disk";
    must_refuse(&options, "No such file");
    unlink(fixture->image);
    make_image(fixture, "qcow2");
    const char *path = getenv("PATH");
    char *kept = strdup(path ? path : "");
    setenv("PATH", "/nonexistent", 1);
    options.file = fixture->image;
    must_refuse(&options, "qemu-utils");
    setenv("PATH", kept, 1);
    free(kept);
    /* The first one has it locked. */
    struct error error;
    struct block_backend *backend = must_open(&options, NULL);
    must_refuse(&options, "lock");
    assert_true(block_close(backend, &error));
}

#define NBD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NBD_TEST(test_formats),      NBD_TEST(test_event_loop),
        NBD_TEST(test_server_dies),  NBD_TEST(test_wrong_addresses),
        NBD_TEST(test_wrong_images),
    };
    if (system("command -v qemu-nbd qemu-img >/dev/null 2>&1") != 0) {
        puts("no qemu-utils here: skipped");
        return SKIPPED;
    }
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
