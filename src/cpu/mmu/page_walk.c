/* Page tables: 32-bit paging with 4 MiB pages (PSE-36), and PAE paging with NX.
 * Intel SDM vol. 3, sections 4.3, 4.4, 4.6 to 4.8. */
#include "cpu/core/cpu_trace.h"
#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "cpu/mmu/mmu_internal.h"

#include <string.h>

enum {
    ERROR_PRESENT = 1U << 0,
    ERROR_WRITE = 1U << 1,
    ERROR_USER = 1U << 2,
    ERROR_RESERVED = 1U << 3,
    ERROR_FETCH = 1U << 4,
};

/* PDPTE: bits 1, 2, 5-8 and those above MAXPHYADDR. */
#define PDPTE_RESERVED 0xfffffff0000001e6ULL

const struct memory_region *mmu_find_region(struct cpu *cpu, gpa_t address, gpa_t *last)
{
    struct mmu *mmu = cpu->mmu;
    for (unsigned i = 0; i < MMU_RECENT_REGIONS; i++) {
        const struct mmu_region *recent = &mmu->recent[i];
        if (address >= recent->first && address <= recent->last) {
            *last = recent->last;
            return recent->region;
        }
    }
    struct mmu_region *recent = &mmu->recent[mmu->next_recent++ % MMU_RECENT_REGIONS];
    recent->first = address & ~(gpa_t)PAGE_OFFSET_MASK;
    recent->region = memory_find(cpu->wiring.memory, address, &recent->last);
    gpa_t last_from_first;
    if (memory_find(cpu->wiring.memory, recent->first, &last_from_first) !=
            recent->region ||
        last_from_first < address) {
        recent->first = address;
    }
    *last = recent->last;
    return recent->region;
}

/* Host memory of a paging-structure entry, or NULL if it is not in plain memory. */
static uint8_t *entry_host(struct cpu *cpu, gpa_t address, unsigned bytes)
{
    gpa_t last;
    const struct memory_region *region = mmu_find_region(cpu, address, &last);
    if (!region || !region->read || last - address < bytes - 1) {
        return NULL;
    }
    return region->read + (address - region->start);
}

static uint64_t entry_read(struct cpu *cpu, gpa_t address, unsigned bytes)
{
    address &= cpu->a20_mask | ~(gpa_t)UINT32_MAX;
    const uint8_t *host = entry_host(cpu, address, bytes);
    if (host && bytes == 4) {
        uint32_t entry;
        memcpy(&entry, host, sizeof(entry));
        return entry;
    }
    if (host) {
        uint64_t entry;
        memcpy(&entry, host, sizeof(entry));
        return entry;
    }
    uint64_t entry = cpu_physical_read(cpu, address, 4);
    return bytes == 4 ? entry
                      : entry | (uint64_t)cpu_physical_read(cpu, address + 4, 4) << 32;
}

/* Sets A or D bits: both are in the low byte of an entry. */
static void entry_set_bits(struct cpu *cpu, gpa_t address, uint8_t bits)
{
    address &= cpu->a20_mask | ~(gpa_t)UINT32_MAX;
    gpa_t last;
    const struct memory_region *region = mmu_find_region(cpu, address, &last);
    if (region && region->write) {
        uint8_t *host = region->write + (address - region->start);
        *host |= bits;
        uint64_t offset;
        const struct ram *ram = mmu_find_ram(cpu, host, &offset);
        if (ram) {
            ram_note_write(ram, offset, 1);
        }
        if (ram && ram == cpu->wiring.memory->ram) {
            mmu_wrote_ram(cpu, offset, 1);
        }
    } else if (region && !region->read) {
        uint32_t old = cpu_physical_read(cpu, address, 1);
        cpu_physical_write(cpu, address, old | bits, 1);
    }
}

/* A walk in progress: rights are those of all levels together. */
struct walk {
    struct cpu *cpu;
    gla_t address;
    enum mmu_access access;
    enum mmu_rights rights;
    uint64_t permissions; /* AND of the entries' W and U bits */
    bool no_execute;
    bool large; /* the leaf is a PDE */
};

