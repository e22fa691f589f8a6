#include "cpu/mmu/mmu.h"

#include "cpu/core/cpu_trace.h"
#include "cpu/core/debug.h"
#include "cpu/core/debugger.h"
#include "cpu/core/fpu.h"
#include "cpu/mmu/access.h"
#include "cpu/mmu/mmu_internal.h"
#include "cpu/mmu/views.h"

#include <inttypes.h>
#include <stdlib.h>

bool mmu_create(struct cpu *cpu, struct error *error)
{
    cpu->mmu = calloc(1, sizeof(*cpu->mmu));
    if (!cpu->mmu) {
        return error_set(error, "out of memory for the address translation caches");
    }
    mmu_flush_all(cpu);
    return true;
}

void mmu_destroy(struct cpu *cpu)
{
    free(cpu->mmu);
    cpu->mmu = NULL;
}

static void forget_entry(struct tlb_entry *entry)
{
    entry->read_tag = entry->write_tag = entry->execute_tag = 0;
    entry->large = false;
}

static void forget_all(struct cpu *cpu)
{
    struct mmu *mmu = cpu->mmu;
    for (unsigned i = 0; i < MMU_LARGE_WORDS; i++) {
        mmu->large[i] = 0;
    }
    for (unsigned rights = 0; rights < MMU_USER_ALIGNED; rights++) {
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            forget_entry(&mmu->tlb[rights][i]);
        }
    }
    for (unsigned i = 0; i < MMU_RECENT_REGIONS; i++) {
        mmu->recent[i] = (struct mmu_region){.first = 1, .last = 0};
    }
    mmu->generation++;
    cpu->statistics->tlb_flushes++;
}

static void tell_tap(struct cpu *cpu, enum translation_flush flush, gla_t address)
{
    const struct translation_tap *tap = cpu->translation_tap;
    if (tap) {
        fpu_park(cpu);
        tap->flushed(tap->opaque, flush, address);
    }
}

void mmu_flush_all(struct cpu *cpu)
{
    CPU_TRACE(cpu, TRACE_MMU, "Flush: all, entries have another meaning\n");
    forget_all(cpu);
    tell_tap(cpu, TRANSLATION_FLUSH_ALL, 0);
    if (cpu->views) {
        views_flush_all(cpu, true);
    }
}

void mmu_flush_entries(struct cpu *cpu)
{
    CPU_TRACE(cpu, TRACE_MMU, "Flush: all\n");
    forget_all(cpu);
    tell_tap(cpu, TRANSLATION_FLUSH_ALL, 0);
    if (cpu->views) {
        views_flush_all(cpu, false);
    }
}

void mmu_flush_physical_page(struct cpu *cpu, gpa_t page)
{
    const struct memory_region *region =
        memory_find_below(cpu->wiring.memory, page, MEMORY_PRIORITY_WATCH);
    if (cpu->views && region && region->read) {
        views_forget_memory(cpu, region->read + (page - region->start));
    }
    mmu_flush_entries(cpu);
}

void mmu_flush_non_global(struct cpu *cpu)
{
    struct mmu *mmu = cpu->mmu;
    CPU_TRACE(cpu, TRACE_MMU, "Flush: all but global pages\n");
    for (unsigned rights = 0; rights < MMU_USER_ALIGNED; rights++) {
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            if (!mmu->tlb[rights][i].global) {
                forget_entry(&mmu->tlb[rights][i]);
            }
        }
    }
    mmu->generation++;
    cpu->statistics->tlb_flushes++;
    tell_tap(cpu, TRANSLATION_FLUSH_NON_GLOBAL, 0);
    if (cpu->views) {
        views_flush_non_global(cpu);
    }
}

/* The table holds 4 KiB pieces of a large page; any may be at any index. 4 MiB covers
 * both sizes: forgetting too much is allowed. */
static void forget_large_page(struct mmu *mmu, gla_t address)
{
    const uint32_t large_page = ~0U << MMU_LARGE_SHIFT;
    for (unsigned rights = 0; rights < MMU_USER_ALIGNED; rights++) {
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            struct tlb_entry *entry = &mmu->tlb[rights][i];
            if (entry->large && ((entry->read_tag ^ address) & large_page) == 0) {
                forget_entry(entry);
            }
        }
    }
}

