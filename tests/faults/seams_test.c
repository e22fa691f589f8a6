/* Faults between the parts of a machine: disks, networks, interrupt lines, power. The
 * test is what is at the other end. The CPU executes a loop, so that time passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/pci_dma.h"
#include "faults/faults.h"
#include "machine/inspect.h"
#include "machine/machine_internal.h"

enum {
    BIOS_BYTES = 64 << 10,
    RESET_VECTOR = 0xfff0,
    SECTORS = 64,
    FLOPPY_BYTES = 1440 << 10,
    FRAME_BYTES = 100,
};

struct world {
    struct machine *machine;
    struct faults *faults;
    /* Behind the disk. */
    struct block_device *disk;
    uint8_t sectors[SECTORS][BLOCK_SECTOR_BYTES];
    unsigned flushes;
    struct block_device_ops disk_ops;
    /* The card, and what its cable leads to. */
    struct network_port *card;
    struct network_port_ops card_ops;
    uint8_t frames[32][FRAME_BYTES];
    unsigned frame_count;
    bool full;
    /* The interrupt controllers. */
    unsigned changes[2];
    bool level[2];
};

static void submit(void *opaque, const struct block_request *request)
{
    struct world *world = opaque;
    for (uint32_t i = 0; i < request->count; i++) {
        uint8_t *sector = world->sectors[request->sector + i];
        uint8_t *place = request->buffer + (size_t)i * BLOCK_SECTOR_BYTES;
        if (request->operation == BLOCK_READ) {
            memcpy(place, sector, BLOCK_SECTOR_BYTES);
        } else if (request->operation == BLOCK_WRITE) {
            memcpy(sector, place, BLOCK_SECTOR_BYTES);
        }
    }
    world->flushes += request->operation == BLOCK_FLUSH;
    request->completion(request->opaque, 0);
}

static bool receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct world *world = opaque;
    if (world->full) {
        return false;
    }
    assert_int_equal(bytes, FRAME_BYTES);
    assert_true(world->frame_count < ARRAY_LENGTH(world->frames));
    memcpy(world->frames[world->frame_count++], frame, bytes);
    return true;
}

static bool can_receive(void *opaque)
{
    struct world *world = opaque;
    return !world->full;
}

static void controller(void *opaque, unsigned number, bool level)
{
    struct world *world = opaque;
    if (number == 5) {
        world->changes[0] += world->level[0] != level;
        world->level[0] = level;
    }
}

static void second_controller(void *opaque, unsigned number, bool level)
{
    struct world *world = opaque;
    if (number == 5) {
        world->changes[1] += world->level[1] != level;
        world->level[1] = level;
    }
}

static char *temporary(const void *bytes, size_t length)
{
    char *path = strdup("/tmp/faumachine-seams-test-XXXXXX");
    int fd = mkstemp(path);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
    return path;
}

static int set_up(void **state)
{
    static uint8_t bios[BIOS_BYTES], image[SECTORS * BLOCK_SECTOR_BYTES];
    static uint8_t floppy[FLOPPY_BYTES];
    static const uint8_t loop[] = {0xeb, 0xfe}; /* jmp to itself */
    struct world *world = calloc(1, sizeof(*world));
    struct error error = {.text = ""};
    memcpy(bios + RESET_VECTOR, loop, sizeof(loop));
    char *bios_path = temporary(bios, sizeof(bios));
    char *image_path = temporary(image, sizeof(image));
    char *cd_path = temporary(image, sizeof(image));
    char *floppy_path = temporary(floppy, sizeof(floppy));
    const struct machine_config config = {
        .ram_bytes = 4 << 20,
        .bios = bios_path,
        .clock = CLOCK_KIND_COUNTED,
        .drives = {{.image = {.file = image_path, .format = "raw"}},
                   {.media = MACHINE_MEDIA_DISK},
                   {.media = MACHINE_MEDIA_CDROM,
                    .image = {.file = cd_path, .format = "raw", .read_only = true}}},
        .floppies = {{.media = MACHINE_MEDIA_FLOPPY,
                      .image = {.file = floppy_path, .format = "raw"}}},
        .nics = {"null,id=net"},
    };
    world->machine = machine_create(&config, &error);
    assert_string_equal(error.text, "");
    unlink(bios_path);
    unlink(image_path);
    unlink(floppy_path);
    unlink(cd_path);
    free(cd_path);
    free(floppy_path);
    free(bios_path);
    free(image_path);

    world->disk = machine_block_device(world->machine, "ide0-hd0");
    world->disk_ops.submit = submit;
    world->disk->ops = &world->disk_ops;
    world->disk->opaque = world;
    for (unsigned i = 0; i < SECTORS; i++) {
        memset(world->sectors[i], (int)i, BLOCK_SECTOR_BYTES);
    }
    world->card = machine_network_card(world->machine, "net");
    world->card_ops =
        (struct network_port_ops){.receive = receive, .can_receive = can_receive};
    world->card->ops = &world->card_ops;
    world->card->opaque = world;
    struct isa_interrupts *isa = machine_isa_interrupts(world->machine);
    isa->controllers[0].sink = controller;
    isa->controllers[0].opaque = world;
    isa->controllers[1].sink = second_controller;
    isa->controllers[1].opaque = world;

    world->faults =
        faults_create(world->machine, &(struct faults_config){.seed = 1}, &error);
    assert_string_equal(error.text, "");
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    faults_destroy(world->faults);
    /* It is as it was. */
    assert_ptr_equal(world->disk->ops, &world->disk_ops);
    assert_ptr_equal(world->card->ops, &world->card_ops);
    machine_destroy(world->machine);
    free(world);
    return 0;
}