static _Noreturn void walk_fault(const struct walk *walk, uint32_t error)
{
    struct cpu *cpu = walk->cpu;
    if (walk->access == MMU_WRITE) {
        error |= ERROR_WRITE;
    }
    if (walk->rights != MMU_SUPERVISOR) {
        error |= ERROR_USER;
    }
    bool reports_fetch = (cpu->cr4 & CR4_PAE) && (cpu->efer & EFER_NXE);
    if (walk->access == MMU_EXECUTE && reports_fetch) {
        error |= ERROR_FETCH;
    }
    CPU_TRACE(cpu, TRACE_MMU, "Page fault: %08x, error %04x\n", walk->address, error);
    cpu_raise_page_fault(cpu, walk->address, error);
}

/* Checks the rights gathered on the way against the access wanted. */
static bool walk_writable(const struct walk *walk)
{
    bool all_writable = walk->permissions & ENTRY_WRITABLE;
    bool protected_from_supervisor = walk->cpu->cr0 & CR0_WP;
    return all_writable ||
           (walk->rights == MMU_SUPERVISOR && !protected_from_supervisor);
}

static void walk_finish(const struct walk *walk, uint64_t leaf, gpa_t leaf_address,
                        gpa_t physical, struct translation *out)
{
    bool allowed = walk->rights == MMU_SUPERVISOR || (walk->permissions & ENTRY_USER);
    bool writable = walk_writable(walk);
    if (!allowed || (walk->access == MMU_WRITE && !writable) ||
        (walk->access == MMU_EXECUTE && walk->no_execute)) {
        walk_fault(walk, ERROR_PRESENT);
    }
    uint8_t bits = ENTRY_ACCESSED | (walk->access == MMU_WRITE ? ENTRY_DIRTY : 0);
    if ((leaf & bits) != bits) {
        entry_set_bits(walk->cpu, leaf_address, bits);
    }
    *out = (struct translation){
        .physical = physical & (walk->cpu->a20_mask | ~(gpa_t)UINT32_MAX),
        .writable = writable,
        .executable = !walk->no_execute,
        .large = walk->large,
        .global = (leaf & ENTRY_GLOBAL) && (walk->cpu->cr4 & CR4_PGE),
        .dirty = ((leaf | bits) & ENTRY_DIRTY) != 0,
    };
}

/* An entry that points to a further table: A is set on the way. */
static void walk_upper_level(const struct walk *walk, uint64_t entry, gpa_t address)
{
    if (!(entry & ENTRY_ACCESSED)) {
        entry_set_bits(walk->cpu, address, ENTRY_ACCESSED);
    }
}

static void walk_32_bit(struct walk *walk, struct translation *out)
{
    struct cpu *cpu = walk->cpu;
    gla_t address = walk->address;
    gpa_t pde_address = (cpu->cr3 & ~(uint32_t)PAGE_OFFSET_MASK) | (address >> 22) * 4;
    uint32_t pde = (uint32_t)entry_read(cpu, pde_address, 4);
    if (!(pde & ENTRY_PRESENT)) {
        walk_fault(walk, 0);
    }
    walk->permissions = pde;
    if ((pde & ENTRY_LARGE) && (cpu->cr4 & CR4_PSE)) {
        if (pde & PSE_RESERVED) {
            walk_fault(walk, ERROR_PRESENT | ERROR_RESERVED);
        }
        walk->large = true;
        walk_finish(walk, pde, pde_address, large_page_physical(pde, address, false),
                    out);
        return;
    }
    gpa_t pte_address =
        (pde & ~(uint32_t)PAGE_OFFSET_MASK) | ((address >> PAGE_SHIFT) & 0x3ff) * 4;
    uint32_t pte = (uint32_t)entry_read(cpu, pte_address, 4);
    if (!(pte & ENTRY_PRESENT)) {
        walk_upper_level(walk, pde, pde_address);
        walk_fault(walk, 0);
    }
    walk->permissions &= pte;
    walk_upper_level(walk, pde, pde_address);
    gpa_t physical = (pte & ~(uint32_t)PAGE_OFFSET_MASK) | (address & PAGE_OFFSET_MASK);
    walk_finish(walk, pte, pte_address, physical, out);
}

