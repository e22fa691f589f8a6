/* Image files and -snapshot overlays, with all the wrong files a user may name; each by
 * every block engine. */
#define _GNU_SOURCE
#include "host/storage/block.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { SECTORS = 64 };

struct fixture {
    char directory[64];
    char image[96];
    struct lock lock;
    struct clock clock;
    struct event_loop *loop;
    struct block_engine *engine;
};

/* What carries requests out in the tests of a group; -1: each within its submission. */
static int engine_kind = -1;
static struct fixture fixture;

static void close_block(struct block_backend *backend)
{
    struct error error;
    assert_true(block_close(backend, &error));
}

static void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    struct error error;
    strcpy(fixture.directory, "/tmp/storage-test-XXXXXX");
    assert_non_null(mkdtemp(fixture.directory));
    snprintf(fixture.image, sizeof(fixture.image), "%s/disk", fixture.directory);
    uint8_t bytes[SECTORS * BLOCK_SECTOR_BYTES];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i / BLOCK_SECTOR_BYTES);
    }
    write_file(fixture.image, bytes, sizeof(bytes));
    setenv("TMPDIR", fixture.directory, 1);
    lock_init(&fixture.lock);
    clock_init(&fixture.clock, CLOCK_KIND_HOST, 0);
    fixture.loop = event_loop_create(&fixture.lock, &fixture.clock, &error);
    fixture.engine = block_engine_create();
    if (engine_kind >= 0 &&
        !block_engine_start(fixture.engine, (enum block_engine_kind)engine_kind,
                            fixture.loop, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    event_loop_stop(fixture->loop);
    block_engine_destroy(fixture->engine);
    event_loop_destroy(fixture->loop);
    lock_destroy(&fixture->lock);
    unlink(fixture->image);
    return rmdir(fixture->directory); /* fails if anything was left behind */
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

static struct block_backend *open_with(const struct block_options *options,
                                       struct error *error)
{
    return block_open(options, fixture.engine, fixture.loop, error);
}

static struct block_backend *must_open_with(const struct block_options *options)
{
    struct error error = {.text = ""};
    struct block_backend *backend = open_with(options, &error);
    if (!backend) {
        fprintf(stderr, "%s\n", error.text);
        fail();
    }
    return backend;
}

static struct block_backend *must_open(const char *path, bool read_only, bool snapshot)
{
    const struct block_options options = {
        .file = path,
        .read_only = read_only,
        .snapshot = snapshot,
    };
    return must_open_with(&options);
}

/* Opening fails with one line that names the file and says `remedy`. */
static void must_refuse(const char *path, bool read_only, bool snapshot,
                        const char *remedy)
{
    struct error error = {.text = ""};
    const struct block_options options = {
        .file = path,
        .read_only = read_only,
        .snapshot = snapshot,
    };
    struct block_backend *backend = open_with(&options, &error);
    assert_null(backend);
    assert_non_null(strstr(error.text, path));
    assert_null(strchr(error.text, '\n'));
    if (!strstr(error.text, remedy)) {
        fprintf(stderr, "'%s' does not say '%s'\n", error.text, remedy);
        fail();
    }
}

static void test_read_and_write(void **state)
{
    const struct fixture *fixture = *state;
    struct block_backend *backend = must_open(fixture->image, false, false);
    uint8_t buffer[3 * BLOCK_SECTOR_BYTES];
    assert_int_equal(block_device_of(backend)->sectors, SECTORS);
    assert_false(block_device_of(backend)->read_only);
    assert_int_equal(submit(backend, BLOCK_READ, 61, 3, buffer), 0);
    assert_int_equal(buffer[0], 61);
    assert_int_equal(buffer[sizeof(buffer) - 1], 63);
    memset(buffer, 0xaa, sizeof(buffer));
    assert_int_equal(submit(backend, BLOCK_WRITE, 7, 2, buffer), 0);
    assert_int_equal(submit(backend, BLOCK_FLUSH, 0, 0, NULL), 0);
    close_block(backend);
    backend = must_open(fixture->image, true, false);
    assert_int_equal(submit(backend, BLOCK_READ, 8, 2, buffer), 0);
    assert_int_equal(buffer[0], 0xaa);
    assert_int_equal(buffer[BLOCK_SECTOR_BYTES], 9);
    close_block(backend);
    close_block(NULL);
}

static void test_out_of_range(void **state)
{
    const struct fixture *fixture = *state;
    struct block_backend *backend = must_open(fixture->image, false, false);
    uint8_t buffer[2 * BLOCK_SECTOR_BYTES];
    assert_int_equal(submit(backend, BLOCK_READ, SECTORS - 1, 2, buffer), EINVAL);
    assert_int_equal(submit(backend, BLOCK_WRITE, SECTORS, 1, buffer), EINVAL);
    assert_int_equal(submit(backend, BLOCK_READ, UINT64_MAX, 1, buffer), EINVAL);
    close_block(backend);
}

static void test_snapshot_leaves_the_image(void **state)
{
    const struct fixture *fixture = *state;
    uint8_t buffer[4 * BLOCK_SECTOR_BYTES];
    chmod(fixture->image, 0400);
    struct block_backend *backend = must_open(fixture->image, false, true);
    assert_false(block_device_of(backend)->read_only);
    memset(buffer, 0xcc, sizeof(buffer));
    assert_int_equal(submit(backend, BLOCK_WRITE, 10, 1, buffer), 0);
    assert_int_equal(submit(backend, BLOCK_WRITE, 12, 1, buffer), 0);
    assert_int_equal(submit(backend, BLOCK_FLUSH, 0, 0, NULL), 0);
    assert_int_equal(submit(backend, BLOCK_READ, 10, 4, buffer), 0);
    static const uint8_t expected[] = {0xcc, 11, 0xcc, 13};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(buffer[i * BLOCK_SECTOR_BYTES + 100], expected[i]);
    }
    close_block(backend);
    backend = must_open(fixture->image, true, false);
    assert_int_equal(submit(backend, BLOCK_READ, 10, 4, buffer), 0);
    assert_int_equal(buffer[0], 10);
    close_block(backend);
}

/* Random reads and writes against an array; the seed is fixed, so runs are alike. */
static void test_snapshot_against_model(void **state)
{
    const struct fixture *fixture = *state;
    struct block_backend *backend = must_open(fixture->image, false, true);
    uint8_t model[SECTORS];
    uint8_t buffer[SECTORS * BLOCK_SECTOR_BYTES];
    for (unsigned i = 0; i < SECTORS; i++) {
        model[i] = (uint8_t)i;
    }
    srandom(1);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned sector = (unsigned)random() % SECTORS;
        unsigned count = (unsigned)random() % (SECTORS - sector) + 1;
        if (random() % 4 == 0) {
            memset(buffer, (int)i, sizeof(buffer));
            memset(model + sector, (int)i, count);
            assert_int_equal(submit(backend, BLOCK_WRITE, sector, count, buffer), 0);
        } else {
            assert_int_equal(submit(backend, BLOCK_READ, sector, count, buffer), 0);
            for (unsigned k = 0; k < count; k++) {
                assert_int_equal(buffer[k * BLOCK_SECTOR_BYTES], model[sector + k]);
            }
        }
    }
    close_block(backend);
}