/* Lets time pass; what was armed takes effect. */
static void pass(struct world *world, uint64_t ns)
{
    assert_int_equal(machine_run(world->machine, ns).end, MACHINE_END_BUDGET);
}

static const struct fault_report *arm(struct world *world, const char *text)
{
    struct error error = {.text = ""};
    struct fault *fault = faults_arm_text(world->faults, "-fault", text, &error);
    assert_string_equal(error.text, "");
    pass(world, 1);
    return fault_report(fault);
}

/* -- DMA -- */

static struct pci_function *card_of(struct world *world)
{
    const struct pci_bus *bus = machine_pci(world->machine);
    for (unsigned i = 0; i < ARRAY_LENGTH(bus->functions); i++) {
        if (bus->functions[i] && strcmp(bus->functions[i]->name, "e1000") == 0) {
            return bus->functions[i];
        }
    }
    return NULL;
}

static void dma_of_functions(void **state)
{
    struct world *world = *state;
    struct pci_function *function = card_of(world);
    uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    assert_non_null(function);
    const struct fault_report *cell =
        arm(world, "target=ram,address=0x200004,bit=0,model=flip");
    function->config[PCI_COMMAND] |= PCI_COMMAND_MASTER;
    pci_dma_read(function, 0x200000, bytes, 4);
    assert_int_equal(cell->activation, FAULT_NOT_ACTIVATED);
    pci_dma_read(function, 0x200000, bytes, sizeof(bytes));
    assert_int_equal(bytes[4], 1);
    assert_int_equal(cell->activation, FAULT_ACTIVATED);

    const struct fault_report *passing =
        arm(world, "target=dma,name=e1000,model=flip,bit=9,uses=2");
    pci_dma_read(function, 0x300000, bytes, sizeof(bytes));
    assert_int_equal(bytes[1], 2);
    bytes[1] = 4;
    pci_dma_write(function, 0x300000, bytes, sizeof(bytes));
    assert_int_equal(bytes[1], 4);
    assert_int_equal(passing->uses, 2);
    assert_int_equal(passing->state, FAULT_OVER);
    pci_dma_read(function, 0x300000, bytes, sizeof(bytes));
    assert_int_equal(bytes[1], 6);
}

/* -- a memory module -- */

enum { ROW = 256, ROW_BYTES = 8192, ROW_START = ROW * ROW_BYTES };

static void fill_memory(struct world *world)
{
    uint8_t *host = machine_ram(world->machine)->host;
    for (unsigned i = 0; i < 3 * ROW_BYTES; i++) {
        host[ROW_START - ROW_BYTES + i] = (uint8_t)(i * 7);
    }
}

/* How many bytes of three rows are not as they were filled; all of them by `mask`. */
static unsigned count_changed(struct world *world, uint8_t mask, unsigned *first)
{
    const uint8_t *host = machine_ram(world->machine)->host;
    unsigned count = 0;
    for (unsigned i = 3 * ROW_BYTES; i-- > 0;) {
        uint8_t changed = host[ROW_START - ROW_BYTES + i] ^ (uint8_t)(i * 7);
        if (changed) {
            assert_int_equal(changed, mask);
            *first = ROW_START - ROW_BYTES + i;
            count++;
        }
    }
    return count;
}

