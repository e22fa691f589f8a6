/* tests/devices/ide_host.h: a host's driver of the IDE controller on the bench: its
 * registers, with one disk in memory. */
#ifndef TESTS_DEVICES_IDE_HOST_H
#define TESTS_DEVICES_IDE_HOST_H

#include "chipset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    DISK_SECTORS = 40 * 16 * 63,
    COMMAND_BLOCK = 0x1f0,
    CONTROL = 0x3f6,
    SECOND = 0x170,
    MASTER = 0xc000,
    PRDS = 0x10000,
    BUFFER = 0x20000,
    DATA = 0,
    ERROR = 1,
    COUNT = 2,
    LOW = 3,
    MID = 4,
    HIGH = 5,
    DEVICE = 6,
    STATUS = 7,
    READY = 0x50,
    READY_DATA = 0x58,
    FAILED = 0x51,
};

struct fixture {
    struct bench *bench;
    struct memory_disk disk;
};

static inline int setup(void **state)
{
    static struct fixture fixture;
    struct bench *bench = fixture.bench = bench_create();
    memory_disk_create(&fixture.disk, DISK_SECTORS);
    piix3_ide_attach(bench->ide, 0, &fixture.disk.device);
    config_write(bench, 1, 1, 0x20, MASTER, 4);
    config_write(bench, 1, 1, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
    config_write(bench, 1, 1, 0x40, 0x80008000, 4);
    *state = &fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    bench_destroy(fixture->bench);
    memory_disk_destroy(&fixture->disk);
    return 0;
}

static inline uint8_t get(struct bench *bench, unsigned offset)
{
    return in8(bench, (uint16_t)(COMMAND_BLOCK + offset));
}

static inline void put(struct bench *bench, unsigned offset, uint8_t value)
{
    out8(bench, (uint16_t)(COMMAND_BLOCK + offset), value);
}

static inline void put_lba28(struct bench *bench, uint32_t sector, uint8_t count)
{
    put(bench, DEVICE, (uint8_t)(0xe0 | sector >> 24));
    put(bench, COUNT, count);
    put(bench, LOW, (uint8_t)sector);
    put(bench, MID, (uint8_t)(sector >> 8));
    put(bench, HIGH, (uint8_t)(sector >> 16));
}

static inline void put_lba48(struct bench *bench, uint64_t sector, uint16_t count)
{
    put(bench, DEVICE, 0xe0);
    put(bench, COUNT, (uint8_t)(count >> 8));
    put(bench, LOW, (uint8_t)(sector >> 24));
    put(bench, MID, (uint8_t)(sector >> 32));
    put(bench, HIGH, (uint8_t)(sector >> 40));
    put(bench, COUNT, (uint8_t)count);
    put(bench, LOW, (uint8_t)sector);
    put(bench, MID, (uint8_t)(sector >> 8));
    put(bench, HIGH, (uint8_t)(sector >> 16));
}

static inline void put_chs(struct bench *bench, unsigned cylinder, unsigned head,
                           unsigned sector, uint8_t count)
{
    put(bench, DEVICE, (uint8_t)(0xa0 | head));
    put(bench, COUNT, count);
    put(bench, LOW, (uint8_t)sector);
    put(bench, MID, (uint8_t)cylinder);
    put(bench, HIGH, (uint8_t)(cylinder >> 8));
}

static inline uint32_t get_lba28(struct bench *bench)
{
    return get(bench, LOW) | (uint32_t)get(bench, MID) << 8 |
           (uint32_t)get(bench, HIGH) << 16 | (get(bench, DEVICE) & 0xfU) << 24;
}

static inline void read_data(struct bench *bench, void *bytes, unsigned length)
{
    uint8_t *to = bytes;
    for (unsigned i = 0; i < length; i += 2) {
        uint16_t word = (uint16_t)port_read(&bench->ports, COMMAND_BLOCK, 2);
        memcpy(to + i, &word, sizeof(word));
    }
}

static inline void write_data(struct bench *bench, const void *bytes, unsigned length)
{
    const uint8_t *from = bytes;
    for (unsigned i = 0; i < length; i += 4) {
        uint32_t value;
        memcpy(&value, from + i, sizeof(value));
        port_write(&bench->ports, COMMAND_BLOCK, value, 4);
    }
}

/* The interrupt is there; reading the status takes it away. */
static inline void expect_interrupt(struct bench *bench, uint8_t status)
{
    assert_true(bench->lines[14]);
    assert_int_equal(in8(bench, CONTROL), status);
    assert_true(bench->lines[14]);
    assert_int_equal(get(bench, STATUS), status);
    assert_false(bench->lines[14]);
}

static inline void expect_sector(struct bench *bench, uint64_t number)
{
    uint64_t words[64];
    read_data(bench, words, sizeof(words));
    assert_int_equal(words[0], number);
}

static inline uint8_t *on_disk(struct fixture *fixture, uint64_t sector)
{
    return fixture->disk.bytes + sector * BLOCK_SECTOR_BYTES;
}

static inline void put_prd(struct bench *bench, unsigned index, uint32_t address,
                           uint32_t bytes, bool last)
{
    memory_write32(&bench->memory, PRDS + 8 * index, address);
    memory_write32(&bench->memory, PRDS + 8 * index + 4,
                   (bytes & 0xffff) | (uint32_t)last << 31);
}

static inline void start_dma(struct bench *bench, uint8_t command, bool to_memory)
{
    port_write(&bench->ports, MASTER + 4, PRDS, 4);
    out8(bench, MASTER + 2, 0x06);
    put(bench, STATUS, command);
    out8(bench, MASTER, to_memory ? 0x09 : 0x01);
}

#define IDE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
