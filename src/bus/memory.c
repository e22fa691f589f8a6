#define _GNU_SOURCE
#include "bus/memory.h"

#include "base/pages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool ram_create(struct ram *ram, const char *name, uint64_t bytes, struct error *error)
{
    *ram = (struct ram){.fd = memfd_create(name, MFD_CLOEXEC), .bytes = bytes};
    uint64_t lines_bytes = (bytes >> PAGE_SHIFT) * sizeof(ram->code_lines[0]);
    void *host = MAP_FAILED, *lines = MAP_FAILED;
    if (ram->fd >= 0 && ftruncate(ram->fd, (off_t)bytes) == 0) {
        host = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                    ram->fd, 0);
        lines = mmap(NULL, lines_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    ram->host = host == MAP_FAILED ? NULL : host;
    ram->code_lines = lines == MAP_FAILED ? NULL : lines;
    if (!ram->host || !ram->code_lines) {
        int why = errno;
        ram_destroy(ram);
        return error_set_errno(
            error, why, "cannot set aside %llu MiB for guest memory, try a smaller -m",
            (unsigned long long)(bytes >> 20));
    }
    return true;
}

void ram_destroy(struct ram *ram)
{
    if (ram->host) {
        munmap(ram->host, ram->bytes);
    }
    if (ram->code_lines) {
        munmap(ram->code_lines,
               (ram->bytes >> PAGE_SHIFT) * sizeof(ram->code_lines[0]));
    }
    ram_stop_tracking(ram);
    if (ram->fd >= 0) {
        close(ram->fd);
    }
    *ram = (struct ram){.fd = -1};
}

/* A hole reads as zeros. Where the host makes none, they are written. What is a hole
 * already does not change. */
void ram_forget(struct ram *ram)
{
    for (uint64_t offset = ram->written ? ram_next_page(ram, 0) : ram->bytes;
         offset < ram->bytes; offset = ram_next_page(ram, offset + PAGE_BYTES)) {
        ram_note_write(ram, offset, PAGE_BYTES);
    }
    if (fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)ram->bytes) < 0) {
        memset(ram->host, 0, ram->bytes);
    }
}

bool ram_track(struct ram *ram, struct error *error)
{
    size_t pages = ram->bytes >> PAGE_SHIFT;
    if (ram->written) {
        memset(ram->written, 0, pages);
    } else {
        ram->written = pages_allocate(pages);
    }
    return ram->written || error_set(error, "out of memory to track %zu pages", pages);
}

void ram_stop_tracking(struct ram *ram)
{
    pages_free(ram->written, ram->bytes >> PAGE_SHIFT);
    ram->written = NULL;
}

uint64_t ram_next_page(const struct ram *ram, uint64_t offset)
{
    off_t found = lseek(ram->fd, (off_t)offset, SEEK_DATA);
    return found < 0 ? ram->bytes : (uint64_t)found & ~(uint64_t)PAGE_OFFSET_MASK;
}

uint64_t ram_hash(const struct ram *ram, uint64_t seed)
{
    enum { WORDS = PAGE_BYTES / sizeof(uint64_t) };
    const uint64_t multiplier = 0x9e3779b97f4a7c15ULL;
    for (uint64_t offset = ram_next_page(ram, 0); offset < ram->bytes;
         offset = ram_next_page(ram, offset + PAGE_BYTES)) {
        const uint64_t *words = (const uint64_t *)(ram->host + offset);
        uint64_t hash = 0, seen = 0;
        for (unsigned i = 0; i < WORDS; i++) {
            seen |= words[i];
            hash = (hash ^ words[i]) * multiplier;
            hash ^= hash >> 29;
        }
        if (seen) {
            seed = (seed ^ hash ^ offset) * multiplier;
        }
    }
    return seed;
}

static bool is_watch_of_page(const struct memory_region *region)
{
    return region->priority == MEMORY_PRIORITY_WATCH && region->bytes == PAGE_BYTES;
}

/* `only`: the region that has come or gone, and nothing else; NULL: more has changed.
 */
static void tell_change(struct memory_map *map, const struct memory_region *only)
{
    map->region_end = MEMORY_REGIONS;
    while (map->region_end && !map->regions[map->region_end - 1].bytes) {
        map->region_end--;
    }
    map->generation++;
    map->watched = 0;
    for (unsigned i = 0; i < MEMORY_REGIONS; i++) {
        const struct memory_region *region = &map->regions[i];
        map->watched += region->bytes && region->priority >= MEMORY_PRIORITY_MODULE;
    }
    if (only && is_watch_of_page(only) && map->listener.watch_changed) {
        map->listener.watch_changed(map->listener.opaque, only->start);
    } else if (map->listener.changed) {
        map->listener.changed(map->listener.opaque);
    }
}

unsigned memory_add(struct memory_map *map, const struct memory_region *region)
{
    unsigned handle = 0;
    while (map->regions[handle].name) {
        handle++;
        assert(handle < MEMORY_REGIONS);
    }
    memory_change(map, handle, region);
    return handle;
}

void memory_change(struct memory_map *map, unsigned handle,
                   const struct memory_region *region)
{
    assert(handle < MEMORY_REGIONS && region->name);
    bool is_new = !map->regions[handle].bytes;
    map->regions[handle] = *region;
    tell_change(map, is_new ? region : NULL);
}

void memory_remove(struct memory_map *map, unsigned handle)
{
    assert(handle < MEMORY_REGIONS);
    const struct memory_region gone = map->regions[handle];
    map->regions[handle] = (struct memory_region){0};
    tell_change(map, &gone);
}

static bool region_covers(const struct memory_region *region, gpa_t address)
{
    return region->bytes && address >= region->start &&
           address - region->start < region->bytes;
}