static void cells_of_a_module(void **state)
{
    static const struct {
        const char *where;
        unsigned count, first;
    } rows[] = {
        {"row=256", ROW_BYTES, ROW_START},
        {"row=256,column=1,chip=3", 1, ROW_START + 11},
        {"row=256,column=1023", 8, ROW_START + ROW_BYTES - 8},
        {"row=256,chip=7", 1024, ROW_START + 7},
        {"column=2", 3 * 8, ROW_START - ROW_BYTES + 16},
        {"chip=1", 3 * 1024, ROW_START - ROW_BYTES + 1},
        {"column=2,chip=1", 3, ROW_START - ROW_BYTES + 17},
    };
    struct world *world = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[128];
        unsigned first = 0;
        fill_memory(world);
        snprintf(text, sizeof(text), "target=ram,model=flip,bit=4,%s", rows[i].where);
        const struct fault_report *report = arm(world, text);
        assert_int_equal(count_changed(world, 0x10, &first), rows[i].count);
        assert_int_equal(first, rows[i].first);
        assert_int_equal(report->activation, FAULT_ACTIVATION_UNKNOWN);
    }
    fill_memory(world);
    arm(world, "target=ram,model=set,row=256,column=0,chip=0,value=0x5a");
    assert_int_equal(machine_ram(world->machine)->host[ROW_START], 0x5a);
}

static void stuck_chip(void **state)
{
    struct world *world = *state;
    struct memory_map *map = machine_memory_to_change(world->machine);
    fill_memory(world);
    memory_write32(map, ROW_START + 4, 0);
    const struct fault_report *report =
        arm(world, "target=ram,row=256,chip=5,model=stuck1,mask=0x81,for=1us");
    assert_int_equal(memory_read32(map, ROW_START), 0x150e0700);
    assert_int_equal(report->activation, FAULT_NOT_ACTIVATED);
    assert_int_equal(memory_read32(map, ROW_START + 4), 0x8100);
    assert_int_equal(report->activation, FAULT_ACTIVATED);
    memory_write32(map, ROW_START + 4, 0x11111111);
    assert_int_equal(memory_read32(map, ROW_START + 4), 0x11119111);
    assert_int_equal(memory_read32(map, ROW_START - 4), 0xf9f2ebe4);
    assert_int_equal(report->uses, 2);
    /* Another fault there. */
    arm(world, "target=ram,address=0x200004,model=flip,bit=1");
    assert_int_equal(memory_read32(map, ROW_START + 4), 0x11119113);
    pass(world, 1000);
    assert_int_equal(memory_read32(map, ROW_START + 4), 0x11111113);
    assert_int_equal(report->state, FAULT_OVER);
}

static void stuck_lines(void **state)
{
    struct world *world = *state;
    struct memory_map *map = machine_memory_to_change(world->machine);
    fill_memory(world);
    arm(world, "target=ram,data-line=41,model=stuck1,for=1us");
    memory_write32(map, ROW_START + 4, 0);
    assert_int_equal(memory_read32(map, ROW_START + 4), 0x200);
    pass(world, 1000);
    assert_int_equal(memory_read32(map, ROW_START + 4), 0x200); /* written so */

    uint32_t below = memory_read32(map, ROW_START), above;
    above = memory_read32(map, ROW_START + 0x1000);
    const struct fault_report *report =
        arm(world, "target=ram,address-line=12,model=stuck0,for=1us");
    assert_int_equal(memory_read32(map, ROW_START), below);
    assert_int_equal(report->uses, 0);
    assert_int_equal(memory_read32(map, ROW_START + 0x1000), below);
    assert_int_equal(report->uses, above != below);
    memory_write32(map, ROW_START + 0x1004, 77);
    assert_int_equal(memory_read32(map, ROW_START + 4), 77);
    pass(world, 1000);
    assert_int_equal(memory_read32(map, ROW_START + 4), 77);
    assert_int_equal(memory_read32(map, ROW_START + 0x1000), above);
}

/* -- disks -- */

static void completed(void *opaque, int result)
{
    int *place = opaque;
    *place = result;
}

