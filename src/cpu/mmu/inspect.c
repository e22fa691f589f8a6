#include "cpu/mmu/inspect.h"

#include "cpu/mmu/mmu_internal.h"

bool mmu_translate(struct cpu *cpu, gla_t address, gpa_t *physical, uint64_t *entry,
                   bool *large)
{
    const uint64_t both = ENTRY_WRITABLE | ENTRY_USER;
    struct mmu_peek peek = {.large = true};
    uint64_t leaf = ENTRY_PRESENT | both;
    *physical = address;
    if (cpu->cr0 & CR0_PG) {
        mmu_peek_unwatched(cpu, address, &peek);
        leaf = mmu_peek_leaf(&peek, (address >> PAGE_SHIFT) % MMU_PEEK_ENTRIES);
        *physical = peek.large ? large_page_physical(leaf, address, peek.wide)
                               : (leaf & PAE_ADDRESS) | (address & PAGE_OFFSET_MASK);
        leaf = (leaf & (peek.upper | ~(both | ENTRY_PRESENT))) |
               (peek.upper & ENTRY_NO_EXECUTE);
    }
    *physical &= cpu->a20_mask | ~(gpa_t)UINT32_MAX;
    if (entry) {
        *entry = leaf;
    }
    if (large) {
        *large = peek.large;
    }
    return leaf & ENTRY_PRESENT;
}

/* Host memory of one byte; NULL: none, or a device. */
static const uint8_t *host_of(struct cpu *cpu, gla_t address)
{
    gpa_t physical, last;
    if (!mmu_translate(cpu, address, &physical, NULL, NULL)) {
        return NULL;
    }
    const struct memory_region *region =
        memory_find_unwatched(cpu->wiring.memory, physical, &last);
    return region && region->read ? region->read + (physical - region->start) : NULL;
}

size_t mmu_inspect(struct cpu *cpu, gla_t address, uint8_t *bytes, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        const uint8_t *host = host_of(cpu, address + (gla_t)i);
        if (!host) {
            return i;
        }
        bytes[i] = *host;
    }
    return most;
}