static void test_snapshot_needs_a_directory(void **state)
{
    const struct fixture *fixture = *state;
    setenv("TMPDIR", "/nonexistent/directory", 1);
    const struct block_options options = {.file = fixture->image, .snapshot = true};
    struct error error;
    assert_null(open_with(&options, &error));
    assert_non_null(strstr(error.text, "TMPDIR"));
    struct block_backend *backend = must_open(fixture->image, false, false);
    close_block(backend); /* no lock was left behind */
}

static void test_read_only(void **state)
{
    const struct fixture *fixture = *state;
    struct block_backend *backend = must_open(fixture->image, true, false);
    uint8_t buffer[BLOCK_SECTOR_BYTES] = {0};
    assert_true(block_device_of(backend)->read_only);
    assert_int_equal(submit(backend, BLOCK_WRITE, 0, 1, buffer), EROFS);
    assert_int_equal(submit(backend, BLOCK_FLUSH, 0, 0, NULL), 0);
    close_block(backend);
}

static void test_bad_files(void **state)
{
    struct fixture *fixture = *state;
    must_refuse("/nonexistent/disk", false, false, "faumachine image create");
    must_refuse(fixture->directory, false, false, "is a directory");
    must_refuse(fixture->directory, true, false, "is a directory");
    must_refuse("/dev/null", true, false, "neither a file nor a block device");
    write_file(fixture->image, "", 0);
    must_refuse(fixture->image, false, false, "is empty");
    write_file(fixture->image, "123456789", 9);
    must_refuse(fixture->image, false, false, "truncate -s %512");
    unlink(fixture->image);
    assert_int_equal(mkfifo(fixture->image, 0600), 0);
    must_refuse(fixture->image, true, false, "neither a file nor a block device");
}

