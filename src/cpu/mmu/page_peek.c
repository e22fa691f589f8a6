/* Page tables as they stand, looked at without an access: nothing faults, no A or D bit
 * is set (SDM vol. 3, sections 4.3 and 4.4). */
#include "cpu/mmu/mmu_internal.h"

/* Which memory is looked at: what the CPU finds, or what is there if one leaves out who
 * watches it. */
typedef const struct memory_region *find_region(struct cpu *cpu, gpa_t address,
                                                gpa_t *last);

static const struct memory_region *find_unwatched(struct cpu *cpu, gpa_t address,
                                                  gpa_t *last)
{
    return memory_find_unwatched(cpu->wiring.memory, address, last);
}

/* Host memory of a paging structure (or of a part of it), or NULL if it is not all in
 * plain memory. */
static const uint8_t *structure_host(struct cpu *cpu, gpa_t address, unsigned bytes,
                                     find_region *find)
{
    address &= cpu->a20_mask | ~(gpa_t)UINT32_MAX;
    gpa_t last;
    const struct memory_region *region = find(cpu, address, &last);
    if (!region || !region->read || last - address < bytes - 1) {
        return NULL;
    }
    return region->read + (address - region->start);
}

static void peek_32_bit(struct cpu *cpu, gla_t address, find_region *find,
                        struct mmu_peek *out)
{
    const uint32_t *pde = (const uint32_t *)structure_host(
        cpu, (cpu->cr3 & ~(uint32_t)PAGE_OFFSET_MASK) | (address >> 22) * 4, 4, find);
    if (!pde || !(*pde & ENTRY_PRESENT)) {
        return;
    }
    out->upper = *pde;
    out->large = (*pde & ENTRY_LARGE) && (cpu->cr4 & CR4_PSE);
    if (!out->large) {
        gpa_t table = *pde & ~(uint32_t)PAGE_OFFSET_MASK;
        gpa_t half = ((address >> PAGE_SHIFT) & MMU_PEEK_ENTRIES) * 4;
        out->entries = structure_host(cpu, table + half, MMU_PEEK_ENTRIES * 4, find);
    }
}

static void peek_pae(struct cpu *cpu, gla_t address, find_region *find,
                     struct mmu_peek *out)
{
    uint64_t pdpte = cpu->pdpte[address >> 30];
    out->wide = true;
    if (!(pdpte & ENTRY_PRESENT)) {
        return;
    }
    const uint64_t *pde = (const uint64_t *)structure_host(
        cpu, (pdpte & PAE_ADDRESS) | ((address >> 21) & 0x1ff) * 8, 8, find);
    if (!pde || !(*pde & ENTRY_PRESENT)) {
        return;
    }
    out->upper = *pde;
    out->large = *pde & ENTRY_LARGE;
    if (!out->large) {
        out->entries = structure_host(cpu, *pde & PAE_ADDRESS,
                                      MMU_PEEK_ENTRIES * sizeof(*pde), find);
    }
}

static void peek(struct cpu *cpu, gla_t address, find_region *find,
                 struct mmu_peek *out)
{
    *out = (struct mmu_peek){0};
    if (!(cpu->cr0 & CR0_PG)) {
        out->large = true;
        out->upper = ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED | ENTRY_DIRTY;
    } else if (cpu->cr4 & CR4_PAE) {
        peek_pae(cpu, address, find, out);
    } else {
        peek_32_bit(cpu, address, find, out);
    }
}

void mmu_peek(struct cpu *cpu, gla_t address, struct mmu_peek *out)
{
    peek(cpu, address, mmu_find_region, out);
}

void mmu_peek_unwatched(struct cpu *cpu, gla_t address, struct mmu_peek *out)
{
    peek(cpu, address, find_unwatched, out);
}

static bool has_reserved_bits(const struct mmu_peek *peek, uint64_t leaf)
{
    if (peek->wide) {
        uint64_t reserved = peek->large ? PAE_LARGE_RESERVED : PAE_RESERVED;
        return (peek->upper & reserved) || (leaf & PAE_RESERVED);
    }
    return peek->large && (peek->upper & PSE_RESERVED);
}

bool mmu_peek_fetch(const struct cpu *cpu, const struct mmu_peek *peek, gla_t address,
                    enum mmu_rights rights, gpa_t *physical)
{
    const gpa_t mask = cpu->a20_mask | ~(gpa_t)UINT32_MAX;
    if (!(cpu->cr0 & CR0_PG)) {
        *physical = address & mask;
        return true;
    }
    uint64_t leaf = mmu_peek_leaf(peek, (address >> PAGE_SHIFT) % MMU_PEEK_ENTRIES);
    uint64_t needed = ENTRY_PRESENT | ENTRY_ACCESSED;
    needed |= rights == MMU_SUPERVISOR ? 0 : ENTRY_USER;
    if ((peek->upper & leaf & needed) != needed || has_reserved_bits(peek, leaf) ||
        ((peek->upper | leaf) & ENTRY_NO_EXECUTE)) {
        return false;
    }
    gpa_t place = (leaf & PAE_ADDRESS) | (address & PAGE_OFFSET_MASK);
    *physical =
        mask & (peek->large ? large_page_physical(leaf, address, peek->wide) : place);
    return true;
}

const uint8_t *mmu_peek_code(struct cpu *cpu, gla_t page)
{
    struct mmu_peek peek;
    gpa_t physical, last;
    mmu_peek(cpu, page, &peek);
    if (!mmu_peek_fetch(cpu, &peek, page, cpu->cpl == 3 ? MMU_USER : MMU_SUPERVISOR,
                        &physical)) {
        return NULL;
    }
    const struct memory_region *region = mmu_find_region(cpu, physical, &last);
    bool whole = region && region->read && physical >= region->start &&
                 last - physical >= PAGE_OFFSET_MASK;
    return whole ? region->read + (physical - region->start) : NULL;
}
