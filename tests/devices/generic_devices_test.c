/* What every device of the PC must stand, whatever it is.
 *
 * A whole machine is built as the program builds it, and its array of devices is gone
 * through: a device that is added to machine/pc.c is tested here for nothing. The guest
 * is replaced by random accesses to whatever ports, registers in memory and PCI
 * configuration registers the devices have mapped. The seed is printed; a number on the
 * command line repeats a run. */
#include "machine/machine_internal.h"
#include "machine/machine_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum {
    ROUNDS = 12,
    ACCESSES = 4000, /* per round */
    RAM_BYTES = 16 << 20,
    BIOS_BYTES = 64 << 10,
    VGA_BIOS_BYTES = 4096,
    DISK_BYTES = 1 << 20,
};

static unsigned long seed;

struct fixture {
    struct machine *machine;
    char directory[64], bios[96], vga_bios[96], disk[96], second[96], sound[96];
    char output[128];
    uint64_t random;
};

/* -- randomness: xorshift64* -- */

static uint32_t random32(struct fixture *fixture)
{
    uint64_t x = fixture->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    fixture->random = x;
    return (uint32_t)(x * 0x2545f4914f6cdd1dULL >> 32);
}

static uint32_t below(struct fixture *fixture, uint32_t limit)
{
    return (uint32_t)((uint64_t)random32(fixture) * limit >> 32);
}

/* -- a machine of its own for each test -- */

static void write_file(const char *path, size_t length, const void *start,
                       size_t start_length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(start, 1, start_length, file), start_length);
    assert_int_equal(ftruncate(fileno(file), (off_t)length), 0);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    static const uint8_t rom_signature[] = {0x55, 0xaa, VGA_BIOS_BYTES / 512};
    static struct fixture fixture;
    fixture = (struct fixture){.random = seed * 2 + 1};
    strcpy(fixture.directory, "/tmp/devices-test-XXXXXX");
    assert_non_null(mkdtemp(fixture.directory));
    snprintf(fixture.bios, sizeof(fixture.bios), "%s/bios", fixture.directory);
    snprintf(fixture.vga_bios, sizeof(fixture.vga_bios), "%s/vga", fixture.directory);
    snprintf(fixture.disk, sizeof(fixture.disk), "%s/disk", fixture.directory);
    snprintf(fixture.sound, sizeof(fixture.sound), "%s/sound", fixture.directory);
    snprintf(fixture.output, sizeof(fixture.output), "wav,path=%s", fixture.sound);
    write_file(fixture.bios, BIOS_BYTES, "", 0);
    write_file(fixture.vga_bios, VGA_BIOS_BYTES, rom_signature, sizeof(rom_signature));
    snprintf(fixture.second, sizeof(fixture.second), "%s/second", fixture.directory);
    write_file(fixture.disk, DISK_BYTES, "", 0);
    write_file(fixture.second, DISK_BYTES, "", 0);
    struct machine_config config = {
        .ram_bytes = RAM_BYTES,
        .bios = fixture.bios,
        .vga_bios = fixture.vga_bios,
        .drives = {{.image = {.file = fixture.disk}},
                   {.image = {.file = fixture.second}},
                   {.media = MACHINE_MEDIA_CDROM,
                    .image = {.file = fixture.bios, .read_only = true}},
                   {.media = MACHINE_MEDIA_CDROM}},
        .floppies = {{.media = MACHINE_MEDIA_FLOPPY,
                      .image = {.file = fixture.vga_bios}},
                     {.media = MACHINE_MEDIA_FLOPPY}},
        .serial = {"null", "null", "null", "null"},
        .parallel = "null",
        .audiodevs = {fixture.output},
        .clock = CLOCK_KIND_COUNTED,
        .nics = {"null,model=e1000", "null,model=ne2k_pci",
                 "null,model=virtio-net-pci"},
        .devices = {"virtio-rng-pci", "virtio-keyboard-pci", "virtio-tablet-pci",
                    "virtio-blk-pci,drive=hdb", "i6300esb", "sb16", "AC97"},
    };
    struct error error;
    fixture.machine = machine_create(&config, &error);
    if (!fixture.machine) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    lock_take(&fixture.machine->lock);
    pc_reset(fixture.machine);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    lock_release(&fixture->machine->lock);
    machine_destroy(fixture->machine);
    unlink(fixture->bios);
    unlink(fixture->vga_bios);
    unlink(fixture->disk);
    unlink(fixture->sound);
    unlink(fixture->second);
    return rmdir(fixture->directory);
}