/* Root may do anything: then there is nothing to refuse. */
static void test_no_permission(void **state)
{
    const struct fixture *fixture = *state;
    if (geteuid() == 0) {
        skip();
    }
    chmod(fixture->image, 0400);
    must_refuse(fixture->image, false, false, "-snapshot");
    chmod(fixture->image, 0000);
    must_refuse(fixture->image, true, false, "cannot read");
}

static void test_locking(void **state)
{
    const struct fixture *fixture = *state;
    struct block_backend *writer = must_open(fixture->image, false, false);
    must_refuse(fixture->image, false, false, "in use");
    must_refuse(fixture->image, true, false, "in use");
    must_refuse(fixture->image, false, true, "in use");
    close_block(writer);
    struct block_backend *first = must_open(fixture->image, true, false);
    struct block_backend *second = must_open(fixture->image, false, true);
    must_refuse(fixture->image, false, false, "in use");
    close_block(first);
    close_block(second);
    close_block(must_open(fixture->image, false, false));
}

/* Another process holds the image, not only another file of this one. */
static void test_locking_between_processes(void **state)
{
    const struct fixture *fixture = *state;
    int ready[2], done[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        struct error error;
        const struct block_options options = {.file = fixture->image};
        struct block_backend *backend = block_open(&options, NULL, NULL, &error);
        char byte = backend ? 'y' : 'n';
        _exit(write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 1 ? 0 : 1);
    }
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    must_refuse(fixture->image, false, false, "in use");
    assert_int_equal(write(done[1], &byte, 1), 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (unsigned i = 0; i < 2; i++) {
        close(ready[i]);
        close(done[i]);
    }
}

/* The host runs out of room: a limit on the size of files stands in for a full disk. */
static void test_host_refuses_to_write(void **state)
{
    const struct fixture *fixture = *state;
    struct block_backend *backend = must_open(fixture->image, false, true);
    uint8_t buffer[BLOCK_SECTOR_BYTES] = {0xee};
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 16 * BLOCK_SECTOR_BYTES;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int inside = submit(backend, BLOCK_WRITE, 3, 1, buffer);
    int beyond = submit(backend, BLOCK_WRITE, 20, 1, buffer);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(inside, 0);
    assert_int_equal(beyond, EFBIG);
    assert_int_equal(submit(backend, BLOCK_READ, 20, 1, buffer), 0);
    assert_int_equal(buffer[0], 20); /* what was not written is not there */
    close_block(backend);
}

/* -- failures -- */

struct answers {
    unsigned failures, completions;
    struct block_failure failure; /* the last one */
    int result;
};

static void note_failure(void *opaque, const struct block_failure *failure)
{
    struct answers *answers = opaque;
    answers->failures++;
    answers->failure = *failure;
}

static void note_completion(void *opaque, int result)
{
    struct answers *answers = opaque;
    answers->completions++;
    answers->result = result;
}

/* The end of the image is gone meanwhile, and what is to happen then is `on_error`. */
static struct block_backend *open_shrunk(const struct fixture *fixture,
                                         enum block_on_error on_error,
                                         struct answers *answers)
{
    const struct block_options options = {.file = fixture->image,
                                          .on_read_error = on_error};
    struct block_backend *backend = must_open_with(&options);
    const struct block_listener listener = {.failed = note_failure, .opaque = answers};
    *answers = (struct answers){.result = -1};
    block_listen(backend, &listener);
    assert_int_equal(truncate(fixture->image, 5 * BLOCK_SECTOR_BYTES), 0);
    return backend;
}

static void read_sector(struct block_backend *backend, uint64_t sector, uint8_t *buffer,
                        struct answers *answers)
{
    const struct block_request request = {
        .operation = BLOCK_READ,
        .sector = sector,
        .count = 1,
        .buffer = buffer,
        .completion = note_completion,
        .opaque = answers,
    };
    block_device_submit(block_device_of(backend), &request);
    block_settle(backend);
}

static void retry(struct block_backend *backend)
{
    block_retry(backend);
    block_settle(backend);
}

/* Requests are kept back, others pass them, and they are retried until they succeed. */
static void test_failures_are_kept_back(void **state)
{
    const struct fixture *fixture = *state;
    struct answers answers;
    uint8_t buffers[3][BLOCK_SECTOR_BYTES];
    struct block_backend *backend = open_shrunk(fixture, BLOCK_ON_ERROR_STOP, &answers);
    read_sector(backend, 6, buffers[0], &answers);
    read_sector(backend, 7, buffers[1], &answers);
    assert_int_equal(answers.failures, 2);
    assert_int_equal(answers.failure.why, EIO);
    assert_int_equal(answers.failure.action, BLOCK_ON_ERROR_STOP);
    assert_false(answers.failure.out_of_room);
    assert_int_equal(answers.completions, 0);
    read_sector(backend, 1, buffers[2], &answers);
    assert_int_equal(answers.completions, 1);
    retry(backend);
    assert_int_equal(answers.failures, 4);
    assert_int_equal(answers.completions, 1);
    assert_int_equal(truncate(fixture->image, SECTORS * BLOCK_SECTOR_BYTES), 0);
    memset(buffers, 1, sizeof(buffers));
    retry(backend);
    assert_int_equal(answers.failures, 4);
    assert_int_equal(answers.completions, 3);
    assert_int_equal(answers.result, 0);
    assert_int_equal(buffers[0][0] | buffers[1][0], 0);
    close_block(backend);
}

/* Who was reset does not wait any more. */
static void test_failures_are_given_up(void **state)
{
    const struct fixture *fixture = *state;
    struct answers answers;
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    struct block_backend *backend = open_shrunk(fixture, BLOCK_ON_ERROR_STOP, &answers);
    read_sector(backend, 6, buffer, &answers);
    block_give_up(backend);
    assert_int_equal(answers.completions, 1);
    assert_int_equal(answers.result, EIO);
    retry(backend);
    assert_int_equal(answers.failures, 1);
    /* Without a listener there is nobody who would retry. */
    block_listen(backend, NULL);
    read_sector(backend, 6, buffer, &answers);
    assert_int_equal(answers.completions, 2);
    assert_int_equal(answers.result, EIO);
    close_block(backend);
}

/* Nobody sees the host's memory in what could not be read. */
static void test_failures_are_ignored(void **state)
{
    const struct fixture *fixture = *state;
    struct answers answers;
    uint8_t buffer[BLOCK_SECTOR_BYTES] = {0xee};
    struct block_backend *backend =
        open_shrunk(fixture, BLOCK_ON_ERROR_IGNORE, &answers);
    read_sector(backend, 6, buffer, &answers);
    assert_int_equal(answers.failures, 1);
    assert_int_equal(answers.failure.action, BLOCK_ON_ERROR_IGNORE);
    assert_int_equal(answers.result, 0);
    assert_int_equal(buffer[0], 0);
    close_block(backend);
}

static void test_image_shrinks_under_us(void **state)
{
    const struct fixture *fixture = *state;
    struct block_backend *backend = must_open(fixture->image, true, false);
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    assert_int_equal(truncate(fixture->image, 5 * BLOCK_SECTOR_BYTES), 0);
    assert_int_equal(submit(backend, BLOCK_READ, 4, 1, buffer), 0);
    assert_int_equal(submit(backend, BLOCK_READ, 5, 1, buffer), EIO);
    close_block(backend);
}

static void test_holes_stay_holes(void **state)
{
    const struct fixture *fixture = *state;
    assert_int_equal(truncate(fixture->image, 0), 0);
    assert_int_equal(truncate(fixture->image, 1 << 30), 0);
    struct block_backend *backend = must_open(fixture->image, false, false);
    uint8_t buffer[BLOCK_SECTOR_BYTES] = {1};
    assert_int_equal(submit(backend, BLOCK_WRITE, 1 << 20, 1, buffer), 0);
    close_block(backend);
    struct stat status;
    assert_int_equal(stat(fixture->image, &status), 0);
    assert_int_equal(status.st_size, 1 << 30);
    assert_true(status.st_blocks < 1024);
}

/* -- discard -- */

static blkcnt_t blocks_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_blocks;
}