/* The result, or -1: it is not there yet. That stays valid. */
static int request(struct world *world, enum block_operation operation, uint64_t sector,
                   uint32_t count, uint8_t *buffer)
{
    static int results[64];
    static unsigned used;
    int *result = &results[used++ % ARRAY_LENGTH(results)];
    *result = -1;
    const struct block_request request = {
        .operation = operation,
        .sector = sector,
        .count = operation == BLOCK_FLUSH ? 0 : count,
        .buffer = buffer,
        .completion = completed,
        .opaque = result,
    };
    block_device_submit(world->disk, &request);
    return *result;
}

static bool holds(const uint8_t *sector, unsigned value)
{
    for (unsigned i = 0; i < BLOCK_SECTOR_BYTES; i++) {
        if (sector[i] != value) {
            return false;
        }
    }
    return true;
}

static void bad_sectors(void **state)
{
    struct world *world = *state;
    uint8_t buffer[4 * BLOCK_SECTOR_BYTES];
    const struct fault_report *report =
        arm(world, "target=disk,model=error,sector=10,sectors=2,duration=permanent");
    assert_int_equal(request(world, BLOCK_READ, 6, 4, buffer), 0);
    assert_int_equal(report->activation, FAULT_NOT_ACTIVATED);
    assert_int_equal(request(world, BLOCK_READ, 7, 4, buffer), EIO);
    assert_int_equal(report->activation, FAULT_ACTIVATED);
    assert_int_equal(request(world, BLOCK_READ, 11, 4, buffer), EIO);
    assert_int_equal(request(world, BLOCK_READ, 12, 4, buffer), 0);
    assert_int_equal(request(world, BLOCK_WRITE, 11, 1, buffer), EIO);
    assert_true(holds(world->sectors[11], 11));
    assert_int_equal(request(world, BLOCK_FLUSH, 0, 0, NULL), 0);
    assert_int_equal(report->uses, 3);
}

static void bad_for_writes_once(void **state)
{
    struct world *world = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES] = {0};
    const struct fault_report *report =
        arm(world, "target=disk,name=ide0-hd0,model=error,on=write,uses=2");
    assert_int_equal(request(world, BLOCK_READ, 3, 1, buffer), 0);
    assert_int_equal(request(world, BLOCK_WRITE, 3, 1, buffer), EIO);
    assert_int_equal(request(world, BLOCK_WRITE, 4, 1, buffer), EIO);
    assert_int_equal(report->state, FAULT_OVER);
    assert_int_equal(request(world, BLOCK_WRITE, 3, 1, buffer), 0);
    assert_int_equal(report->uses, 2);
}

static void wrong_bytes(void **state)
{
    struct world *world = *state;
    uint8_t buffer[4 * BLOCK_SECTOR_BYTES];
    arm(world, "target=disk,model=flip,sector=9,offset=5,mask=0x8001,on=read");
    assert_int_equal(request(world, BLOCK_READ, 8, 4, buffer), 0);
    for (unsigned i = 0; i < sizeof(buffer); i++) {
        unsigned flipped = i == 512 + 5 ? 1 : i == 512 + 6 ? 0x80 : 0;
        assert_int_equal(buffer[i], (8 + i / BLOCK_SECTOR_BYTES) ^ flipped);
    }
    assert_true(holds(world->sectors[9], 9));

    memset(buffer, 0x55, sizeof(buffer));
    arm(world, "target=disk,model=set,sector=20,offset=511,mask=0xff,value=7,on=write");
    assert_int_equal(request(world, BLOCK_WRITE, 20, 2, buffer), 0);
    assert_int_equal(world->sectors[20][510], 0x55);
    assert_int_equal(world->sectors[20][511], 7);
    assert_int_equal(world->sectors[21][0], 0x55);
    assert_int_equal(buffer[511], 0x55);
}

static void random_wrong_bit(void **state)
{
    struct world *world = *state;
    uint8_t buffer[2 * BLOCK_SECTOR_BYTES];
    unsigned wrong = 0;
    arm(world, "target=disk,model=flip,sector=13,on=read");
    assert_int_equal(request(world, BLOCK_READ, 12, 2, buffer), 0);
    assert_true(holds(buffer, 12));
    for (unsigned i = 0; i < BLOCK_SECTOR_BYTES; i++) {
        wrong += (unsigned)__builtin_popcount(buffer[BLOCK_SECTOR_BYTES + i] ^ 13U);
    }
    assert_int_equal(wrong, 1);
}