/* -- random guests -- */

static void access_port(struct fixture *fixture, uint16_t port)
{
    struct port_space *ports = &fixture->machine->ports;
    unsigned width = 1U << below(fixture, 3);
    if (below(fixture, 2)) {
        port_write(ports, port, random32(fixture), width);
    } else {
        uint32_t value = port_read(ports, port, width);
        assert_true(width == 4 || value >> (8 * width) == 0);
    }
}

/* The DMA of fw_cfg (0x514) is asked for less often: it moves gigabytes by chance. */
static void access_some_port(struct fixture *fixture)
{
    const struct port_space *ports = &fixture->machine->ports;
    const struct port_range *range;
    do {
        range = &ports->ranges[below(fixture, PORT_SPACE_RANGES)];
    } while (!range->ops || (range->first == 0x514 && below(fixture, 400)));
    access_port(fixture, (uint16_t)(range->first + below(fixture, range->count)));
}

/* RAM, too, now and then: its pages are what tables for DMA are made of. */
static void access_some_memory(struct fixture *fixture)
{
    struct memory_map *map = &fixture->machine->memory;
    const struct memory_region *region;
    do {
        region = &map->regions[below(fixture, MEMORY_REGIONS)];
    } while (region->bytes == 0);
    uint64_t limit = region->bytes < UINT32_MAX ? region->bytes : UINT32_MAX;
    gpa_t address = region->start + below(fixture, (uint32_t)limit);
    uint32_t value = random32(fixture);
    unsigned width = 1U << below(fixture, 3);
    if (below(fixture, 2)) {
        memory_write(map, address, &value, width);
    } else {
        memory_read(map, address, &value, width);
    }
}

/* Functions that are there, and mostly registers that decode something. */
static void access_some_config(struct fixture *fixture)
{
    static const uint8_t devfns[] = {0,  8,  9,  11, 16, 24, 32,
                                     40, 48, 56, 64, 72, 80, 88};
    static const uint8_t offsets[] = {4,    0x10, 0x20, 0x30, 0x40, 0x58,
                                      0x5c, 0x60, 0x80, 0x88, 0x90, 0x94};
    uint32_t devfn = devfns[below(fixture, sizeof(devfns))];
    uint32_t offset = below(fixture, 2) ? offsets[below(fixture, sizeof(offsets))]
                                        : below(fixture, 64) * 4;
    struct port_space *ports = &fixture->machine->ports;
    port_write(ports, 0xcf8, 1U << 31 | devfn << 8 | offset, 4);
    access_port(fixture, (uint16_t)(0xcfc + below(fixture, 4)));
    if (below(fixture, 2)) { /* or nothing would be decoded for long */
        port_write(ports, 0xcf8, 1U << 31 | devfn << 8 | PCI_COMMAND, 4);
        port_write(ports, 0xcfc, 7, 2);
    }
}

static void pass_time(struct fixture *fixture)
{
    struct clock *clock = &fixture->machine->clock;
    uint64_t step_ns = (uint64_t)1 << below(fixture, 30);
    clock_skip_to_ns(clock, clock_now_ns(clock) + step_ns);
    clock_run_timers(clock);
}

static void act_as_guest(struct fixture *fixture, unsigned accesses)
{
    for (unsigned i = 0; i < accesses; i++) {
        unsigned what = below(fixture, 32);
        if (what < 20) {
            access_some_port(fixture);
        } else if (what < 26) {
            access_some_memory(fixture);
        } else if (what < 31) {
            access_some_config(fixture);
        } else {
            pass_time(fixture);
        }
    }
}