enum { LARGE_SECTORS = 16384 };

/* An image without holes. */
static void fill_image(const char *path)
{
    uint8_t *bytes = malloc((size_t)LARGE_SECTORS * BLOCK_SECTOR_BYTES);
    assert_non_null(bytes);
    memset(bytes, 0x77, (size_t)LARGE_SECTORS * BLOCK_SECTOR_BYTES);
    write_file(path, bytes, (size_t)LARGE_SECTORS * BLOCK_SECTOR_BYTES);
    free(bytes);
}

static void test_discard_makes_holes(void **state)
{
    const struct fixture *fixture = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    fill_image(fixture->image);
    struct block_options options = {.file = fixture->image, .discard = true};
    struct block_backend *backend = must_open_with(&options);
    assert_true(block_device_of(backend)->discards);
    assert_int_equal(submit(backend, BLOCK_DISCARD, 4096, 8192, NULL), 0);
    assert_int_equal(submit(backend, BLOCK_READ, 5000, 1, buffer), 0);
    assert_int_equal(buffer[0] | buffer[511], 0);
    assert_int_equal(submit(backend, BLOCK_READ, 4095, 1, buffer), 0);
    assert_int_equal(buffer[0], 0x77);
    assert_int_equal(submit(backend, BLOCK_DISCARD, LARGE_SECTORS, 1, NULL), EINVAL);
    close_block(backend);
    assert_true(blocks_of(fixture->image) < 12000);
    options.read_only = true;
    backend = must_open_with(&options);
    assert_false(block_device_of(backend)->discards);
    assert_int_equal(submit(backend, BLOCK_DISCARD, 0, 1, NULL), EROFS);
    close_block(backend);
}