static void misdirected(void **state)
{
    struct world *world = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    arm(world, "target=disk,model=misdirect,distance=3,uses=3");
    assert_int_equal(request(world, BLOCK_READ, 10, 1, buffer), 0);
    assert_true(holds(buffer, 13));
    memset(buffer, 0xee, sizeof(buffer));
    assert_int_equal(request(world, BLOCK_WRITE, 20, 1, buffer), 0);
    assert_true(holds(world->sectors[20], 20));
    assert_true(holds(world->sectors[23], 0xee));
    assert_int_equal(request(world, BLOCK_WRITE, SECTORS - 1, 1, buffer), 0);
    assert_true(holds(world->sectors[2], 0xee));
}

static void lost_and_torn(void **state)
{
    struct world *world = *state;
    uint8_t buffer[8 * BLOCK_SECTOR_BYTES];
    memset(buffer, 0xee, sizeof(buffer));
    arm(world, "target=disk,model=lost,uses=1");
    assert_int_equal(request(world, BLOCK_READ, 10, 1, buffer + 512), 0);
    memset(buffer, 0xee, sizeof(buffer));
    assert_int_equal(request(world, BLOCK_WRITE, 10, 2, buffer), 0);
    assert_true(holds(world->sectors[10], 10));
    assert_int_equal(request(world, BLOCK_WRITE, 10, 2, buffer), 0);
    assert_true(holds(world->sectors[10], 0xee));

    arm(world, "target=disk,model=torn,uses=1,seed=5");
    assert_int_equal(request(world, BLOCK_WRITE, 40, 8, buffer), 0);
    unsigned written = 0;
    while (written < 8 && holds(world->sectors[40 + written], 0xee)) {
        written++;
    }
    assert_true(written < 8);
    for (unsigned i = written; i < 8; i++) {
        assert_true(holds(world->sectors[40 + i], 40 + i));
    }
}

static void slow(void **state)
{
    struct world *world = *state;
    uint8_t buffer[2][BLOCK_SECTOR_BYTES] = {{0}};
    arm(world, "target=disk,model=delay,delay=500,duration=permanent");
    assert_int_equal(request(world, BLOCK_READ, 10, 1, buffer[0]), -1);
    pass(world, 100);
    assert_int_equal(request(world, BLOCK_READ, 11, 1, buffer[1]), -1);
    pass(world, 399);
    assert_true(holds(buffer[0], 0));
    pass(world, 2);
    assert_true(holds(buffer[0], 10));
    assert_true(holds(buffer[1], 0));
    pass(world, 100);
    assert_true(holds(buffer[1], 11));
}

static void vanished(void **state)
{
    struct world *world = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    const struct fault_report *report = arm(world, "target=disk,model=vanish,for=1us");
    assert_int_equal(request(world, BLOCK_READ, 10, 1, buffer), -1);
    assert_int_equal(request(world, BLOCK_FLUSH, 0, 0, NULL), -1);
    pass(world, 1000);
    assert_int_equal(report->state, FAULT_OVER);
    assert_int_equal(request(world, BLOCK_READ, 10, 1, buffer), 0);
}

/* -- power -- */

static void power_cut(void **state)
{
    struct world *world = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    arm(world, "target=power,model=cut,when=time:5us,restart=on");
    memset(buffer, 0xaa, sizeof(buffer));
    assert_int_equal(request(world, BLOCK_WRITE, 10, 1, buffer), 0);
    assert_int_equal(request(world, BLOCK_FLUSH, 0, 0, NULL), 0);
    assert_true(holds(world->sectors[10], 0xaa));
    assert_int_equal(world->flushes, 1);
    memset(buffer, 0xbb, sizeof(buffer));
    assert_int_equal(request(world, BLOCK_WRITE, 10, 1, buffer), 0);
    assert_int_equal(request(world, BLOCK_WRITE, 20, 1, buffer), 0);
    memset(buffer, 0, sizeof(buffer));
    assert_int_equal(request(world, BLOCK_READ, 20, 1, buffer), 0);
    assert_true(holds(buffer, 0xbb)); /* from the cache */
    assert_true(holds(world->sectors[20], 20));
    memset(world->machine->ram.host + 0x1000, 0x77, 100);
    pass(world, 6000);
    assert_true(holds(world->sectors[10], 0xaa));
    assert_true(holds(world->sectors[20], 20));
    assert_int_equal(world->machine->ram.host[0x1000], 0);
    const struct fault_report *report = fault_report(faults_first(world->faults));
    assert_int_equal(report->injections, 1);
    assert_int_equal(report->injected.ns, 5000);
    assert_string_equal(report->reason, "2 writes lost");
    assert_int_equal(request(world, BLOCK_READ, 20, 1, buffer), 0);
    assert_true(holds(buffer, 20));
}

