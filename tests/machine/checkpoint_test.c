/* Checkpoints of a small guest, which writes to memory and to its own code; of disks,
 * and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine.h"
#include "machine/checkpoint.h"
#include "machine/machine_internal.h"
#include "machine/seams.h"

enum {
    BIOS_BYTES = 64 << 10,
    RESET_VECTOR = 0xfff0,
    DISK_BYTES = 1 << 20,
    PACE = 1000
};

/* Copies a loop to 0:2000 and runs it there: it counts in its own code, and in memory
 * that moves on by a page each time. */
static const uint8_t code[] = {
    0x31, 0xc0,                         /* xor ax, ax */
    0x8e, 0xd8, 0x8e, 0xc0,             /* mov ds, ax; mov es, ax */
    0xbe, 0x1a, 0x00, 0xbf, 0x00, 0x20, /* mov si, loop; mov di, 0x2000 */
    0xb9, 0x20, 0x00, 0xf3, 0x2e, 0xa4, /* mov cx, 32; rep cs movsb */
    0xbb, 0x00, 0x38,                   /* mov bx, 0x3800 */
    0xea, 0x00, 0x20, 0x00, 0x00,       /* jmp 0:0x2000 */
    0xb8, 0x01, 0x00,                   /* loop, at 0x1a: mov ax, 1 */
    0xff, 0x06, 0x01, 0x20,             /* inc word [0x2001]: the number above */
    0x01, 0x07, 0x81, 0xc3, 0x00, 0x10, /* add [bx], ax; add bx, 0x1000 */
    0xeb, 0xf1,                         /* jmp loop */
};

struct fixture {
    char bios[64], disk[64];
    struct machine *machine;
};

static void make_file(char *path, const void *bytes, size_t length)
{
    strcpy(path, "/tmp/faumachine-checkpoint-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
}

static int setup(void **state)
{
    static struct fixture fixture;
    static uint8_t bios[BIOS_BYTES], disk[DISK_BYTES];
    static const uint8_t jump_to_start[] = {0xe9, 0x0d, 0x00};
    memcpy(bios, code, sizeof(code));
    memcpy(bios + RESET_VECTOR, jump_to_start, sizeof(jump_to_start));
    make_file(fixture.bios, bios, sizeof(bios));
    make_file(fixture.disk, disk, sizeof(disk));
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    unlink(fixture->bios);
    unlink(fixture->disk);
    return 0;
}

static struct machine *create(const struct fixture *fixture, bool snapshot)
{
    const struct machine_config config = {
        .ram_bytes = 4 << 20,
        .bios = fixture->bios,
        .engine = tested_engine_name(),
        .clock = CLOCK_KIND_COUNTED,
        .snapshot = snapshot,
        .drives = {{.image = {.file = fixture->disk}},
                   {0},
                   {.media = MACHINE_MEDIA_CDROM,
                    .image = {.file = fixture->bios, .read_only = true}}},
    };
    struct error error = {.text = ""};
    struct machine *machine = machine_create(&config, &error);
    assert_string_equal(error.text, "");
    assert_true(machine_power_on(machine, &error));
    return machine;
}

static uint64_t run(struct machine *machine)
{
    assert_int_equal(machine_run(machine, PACE).end, MACHINE_END_BUDGET);
    return machine_hash(machine);
}

static struct checkpoint *take(struct machine *machine)
{
    struct error error = {.text = ""};
    struct checkpoint *checkpoint = checkpoint_take(machine, &error);
    assert_string_equal(error.text, "");
    return checkpoint;
}

static void restore(struct machine *machine, const struct checkpoint *checkpoint)
{
    struct error error;
    assert_true(checkpoint_restore(machine, checkpoint, &error));
}

/* What forgets all of memory at once can be undone as well; what was empty before costs
 * nothing. */
static void power_cut(void **state)
{
    struct machine *machine = create(*state, true);
    uint64_t before = run(machine);
    struct checkpoint *checkpoint = take(machine);
    uint64_t after = run(machine);
    restore(machine, checkpoint);
    for (unsigned i = 0; i < 3; i++) {
        lock_take(&machine->lock);
        machine_cut_power(machine, true);
        lock_release(&machine->lock);
        assert_true(run(machine) != after);
        restore(machine, checkpoint);
        assert_int_equal(machine_hash(machine), before);
        assert_true(checkpoint_statistics(machine).pages_restored < 1000);
        assert_int_equal(run(machine), after);
        restore(machine, checkpoint);
    }
    checkpoint_free(checkpoint);
    machine_destroy(machine);
}

/* In the order of a random walk, with checkpoints that come and go. */
static void any_order(void **state)
{
    enum { MOMENTS = 8, STEPS = 300 };
    struct machine *machine = create(*state, true);
    struct checkpoint *checkpoints[MOMENTS] = {NULL};
    uint64_t hashes[MOMENTS + 1];
    for (unsigned i = 0; i <= MOMENTS; i++) {
        hashes[i] = run(machine);
        checkpoints[i % MOMENTS] = i < MOMENTS ? take(machine) : checkpoints[0];
        assert_true(i == 0 || hashes[i] != hashes[i - 1]);
    }
    srand(1);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)rand() % MOMENTS;
        restore(machine, checkpoints[i]);
        assert_int_equal(machine_hash(machine), hashes[i]);
        if (step % 5 == 0) {
            checkpoint_free(checkpoints[i]);
            checkpoints[i] = take(machine);
        }
        assert_int_equal(run(machine), hashes[i + 1]);
    }
    for (unsigned i = 0; i < MOMENTS; i++) {
        checkpoint_free(checkpoints[i]);
    }
    assert_null(machine->checkpoints);
    run(machine);
    machine_destroy(machine);
}