/* Without discard=unmap it changes nothing. */
static void test_discard_is_ignored(void **state)
{
    const struct fixture *fixture = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    struct block_backend *backend = must_open(fixture->image, false, false);
    assert_false(block_device_of(backend)->discards);
    assert_int_equal(submit(backend, BLOCK_DISCARD, 0, SECTORS, NULL), 0);
    assert_int_equal(submit(backend, BLOCK_READ, 9, 1, buffer), 0);
    assert_int_equal(buffer[0], 9);
    close_block(backend);
}

static void test_discard_in_an_overlay(void **state)
{
    const struct fixture *fixture = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES] = {0xdd};
    const struct block_options options = {
        .file = fixture->image,
        .snapshot = true,
        .discard = true,
    };
    struct block_backend *backend = must_open_with(&options);
    assert_int_equal(submit(backend, BLOCK_WRITE, 20, 1, buffer), 0);
    assert_int_equal(submit(backend, BLOCK_DISCARD, 20, 2, NULL), 0);
    for (unsigned i = 20; i < 22; i++) {
        assert_int_equal(submit(backend, BLOCK_READ, i, 1, buffer), 0);
        assert_int_equal(buffer[0], 0);
    }
    close_block(backend);
    backend = must_open(fixture->image, true, false);
    assert_int_equal(submit(backend, BLOCK_READ, 21, 1, buffer), 0);
    assert_int_equal(buffer[0], 21);
    close_block(backend);
}

/* -- order -- */

struct log_entry {
    unsigned *count, number;
    int result;
};

static void note_order(void *opaque, int result)
{
    struct log_entry *entry = opaque;
    entry->number = (*entry->count)++;
    entry->result = result;
}

enum { WRITES = 32, FLUSH_AT = 20 };

/* Many requests at once; a flush has its answer after all that came before it, and
 * before all that came later. */
static void submit_many(struct block_backend *backend, struct log_entry *entries,
                        unsigned *count, uint8_t (*buffers)[BLOCK_SECTOR_BYTES])
{
    for (unsigned i = 0; i < WRITES; i++) {
        entries[i] = (struct log_entry){.count = count, .result = -1};
        memset(buffers[i], (int)(0x80 + i), BLOCK_SECTOR_BYTES);
        struct block_request request = {
            .operation = i == FLUSH_AT ? BLOCK_FLUSH : BLOCK_WRITE,
            .sector = i,
            .count = 1,
            .buffer = buffers[i],
            .completion = note_order,
            .opaque = &entries[i],
        };
        block_device_submit(block_device_of(backend), &request);
    }
}

