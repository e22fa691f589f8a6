/* Page tables as in page_walk.c, but read only. */
#include "cpu/mmu/inspect.h"

#include <string.h>

enum {
    ENTRY_PRESENT = 1U << 0,
    ENTRY_LARGE = 1U << 7,
};

#define ENTRY_ADDRESS 0x0000000ffffff000ULL

/* Host memory that is seen at a physical address; NULL: none, or a device. */
static const uint8_t *host_of(const struct cpu *cpu, gpa_t address)
{
    address &= cpu->a20_mask | ~(gpa_t)UINT32_MAX;
    const struct memory_region *region = memory_find(cpu->wiring.memory, address, NULL);
    return region && region->read ? region->read + (address - region->start) : NULL;
}

/* Entry `index` of a table; 0, which is not present, where there is no memory. */
static uint64_t entry_at(const struct cpu *cpu, uint64_t table, unsigned index,
                         unsigned bytes)
{
    uint64_t entry = 0;
    const uint8_t *host = host_of(cpu, (table & ENTRY_ADDRESS) + index * bytes);
    if (host) {
        memcpy(&entry, host, bytes);
    }
    return entry;
}

/* The physical address behind a leaf that maps 1 << `shift` bytes. */
static gpa_t behind(uint64_t leaf, unsigned shift, gla_t address)
{
    gla_t mask = ((gla_t)1 << shift) - 1;
    return (leaf & ENTRY_ADDRESS & ~(gpa_t)mask) | (address & mask);
}

static bool translate_32_bit(const struct cpu *cpu, gla_t address, gpa_t *physical)
{
    uint64_t pde = entry_at(cpu, cpu->cr3, address >> 22, 4);
    if ((pde & ENTRY_PRESENT) && (pde & ENTRY_LARGE) && (cpu->cr4 & CR4_PSE)) {
        /* PSE-36: bits 13 to 16 are address bits 32 to 35. */
        *physical =
            behind((pde & 0xffc00000U) | ((pde >> 13) & 0xf) << 32, 22, address);
        return true;
    }
    uint64_t pte = entry_at(cpu, pde, (address >> PAGE_SHIFT) & 0x3ff, 4);
    *physical = behind(pte, PAGE_SHIFT, address);
    return (pde & ENTRY_PRESENT) && (pte & ENTRY_PRESENT);
}

static bool translate_pae(const struct cpu *cpu, gla_t address, gpa_t *physical)
{
    uint64_t pdpte = cpu->pdpte[address >> 30];
    if (!(pdpte & ENTRY_PRESENT)) {
        return false;
    }
    uint64_t pde = entry_at(cpu, pdpte, (address >> 21) & 0x1ff, 8);
    if ((pde & ENTRY_PRESENT) && (pde & ENTRY_LARGE)) {
        *physical = behind(pde, 21, address);
        return true;
    }
    uint64_t pte = entry_at(cpu, pde, (address >> PAGE_SHIFT) & 0x1ff, 8);
    *physical = behind(pte, PAGE_SHIFT, address);
    return (pde & ENTRY_PRESENT) && (pte & ENTRY_PRESENT);
}

static bool translate(const struct cpu *cpu, gla_t address, gpa_t *physical)
{
    if (!(cpu->cr0 & CR0_PG)) {
        *physical = address;
        return true;
    }
    return cpu->cr4 & CR4_PAE ? translate_pae(cpu, address, physical)
                              : translate_32_bit(cpu, address, physical);
}

size_t mmu_inspect(const struct cpu *cpu, gla_t address, uint8_t *bytes, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        gpa_t physical;
        const uint8_t *host = translate(cpu, address + (gla_t)i, &physical)
                                  ? host_of(cpu, physical)
                                  : NULL;
        if (!host) {
            return i;
        }
        bytes[i] = *host;
    }
    return most;
}