/* Present and reserved bits of a PAE entry; gathers rights. */
static void walk_check_pae(struct walk *walk, uint64_t entry, uint64_t reserved)
{
    if (!(entry & ENTRY_PRESENT)) {
        walk_fault(walk, 0);
    }
    if (!(walk->cpu->efer & EFER_NXE)) {
        reserved |= ENTRY_NO_EXECUTE;
    }
    if (entry & reserved) {
        walk_fault(walk, ERROR_PRESENT | ERROR_RESERVED);
    }
    walk->permissions &= entry;
    walk->no_execute |= (entry & ENTRY_NO_EXECUTE) != 0;
}

static void walk_pae(struct walk *walk, struct translation *out)
{
    struct cpu *cpu = walk->cpu;
    gla_t address = walk->address;
    uint64_t pdpte = cpu->pdpte[address >> 30];
    if (!(pdpte & ENTRY_PRESENT)) {
        walk_fault(walk, 0);
    }
    walk->permissions = ENTRY_WRITABLE | ENTRY_USER;
    gpa_t pde_address = (pdpte & PAE_ADDRESS) | ((address >> 21) & 0x1ff) * 8;
    uint64_t pde = entry_read(cpu, pde_address, 8);
    if (pde & ENTRY_LARGE) {
        walk_check_pae(walk, pde, PAE_LARGE_RESERVED);
        walk->large = true;
        walk_finish(walk, pde, pde_address, large_page_physical(pde, address, true),
                    out);
        return;
    }
    walk_check_pae(walk, pde, PAE_RESERVED);
    walk_upper_level(walk, pde, pde_address);
    gpa_t pte_address = (pde & PAE_ADDRESS) | ((address >> PAGE_SHIFT) & 0x1ff) * 8;
    uint64_t pte = entry_read(cpu, pte_address, 8);
    walk_check_pae(walk, pte, PAE_RESERVED);
    gpa_t physical = (pte & PAE_ADDRESS) | (address & PAGE_OFFSET_MASK);
    walk_finish(walk, pte, pte_address, physical, out);
}

static bool walk_by_tap(const struct walk *walk, struct translation *out)
{
    struct cpu *cpu = walk->cpu;
    const struct translation_tap *tap = cpu->translation_tap;
    fpu_park(cpu);
    switch (tap->walks(tap->opaque, walk->address, walk->access, walk->rights, out)) {
    case TRANSLATION_GIVEN:
        out->physical &= cpu->a20_mask | ~(gpa_t)UINT32_MAX;
        return true;
    case TRANSLATION_FAULTS:
        walk_fault(walk, ERROR_PRESENT);
    case TRANSLATION_BY_TABLES:
        break;
    }
    return false;
}

void mmu_walk(struct cpu *cpu, gla_t address, enum mmu_access access,
              enum mmu_rights rights, struct translation *out)
{
    if (!(cpu->cr0 & CR0_PG)) {
        *out = (struct translation){
            .physical = address & cpu->a20_mask,
            .writable = true,
            .executable = true,
            .dirty = true,
        };
        return;
    }
    struct walk walk = {
        .cpu = cpu, .address = address, .access = access, .rights = rights};
    if (cpu->translation_tap && walk_by_tap(&walk, out)) {
        return;
    }
    if (cpu->cr4 & CR4_PAE) {
        walk_pae(&walk, out);
    } else {
        walk_32_bit(&walk, out);
    }
}

void mmu_load_pdptes(struct cpu *cpu, uint32_t cr3)
{
    uint64_t entries[4];
    for (unsigned i = 0; i < 4; i++) {
        entries[i] = entry_read(cpu, (cr3 & ~0x1fU) + i * 8, 8);
        if ((entries[i] & ENTRY_PRESENT) && (entries[i] & PDPTE_RESERVED)) {
            cpu_raise_error(cpu, EXCEPTION_GP, 0);
        }
    }
    memcpy(cpu->pdpte, entries, sizeof(entries));
}

void mmu_load_cr3(struct cpu *cpu, uint32_t value)
{
    if ((cpu->cr0 & CR0_PG) && (cpu->cr4 & CR4_PAE)) {
        mmu_load_pdptes(cpu, value);
    }
    cpu->cr3 = value;
    CPU_TRACE(cpu, TRACE_MMU, "CR3 update: CR3=%08x\n", value);
    mmu_flush_non_global(cpu);
}