static void expect_order(const struct log_entry *entries, unsigned count)
{
    assert_int_equal(count, WRITES);
    assert_int_equal(entries[FLUSH_AT].number, FLUSH_AT);
    for (unsigned i = 0; i < WRITES; i++) {
        assert_int_equal(entries[i].result, 0);
        assert_int_equal(entries[i].number < FLUSH_AT, i < FLUSH_AT);
    }
}

static void test_flush_is_in_order(void **state)
{
    const struct fixture *fixture = *state;
    struct log_entry entries[WRITES];
    static uint8_t buffers[WRITES][BLOCK_SECTOR_BYTES];
    unsigned count = 0;
    struct block_backend *backend = must_open(fixture->image, false, false);
    submit_many(backend, entries, &count, buffers);
    block_settle(backend);
    expect_order(entries, count);
    for (unsigned i = 0; i < WRITES; i++) {
        uint8_t buffer[BLOCK_SECTOR_BYTES];
        assert_int_equal(submit(backend, BLOCK_READ, i, 1, buffer), 0);
        assert_int_equal(buffer[7], i == FLUSH_AT ? FLUSH_AT : 0x80 + i);
    }
    close_block(backend);
}

/* The event loop brings the answers, while nobody waits for them. */
static void test_event_loop_answers(void **state)
{
    struct fixture *fixture = *state;
    struct log_entry entries[WRITES];
    static uint8_t buffers[WRITES][BLOCK_SECTOR_BYTES];
    unsigned count = 0, seen = 0;
    struct error error;
    struct block_backend *backend = must_open(fixture->image, false, false);
    assert_true(event_loop_start(fixture->loop, &error));
    lock_take(&fixture->lock);
    submit_many(backend, entries, &count, buffers);
    lock_release(&fixture->lock);
    for (unsigned i = 0; i < 10000 && seen < WRITES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        lock_take(&fixture->lock);
        seen = count;
        lock_release(&fixture->lock);
    }
    event_loop_stop(fixture->loop);
    expect_order(entries, seen);
    close_block(backend);
}

/* Closing waits for what is under way, and for what waits for its turn. */
static void test_close_settles(void **state)
{
    const struct fixture *fixture = *state;
    struct log_entry entries[WRITES];
    static uint8_t buffers[WRITES][BLOCK_SECTOR_BYTES];
    unsigned count = 0;
    struct block_backend *backend = must_open(fixture->image, false, false);
    submit_many(backend, entries, &count, buffers);
    close_block(backend);
    expect_order(entries, count);
}

static void test_engine_names(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const names[] = {"io_uring", "threads"};
    const char *name = block_engine_name(fixture->engine);
    assert_string_equal(name, engine_kind < 0 ? "none" : names[engine_kind - 1]);
}

/* -- what the host lets us -- */

/* Another view of the engine's ring: what somebody could do who has taken over. */
static bool attach_to_ring(struct io_uring *other)
{
    struct io_uring_params parameters = {0};
    struct io_uring model;
    char name[64], path[64];
    assert_int_equal(io_uring_queue_init_params(64, &model, &parameters), 0);
    for (int fd = 3; fd < 64; fd++) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, name, sizeof(name) - 1);
        if (length > 0 && fd != model.ring_fd &&
            memmem(name, (size_t)length, "io_uring", 8)) {
            io_uring_queue_exit(&model);
            return io_uring_queue_mmap(fd, &parameters, other) == 0;
        }
    }
    io_uring_queue_exit(&model);
    return false;
}

/* The ring does nothing but what the sandbox allows anyway. */
static void test_ring_is_restricted(void **state)
{
    struct io_uring ring;
    struct io_uring_cqe *answer;
    struct io_uring_restriction all = {
        .opcode = IORING_RESTRICTION_SQE_OP,
        .sqe_op = IORING_OP_OPENAT,
    };
    if (engine_kind != BLOCK_ENGINE_IO_URING) {
        return;
    }
    assert_true(attach_to_ring(&ring));
    io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, "/dev/null", O_RDONLY, 0);
    assert_int_equal(io_uring_submit(&ring), 1);
    assert_int_equal(io_uring_wait_cqe(&ring, &answer), 0);
    assert_int_equal(answer->res, -EACCES);
    io_uring_cqe_seen(&ring, answer);
    assert_true(io_uring_register((unsigned)ring.ring_fd, IORING_REGISTER_RESTRICTIONS,
                                  &all, 1) < 0);
}

