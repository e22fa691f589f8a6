/* bus/memory.h: the guest-physical address space.
 *
 * A map is a set of regions: host memory (RAM, ROM, video memory) or a device's
 * registers. Where regions overlap the one with the higher priority is seen; reads and
 * writes of host memory can go to different places (shadowed ROM: read from here, drop
 * writes). What no region covers reads as ones. Every change of the map raises its
 * generation and is told to the listener, so that caches of translations are dropped:
 * of all memory, or of the one page that is watched from now on, or no longer.
 *
 * RAM is one memfd, mapped once, lazily allocated by the host. RAM knows in which
 * 64-byte lines translated or decoded code lives; whoever writes RAM around the CPU
 * (DMA, loaders) uses memory_write(), which tells the listener.
 *
 * RAM also knows which pages were written since somebody asked (ram_track()). It hears
 * of the first write to a page only: until then the CPU's caches do not let it be
 * written without asking, as they do for pages with code.
 * Thread: any that holds the machine lock; but only the CPU's own changes the map, so
 * that it may look up regions and reach host memory without the lock. Saved by: the
 * machine (RAM), devices (their regions).
 */
#ifndef BUS_MEMORY_H
#define BUS_MEMORY_H

#include "base/error.h"
#include "base/types.h"

/* Guest RAM as one host file. `code_lines[page]` has a bit for each 64-byte line of
 * the page from which code has been decoded. */
struct ram {
    int fd;
    uint8_t *host;
    uint64_t bytes;
    uint64_t *code_lines;
    /* While changes are tracked: not 0 for each page that has been written, or may have
     * been. NULL: they are not. Changes while the CPU stands still. */
    uint8_t *written;
};

enum { RAM_CODE_LINE_SHIFT = 6 };

/* Fails if the host refuses the address space. `bytes`: a multiple of 4 KiB. */
bool ram_create(struct ram *ram, const char *name, uint64_t bytes, struct error *error);
void ram_destroy(struct ram *ram);
/* Offset of the first page at or behind `offset` (page-aligned) that the host has
 * allocated: all others are zero, and reading them would allocate them. `bytes`: none.
 */
uint64_t ram_next_page(const struct ram *ram, uint64_t offset);
/* Hash of the contents. Pages of zeros, allocated or not, count alike. */
uint64_t ram_hash(const struct ram *ram, uint64_t seed);

/* All of it is zero, and the host has the pages back. */
void ram_forget(struct ram *ram);

/* From now on `written` tells which pages change; again: from now on. The CPU does not
 * run, and has to be told (mmu_protect_unwritten()). False: out of memory. */
bool ram_track(struct ram *ram, struct error *error);
void ram_stop_tracking(struct ram *ram);

/* Whether a write to the page is to be noted before it is made. */
static inline bool ram_is_unwritten(const struct ram *ram, uint64_t page)
{
    return ram->written && !ram->written[page];
}

/* Whoever writes `bytes` (not 0) to RAM, by whatever way, says so before or after. */
static inline void ram_note_write(const struct ram *ram, uint64_t offset,
                                  uint64_t bytes)
{
    if (__builtin_expect(ram->written != NULL, 0)) {
        uint64_t last = (offset + bytes - 1) >> PAGE_SHIFT;
        for (uint64_t page = offset >> PAGE_SHIFT; page <= last; page++) {
            ram->written[page] = 1;
        }
    }
}

/* Whether `host` is in it; where. */
static inline bool ram_finds(const struct ram *ram, const uint8_t *host,
                             uint64_t *offset)
{
    *offset = (uint64_t)(host - ram->host);
    return host >= ram->host && *offset < ram->bytes;
}

/* Device registers in memory: offset from the region's start, width 1, 2 or 4. Wider
 * and unaligned accesses are split by the map. */
struct memory_ops {
    uint32_t (*read)(void *opaque, uint64_t offset, unsigned width);
    void (*write)(void *opaque, uint64_t offset, uint32_t value, unsigned width);
    unsigned widths; /* sum of the widths taken in one piece, as struct port_ops */
};

struct memory_region {
    const char *name;
    gpa_t start;
    uint64_t bytes; /* 0: slot is free */
    int priority;
    uint8_t *read;  /* host memory of the first byte, or NULL */
    uint8_t *write; /* likewise; NULL with `read` set: read-only, writes are dropped */
    const struct memory_ops *ops; /* used where read/write are NULL */
    void *opaque;
};