void mmu_flush_page(struct cpu *cpu, gla_t address)
{
    struct mmu *mmu = cpu->mmu;
    unsigned index = (address >> PAGE_SHIFT) & (TLB_ENTRIES - 1);
    unsigned large = address >> MMU_LARGE_SHIFT;
    CPU_TRACE(cpu, TRACE_MMU, "Flush: page of %08x\n", address);
    for (unsigned rights = 0; rights < MMU_USER_ALIGNED; rights++) {
        forget_entry(&mmu->tlb[rights][index]);
    }
    if (mmu->large[large / 64] >> (large % 64) & 1) {
        forget_large_page(mmu, address);
        mmu->large[large / 64] &= ~(1ULL << (large % 64));
    }
    mmu->generation++;
    tell_tap(cpu, TRANSLATION_FLUSH_PAGE, address);
    if (cpu->views) {
        views_flush_page(cpu, address);
    }
}

void mmu_protect_ram_page(struct cpu *cpu, uint64_t ram_offset)
{
    struct mmu *mmu = cpu->mmu;
    const uint8_t *page =
        cpu->wiring.memory->ram->host + (ram_offset & ~(uint64_t)PAGE_OFFSET_MASK);
    for (unsigned rights = 0; rights < MMU_USER_ALIGNED; rights++) {
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            struct tlb_entry *entry = &mmu->tlb[rights][i];
            uint32_t linear = entry->write_tag & ~(uint32_t)PAGE_OFFSET_MASK;
            if (entry->write_tag && entry->host + (uintptr_t)linear == page) {
                entry->write_tag = 0;
            }
        }
    }
    if (cpu->views) {
        views_protect_ram_page(cpu, ram_offset);
    }
}

const struct ram *mmu_find_ram(const struct cpu *cpu, const uint8_t *host,
                               uint64_t *offset)
{
    const struct memory_map *memory = cpu->wiring.memory;
    if (memory->ram && ram_finds(memory->ram, host, offset)) {
        return memory->ram;
    }
    return memory->video && ram_finds(memory->video, host, offset) ? memory->video
                                                                   : NULL;
}

static bool is_unwritten(const struct cpu *cpu, const uint8_t *host)
{
    uint64_t offset;
    const struct ram *ram = mmu_find_ram(cpu, host, &offset);
    return ram && ram_is_unwritten(ram, offset >> PAGE_SHIFT);
}

void mmu_protect_unwritten(struct cpu *cpu)
{
    for (unsigned rights = 0; rights < MMU_USER_ALIGNED; rights++) {
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            struct tlb_entry *entry = &cpu->mmu->tlb[rights][i];
            uint32_t linear = entry->write_tag & ~(uint32_t)PAGE_OFFSET_MASK;
            if (entry->write_tag &&
                is_unwritten(cpu, entry->host + (uintptr_t)linear)) {
                entry->write_tag = 0;
            }
        }
    }
    if (cpu->views) {
        views_protect_unwritten(cpu);
    }
}

/* Accesses to watched pages take the slow path. */
static bool page_is_watched(const struct cpu *cpu, gla_t address)
{
    gla_t page = address & ~(uint32_t)PAGE_OFFSET_MASK;
    return (debug_breakpoints_enabled(cpu) &&
            debug_match_data(cpu, page, PAGE_BYTES, true)) ||
           (cpu->debugger && debugger_watches(cpu, page, PAGE_BYTES));
}

static uint64_t ram_offset_of(const struct cpu *cpu, const uint8_t *host)
{
    const struct ram *ram = cpu->wiring.memory->ram;
    bool inside = ram && host >= ram->host && host < ram->host + ram->bytes;
    return inside ? (uint64_t)(host - ram->host) : UINT64_MAX;
}

/* Nobody tells when such memory is written: video memory. */
static bool is_unwatched(const struct memory_region *region, uint64_t ram_offset)
{
    return ram_offset == UINT64_MAX && region->write;
}

/* Enters the page into the table, as far as plain memory and rights allow. */
static void fill_entry(struct cpu *cpu, gla_t address, enum mmu_rights rights,
                       const struct translation *translation,
                       const struct memory_region *region, gpa_t last)
{
    gpa_t page = translation->physical & ~(gpa_t)PAGE_OFFSET_MASK;
    if (rights == MMU_USER_ALIGNED || page < region->start ||
        last < page + PAGE_BYTES - 1 || page_is_watched(cpu, address)) {
        return;
    }
    uint32_t linear = address & ~(uint32_t)PAGE_OFFSET_MASK;
    uint8_t *host = region->read + (page - region->start);
    uint64_t ram_offset = ram_offset_of(cpu, host);
    bool holds_code = ram_offset != UINT64_MAX &&
                      cpu->wiring.memory->ram->code_lines[ram_offset >> PAGE_SHIFT];
    bool fast_write = translation->writable && translation->dirty && !holds_code &&
                      !is_unwritten(cpu, host) && region->write == region->read;
    bool fast_fetch = translation->executable && !is_unwatched(region, ram_offset);
    struct tlb_entry *entry =
        &cpu->mmu->tlb[rights][(address >> PAGE_SHIFT) & (TLB_ENTRIES - 1)];
    entry->host = host - (uintptr_t)linear;
    entry->global = translation->global;
    entry->large = translation->large;
    if (translation->large) {
        unsigned large = address >> MMU_LARGE_SHIFT;
        cpu->mmu->large[large / 64] |= 1ULL << (large % 64);
    }
    entry->read_tag = linear | TLB_TAG_VALID;
    entry->write_tag = fast_write ? linear | TLB_TAG_VALID : 0;
    entry->execute_tag = fast_fetch ? linear | TLB_TAG_VALID : 0;
}