/* In a process that may not make a ring: threads do it. */
static void test_io_uring_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    pid_t child = fork();
    if (child == 0) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_uring_setup), 0);
        struct error error;
        struct block_engine *engine = block_engine_create();
        bool good =
            seccomp_load(filter) == 0 &&
            !block_engine_start(engine, BLOCK_ENGINE_IO_URING, fixture->loop, &error) &&
            strstr(error.text, "aio=threads") &&
            block_engine_start(engine, BLOCK_ENGINE_AUTO, fixture->loop, &error) &&
            strcmp(block_engine_name(engine), "threads") == 0;
        block_engine_destroy(engine);
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* -- formats -- */

static void test_raw_disk_stays_raw(void **state)
{
    const struct fixture *fixture = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES] = "QFI\xfb\0\0\0\3";
    struct block_options options = {.file = fixture->image};
    struct block_backend *backend = must_open_with(&options);
    assert_int_equal(submit(backend, BLOCK_WRITE, 0, 1, buffer), EPERM);
    assert_int_equal(submit(backend, BLOCK_WRITE, 1, 1, buffer), 0);
    close_block(backend);
    options.format = "raw";
    backend = must_open_with(&options);
    assert_int_equal(submit(backend, BLOCK_WRITE, 0, 1, buffer), 0);
    close_block(backend);
    backend = must_open_with(&options);
    assert_int_equal(block_device_of(backend)->sectors, SECTORS);
    close_block(backend);
}

#define STORAGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int run_all(int kind, const char *name)
{
    const struct CMUnitTest tests[] = {
        STORAGE_TEST(test_read_and_write),
        STORAGE_TEST(test_out_of_range),
        STORAGE_TEST(test_snapshot_leaves_the_image),
        STORAGE_TEST(test_snapshot_against_model),
        STORAGE_TEST(test_snapshot_needs_a_directory),
        STORAGE_TEST(test_read_only),
        STORAGE_TEST(test_bad_files),
        STORAGE_TEST(test_no_permission),
        STORAGE_TEST(test_locking),
        STORAGE_TEST(test_locking_between_processes),
        STORAGE_TEST(test_host_refuses_to_write),
        STORAGE_TEST(test_image_shrinks_under_us),
        STORAGE_TEST(test_failures_are_kept_back),
        STORAGE_TEST(test_failures_are_given_up),
        STORAGE_TEST(test_failures_are_ignored),
        STORAGE_TEST(test_holes_stay_holes),
        STORAGE_TEST(test_discard_makes_holes),
        STORAGE_TEST(test_discard_is_ignored),
        STORAGE_TEST(test_discard_in_an_overlay),
        STORAGE_TEST(test_flush_is_in_order),
        STORAGE_TEST(test_event_loop_answers),
        STORAGE_TEST(test_close_settles),
        STORAGE_TEST(test_engine_names),
        STORAGE_TEST(test_ring_is_restricted),
        STORAGE_TEST(test_io_uring_is_refused),
        STORAGE_TEST(test_raw_disk_stays_raw),
    };
    engine_kind = kind;
    printf("storage_test: %s\n", name);
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

/* Hosts may have no io_uring: in containers it often is forbidden. */
static bool has_io_uring(void)
{
    struct lock lock;
    struct clock clock;
    struct error error;
    lock_init(&lock);
    clock_init(&clock, CLOCK_KIND_HOST, 0);
    struct event_loop *loop = event_loop_create(&lock, &clock, &error);
    struct block_engine *engine = block_engine_create();
    bool has = block_engine_start(engine, BLOCK_ENGINE_IO_URING, loop, &error);
    if (!has) {
        printf("storage_test: without io_uring: %s\n", error.text);
    }
    block_engine_destroy(engine);
    event_loop_destroy(loop);
    return has;
}

int main(void)
{
    int failures = run_all(-1, "at once");
    failures += run_all(BLOCK_ENGINE_THREADS, "threads");
    if (has_io_uring()) {
        failures += run_all(BLOCK_ENGINE_IO_URING, "io_uring");
    }
    return failures;
}
