/* A chipset on a test bench: address spaces, a manual clock, RAM, the chips of the
 * i440FX with their wires ending in the bench, and disks in memory that can be told to
 * fail. */
#ifndef TESTS_DEVICES_CHIPSET_H
#define TESTS_DEVICES_CHIPSET_H

#include "base/log.h"
#include "bus/block_device.h"
#include "bus/memory.h"
#include "bus/pci.h"
#include "bus/port.h"
#include "clock/clock.h"
#include "devices/i440fx.h"
#include "devices/piix3.h"
#include "devices/piix3_ide.h"
#include "devices/piix4_pm.h"

enum { BENCH_RAM_BYTES = 8 << 20, BENCH_BIOS_BYTES = 128 << 10, BENCH_LINES = 16 };

#define NO_SECTOR UINT64_MAX

struct memory_disk {
    struct block_device device;
    uint8_t *bytes;
    uint64_t bad_sector; /* fails with bad_result when a request touches it */
    int bad_result;
    unsigned requests, flushes;
    uint64_t discarded; /* sectors */
    /* Requests are kept until memory_disk_answer() if `deferred`. */
    bool deferred, waiting;
    struct block_request held;
};

void memory_disk_create(struct memory_disk *disk, uint64_t sectors);
void memory_disk_destroy(struct memory_disk *disk);
void memory_disk_answer(struct memory_disk *disk);

struct bench {
    struct log log;
    struct clock clock;
    struct port_space ports;
    struct memory_map memory;
    struct ram ram;
    uint8_t bios[BENCH_BIOS_BYTES];
    struct i440fx *bridge;
    struct pci_bus *bus;
    struct piix3 *piix3;
    struct piix4_pm *pm;
    struct piix3_ide *ide;
    bool isa[BENCH_LINES];   /* what the PIIX3 drives */
    bool lines[BENCH_LINES]; /* what ISA devices drive: 9 (SCI), 14, 15 */
    unsigned rises[BENCH_LINES];
    unsigned resets, power_offs;
};

struct bench *bench_create(void);
void bench_destroy(struct bench *bench);

/* A line that ends in bench->lines[number]. */
struct irq_line bench_line(struct bench *bench, unsigned number);

uint32_t config_read(struct bench *bench, unsigned slot, unsigned function,
                     unsigned offset, unsigned width);
void config_write(struct bench *bench, unsigned slot, unsigned function,
                  unsigned offset, uint32_t value, unsigned width);

static inline uint8_t in8(struct bench *bench, uint16_t port)
{
    return (uint8_t)port_read(&bench->ports, port, 1);
}

static inline void out8(struct bench *bench, uint16_t port, uint8_t value)
{
    port_write(&bench->ports, port, value, 1);
}

#endif
