/* Images that are put back to what they were: against a model in memory. */
#include "host/storage/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { SECTORS = 64, BYTES = SECTORS * BLOCK_SECTOR_BYTES, KEPT = 6, STEPS = 20000 };

struct kept {
    struct block_layer *layer; /* NULL: none */
    uint8_t bytes[BYTES];
};

struct fixture {
    char path[64];
    struct block_backend *backend;
    uint8_t model[BYTES];
    struct kept kept[KEPT];
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.path = "/tmp/layers-test-XXXXXX"};
    int fd = mkstemp(fixture.path);
    for (unsigned i = 0; i < BYTES; i++) {
        fixture.model[i] = (uint8_t)(i / BLOCK_SECTOR_BYTES);
    }
    assert_int_equal(write(fd, fixture.model, BYTES), BYTES);
    close(fd);
    const struct block_options options = {.file = fixture.path, .snapshot = true};
    struct error error;
    fixture.backend = block_open(&options, NULL, NULL, &error);
    assert_non_null(fixture.backend);
    assert_true(block_keeps_image(fixture.backend));
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    for (unsigned i = 0; i < KEPT; i++) {
        block_layer_release(fixture->kept[i].layer);
    }
    assert_true(block_close(fixture->backend, &error));
    return unlink(fixture->path);
}

static void note_result(void *opaque, int result)
{
    *(int *)opaque = result;
}

static void write_sectors(struct fixture *fixture, uint64_t sector, uint32_t count)
{
    uint8_t bytes[BYTES];
    int result = -1;
    for (uint32_t i = 0; i < count * BLOCK_SECTOR_BYTES; i++) {
        bytes[i] = (uint8_t)rand();
    }
    const struct block_request request = {
        .operation = BLOCK_WRITE,
        .sector = sector,
        .count = count,
        .buffer = bytes,
        .completion = note_result,
        .opaque = &result,
    };
    block_device_submit(block_device_of(fixture->backend), &request);
    assert_int_equal(result, 0);
    memcpy(fixture->model + sector * BLOCK_SECTOR_BYTES, bytes,
           (size_t)count * BLOCK_SECTOR_BYTES);
}

static void check(struct fixture *fixture, uint64_t sector, uint32_t count)
{
    uint8_t bytes[BYTES];
    assert_true(block_read_now(fixture->backend, sector, count, bytes));
    assert_memory_equal(bytes, fixture->model + sector * BLOCK_SECTOR_BYTES,
                        (size_t)count * BLOCK_SECTOR_BYTES);
}

/* Takes, forgets, or goes back to one. */
static void use_kept(struct fixture *fixture, struct kept *kept)
{
    if (!kept->layer) {
        kept->layer = block_freeze(fixture->backend);
        memcpy(kept->bytes, fixture->model, BYTES);
    } else if (rand() % 3 == 0) {
        block_layer_release(kept->layer);
        kept->layer = NULL;
    } else {
        block_return_to(fixture->backend, kept->layer);
        memcpy(fixture->model, kept->bytes, BYTES);
    }
}

static void any_order(void **state)
{
    struct fixture *fixture = *state;
    srand(1);
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t sector = (uint64_t)rand() % SECTORS;
        uint32_t count = 1 + (uint32_t)rand() % 8;
        count = count < SECTORS - sector ? count : (uint32_t)(SECTORS - sector);
        switch (step < 50 ? 0 : rand() % 8) { /* the overlay has something first */
        case 0:
        case 1:
        case 2:
            write_sectors(fixture, sector, count);
            break;
        case 3:
            use_kept(fixture, &fixture->kept[rand() % KEPT]);
            break;
        default:
            check(fixture, sector, count);
        }
    }
    check(fixture, 0, SECTORS);
}

/* What a snapshot of the machine saves, and puts in place. */
static void written_sectors(void **state)
{
    struct fixture *fixture = *state;
    uint8_t before[BYTES], one[BLOCK_SECTOR_BYTES];
    memcpy(before, fixture->model, BYTES);
    assert_int_equal(block_next_written(fixture->backend, 0), SECTORS);
    write_sectors(fixture, 9, 2);
    fixture->kept[0].layer = block_freeze(fixture->backend);
    write_sectors(fixture, 10, 3);
    assert_int_equal(block_next_written(fixture->backend, 0), 9);
    assert_int_equal(block_next_written(fixture->backend, 10), 10);
    assert_int_equal(block_next_written(fixture->backend, 12), 12);
    assert_int_equal(block_next_written(fixture->backend, 13), SECTORS);
    memset(one, 0xaa, sizeof(one));
    struct block_layer *layer = block_layer_make();
    block_layer_put(layer, 40, one);
    block_replace_written(fixture->backend, layer);
    block_layer_release(layer);
    memcpy(fixture->model, before, BYTES);
    memcpy(fixture->model + 40 * BLOCK_SECTOR_BYTES, one, sizeof(one));
    check(fixture, 0, SECTORS);
    assert_int_equal(block_next_written(fixture->backend, 0), 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(written_sectors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