const struct memory_region *memory_find_below(const struct memory_map *map,
                                              gpa_t address, int priority)
{
    const struct memory_region *best = NULL;
    for (unsigned i = 0; i < map->region_end; i++) {
        const struct memory_region *region = &map->regions[i];
        if (region_covers(region, address) && region->priority < priority &&
            (!best || region->priority > best->priority)) {
            best = region;
        }
    }
    return best;
}

const struct memory_region *memory_find(const struct memory_map *map, gpa_t address,
                                        gpa_t *last)
{
    const struct memory_region *best = memory_find_below(map, address, INT_MAX);
    if (last) {
        gpa_t end = best ? best->start + best->bytes - 1 : UINT64_MAX;
        for (unsigned i = 0; i < map->region_end; i++) {
            const struct memory_region *region = &map->regions[i];
            bool hides = region->bytes && region != best && region->start > address &&
                         (!best || region->priority > best->priority);
            if (hides && region->start - 1 < end) {
                end = region->start - 1;
            }
        }
        *last = end;
    }
    return best;
}

const struct memory_region *memory_find_unwatched(const struct memory_map *map,
                                                  gpa_t address, gpa_t *last)
{
    const struct memory_region *region = memory_find(map, address, last);
    return region && region->priority >= MEMORY_PRIORITY_MODULE
               ? memory_find_below(map, address, MEMORY_PRIORITY_MODULE)
               : region;
}

static uint32_t width_mask(unsigned width)
{
    return width == 4 ? UINT32_MAX : (1U << (8 * width)) - 1;
}

uint32_t memory_region_read(const struct memory_region *region, gpa_t address,
                            unsigned width)
{
    uint64_t offset = address - region->start;
    if (offset + width > region->bytes) {
        return width_mask(width);
    }
    if (region->read) {
        uint32_t value = 0;
        memcpy(&value, region->read + offset, width);
        return value;
    }
    if (!region->ops) {
        return width_mask(width);
    }
    if ((region->ops->widths & width) && offset % width == 0) {
        return region->ops->read(region->opaque, offset, width) & width_mask(width);
    }
    if (width == 1) {
        return 0xff;
    }
    unsigned half = width / 2;
    uint32_t low = memory_region_read(region, address, half);
    return low | memory_region_read(region, address + half, half) << (8 * half);
}

void memory_region_write(const struct memory_region *region, gpa_t address,
                         uint32_t value, unsigned width)
{
    uint64_t offset = address - region->start;
    if (offset + width > region->bytes) {
        return;
    }
    if (region->write) {
        memcpy(region->write + offset, &value, width);
        return;
    }
    if (region->read || !region->ops) {
        return;
    }
    if ((region->ops->widths & width) && offset % width == 0) {
        region->ops->write(region->opaque, offset, value & width_mask(width), width);
    } else if (width > 1) {
        unsigned half = width / 2;
        memory_region_write(region, address, value & width_mask(half), half);
        memory_region_write(region, address + half, value >> (8 * half), half);
    }
}

/* Widest naturally aligned register access at `address` within `length`. */
static unsigned step_width(gpa_t address, uint64_t length)
{
    if (length >= 4 && address % 4 == 0) {
        return 4;
    }
    return length >= 2 && address % 2 == 0 ? 2 : 1;
}

void memory_read(struct memory_map *map, gpa_t address, void *bytes, uint64_t length)
{
    uint8_t *to = bytes;
    while (length) {
        gpa_t last;
        const struct memory_region *region = memory_find(map, address, &last);
        uint64_t part = last - address < length - 1 ? last - address + 1 : length;
        if (region && region->read) {
            memcpy(to, region->read + (address - region->start), part);
        } else if (region) {
            part = step_width(address, part);
            uint32_t value = memory_region_read(region, address, (unsigned)part);
            memcpy(to, &value, part);
        } else {
            memset(to, 0xff, part);
        }
        to += part;
        address += part;
        length -= part;
    }
}

static void write_host_memory(struct memory_map *map, uint8_t *to, const void *bytes,
                              uint64_t length)
{
    uint64_t offset;
    memcpy(to, bytes, length);
    if (map->video && ram_finds(map->video, to, &offset)) {
        ram_note_write(map->video, offset, length);
    } else if (map->ram && ram_finds(map->ram, to, &offset)) {
        ram_note_write(map->ram, offset, length);
        if (map->listener.code_written) {
            map->listener.code_written(map->listener.opaque, offset, length);
        }
    }
}

uint32_t memory_read_below(const struct memory_map *map, gpa_t address, unsigned width,
                           int priority)
{
    const struct memory_region *region = memory_find_below(map, address, priority);
    return region ? memory_region_read(region, address, width) : width_mask(width);
}

void memory_write_below(struct memory_map *map, gpa_t address, uint32_t value,
                        unsigned width, int priority)
{
    const struct memory_region *region = memory_find_below(map, address, priority);
    if (region && region->write) {
        write_host_memory(map, region->write + (address - region->start), &value,
                          width);
    } else if (region) {
        memory_region_write(region, address, value, width);
    }
}

void memory_write(struct memory_map *map, gpa_t address, const void *bytes,
                  uint64_t length)
{
    const uint8_t *from = bytes;
    while (length) {
        gpa_t last;
        const struct memory_region *region = memory_find(map, address, &last);
        uint64_t part = last - address < length - 1 ? last - address + 1 : length;
        if (region && region->write) {
            write_host_memory(map, region->write + (address - region->start), from,
                              part);
        } else if (region && !region->read) {
            part = step_width(address, part);
            uint32_t value = 0;
            memcpy(&value, from, part);
            memory_region_write(region, address, value, (unsigned)part);
        }
        from += part;
        address += part;
        length -= part;
    }
}