static void small_cache(void **state)
{
    struct world *world = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    memset(buffer, 0xbb, sizeof(buffer));
    arm(world, "target=power,model=cut,when=time:5us,cache=1024");
    for (unsigned i = 10; i < 15; i++) {
        assert_int_equal(request(world, BLOCK_WRITE, i, 1, buffer), 0);
    }
    assert_true(holds(world->sectors[12], 0xbb));
    assert_true(holds(world->sectors[13], 13));
    assert_int_equal(machine_run(world->machine, 10000).end, MACHINE_END_POWER_CUT);
    assert_int_equal(world->machine->cpu.retired, 5000);
    assert_true(holds(world->sectors[14], 14));
}

/* -- removable media -- */

static int read_medium(struct world *world, const char *drive, uint64_t sector,
                       uint8_t *buffer)
{
    int result = -1;
    const struct block_request request = {
        .operation = BLOCK_READ,
        .sector = sector,
        .count = 1,
        .buffer = buffer,
        .completion = completed,
        .opaque = &result,
    };
    block_device_submit(machine_block_device(world->machine, drive), &request);
    return result;
}

static struct machine_medium medium_of(struct world *world, const char *drive)
{
    struct machine_medium medium;
    unsigned index = 0;
    do {
        assert_true(machine_media_describe(world->machine, index++, &medium));
    } while (strcmp(medium.drive, drive) != 0);
    return medium;
}

/* What is in the drive may change meanwhile. */
static void bad_drive(void **state)
{
    struct world *world = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    struct error error = {.text = ""};
    static const uint8_t image[SECTORS * BLOCK_SECTOR_BYTES] = {1, 2, 3};
    const struct fault_report *report =
        arm(world, "target=disk,name=ide1-cd0,model=error,sector=8,sectors=4,"
                   "duration=permanent");
    assert_int_equal(read_medium(world, "ide1-cd0", 7, buffer), 0);
    assert_int_equal(read_medium(world, "ide1-cd0", 11, buffer), EIO);
    assert_int_equal(report->uses, 1);

    char *path = temporary(image, sizeof(image));
    const struct block_options options = {
        .file = path, .format = "raw", .read_only = true};
    assert_true(machine_media_eject(world->machine, "ide1-cd0", true, &error));
    struct block_backend *backend = disks_open_image(world->machine, &options, &error);
    unlink(path);
    free(path);
    assert_non_null(backend);
    assert_true(machine_media_insert(world->machine, "ide1-cd0", backend, &error));
    assert_int_equal(read_medium(world, "ide1-cd0", 0, buffer), 0);
    assert_memory_equal(buffer, image, sizeof(buffer));
    assert_int_equal(read_medium(world, "ide1-cd0", 8, buffer), EIO);
    assert_int_equal(report->uses, 2);

    arm(world, "target=disk,name=floppy0,model=flip,sector=3,offset=2,bit=4");
    assert_int_equal(read_medium(world, "floppy0", 2, buffer), 0);
    assert_int_equal(read_medium(world, "floppy0", 3, buffer), 0);
    assert_int_equal(buffer[2], 0x10);
    assert_int_equal(read_medium(world, "floppy0", 3, buffer), 0);
    assert_int_equal(buffer[2], 0);
}

static void medium_gone(void **state)
{
    struct world *world = *state;
    uint8_t buffer[BLOCK_SECTOR_BYTES];
    struct error error;
    assert_non_null(medium_of(world, "ide1-cd0").file);
    const struct fault_report *report =
        arm(world, "target=disk,name=ide1-cd0,model=vanish,for=1us");
    assert_null(medium_of(world, "ide1-cd0").file);
    assert_true(medium_of(world, "ide1-cd0").tray_open);
    assert_non_null(medium_of(world, "floppy0").file);
    assert_int_equal(report->activation, FAULT_ACTIVATION_UNKNOWN);
    /* It cannot vanish twice. */
    const struct fault_report *second =
        arm(world, "target=disk,name=ide1-cd0,model=vanish,for=1us");
    assert_int_equal(second->state, FAULT_REFUSED);
    pass(world, 1000);
    assert_non_null(medium_of(world, "ide1-cd0").file);
    assert_false(medium_of(world, "ide1-cd0").tray_open);
    assert_int_equal(read_medium(world, "ide1-cd0", 8, buffer), 0);

    /* Somebody has put another in, or nobody has. */
    arm(world, "target=disk,name=floppy0,model=vanish,for=1us");
    assert_null(medium_of(world, "floppy0").file);
    assert_true(machine_media_eject(world->machine, "floppy0", true, &error));
    pass(world, 1000);
    assert_non_null(medium_of(world, "floppy0").file);
    assert_null(faults_arm_text(world->faults, "-fault",
                                "target=disk,name=floppy0,model=vanish", &error));
    assert_non_null(strstr(error.text, "give for=TIME"));
    arm(world, "target=disk,name=floppy0,model=vanish,duration=permanent");
    assert_null(medium_of(world, "floppy0").file);
    faults_disarm_all(world->faults);
    assert_non_null(medium_of(world, "floppy0").file);
}

