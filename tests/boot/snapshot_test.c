/* A booting guest is saved to a file; other machines load it, under another engine, and
 * go on as the first one does: at every point registers, devices and RAM are the same.
 *
 *   snapshot_test FETCH_GUEST
 *
 * The machine has a device of every kind. Ends with status 77 (skipped) when the guest
 * cannot be fetched. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../engine.h"
#include "debian_guest.h"
#include "machine/checkpoint.h"
#include "machine/control.h"
#include "machine/snapshot.h"

enum { POINTS = 3, DISK_BYTES = 8 << 20 };
/* Behind decompression, and where drivers look for their devices. */
static const uint64_t first_point = 1500000000, distance = 100000000;
static const char command_line[] = "console=ttyS0 panic=-1 faumachine.batch";

struct world {
    struct debian_guest guest;
    char disk[64], second[64];
};

static struct machine *create(const struct world *world, const char *engine)
{
    struct machine_config config =
        debian_guest_configuration(&world->guest, engine, command_line);
    config.serial[0] = config.serial[1] = config.parallel = "null";
    config.snapshot = true;
    config.drives[0].image.file = world->disk;
    config.drives[1].media = config.drives[2].media = MACHINE_MEDIA_CDROM;
    config.drives[2].image =
        (struct block_options){.file = world->disk, .read_only = true};
    config.drives[3] = (struct machine_drive){.bus = MACHINE_BUS_VIRTIO,
                                              .image = {.file = world->second}};
    config.floppies[0].media = MACHINE_MEDIA_FLOPPY;
    config.audiodevs[0] = "wav,path=/dev/null";
    config.nics[0] = "null,model=e1000";
    config.nics[1] = "null,model=ne2k_pci";
    config.nics[2] = "null,model=virtio-net-pci";
    const char *const devices[] = {"virtio-rng-pci",
                                   "virtio-keyboard-pci",
                                   "virtio-tablet-pci",
                                   "i6300esb",
                                   "sb16",
                                   "AC97",
                                   "isa-debug-exit,iobase=0xf4"};
    for (unsigned i = 0; i < ARRAY_LENGTH(devices); i++) {
        config.devices[i] = devices[i];
    }
    struct error error = {.text = ""};
    struct machine *machine = machine_create(&config, &error);
    if (!machine) {
        fail_msg("%s", error.text);
    }
    return machine;
}

static void run(struct machine *machine, uint64_t instructions)
{
    assert_int_equal(machine_run(machine, instructions).end, MACHINE_END_BUDGET);
}

static void save(struct machine *machine, int fd)
{
    struct error error = {.text = ""};
    struct lock *lock = machine_lock(machine);
    assert_int_equal(ftruncate(fd, 0), 0);
    lock_take(lock);
    bool saved = snapshot_save(machine, fd, "test", &error);
    lock_release(lock);
    assert_string_equal(error.text, "");
    assert_true(saved);
}

static void load(struct machine *machine, int fd)
{
    struct error error = {.text = ""};
    struct lock *lock = machine_lock(machine);
    lock_take(lock);
    bool loaded = snapshot_load(machine, fd, "test", &error);
    lock_release(lock);
    assert_string_equal(error.text, "");
    assert_true(loaded);
}

/* In a machine of that engine, which has run for `before` instructions. */
static void go_on(const struct world *world, const char *engine, uint64_t before,
                  int fd, const uint64_t *hashes)
{
    struct error error;
    struct machine *machine = create(world, engine);
    assert_true(machine_power_on(machine, &error));
    if (before) {
        run(machine, before);
    }
    load(machine, fd);
    for (unsigned i = 0; i < POINTS; i++) {
        if (i > 0) {
            run(machine, distance);
        }
        uint64_t hash = machine_hash(machine);
        if (hash != hashes[i]) {
            fail_msg("%s: another state at point %u", engine, i);
        }
    }
    machine_destroy(machine);
}

static void other_engines_go_on(void **state)
{
    const struct world *world = *state;
    static const char *const engines[] = {"jit", "interpreter", "direct"};
    uint64_t hashes[POINTS];
    struct machine *machine = create(world, tested_engine_name());
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    for (unsigned i = 0; i < POINTS; i++) {
        run(machine, i ? distance : first_point);
        hashes[i] = machine_hash(machine);
        if (i == 0) {
            save(machine, fd);
            assert_int_equal(machine_hash(machine), hashes[0]);
        }
    }
    print_message("%lld bytes\n", (long long)lseek(fd, 0, SEEK_END));
    /* Back into the same machine, too. */
    load(machine, fd);
    assert_int_equal(machine_hash(machine), hashes[0]);
    run(machine, distance);
    assert_int_equal(machine_hash(machine), hashes[1]);
    machine_destroy(machine);
    for (unsigned i = 0; i < ARRAY_LENGTH(engines); i++) {
        if (cpu_engine_find(engines[i])) {
            go_on(world, engines[i], i ? 0 : 12345678, fd, hashes);
        }
    }
    close(fd);
}

static void make_disk(char *path, const char *template)
{
    strcpy(path, template);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, DISK_BYTES), 0);
    close(fd);
}

int main(int argc, char *argv[])
{
    static struct world world;
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    if (argc != 2 || !debian_guest_fetch(argv[1], &world.guest)) {
        puts("cannot fetch the guest: skipped");
        return TEST_SKIPPED;
    }
    make_disk(world.disk, "/tmp/faumachine-snapshot-XXXXXX");
    make_disk(world.second, "/tmp/faumachine-snapshot-XXXXXX");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(other_engines_go_on, &world),
    };
    int failures = cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
    unlink(world.disk);
    unlink(world.second);
    return failures;
}
