#include "fuzz_rings.h"

#include "devices/e1000.h"
#include "devices/ne2k_pci.h"
#include "devices/virtio_net.h"

#include <string.h>

enum {
    E1000_MEMORY = 0x05000000,
    E1000_PORTS = 0xc100,
    NE2K_PORTS = 0xc200,
    NET_PORTS = 0xc300,
    NET_MEMORY = 0x05100000,
    RNG_MEMORY = 0x05110000,
    TABLET_MEMORY = 0x05120000,
    KEYBOARD_MEMORY = 0x05130000,
    COMMAND_ALL = 7,
    RING_START = 0x100000, /* where rings and buffers are, mostly */
    RING_BYTES = 0x10000,
};

const struct fuzz_ring_setup fuzz_ring_setup[FUZZ_RING_SETUPS] = {
    {3 << 3, 0x10, E1000_MEMORY}, {3 << 3, 0x14, E1000_PORTS},
    {3 << 3, 0x04, COMMAND_ALL},  {4 << 3, 0x10, NE2K_PORTS},
    {4 << 3, 0x04, COMMAND_ALL},  {5 << 3, 0x10, NET_PORTS},
    {5 << 3, 0x20, NET_MEMORY},   {5 << 3, 0x04, COMMAND_ALL},
    {6 << 3, 0x10, 0xc400},       {6 << 3, 0x20, RNG_MEMORY},
    {6 << 3, 0x04, COMMAND_ALL},  {7 << 3, 0x20, TABLET_MEMORY},
    {7 << 3, 0x04, COMMAND_ALL},  {8 << 3, 0x20, KEYBOARD_MEMORY},
    {8 << 3, 0x04, COMMAND_ALL},
};

static void write_register(struct fuzz *fuzz, gpa_t address, uint32_t value,
                           unsigned width)
{
    struct memory_map *map = &fuzz->machine->memory;
    gpa_t last;
    const struct memory_region *region = memory_find(map, address, &last);
    if (region && region->ops) {
        memory_region_write(region, address, value, width);
    }
}

/* An address that is in the rings, in other memory, or nowhere. */
static uint64_t any_address(struct fuzz *fuzz)
{
    switch (fuzz_below(fuzz, 8)) {
    case 0:
        return fuzz_random(fuzz);
    case 1:
        return fuzz_interesting(fuzz);
    case 2:
        return E1000_MEMORY + fuzz_below(fuzz, 0x4000);
    default:
        return RING_START + fuzz_below(fuzz, RING_BYTES);
    }
}

static uint32_t any_length(struct fuzz *fuzz)
{
    return fuzz_one_in(fuzz, 8) ? fuzz_interesting(fuzz) : fuzz_below(fuzz, 3000);
}

/* -- e1000 -- */

static void fill_e1000_ring(struct fuzz *fuzz, gpa_t ring, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct {
            uint64_t address;
            uint32_t command, status;
        } descriptor = {
            .address = any_address(fuzz),
            .command = (any_length(fuzz) & 0xffff) | (uint32_t)fuzz_random(fuzz) << 20,
            .status = (uint32_t)fuzz_random(fuzz),
        };
        if (fuzz_one_in(fuzz, 4)) { /* a context that makes sense, nearly */
            descriptor.address = 0x00ff0000 | 14 | 24 << 8;
        }
        memory_write(&fuzz->machine->memory, ring + 16ULL * i, &descriptor,
                     sizeof(descriptor));
    }
}

static void attack_e1000(struct fuzz *fuzz)
{
    bool receives = fuzz_one_in(fuzz, 2);
    gpa_t base = E1000_MEMORY + (receives ? 0x2800 : 0x3800);
    unsigned count = 8U << fuzz_below(fuzz, 4);
    gpa_t ring = RING_START + (fuzz_below(fuzz, RING_BYTES) & ~15U);
    fill_e1000_ring(fuzz, ring, count);
    write_register(fuzz, base, (uint32_t)ring, 4);
    write_register(fuzz, base + 4, fuzz_one_in(fuzz, 16), 4);
    write_register(fuzz, base + 8,
                   fuzz_one_in(fuzz, 8) ? fuzz_interesting(fuzz) : count * 16, 4);
    write_register(fuzz, base + 0x10, fuzz_below(fuzz, count), 4);
    /* RCTL or TCTL: enabled, and the rest by chance */
    write_register(fuzz, E1000_MEMORY + (receives ? 0x100 : 0x400),
                   (uint32_t)fuzz_random(fuzz) | 2, 4);
    write_register(
        fuzz, base + 0x18,
        fuzz_one_in(fuzz, 4) ? fuzz_interesting(fuzz) : fuzz_below(fuzz, count), 4);
}

/* -- virtio -- */

