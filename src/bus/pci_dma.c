#include "bus/pci_dma.h"

#include "bus/dma.h"

#include <string.h>

enum { ONE_MEBIBYTE = 1 << 20 };

/* Above the first MiB, where windows of devices cover some of it, nothing hides RAM but
 * who watches it: base address registers that would are not decoded. */
static bool is_plain_ram(const struct memory_map *map, gpa_t address, uint64_t length)
{
    const struct ram *ram = map->ram;
    return ram && !map->watched && address >= ONE_MEBIBYTE && address < ram->bytes &&
           length <= ram->bytes - address;
}

/* How many of `length` bytes at `address` are in one region; `*region` is NULL where
 * there is no memory. */
static uint64_t find_part(const struct memory_map *map, gpa_t address, uint64_t length,
                          const struct memory_region **region)
{
    gpa_t last;
    *region = memory_find(map, address, &last);
    const struct memory_region *memory = memory_find_unwatched(map, address, NULL);
    if (memory && !memory->read && !memory->write) {
        *region = NULL;
    }
    return last - address < length - 1 ? last - address + 1 : length;
}

static void read_bytes(struct memory_map *map, gpa_t address, uint8_t *to,
                       uint64_t length)
{
    if (is_plain_ram(map, address, length)) {
        memcpy(to, map->ram->host + address, length);
        return;
    }
    while (length) {
        const struct memory_region *region;
        uint64_t part = find_part(map, address, length, &region);
        if (region) {
            memory_read(map, address, to, part);
        } else {
            memset(to, 0xff, part);
        }
        to += part;
        address += part;
        length -= part;
    }
}

void pci_dma_read(const struct pci_function *function, gpa_t address, void *bytes,
                  uint64_t length)
{
    struct memory_map *map = function->bus->memory;
    if (!pci_is_bus_master(function)) {
        memset(bytes, 0xff, length);
        return;
    }
    read_bytes(map, address, bytes, length);
    dma_note_read(map, function->name, address, bytes, length);
}

static void write_bytes(struct memory_map *map, gpa_t address, const uint8_t *from,
                        uint64_t length)
{
    if (is_plain_ram(map, address, length)) {
        memcpy(map->ram->host + address, from, length);
        ram_note_write(map->ram, address, length);
        if (map->listener.code_written) {
            map->listener.code_written(map->listener.opaque, address, length);
        }
        return;
    }
    while (length) {
        const struct memory_region *region;
        uint64_t part = find_part(map, address, length, &region);
        if (region) {
            memory_write(map, address, from, part);
        }
        from += part;
        address += part;
        length -= part;
    }
}

void pci_dma_write(const struct pci_function *function, gpa_t address,
                   const void *bytes, uint64_t length)
{
    struct memory_map *map = function->bus->memory;
    if (pci_is_bus_master(function)) {
        const void *passed =
            dma_begin_write(map, function->name, address, bytes, length);
        write_bytes(map, address, passed, length);
        dma_end_write(bytes, passed);
    }
}
