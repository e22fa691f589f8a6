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

/* Host memory of the byte, and how many follow within the page; NULL: none, or a
 * device.
 */
static const uint8_t *host_of(struct cpu *cpu, gla_t address, size_t *bytes)
{
    gpa_t physical, last;
    if (!mmu_translate(cpu, address, &physical, NULL, NULL)) {
        return NULL;
    }
    const struct memory_region *region =
        memory_find_unwatched(cpu->wiring.memory, physical, &last);
    const size_t in_page = PAGE_BYTES - (address & PAGE_OFFSET_MASK);
    *bytes = last - physical < in_page ? last - physical + 1 : in_page;
    return region && region->read ? region->read + (physical - region->start) : NULL;
}

size_t mmu_inspect(struct cpu *cpu, gla_t address, uint8_t *bytes, size_t most)
{
    size_t done = 0, piece;
    while (done < most) {
        const uint8_t *host = host_of(cpu, address + (gla_t)done, &piece);
        if (!host) {
            break;
        }
        piece = piece < most - done ? piece : most - done;
        for (size_t i = 0; i < piece; i++) {
            bytes[done + i] = host[i];
        }
        done += piece;
    }
    return done;
}