/* -- saved state -- */

static struct state_buffer save(const struct device *device)
{
    struct state_buffer buffer = {0};
    device_save(device, &buffer);
    return buffer;
}

static bool load(struct device *device, const struct state_buffer *saved, size_t length)
{
    struct state_buffer image = {.bytes = saved->bytes, .length = length};
    struct error error = {.text = ""};
    bool loaded = device_load(device, &image, &error);
    assert_true(loaded || error.text[0]);
    assert_true(image.position <= length);
    return loaded;
}

static void assert_saved_equal(const struct device *device,
                               const struct state_buffer *expected)
{
    struct state_buffer actual = save(device);
    assert_int_equal(actual.length, expected->length);
    for (size_t i = 0; i < actual.length; i++) {
        if (actual.bytes[i] != expected->bytes[i]) {
            fprintf(stderr,
                    "%s: byte %zu of the saved state differs: %02x, expected %02x\n",
                    device->class->name, i, actual.bytes[i], expected->bytes[i]);
            fail();
        }
    }
    state_buffer_free(&actual);
}

static void reset_device(struct device *device)
{
    if (device->class->reset) {
        device->class->reset(device);
    }
    if (device->class->reset_lines) {
        device->class->reset_lines(device);
    }
}

/* -- the tests -- */

static void test_devices_are_well_formed(void **state)
{
    struct fixture *fixture = *state;
    const struct machine *machine = fixture->machine;
    assert_true(machine->device_count >= 10);
    for (unsigned i = 0; i < machine->device_count; i++) {
        const struct device_class *class = machine->devices[i]->class;
        assert_non_null(class->name);
        assert_true(class->version >= 1);
        assert_non_null(class->fields);
        assert_true(class->size >= sizeof(struct device));
        for (const struct state_field *field = class->fields; field->name; field++) {
            assert_true(field->offset >= sizeof(struct device));
            assert_true(field->offset + field->size <= class->size);
            assert_true(field->since_version >= 1 &&
                        field->since_version <= class->version);
        }
    }
}

/* A device that has been reset does not change when it is reset again. */
static void test_reset_is_idempotent(void **state)
{
    struct fixture *fixture = *state;
    struct machine *machine = fixture->machine;
    for (unsigned round = 0; round < ROUNDS; round++) {
        act_as_guest(fixture, ACCESSES);
        for (unsigned i = 0; i < machine->device_count; i++) {
            reset_device(machine->devices[i]);
            struct state_buffer once = save(machine->devices[i]);
            reset_device(machine->devices[i]);
            assert_saved_equal(machine->devices[i], &once);
            state_buffer_free(&once);
        }
    }
}

/* Saved, reset and loaded, each device and then all of them are what they were. */
static void test_round_trip(void **state)
{
    struct fixture *fixture = *state;
    struct machine *machine = fixture->machine;
    struct state_buffer saved[MACHINE_DEVICES];
    for (unsigned round = 0; round < ROUNDS; round++) {
        act_as_guest(fixture, ACCESSES);
        for (unsigned i = 0; i < machine->device_count; i++) {
            saved[i] = save(machine->devices[i]);
            assert_true(load(machine->devices[i], &saved[i], saved[i].length));
            assert_saved_equal(machine->devices[i], &saved[i]);
        }
        pc_reset(machine);
        for (unsigned i = 0; i < machine->device_count; i++) {
            assert_true(load(machine->devices[i], &saved[i], saved[i].length));
        }
        for (unsigned i = 0; i < machine->device_count; i++) {
            assert_saved_equal(machine->devices[i], &saved[i]);
            state_buffer_free(&saved[i]);
        }
    }
}

/* Every prefix is refused, and the device still works. */
static void test_truncated_state(void **state)
{
    struct fixture *fixture = *state;
    struct machine *machine = fixture->machine;
    act_as_guest(fixture, ACCESSES);
    for (unsigned i = 0; i < machine->device_count; i++) {
        struct device *device = machine->devices[i];
        struct state_buffer saved = save(device);
        size_t step = saved.length / 100 + 1;
        for (size_t length = 0; length < saved.length; length += step) {
            assert_false(load(device, &saved, length));
            act_as_guest(fixture, 20);
        }
        assert_false(load(device, &saved, saved.length - 1));
        state_buffer_free(&saved);
    }
    act_as_guest(fixture, ACCESSES);
}

