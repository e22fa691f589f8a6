/* Random accesses to all ports and to all device memory of a whole machine, with time
 * going on and resets in between. Nothing may crash, hang or overrun; what the devices
 * say does not matter. */
#include "fuzz_rings.h"

#include <stdlib.h>

enum { ACCESSES = 2000, PORT_TRIES = 64 };

/* A port that belongs to a device, mostly. */
static uint16_t pick_port(struct fuzz *fuzz)
{
    const struct port_space *ports = &fuzz->machine->ports;
    uint16_t port = 0;
    for (unsigned i = 0; i < PORT_TRIES; i++) {
        port = (uint16_t)fuzz_random(fuzz);
        /* Most devices are in the first 4 KiB. */
        port &= fuzz_one_in(fuzz, 4) ? 0xffff : fuzz_one_in(fuzz, 2) ? 0xfff : 0x3ff;
        if (ports->owner[port] || fuzz_one_in(fuzz, 64)) {
            break;
        }
    }
    return port;
}

/* Starts of fw_cfg's DMA, which may be of 4 GiB: not too many of them. */
static bool starts_long_transfer(uint16_t port)
{
    enum { FW_CFG_DMA = 0x518 };
    return (port & ~3) == FW_CFG_DMA;
}

static void access_port(struct fuzz *fuzz)
{
    struct port_space *ports = &fuzz->machine->ports;
    uint16_t port = pick_port(fuzz);
    if (starts_long_transfer(port) && !fuzz_one_in(fuzz, 1000)) {
        return;
    }
    unsigned width = 1U << fuzz_below(fuzz, 3);
    if (fuzz_one_in(fuzz, 2)) {
        port_read(ports, port, width);
    } else {
        port_write(ports, port, fuzz_interesting(fuzz), width);
    }
}

/* The two-step way to PCI configuration space: too long a shot for chance alone. */
static void access_pci(struct fuzz *fuzz)
{
    enum { ADDRESS = 0xcf8, DATA = 0xcfc, DEVICES = 10 };
    struct port_space *ports = &fuzz->machine->ports;
    uint32_t function = fuzz_below(fuzz, DEVICES) << 3 | fuzz_below(fuzz, 4);
    uint32_t address = 0x80000000 | function << 8 | (fuzz_below(fuzz, 256) & 0xfc);
    unsigned width = 1U << fuzz_below(fuzz, 3);
    uint16_t port = (uint16_t)(DATA + fuzz_below(fuzz, 4));
    port_write(ports, ADDRESS, address, 4);
    if (fuzz_one_in(fuzz, 2)) {
        port_read(ports, port, width);
    } else {
        port_write(ports, port, fuzz_interesting(fuzz), width);
    }
}

static void write_config(struct fuzz *fuzz, const struct fuzz_ring_setup *setup)
{
    enum { ADDRESS = 0xcf8, DATA = 0xcfc };
    struct port_space *ports = &fuzz->machine->ports;
    uint32_t offset = setup->offset;
    port_write(ports, ADDRESS, 0x80000000 | setup->function << 8 | (offset & 0xfc), 4);
    if (offset & 3) {
        port_write(ports, (uint16_t)(DATA + (offset & 3)), setup->value, 1);
    } else {
        port_write(ports, DATA, setup->value, 4);
    }
}

/* What firmware does: devices decode their ports and memory. */
static void enable_pci(struct fuzz *fuzz)
{
    static const struct fuzz_ring_setup setup[] = {
        {1 << 3 | 1, 0x04, 5},          /* IDE: ports, bus master */
        {1 << 3 | 1, 0x20, 0xc001},     /* where the bus master's are */
        {1 << 3 | 1, 0x40, 0x80008000}, /* both channels decode */
        {1 << 3 | 3, 0x04, 1},          /* power management */
        {1 << 3 | 3, 0x40, 0x601},      {1 << 3 | 3, 0x80, 1},
        {1 << 3 | 3, 0x90, 0x701},      {1 << 3 | 3, 0xd2, 9},
        {2 << 3, 0x10, 0xfd000000}, /* VGA */
        {2 << 3, 0x18, 0xfebf0000},     {2 << 3, 0x04, 3},
        {9 << 3, 0x10, 0xd001}, /* AC97 */
        {9 << 3, 0x14, 0xd101},         {9 << 3, 0x04, 5},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(setup); i++) {
        write_config(fuzz, &setup[i]);
    }
    for (unsigned i = 0; i < FUZZ_RING_SETUPS; i++) {
        write_config(fuzz, &fuzz_ring_setup[i]);
    }
}