/* -- networks -- */

static void send_frame(struct world *world, uint8_t value)
{
    uint8_t frame[FRAME_BYTES];
    memset(frame, value, sizeof(frame));
    network_send(world->card->peer, frame, sizeof(frame));
}

static void check_frames(struct world *world, const char *values)
{
    assert_int_equal(world->frame_count, strlen(values));
    for (unsigned i = 0; values[i]; i++) {
        for (unsigned j = 0; j < FRAME_BYTES; j++) {
            assert_int_equal(world->frames[i][j], values[i]);
        }
    }
    world->frame_count = 0;
}

static void send_frames(struct world *world, const char *values)
{
    for (; *values; values++) {
        send_frame(world, (uint8_t)*values);
    }
}

static void lost_frames(void **state)
{
    struct world *world = *state;
    const struct fault_report *report =
        arm(world, "target=network,name=net,model=lost,uses=2");
    send_frames(world, "abcd");
    check_frames(world, "cd");
    assert_int_equal(report->uses, 2);
    arm(world, "target=network,model=lost,on=write,duration=permanent");
    send_frames(world, "abcd");
    check_frames(world, "abcd");
}

static void random_losses(void **state)
{
    struct world *world = *state;
    const struct fault_report *report = arm(
        world, "target=network,model=lost,probability=0.25,duration=permanent,seed=3");
    unsigned arrived = 0;
    for (unsigned i = 0; i < 1000; i++) {
        send_frame(world, 'x');
        arrived += world->frame_count;
        world->frame_count = 0;
    }
    assert_in_range(arrived, 700, 800);
    assert_int_equal(report->uses, 1000 - arrived);
}

/* Losses come in runs of 1 / leave frames. */
static void bursts(void **state)
{
    struct world *world = *state;
    arm(world, "target=network,model=burst,enter=0.02,leave=0.2,duration=permanent,"
               "seed=3");
    unsigned lost = 0, runs = 0;
    bool before = true;
    for (unsigned i = 0; i < 20000; i++) {
        send_frame(world, 'x');
        bool arrives = world->frame_count;
        world->frame_count = 0;
        lost += !arrives;
        runs += before && !arrives;
        before = arrives;
    }
    assert_in_range(lost, 1500, 2200); /* 20000 * 0.02 / 0.22 */
    assert_in_range(lost * 10 / runs, 40, 60);
}

static void duplicated_and_reordered(void **state)
{
    struct world *world = *state;
    arm(world, "target=network,model=duplicate,uses=1");
    send_frames(world, "ab");
    pass(world, 10);
    check_frames(world, "aba");
    arm(world, "target=network,model=reorder,uses=1");
    send_frames(world, "abc");
    check_frames(world, "bac");
    arm(world, "target=network,model=reorder,uses=1");
    send_frames(world, "a");
    check_frames(world, "");
    pass(world, 20000000);
    check_frames(world, "a");
}

static void delayed_frames(void **state)
{
    struct world *world = *state;
    arm(world, "target=network,model=delay,delay=1us,duration=permanent");
    send_frames(world, "a");
    pass(world, 500);
    send_frames(world, "b");
    check_frames(world, "");
    pass(world, 501);
    check_frames(world, "a");
    world->full = true;
    pass(world, 1000);
    check_frames(world, "");
    world->full = false;
    pass(world, 200000);
    check_frames(world, "b");
}