static void fill_virtqueue(struct fuzz *fuzz, gpa_t descriptors, gpa_t available,
                           unsigned size)
{
    struct memory_map *map = &fuzz->machine->memory;
    for (unsigned i = 0; i < size; i++) {
        struct {
            uint64_t address;
            uint32_t length;
            uint16_t flags, next;
        } descriptor = {
            .address = any_address(fuzz),
            .length = any_length(fuzz) & ~(fuzz_one_in(fuzz, 2) ? 15U : 0U),
            .flags = (uint16_t)fuzz_below(fuzz, fuzz_one_in(fuzz, 8) ? 0x10000 : 8),
            .next = (uint16_t)fuzz_below(fuzz, size + fuzz_one_in(fuzz, 16)),
        };
        uint16_t head = (uint16_t)fuzz_below(fuzz, size + fuzz_one_in(fuzz, 16));
        memory_write(map, descriptors + 16ULL * i, &descriptor, sizeof(descriptor));
        memory_write(map, available + 4 + 2ULL * i, &head, sizeof(head));
    }
    const uint16_t start[] = {(uint16_t)fuzz_below(fuzz, 2),
                              (uint16_t)fuzz_below(fuzz, size + 2)};
    memory_write(map, available, start, sizeof(start));
}

static void write_address(struct fuzz *fuzz, gpa_t place, gpa_t address)
{
    write_register(fuzz, place, (uint32_t)address, 4);
    write_register(fuzz, place + 4, (uint32_t)(address >> 32), 4);
}

static void attack_virtio(struct fuzz *fuzz)
{
    static const gpa_t devices[] = {NET_MEMORY, RNG_MEMORY, TABLET_MEMORY,
                                    KEYBOARD_MEMORY};
    gpa_t device = devices[fuzz_below(fuzz, ARRAY_LENGTH(devices))];
    gpa_t tables = RING_START + (fuzz_below(fuzz, RING_BYTES) & ~15U);
    if (!fuzz_one_in(fuzz, 4)) {
        write_register(fuzz, device + 20, 0, 1); /* reset */
        write_register(fuzz, device + 8, 0, 4);
        write_register(fuzz, device + 12, (uint32_t)fuzz_random(fuzz), 4);
        write_register(fuzz, device + 8, 1, 4);
        write_register(fuzz, device + 12, fuzz_below(fuzz, 2), 4);
    }
    for (unsigned queue = 0; queue < 3; queue++) {
        unsigned size = 1U << fuzz_below(fuzz, 7);
        fill_virtqueue(fuzz, tables, tables + 0x2000, size);
        write_register(fuzz, device + 22, queue, 2);
        write_register(fuzz, device + 24,
                       fuzz_one_in(fuzz, 16) ? fuzz_interesting(fuzz) : size, 2);
        write_address(fuzz, device + 32, tables);
        write_address(fuzz, device + 40, tables + 0x2000);
        write_address(fuzz, device + 48,
                      fuzz_one_in(fuzz, 16) ? any_address(fuzz) : tables + 0x3000);
        write_register(fuzz, device + 28, 1, 2);
    }
    write_register(fuzz, device + 20, 15, 1); /* the driver is ready */
    for (unsigned queue = 0; queue < 3; queue++) {
        write_register(fuzz, device + 0x3000 + 4 * queue, queue, 2);
    }
}

/* -- DP8390 -- */

static void attack_ne2k(struct fuzz *fuzz)
{
    struct port_space *ports = &fuzz->machine->ports;
    for (unsigned i = 1; i < 16; i++) {
        port_write(ports, (uint16_t)(NE2K_PORTS + i), fuzz_interesting(fuzz), 1);
    }
    port_write(ports, NE2K_PORTS, 0x62, 1);
    port_write(ports, NE2K_PORTS + 7, fuzz_interesting(fuzz), 1);
    port_write(ports, NE2K_PORTS, fuzz_one_in(fuzz, 2) ? 0x26 : fuzz_interesting(fuzz),
               1);
}

/* -- frames -- */

static struct network_port *port_of(const struct device *device)
{
    const char *name = device->class->name;
    if (strcmp(name, "e1000") == 0) {
        return e1000_port((struct e1000 *)device);
    }
    if (strcmp(name, "ne2k_pci") == 0) {
        return ne2k_pci_port((struct ne2k_pci *)device);
    }
    return strcmp(name, "virtio-net") == 0
               ? virtio_net_port((struct virtio_net *)device)
               : NULL;
}

static void send_frames(struct fuzz *fuzz)
{
    static const uint8_t broadcast[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t frame[NETWORK_MAXIMUM_BYTES];
    const struct machine *machine = fuzz->machine;
    size_t bytes = fuzz_one_in(fuzz, 4) ? fuzz_below(fuzz, sizeof(frame) + 1)
                                        : fuzz_below(fuzz, 1600);
    for (size_t i = 0; i < bytes; i++) {
        frame[i] = (uint8_t)fuzz_random(fuzz);
    }
    if (fuzz_one_in(fuzz, 2)) {
        memcpy(frame, broadcast, sizeof(broadcast));
    }
    if (fuzz_one_in(fuzz, 2)) { /* IPv4, nearly */
        frame[12] = 8;
        frame[13] = 0;
        frame[14] = (uint8_t)(0x40 | fuzz_below(fuzz, 16));
        frame[23] = fuzz_one_in(fuzz, 2) ? 6 : 17;
    }
    for (unsigned i = 0; i < machine->device_count; i++) {
        struct network_port *port = port_of(machine->devices[i]);
        if (port && port->peer) {
            network_send(port->peer, frame, bytes);
        }
    }
}

void fuzz_rings(struct fuzz *fuzz)
{
    switch (fuzz_below(fuzz, 4)) {
    case 0:
        attack_e1000(fuzz);
        break;
    case 1:
        attack_ne2k(fuzz);
        break;
    default:
        attack_virtio(fuzz);
        break;
    }
    send_frames(fuzz);
}