/* Register files behind an index port, likewise. */
static void access_indexed(struct fuzz *fuzz)
{
    static const uint16_t index_ports[] = {0x70,  0x3c4, 0x3ce, 0x3d4,
                                           0x1ce, 0x224, 0x388};
    struct port_space *ports = &fuzz->machine->ports;
    uint16_t port = index_ports[fuzz_below(fuzz, ARRAY_LENGTH(index_ports))];
    unsigned width = port == 0x1ce ? 2 : 1;
    port_write(ports, port, fuzz_below(fuzz, 64), width);
    if (fuzz_one_in(fuzz, 3)) {
        port_read(ports, (uint16_t)(port + 1), width);
    } else {
        port_write(ports, (uint16_t)(port + 1), fuzz_interesting(fuzz), width);
    }
}

static void move_words(struct fuzz *fuzz, uint16_t port, uint32_t most)
{
    struct port_space *ports = &fuzz->machine->ports;
    for (uint32_t words = fuzz_below(fuzz, most); words > 0; words--) {
        if (fuzz_one_in(fuzz, 2)) {
            port_write(ports, port, fuzz_interesting(fuzz), 2);
        } else {
            port_read(ports, port, 2);
        }
    }
}

/* A whole ATA command: registers first, command last, then some data. */
static void access_disk(struct fuzz *fuzz)
{
    static const uint8_t commands[] = {0x20, 0x30, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xec,
                                       0xef, 0x24, 0x34, 0x25, 0x35, 0xb0, 0xe7, 0x29};
    struct port_space *ports = &fuzz->machine->ports;
    uint16_t base = fuzz_one_in(fuzz, 8) ? 0x170 : 0x1f0;
    for (uint16_t i = 1; i < 7; i++) {
        uint32_t value = fuzz_one_in(fuzz, 3) ? fuzz_interesting(fuzz) : 0;
        port_write(ports, (uint16_t)(base + i), i == 6 ? value | 0x40 : value, 1);
    }
    port_write(ports, (uint16_t)(base + 7),
               commands[fuzz_below(fuzz, ARRAY_LENGTH(commands))], 1);
    clock_run_timers(&fuzz->machine->clock);
    move_words(fuzz, base, 300);
}

/* A packet to a CD-ROM drive, by PIO or DMA, and some data. */
static void access_cdrom(struct fuzz *fuzz)
{
    static const uint8_t commands[] = {0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28,
                                       0x2b, 0x43, 0x46, 0x4a, 0x51, 0x52, 0x55,
                                       0x5a, 0xa8, 0xad, 0xb9, 0xbb, 0xbd, 0xbe};
    enum { CHANNEL = 0x170, MASTER = 0xc008 };
    struct port_space *ports = &fuzz->machine->ports;
    bool dma = fuzz_one_in(fuzz, 3);
    port_write(ports, CHANNEL + 6, fuzz_one_in(fuzz, 8) ? 0xb0 : 0xa0, 1);
    port_write(ports, CHANNEL + 1, dma, 1);
    port_write(ports, CHANNEL + 4, fuzz_interesting(fuzz), 1);
    port_write(ports, CHANNEL + 5, fuzz_interesting(fuzz), 1);
    port_write(ports, CHANNEL + 7, fuzz_one_in(fuzz, 16) ? 0x08 : 0xa0, 1);
    for (unsigned i = 0; i < 6; i++) {
        uint32_t word = fuzz_one_in(fuzz, 3) ? fuzz_interesting(fuzz) : 0;
        if (i == 0) {
            word = commands[fuzz_below(fuzz, ARRAY_LENGTH(commands))] | (word & 0xff00);
        }
        port_write(ports, CHANNEL, word, 2);
    }
    if (dma) {
        port_write(ports, MASTER + 4, fuzz_below(fuzz, FUZZ_RAM_BYTES), 4);
        port_write(ports, MASTER, 0x01, 1);
        port_write(ports, MASTER, fuzz_one_in(fuzz, 8), 1);
    } else {
        move_words(fuzz, CHANNEL, 1500);
    }
}

