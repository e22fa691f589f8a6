#include "monitor/info.h"

#include <inttypes.h>

#define LINEAR_BYTES (1ULL << 32)

/* Bits of entries of page tables (Intel SDM vol. 3, section 4.3). */
enum {
    ENTRY_WRITABLE = 1 << 1,
    ENTRY_USER = 1 << 2,
    ENTRY_WRITE_THROUGH = 1 << 3,
    ENTRY_CACHE_DISABLED = 1 << 4,
    ENTRY_ACCESSED = 1 << 5,
    ENTRY_DIRTY = 1 << 6,
    ENTRY_GLOBAL = 1 << 8,
};

static bool has_paging(struct machine *machine, FILE *out)
{
    bool paging = machine_cpu(machine)->cr0 & CR0_PG;
    fputs(paging ? "" : "PG disabled\n", out);
    return paging;
}

static uint64_t page_bytes(struct machine *machine, bool large)
{
    const struct cpu *cpu = machine_cpu(machine);
    return !large ? PAGE_BYTES : cpu->cr4 & CR4_PAE ? 2ULL << 20 : 4ULL << 20;
}

static void print_run(FILE *out, uint64_t start, uint64_t end, uint64_t rights)
{
    if (start < end) {
        fprintf(out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c\n", start, end,
                end - start, rights & ENTRY_USER ? 'u' : '-',
                rights & ENTRY_WRITABLE ? 'w' : '-');
    }
}

void info_mem(struct machine *machine, FILE *out)
{
    const uint64_t absent = UINT64_MAX;
    uint64_t start = 0, before = absent, address = 0;
    if (!has_paging(machine, out)) {
        return;
    }
    while (address < LINEAR_BYTES) {
        gpa_t physical;
        uint64_t entry;
        bool large, present = machine_translate(machine, (gla_t)address, &physical,
                                                &entry, &large);
        uint64_t rights = present ? entry & (ENTRY_USER | ENTRY_WRITABLE) : absent;
        if (rights != before) {
            if (before != absent) {
                print_run(out, start, address, before);
            }
            start = address;
            before = rights;
        }
        address += page_bytes(machine, present && large);
    }
    if (before != absent) {
        print_run(out, start, LINEAR_BYTES, before);
    }
}

static void print_page(FILE *out, uint64_t address, gpa_t physical, uint64_t entry,
                       bool large)
{
    static const struct {
        uint64_t bit;
        char letter;
    } bits[] = {{ENTRY_DIRTY, 'D'},          {ENTRY_ACCESSED, 'A'},
                {ENTRY_CACHE_DISABLED, 'C'}, {ENTRY_WRITE_THROUGH, 'T'},
                {ENTRY_USER, 'U'},           {ENTRY_WRITABLE, 'W'}};
    fprintf(out, "%016" PRIx64 ": %016" PRIx64 " %c%c%c", address, physical,
            entry >> 63 ? 'X' : '-', entry & ENTRY_GLOBAL ? 'G' : '-',
            large ? 'P' : '-');
    for (size_t i = 0; i < ARRAY_LENGTH(bits); i++) {
        fputc(entry & bits[i].bit ? bits[i].letter : '-', out);
    }
    fputc('\n', out);
}

void info_tlb(struct machine *machine, FILE *out)
{
    if (!has_paging(machine, out)) {
        return;
    }
    for (uint64_t address = 0; address < LINEAR_BYTES;) {
        gpa_t physical;
        uint64_t entry;
        bool large, present = machine_translate(machine, (gla_t)address, &physical,
                                                &entry, &large);
        if (present) {
            print_page(out, address, physical, entry, large);
        }
        address += page_bytes(machine, present && large);
    }
}

static const char *kind_of(const struct memory_region *region)
{
    return !region->read ? "i/o" : region->write ? "ram" : "rom";
}

void info_mtree(struct machine *machine, FILE *out)
{
    const struct memory_map *map = machine_memory(machine);
    fputs("address-space: memory\n", out);
    for (unsigned i = 0; i < MEMORY_REGIONS; i++) {
        const struct memory_region *region = &map->regions[i];
        if (region->bytes) {
            fprintf(out, "  %016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s\n",
                    region->start, region->start + region->bytes - 1, region->priority,
                    kind_of(region), region->name);
        }
    }
    fputs("\naddress-space: I/O\n", out);
    const struct port_space *ports = machine_ports(machine);
    for (unsigned i = 0; i < PORT_SPACE_RANGES; i++) {
        const struct port_range *range = &ports->ranges[i];
        if (range->count) {
            fprintf(out, "  %016x-%016x (prio 0, i/o): %s\n", range->first,
                    range->first + range->count - 1, range->name);
        }
    }
}
