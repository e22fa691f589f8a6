#include "chipset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- disks -- */

static int disk_result(const struct memory_disk *disk,
                       const struct block_request *request)
{
    if (request->operation == BLOCK_FLUSH) {
        return disk->bad_sector == 0 ? disk->bad_result : 0;
    }
    if (request->sector >= disk->device.sectors ||
        request->count > disk->device.sectors - request->sector) {
        return 22;
    }
    bool bad = disk->bad_sector >= request->sector &&
               disk->bad_sector < request->sector + request->count;
    return bad ? disk->bad_result : 0;
}

static void disk_carry_out(struct memory_disk *disk,
                           const struct block_request *request)
{
    int result = disk_result(disk, request);
    size_t length = (size_t)request->count * BLOCK_SECTOR_BYTES;
    uint8_t *place = disk->bytes + request->sector * BLOCK_SECTOR_BYTES;
    disk->requests++;
    if (request->operation == BLOCK_FLUSH) {
        disk->flushes++;
    } else if (result == 0 && request->operation == BLOCK_READ) {
        memcpy(request->buffer, place, length);
    } else if (result == 0 && request->operation == BLOCK_DISCARD) {
        memset(place, 0, length);
        disk->discarded += request->count;
    } else if (result == 0) {
        memcpy(place, request->buffer, length);
    }
    request->completion(request->opaque, result);
}

static void disk_submit(void *opaque, const struct block_request *request)
{
    struct memory_disk *disk = opaque;
    if (disk->deferred) {
        assert(!disk->waiting);
        disk->held = *request;
        disk->waiting = true;
    } else {
        disk_carry_out(disk, request);
    }
}

static const struct block_device_ops disk_ops = {.submit = disk_submit};

/* Every sector begins with its number. */
void memory_disk_create(struct memory_disk *disk, uint64_t sectors)
{
    *disk = (struct memory_disk){
        .device = {.ops = &disk_ops, .opaque = disk, .name = "memory"},
        .bytes = calloc(sectors, BLOCK_SECTOR_BYTES),
        .bad_sector = NO_SECTOR,
    };
    assert(disk->bytes);
    disk->device.sectors = sectors;
    for (uint64_t i = 0; i < sectors; i++) {
        memcpy(disk->bytes + i * BLOCK_SECTOR_BYTES, &i, sizeof(i));
    }
}

void memory_disk_destroy(struct memory_disk *disk)
{
    free(disk->bytes);
}

void memory_disk_answer(struct memory_disk *disk)
{
    assert(disk->waiting);
    struct block_request request = disk->held;
    disk->waiting = false;
    disk_carry_out(disk, &request);
}

/* -- the bench -- */

static void isa_sink(void *opaque, unsigned number, bool level)
{
    struct bench *bench = opaque;
    assert(number < BENCH_LINES);
    bench->isa[number] = level;
}

static void line_sink(void *opaque, unsigned number, bool level)
{
    struct bench *bench = opaque;
    assert(number < BENCH_LINES);
    bench->lines[number] = level;
    bench->rises[number] += level;
}

static void reset_sink(void *opaque, unsigned number, bool level)
{
    struct bench *bench = opaque;
    bench->resets += level;
}

static void power_off(void *opaque)
{
    struct bench *bench = opaque;
    bench->power_offs++;
}

struct irq_line bench_line(struct bench *bench, unsigned number)
{
    return irq_line_to(line_sink, bench, number);
}

struct bench *bench_create(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct error error;
    assert(bench);
    clock_init(&bench->clock, CLOCK_KIND_MANUAL, 0);
    if (!ram_create(&bench->ram, "bench", BENCH_RAM_BYTES, &error)) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    bench->memory.ram = &bench->ram;
    bench->bridge =
        i440fx_create(&bench->log, &bench->ports, &bench->memory, &bench->ram);
    bench->bus = i440fx_bus(bench->bridge);
    bench->piix3 = piix3_create(&bench->log, &bench->ports, bench->bus, isa_sink, bench,
                                irq_line_to(reset_sink, bench, 0));
    bench->pm = piix4_pm_create(&bench->log, &bench->ports, bench->bus, &bench->clock,
                                bench_line(bench, 9), power_off, bench);
    bench->ide =
        piix3_ide_create(&bench->log, &bench->ports, bench->bus, &bench->memory,
                         bench_line(bench, 14), bench_line(bench, 15));
    memset(bench->bios, 0xb5, sizeof(bench->bios));
    struct memory_region rom = {
        .name = "BIOS",
        .start = 0xe0000,
        .bytes = BENCH_BIOS_BYTES,
        .priority = MEMORY_PRIORITY_ROM,
        .read = bench->bios,
    };
    memory_add(&bench->memory, &rom);
    return bench;
}

void bench_destroy(struct bench *bench)
{
    device_destroy((struct device *)bench->ide);
    device_destroy((struct device *)bench->pm);
    device_destroy((struct device *)bench->piix3);
    device_destroy((struct device *)bench->bridge);
    ram_destroy(&bench->ram);
    free(bench);
}

static uint16_t config_port(struct bench *bench, unsigned slot, unsigned function,
                            unsigned offset)
{
    uint32_t address = 1U << 31 | slot << 11 | function << 8 | (offset & 0xfc);
    port_write(&bench->ports, 0xcf8, address, 4);
    return (uint16_t)(0xcfc + offset % 4);
}

uint32_t config_read(struct bench *bench, unsigned slot, unsigned function,
                     unsigned offset, unsigned width)
{
    uint16_t port = config_port(bench, slot, function, offset);
    return port_read(&bench->ports, port, width);
}

void config_write(struct bench *bench, unsigned slot, unsigned function,
                  unsigned offset, uint32_t value, unsigned width)
{
    uint16_t port = config_port(bench, slot, function, offset);
    port_write(&bench->ports, port, value, width);
}