static void trace_miss(struct cpu *cpu, gla_t address, enum mmu_access access,
                       enum mmu_rights rights, const struct translation *translation,
                       const struct memory_region *region)
{
    static const char *const verbs[] = {"read", "write", "fetch"};
    cpu_trace(cpu, "TLB miss: %08x %s by %s: %09" PRIx64 ", %s\n", address,
              verbs[access], rights == MMU_SUPERVISOR ? "supervisor" : "user",
              translation->physical, region && region->read ? "memory" : "device");
}

static void note_write(const struct cpu *cpu, const uint8_t *host)
{
    uint64_t offset;
    const struct ram *ram = mmu_find_ram(cpu, host, &offset);
    if (ram) {
        ram_note_write(ram, offset, 1);
    }
}

struct mmu_target mmu_reach(struct cpu *cpu, gla_t address, enum mmu_access access,
                            enum mmu_rights rights)
{
    struct translation translation;
    cpu->statistics->tlb_misses++;
    mmu_walk(cpu, address, access, rights, &translation);
    struct mmu_target target = {
        .physical = translation.physical,
        .ram_offset = UINT64_MAX,
    };
    gpa_t last;
    const struct memory_region *region =
        mmu_find_region(cpu, translation.physical, &last);
    if (cpu_traces(cpu, TRACE_MMU)) {
        trace_miss(cpu, address, access, rights, &translation, region);
    }
    if (!region || !region->read) {
        return target;
    }
    uint8_t *base = access == MMU_WRITE ? region->write : region->read;
    if (access == MMU_WRITE && base) {
        note_write(cpu, base + (translation.physical - region->start));
    }
    fill_entry(cpu, address, rights, &translation, region, last);
    if (base) {
        target.host = base + (translation.physical - region->start);
        target.ram_offset = ram_offset_of(cpu, target.host);
        target.unwatched = is_unwatched(region, target.ram_offset);
    }
    return target;
}

void mmu_wrote_ram(struct cpu *cpu, uint64_t ram_offset, unsigned bytes)
{
    struct memory_map *map = cpu->wiring.memory;
    if (map->ram->code_lines[ram_offset >> PAGE_SHIFT] && map->listener.code_written) {
        map->listener.code_written(map->listener.opaque, ram_offset, bytes);
    }
}

/* A guest-physical access to a device, or to a ROM, in pieces of at most 4 bytes. */
static uint64_t read_bus(struct cpu *cpu, gpa_t address, unsigned bytes)
{
    if (bytes == 8) {
        uint64_t low = cpu_physical_read(cpu, address, 4);
        return low | (uint64_t)cpu_physical_read(cpu, address + 4, 4) << 32;
    }
    return cpu_physical_read(cpu, address, bytes);
}

static void write_bus(struct cpu *cpu, gpa_t address, uint64_t value, unsigned bytes)
{
    if (bytes == 8) {
        cpu_physical_write(cpu, address, (uint32_t)value, 4);
        cpu_physical_write(cpu, address + 4, (uint32_t)(value >> 32), 4);
    } else {
        cpu_physical_write(cpu, address, (uint32_t)value, bytes);
    }
}

static uint64_t read_in_page(struct cpu *cpu, gla_t address, unsigned bytes,
                             enum mmu_rights rights)
{
    struct mmu_target target = mmu_reach(cpu, address, MMU_READ, rights);
    if (!target.host) {
        return read_bus(cpu, target.physical, bytes);
    }
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)target.host[i] << (8 * i);
    }
    return value;
}