static void note_result(void *opaque, int result)
{
    *(int *)opaque = result;
}

/* As a drive does it. */
static void write_sector(struct machine *machine, uint8_t byte)
{
    uint8_t bytes[BLOCK_SECTOR_BYTES];
    int result = -1;
    memset(bytes, byte, sizeof(bytes));
    const struct block_request request = {
        .operation = BLOCK_WRITE,
        .sector = 3,
        .count = 1,
        .buffer = bytes,
        .completion = note_result,
        .opaque = &result,
    };
    block_device_submit(block_device_of(machine->disks[0]), &request);
    assert_int_equal(result, 0);
}

static uint8_t read_sector(struct machine *machine)
{
    uint8_t bytes[BLOCK_SECTOR_BYTES];
    assert_true(block_read_now(machine->disks[0], 3, 1, bytes));
    return bytes[BLOCK_SECTOR_BYTES - 1];
}

static void disks_go_back(void **state)
{
    struct machine *machine = create(*state, true);
    write_sector(machine, 1);
    struct checkpoint *first = take(machine);
    write_sector(machine, 2);
    struct checkpoint *second = take(machine);
    write_sector(machine, 3);
    restore(machine, first);
    assert_int_equal(read_sector(machine), 1);
    restore(machine, second);
    assert_int_equal(read_sector(machine), 2);
    checkpoint_free(second);
    checkpoint_free(first);
    assert_int_equal(read_sector(machine), 2);
    machine_destroy(machine);
}

/* It empties memory by another way than writing to it; what follows has not come to
 * writing yet. */
static void power_comes_back(void **state)
{
    enum { FIRST_INSTRUCTIONS = 5 };
    struct machine *machine = create(*state, true);
    uint64_t before = run(machine);
    struct checkpoint *checkpoint = take(machine);
    lock_take(&machine->lock);
    machine_cut_power(machine, true);
    lock_release(&machine->lock);
    machine_run(machine, FIRST_INSTRUCTIONS);
    restore(machine, checkpoint);
    assert_int_equal(machine_hash(machine), before);
    uint64_t after = run(machine);
    restore(machine, checkpoint);
    assert_int_equal(run(machine), after);
    checkpoint_free(checkpoint);
    machine_destroy(machine);
}

/* One line that says so. */
static void assert_refuses(const struct error *error, const char *words)
{
    assert_non_null(strstr(error->text, words));
    assert_null(strchr(error->text, '\n'));
}

static void what_cannot_be_brought_back(void **state)
{
    struct error error;
    struct machine *machine = create(*state, false);
    assert_null(checkpoint_take(machine, &error));
    assert_refuses(&error, "drive hda");
    machine_destroy(machine);
}

/* What the guest can read of the medium that is in there now; 0: there is none. */
static uint64_t medium_bytes(struct machine *machine)
{
    struct machine_medium medium;
    assert_true(machine_media_describe(machine, 0, &medium));
    return medium.bytes;
}

static void change_medium(struct machine *machine, const char *file)
{
    struct error error;
    const struct block_options options = {.file = file, .read_only = true};
    lock_take(&machine->lock);
    assert_true(machine_media_eject(machine, "ide1-cd0", true, &error));
    if (file) {
        struct block_backend *backend = block_open(&options, NULL, NULL, &error);
        assert_non_null(backend);
        assert_true(machine_media_insert(machine, "ide1-cd0", backend, &error));
    }
    lock_release(&machine->lock);
}

static void media_go_back(void **state)
{
    const struct fixture *fixture = *state;
    struct machine *machine = create(fixture, true);
    struct checkpoint *first = take(machine);
    uint64_t before = machine_hash(machine);
    assert_int_equal(medium_bytes(machine), BIOS_BYTES);
    change_medium(machine, NULL);
    struct checkpoint *empty = take(machine);
    change_medium(machine, fixture->disk);
    struct checkpoint *other = take(machine);
    assert_int_equal(medium_bytes(machine), DISK_BYTES);
    assert_false(checkpoint_is_now(machine, first));
    for (unsigned i = 0; i < 3; i++) {
        restore(machine, first);
        assert_true(checkpoint_is_now(machine, first));
        assert_int_equal(machine_hash(machine), before);
        assert_int_equal(medium_bytes(machine), BIOS_BYTES);
        restore(machine, empty);
        assert_int_equal(medium_bytes(machine), 0);
        restore(machine, other);
        assert_int_equal(medium_bytes(machine), DISK_BYTES);
        change_medium(machine, fixture->bios);
    }
    checkpoint_free(empty);
    checkpoint_free(first);
    restore(machine, other);
    checkpoint_free(other);
    change_medium(machine, NULL);
    assert_int_equal(medium_bytes(machine), 0);
    machine_destroy(machine);
}

int main(void)
{
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order),     cmocka_unit_test(power_cut),
        cmocka_unit_test(disks_go_back), cmocka_unit_test(power_comes_back),
        cmocka_unit_test(media_go_back), cmocka_unit_test(what_cannot_be_brought_back),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