enum { MEMORY_REGIONS = 64 };

struct memory_map {
    struct memory_region regions[MEMORY_REGIONS];
    unsigned region_end; /* behind the last one in use */
    struct ram *ram;
    /* Video memory, which the CPU may map as RAM; nobody is told when it is written, so
     * no code is kept that was decoded from it. NULL: there is none. */
    const struct ram *video;
    uint32_t generation;
    unsigned watched; /* regions with MEMORY_PRIORITY_MODULE or more */
    const struct dma_filter *dma_filter; /* bus/dma.h; NULL: nobody */
    /* The CPU's caches; may be NULL. `changed` may be called at any time with the lock
     * held; `watch_changed` between two instructions, instead of it, if nothing has
     * changed but a region that watches this page; `code_written` before the CPU goes
     * on, for RAM only. */
    struct {
        void (*changed)(void *opaque);
        void (*watch_changed)(void *opaque, gpa_t page);
        void (*code_written)(void *opaque, uint64_t ram_offset, uint64_t bytes);
        void *opaque;
    } listener;
};

/* Priorities in use, low to high. */
enum {
    MEMORY_PRIORITY_RAM = 0,
    MEMORY_PRIORITY_ROM = 10,        /* the BIOS below 4 GiB and at 0xe0000 */
    MEMORY_PRIORITY_SHADOW = 20,     /* the chipset's PAM regions */
    MEMORY_PRIORITY_VGA = 30,        /* the legacy window at 0xa0000 */
    MEMORY_PRIORITY_PCI = 40,        /* base address registers above the top of RAM */
    MEMORY_PRIORITY_LOCAL_APIC = 50, /* the CPU sees it before the bus does */
    MEMORY_PRIORITY_MODULE = 55,     /* from here on no memory: who breaks RAM… */
    MEMORY_PRIORITY_WATCH = 60,      /* …watches or breaks what is below */
    MEMORY_PRIORITY_TRACE = 70,      /* who notes every access */
};

/* Adds a region and returns its handle (an index); 4 KiB-aligned unless `ops`. */
unsigned memory_add(struct memory_map *map, const struct memory_region *region);
/* Replaces a region in place (moved, resized, enabled…); bytes = 0 removes it. */
void memory_change(struct memory_map *map, unsigned handle,
                   const struct memory_region *region);
void memory_remove(struct memory_map *map, unsigned handle);

/* The region seen at `address`, or NULL. `*last` (may be NULL) gets the last address
 * up to which the same region is seen without a gap. */
const struct memory_region *memory_find(const struct memory_map *map, gpa_t address,
                                        gpa_t *last);

/* Likewise, but pages that are only watched are what they are below that. */
const struct memory_region *memory_find_unwatched(const struct memory_map *map,
                                                  gpa_t address, gpa_t *last);

/* The region that would be seen at `address` if there were none with `priority` or
 * more; or NULL. */
const struct memory_region *memory_find_below(const struct memory_map *map,
                                              gpa_t address, int priority);

/* Aligned accesses of 1, 2 or 4 bytes to what memory_find_below() finds. */
uint32_t memory_read_below(const struct memory_map *map, gpa_t address, unsigned width,
                           int priority);
void memory_write_below(struct memory_map *map, gpa_t address, uint32_t value,
                        unsigned width, int priority);

/* Register accesses: `region` must have been found at `address`. */
uint32_t memory_region_read(const struct memory_region *region, gpa_t address,
                            unsigned width);
void memory_region_write(const struct memory_region *region, gpa_t address,
                         uint32_t value, unsigned width);

/* Any access of any length, as from outside the CPU: loaders, firmware; devices use
 * bus/dma.h. Reads of nothing give ones. Writes to RAM that holds code are told to the
 * listener. */
void memory_read(struct memory_map *map, gpa_t address, void *bytes, uint64_t length);
void memory_write(struct memory_map *map, gpa_t address, const void *bytes,
                  uint64_t length);

static inline uint32_t memory_read32(struct memory_map *map, gpa_t address)
{
    uint32_t value;
    memory_read(map, address, &value, sizeof(value));
    return value;
}

static inline void memory_write32(struct memory_map *map, gpa_t address, uint32_t value)
{
    memory_write(map, address, &value, sizeof(value));
}

#endif