static void write_in_page(struct cpu *cpu, gla_t address, uint64_t value,
                          unsigned bytes, enum mmu_rights rights)
{
    struct mmu_target target = mmu_reach(cpu, address, MMU_WRITE, rights);
    if (!target.host) {
        write_bus(cpu, target.physical, value, bytes);
        return;
    }
    for (unsigned i = 0; i < bytes; i++) {
        target.host[i] = (uint8_t)(value >> (8 * i));
    }
    if (target.ram_offset != UINT64_MAX) {
        mmu_wrote_ram(cpu, target.ram_offset, bytes);
    }
}

static bool crosses_page(gla_t address, unsigned bytes)
{
    return (address & PAGE_OFFSET_MASK) + bytes > PAGE_BYTES;
}

static void check_alignment(struct cpu *cpu, gla_t address, unsigned bytes,
                            enum mmu_rights rights)
{
    if (rights == MMU_USER_ALIGNED && (address & (bytes - 1))) {
        cpu_raise_error(cpu, EXCEPTION_AC, 0);
    }
}

static void note_watchpoints(struct cpu *cpu, gla_t address, unsigned bytes, bool write)
{
    if (debug_breakpoints_enabled(cpu)) {
        cpu->dr6_pending |= debug_match_data(cpu, address, bytes, write);
    }
    if (cpu->debugger) {
        debugger_note_access(cpu, address, bytes, write);
    }
}

uint64_t mmu_read_slow(struct cpu *cpu, gla_t address, unsigned bytes,
                       enum mmu_rights rights)
{
    uint64_t value;
    check_alignment(cpu, address, bytes, rights);
    if (!crosses_page(address, bytes)) {
        value = read_in_page(cpu, address, bytes, rights);
    } else {
        unsigned first = PAGE_BYTES - (address & PAGE_OFFSET_MASK);
        mmu_probe_read(cpu, address, bytes, rights);
        value = 0;
        for (unsigned i = 0; i < bytes; i++) {
            gla_t part = i < first ? address + i : address + first + (i - first);
            value |= (uint64_t)mmu_read8(cpu, part, rights) << (8 * i);
        }
    }
    note_watchpoints(cpu, address, bytes, false);
    return value;
}

void mmu_write_slow(struct cpu *cpu, gla_t address, uint64_t value, unsigned bytes,
                    enum mmu_rights rights)
{
    check_alignment(cpu, address, bytes, rights);
    if (!crosses_page(address, bytes)) {
        write_in_page(cpu, address, value, bytes, rights);
    } else {
        mmu_probe_write(cpu, address, bytes, rights);
        for (unsigned i = 0; i < bytes; i++) {
            mmu_write8(cpu, address + i, (uint8_t)(value >> (8 * i)), rights);
        }
    }
    note_watchpoints(cpu, address, bytes, true);
}

static void probe(struct cpu *cpu, gla_t address, unsigned bytes,
                  enum mmu_access access, enum mmu_rights rights)
{
    struct translation unused;
    mmu_walk(cpu, address, access, rights, &unused);
    if (crosses_page(address, bytes)) {
        gla_t next_page = (address + bytes - 1) & ~(uint32_t)PAGE_OFFSET_MASK;
        mmu_walk(cpu, next_page, access, rights, &unused);
    }
}

void mmu_probe_write(struct cpu *cpu, gla_t address, unsigned bytes,
                     enum mmu_rights rights)
{
    probe(cpu, address, bytes, MMU_WRITE, rights);
}

void mmu_probe_read(struct cpu *cpu, gla_t address, unsigned bytes,
                    enum mmu_rights rights)
{
    probe(cpu, address, bytes, MMU_READ, rights);
}

uint8_t mmu_fetch_byte(struct cpu *cpu, gla_t address)
{
    enum mmu_rights rights = cpu->cpl == 3 ? MMU_USER : MMU_SUPERVISOR;
    struct mmu_target target = mmu_reach(cpu, address, MMU_EXECUTE, rights);
    return target.host ? *target.host
                       : (uint8_t)cpu_physical_read(cpu, target.physical, 1);
}

const uint8_t *mmu_fetch(struct cpu *cpu, gla_t address, uint64_t *ram_offset)
{
    enum mmu_rights rights = cpu->cpl == 3 ? MMU_USER : MMU_SUPERVISOR;
    const struct tlb_entry *entry = tlb_entry(cpu->mmu, address, rights);
    if (tlb_hits(entry->execute_tag, address, 1)) {
        const uint8_t *host = entry->host + (uintptr_t)address;
        *ram_offset = ram_offset_of(cpu, host);
        return host;
    }
    struct mmu_target target = mmu_reach(cpu, address, MMU_EXECUTE, rights);
    *ram_offset = target.ram_offset;
    return target.unwatched ? NULL : target.host;
}