/* A command to the floppy controller, some bytes, and the DMA channel. */
static void access_floppy(struct fuzz *fuzz)
{
    static const uint8_t commands[] = {0x42, 0x03, 0x04, 0x45, 0xc6, 0x07, 0x08, 0x4a,
                                       0x4c, 0x4d, 0x0e, 0x0f, 0x51, 0x12, 0x13, 0x14,
                                       0x56, 0x59, 0x5d, 0x8f, 0xe6, 0x46, 0xc5, 0x10};
    enum { DOR = 0x3f2, FIFO = 0x3f5, RATE = 0x3f7, DMA_MODE = 0x0b, DMA_MASK = 0x0a };
    struct port_space *ports = &fuzz->machine->ports;
    port_write(ports, DOR, fuzz_one_in(fuzz, 16) ? fuzz_interesting(fuzz) : 0x1c, 1);
    port_write(ports, RATE, fuzz_one_in(fuzz, 4) ? fuzz_below(fuzz, 4) : 0, 1);
    if (fuzz_one_in(fuzz, 2)) {
        port_write(ports, DMA_MODE, fuzz_one_in(fuzz, 2) ? 0x46 : 0x4a, 1);
        port_write(ports, DMA_MASK, 0x02, 1);
        port_write(ports, 0xd6, 0xc0, 1);
        port_write(ports, 0xd4, 0x00, 1);
    }
    port_write(ports, FIFO, commands[fuzz_below(fuzz, ARRAY_LENGTH(commands))], 1);
    for (unsigned i = fuzz_below(fuzz, 12); i > 0; i--) {
        uint32_t small = fuzz_below(fuzz, 20);
        port_write(ports, FIFO, fuzz_one_in(fuzz, 4) ? fuzz_interesting(fuzz) : small,
                   1);
    }
    for (unsigned i = fuzz_below(fuzz, fuzz_one_in(fuzz, 8) ? 1500 : 16); i > 0; i--) {
        if (fuzz_one_in(fuzz, 8)) {
            port_write(ports, FIFO, fuzz_interesting(fuzz), 1);
        } else {
            port_read(ports, FIFO, 1);
        }
    }
}

/* Somebody plays with the drives. */
static void change_medium(struct fuzz *fuzz)
{
    struct machine *machine = fuzz->machine;
    struct machine_medium medium;
    struct error error;
    unsigned drives = machine->media.count;
    if (!machine_media_describe(machine, fuzz_below(fuzz, drives), &medium)) {
        return;
    }
    if (medium.file) {
        machine_media_eject(machine, medium.drive, fuzz_one_in(fuzz, 2), &error);
        return;
    }
    const struct block_options options = {.file = fuzz->disk, .read_only = true};
    struct block_backend *backend = block_open(&options, NULL, NULL, &error);
    if (backend && !machine_media_insert(machine, medium.drive, backend, &error)) {
        block_close(backend, &error);
    }
}

/* An address in a region, near its start or its end more often than not. */
static gpa_t pick_address(struct fuzz *fuzz)
{
    const struct memory_region *region =
        &fuzz->machine->memory.regions[fuzz_below(fuzz, MEMORY_REGIONS)];
    if (!region->bytes || fuzz_one_in(fuzz, 16)) {
        return fuzz_interesting(fuzz);
    }
    uint64_t offset = fuzz_random(fuzz) % region->bytes;
    switch (fuzz_below(fuzz, 4)) {
    case 0:
        return region->start + offset % 16;
    case 1:
        return region->start + region->bytes - 1 - offset % 8;
    default:
        return region->start + offset;
    }
}