static void limited_rate(void **state)
{
    struct world *world = *state;
    /* 100 bytes a microsecond */
    arm(world, "target=network,model=rate,rate=100000000,duration=permanent");
    send_frames(world, "abcd");
    pass(world, 1001);
    check_frames(world, "a");
    pass(world, 2000);
    check_frames(world, "bc");
}

static void corrupted_frames(void **state)
{
    struct world *world = *state;
    arm(world, "target=network,model=flip,offset=20,bit=4,uses=1");
    send_frame(world, 'a');
    assert_int_equal(world->frames[0][20], 'a' ^ 16);
    world->frames[0][20] = 'a';
    check_frames(world, "a");
    arm(world, "target=network,model=flip,uses=1");
    send_frame(world, 'a');
    unsigned wrong = 0;
    for (unsigned i = 0; i < FRAME_BYTES; i++) {
        wrong += (unsigned)__builtin_popcount(world->frames[0][i] ^ (unsigned)'a');
    }
    assert_int_equal(wrong, 1);
}

/* -- interrupt lines -- */

static void check_line(struct world *world, unsigned changes, bool level)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(world->changes[i], changes);
        assert_int_equal(world->level[i], level);
    }
}

static void interrupt_lines(void **state)
{
    struct world *world = *state;
    struct irq_line line = isa_interrupts_line(&world->machine->isa, 5);
    struct irq_line other = isa_interrupts_line(&world->machine->isa, 6);
    irq_pulse(&line);
    check_line(world, 2, false);
    arm(world, "target=irq,line=5,model=lost,uses=1");
    irq_pulse(&other);
    irq_pulse(&line);
    check_line(world, 2, false);
    irq_pulse(&line);
    check_line(world, 4, false);

    arm(world, "target=irq,line=5,model=spurious");
    check_line(world, 5, true);
    pass(world, 20000);
    check_line(world, 6, false);

    arm(world, "target=irq,line=5,model=delay,delay=1us,uses=1");
    irq_set(&line, true);
    check_line(world, 6, false);
    pass(world, 500);
    irq_set(&line, false);
    pass(world, 501);
    check_line(world, 7, true);
    pass(world, 500);
    check_line(world, 8, false);
    irq_set(&line, true);
    check_line(world, 9, true);
}

/* A lost level-triggered request is seen once the line is whole. */
static void lost_level(void **state)
{
    struct world *world = *state;
    struct irq_line line = isa_interrupts_line(&world->machine->isa, 5);
    arm(world, "target=irq,line=5,model=lost,for=1us");
    irq_set(&line, true);
    check_line(world, 0, false);
    pass(world, 1001);
    check_line(world, 1, true);
}

/* -- duration -- */

static void intermittent(void **state)
{
    struct world *world = *state;
    arm(world, "target=network,model=lost,duration=intermittent,period=1us,duty=30");
    for (unsigned i = 0; i < 5; i++) {
        send_frames(world, "a"); /* at 1 ns of the period, and 200, 400… */
        pass(world, 200);
        send_frames(world, "b");
        pass(world, 200);
        send_frames(world, "c");
        pass(world, 600);
        check_frames(world, "c");
    }
}

static void refused(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"target=disk,name=ide1-hd0,model=error", "there is no such disk"},
        {"target=network,name=lan,model=lost", "there is no network"},
        {"id=a,target=irq,line=5,model=lost", "id=a is taken"},
        {"target=ram,address=0xfff,width=2,model=flip", "in two pages"},
    };
    struct world *world = *state;
    arm(world, "id=a,target=irq,line=5,model=lost");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error error = {.text = ""};
        assert_null(faults_arm_text(world->faults, "-fault", rows[i].text, &error));
        assert_non_null(strstr(error.text, rows[i].says));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(dma_of_functions),
        TEST(cells_of_a_module),
        TEST(stuck_chip),
        TEST(stuck_lines),
        TEST(bad_sectors),
        TEST(bad_for_writes_once),
        TEST(wrong_bytes),
        TEST(random_wrong_bit),
        TEST(misdirected),
        TEST(lost_and_torn),
        TEST(slow),
        TEST(vanished),
        TEST(bad_drive),
        TEST(medium_gone),
        TEST(power_cut),
        TEST(small_cache),
        TEST(lost_frames),
        TEST(random_losses),
        TEST(bursts),
        TEST(duplicated_and_reordered),
        TEST(delayed_frames),
        TEST(limited_rate),
        TEST(corrupted_frames),
        TEST(interrupt_lines),
        TEST(lost_level),
        TEST(intermittent),
        TEST(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