/* Damages a few bytes, or all of them, but not the version that comes first. */
static void garble(struct fixture *fixture, struct state_buffer *saved)
{
    uint32_t length = (uint32_t)saved->length;
    if (length <= sizeof(uint32_t)) {
        return;
    }
    bool all = below(fixture, 8) == 0;
    unsigned count = all ? length : 1 + below(fixture, 16);
    for (unsigned i = 0; i < count; i++) {
        uint32_t at = sizeof(uint32_t) + below(fixture, length - sizeof(uint32_t));
        saved->bytes[at] = below(fixture, 4) ? (uint8_t)random32(fixture) : 0xff;
    }
}

/* What a hostile file holds is refused or does no harm. */
static void test_garbled_state(void **state)
{
    struct fixture *fixture = *state;
    struct machine *machine = fixture->machine;
    for (unsigned round = 0; round < 4 * ROUNDS; round++) {
        for (unsigned i = 0; i < machine->device_count; i++) {
            struct state_buffer saved = save(machine->devices[i]);
            garble(fixture, &saved);
            load(machine->devices[i], &saved, saved.length);
            act_as_guest(fixture, ACCESSES / 32);
            state_buffer_free(&saved);
        }
        if (round % 4 == 0) {
            pc_reset(machine);
        }
    }
}

static void assert_state_equal(const struct state_buffer *a,
                               const struct state_buffer *b)
{
    assert_int_equal(a->length, b->length);
    assert_memory_equal(a->bytes, b->bytes, a->length);
}

/* All of a machine: it is what it was, and what it was before if it has to refuse. */
static void test_machine_round_trip(void **state)
{
    struct fixture *fixture = *state;
    struct machine *machine = fixture->machine;
    lock_release(&machine->lock);
    cpu_reset(&machine->cpu); /* or it would be in no possible state */
    lock_take(&machine->lock);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct state_buffer saved = {0}, later = {0}, again = {0};
        struct error error;
        act_as_guest(fixture, ACCESSES);
        machine_state_save(machine, &saved);
        act_as_guest(fixture, ACCESSES);
        machine_state_save(machine, &later);
        size_t whole = saved.length;
        saved.length -= 1 + below(fixture, 1000);
        assert_false(machine_state_load(machine, &saved, &error));
        machine_state_save(machine, &again);
        assert_state_equal(&later, &again);
        again.length = 0;
        saved.length = whole;
        saved.position = 0;
        assert_true(machine_state_load(machine, &saved, &error));
        assert_int_equal(saved.position, whole);
        machine_state_save(machine, &again);
        assert_state_equal(&saved, &again);
        state_buffer_free(&saved);
        state_buffer_free(&later);
        state_buffer_free(&again);
    }
}

static void test_newer_version_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct machine *machine = fixture->machine;
    for (unsigned i = 0; i < machine->device_count; i++) {
        struct state_buffer saved = save(machine->devices[i]);
        uint32_t version = machine->devices[i]->class->version + 1;
        memcpy(saved.bytes, &version, sizeof(version));
        assert_false(load(machine->devices[i], &saved, saved.length));
        state_buffer_free(&saved);
    }
}

#define DEVICES_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoul(argv[1], NULL, 0) : (unsigned long)time(NULL);
    print_message("seed %lu\n", seed);
    const struct CMUnitTest tests[] = {
        DEVICES_TEST(test_devices_are_well_formed),
        DEVICES_TEST(test_reset_is_idempotent),
        DEVICES_TEST(test_round_trip),
        DEVICES_TEST(test_truncated_state),
        DEVICES_TEST(test_garbled_state),
        DEVICES_TEST(test_machine_round_trip),
        DEVICES_TEST(test_newer_version_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