static void access_memory(struct fuzz *fuzz)
{
    struct memory_map *map = &fuzz->machine->memory;
    gpa_t address = pick_address(fuzz);
    uint8_t bytes[16];
    uint64_t length = fuzz_one_in(fuzz, 4) ? 1 + fuzz_below(fuzz, sizeof(bytes))
                                           : 1ULL << fuzz_below(fuzz, 3);
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)fuzz_random(fuzz);
    }
    gpa_t last;
    const struct memory_region *region = memory_find(map, address, &last);
    bool registers = region && region->ops && !region->read;
    if (registers && last - address >= 3 && fuzz_one_in(fuzz, 2)) {
        unsigned width = 1U << fuzz_below(fuzz, 3);
        if (fuzz_one_in(fuzz, 2)) {
            memory_region_read(region, address, width);
        } else {
            memory_region_write(region, address, fuzz_interesting(fuzz), width);
        }
    } else if (fuzz_one_in(fuzz, 2)) {
        memory_read(map, address, bytes, length);
    } else {
        memory_write(map, address, bytes, length);
    }
}

/* Into as many pixels as the picture is said to have. */
static void draw_picture(struct fuzz *fuzz)
{
    struct port_space *ports = &fuzz->machine->ports;
    struct display_source source = vga_display(fuzz->machine->vga);
    port_read(ports, 0x3da, 1);
    port_write(ports, 0x3c0, 0x20, 1); /* or else it is black, mostly */
    struct display_size size = source.size(source.opaque);
    struct display_pixels pixels = {
        malloc((size_t)size.width * size.height * sizeof(uint32_t)), size.width};
    struct display_rectangle changed;
    source.draw(source.opaque, &pixels, fuzz_one_in(fuzz, 2), &changed);
    free(pixels.first);
}

static void step_time(struct fuzz *fuzz)
{
    struct clock *clock = &fuzz->machine->clock;
    uint64_t deadline_ns = clock_next_deadline_ns(clock);
    uint64_t until_ns = clock_now_ns(clock) + fuzz_interesting(fuzz) % 100000000;
    if (deadline_ns != CLOCK_NEVER && fuzz_one_in(fuzz, 2)) {
        until_ns = deadline_ns;
    }
    if (until_ns > clock_now_ns(clock)) {
        clock_skip_to_ns(clock, until_ns);
    }
    clock_run_timers(clock);
}

/* As the CPU does when an interrupt is wanted. */
static void acknowledge(struct fuzz *fuzz)
{
    const struct cpu_wiring *wiring = &fuzz->machine->cpu.wiring;
    if (atomic_load(&fuzz->machine->cpu.request) & CPU_REQUEST_INTERRUPT) {
        wiring->acknowledge_interrupt(wiring->opaque);
    }
}

static void torment(struct fuzz *fuzz)
{
    struct machine *machine = fuzz->machine;
    lock_take(&machine->lock);
    switch (fuzz_below(fuzz, 64)) {
    case 0:
        if (fuzz_one_in(fuzz, 16)) {
            pc_reset(machine);
        } else if (fuzz_one_in(fuzz, 2)) {
            draw_picture(fuzz);
        }
        break;
    case 1:
    case 2:
    case 3:
        step_time(fuzz);
        break;
    case 4:
    case 5:
        acknowledge(fuzz);
        break;
    case 6:
        access_disk(fuzz);
        break;
    case 7:
        access_cdrom(fuzz);
        break;
    case 8:
        access_floppy(fuzz);
        break;
    case 9:
        if (fuzz_one_in(fuzz, 8)) {
            change_medium(fuzz);
        }
        break;
    case 10:
        fuzz_rings(fuzz);
        break;
    case 11 ... 12:
        access_pci(fuzz);
        break;
    case 13 ... 24:
        access_indexed(fuzz);
        break;
    case 25 ... 36:
        access_memory(fuzz);
        break;
    default:
        access_port(fuzz);
    }
    fuzz_forget_requests(machine);
    lock_release(&machine->lock);
}

int main(int count, char **arguments)
{
    struct fuzz fuzz;
    if (!fuzz_begin(&fuzz, count, arguments)) {
        return 1;
    }
    while (fuzz_next(&fuzz)) {
        fuzz_reset(&fuzz);
        if (!fuzz_one_in(&fuzz, 8)) {
            lock_take(&fuzz.machine->lock);
            enable_pci(&fuzz);
            lock_release(&fuzz.machine->lock);
        }
        for (unsigned i = 0; i < ACCESSES; i++) {
            torment(&fuzz);
        }
    }
    return fuzz_end(&fuzz);
}
