/* Image files and -snapshot overlays, with all the wrong files a user may name. */
#define _GNU_SOURCE
#include "host/storage/block.h"

#include <errno.h>
#include <fcntl.h>
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
#include <unistd.h>
#include <cmocka.h>

static void close_block(struct block_backend *backend)
{
    struct error error;
    assert_true(block_close(backend, &error));
}

enum { SECTORS = 64 };

struct fixture {
    char directory[64];
    char image[96];
};

static void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    static struct fixture fixture;
    strcpy(fixture.directory, "/tmp/storage-test-XXXXXX");
    assert_non_null(mkdtemp(fixture.directory));
    snprintf(fixture.image, sizeof(fixture.image), "%s/disk", fixture.directory);
    uint8_t bytes[SECTORS * BLOCK_SECTOR_BYTES];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i / BLOCK_SECTOR_BYTES);
    }
    write_file(fixture.image, bytes, sizeof(bytes));
    setenv("TMPDIR", fixture.directory, 1);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
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
    const struct block_device *device = block_device_of(backend);
    block_device_submit(device, &request);
    return result;
}

static struct block_backend *must_open(const char *path, bool read_only, bool snapshot)
{
    struct error error = {.text = ""};
    struct block_backend *backend = block_open(path, read_only, snapshot, &error);
    if (!backend) {
        fprintf(stderr, "%s\n", error.text);
        fail();
    }
    return backend;
}

/* Opening fails with one line that names the file and says `remedy`. */
static void must_refuse(const char *path, bool read_only, bool snapshot,
                        const char *remedy)
{
    struct error error = {.text = ""};
    struct block_backend *backend = block_open(path, read_only, snapshot, &error);
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
    struct error error;
    setenv("TMPDIR", "/nonexistent/directory", 1);
    assert_null(block_open(fixture->image, false, true, &error));
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
    must_refuse("/nonexistent/disk", false, false, "truncate");
    must_refuse(fixture->directory, false, false, "is a directory");
    must_refuse(fixture->directory, true, false, "is a directory");
    must_refuse("/dev/null", true, false, "neither a file nor a block device");
    write_file(fixture->image, "", 0);
    must_refuse(fixture->image, false, false, "is empty");
    write_file(fixture->image, "123456789", 9);
    must_refuse(fixture->image, false, false, "truncate -s %512");
    char qcow[1024] = "QFI\xfb";
    write_file(fixture->image, qcow, sizeof(qcow));
    must_refuse(fixture->image, false, true, "qemu-img convert -O raw");
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
        struct block_backend *backend =
            block_open(fixture->image, false, false, &error);
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

#define STORAGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
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
        STORAGE_TEST(test_holes_stay_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
