/* cpu/mmu/mmu_internal.h: what page walks and access functions share. */
#ifndef CPU_MMU_MMU_INTERNAL_H
#define CPU_MMU_MMU_INTERNAL_H

#include "cpu/mmu/mmu.h"
#include "cpu/mmu/translation_tap.h"

/* Bits of paging-structure entries (SDM vol. 3, tables 4-4 to 4-6 and 4-8 to 4-11). */
enum {
    ENTRY_PRESENT = 1U << 0,
    ENTRY_WRITABLE = 1U << 1,
    ENTRY_USER = 1U << 2,
    ENTRY_ACCESSED = 1U << 5,
    ENTRY_DIRTY = 1U << 6,
    ENTRY_LARGE = 1U << 7,
    ENTRY_GLOBAL = 1U << 8,
};

#define ENTRY_NO_EXECUTE (1ULL << 63)
/* MAXPHYADDR is 36: bits 36-62 of PAE entries are reserved. */
#define PAE_ADDRESS 0x0000000ffffff000ULL
#define PAE_RESERVED 0x7ffffff000000000ULL
/* PDE of a 2 MiB page. */
#define PAE_LARGE_RESERVED (PAE_RESERVED | 0x1fe000)
/* PDE of a 4 MiB page: bits 13-16 are address bits 32-35, 17-21 are reserved. */
#define PSE_RESERVED 0x003e0000U

/* Where `address` is in the large page that a PDE maps. `wide`: with PAE. */
static inline gpa_t large_page_physical(uint64_t pde, gla_t address, bool wide)
{
    if (wide) {
        return (pde & PAE_ADDRESS & ~0x1fffffULL) | (address & 0x1fffff);
    }
    return (pde & 0xffc00000U) | (gpa_t)((pde >> 13) & 0xf) << 32 |
           (address & 0x3fffff);
}

/* Walks the page tables for one access; sets A (and D for writes). Raises #PF. Who
 * stands between may give another translation. */
void mmu_walk(struct cpu *cpu, gla_t address, enum mmu_access access,
              enum mmu_rights rights, struct translation *out);

enum { MMU_PEEK_ENTRIES = 512 };

/* What the page tables hold for the 2 MiB around an address. */
struct mmu_peek {
    uint64_t upper; /* the PDE; 0: not present */
    bool large;     /* it is the leaf; also without paging, when `upper` is constant */
    bool wide;      /* entries have 8 bytes (PAE), or else 4 */
    const uint8_t *entries; /* MMU_PEEK_ENTRIES of them; NULL: none in plain memory */
};

/* Looks only: sets no A or D, raises nothing, reads no device. */
void mmu_peek(struct cpu *cpu, gla_t address, struct mmu_peek *out);
/* Likewise, also in tables that somebody watches: for those who look on. */
void mmu_peek_unwatched(struct cpu *cpu, gla_t address, struct mmu_peek *out);

/* Whether instructions may be fetched at `address`, in what was peeked at, with A set
 * already; and where they are. */
bool mmu_peek_fetch(const struct cpu *cpu, const struct mmu_peek *peek, gla_t address,
                    enum mmu_rights rights, gpa_t *physical);

/* The entry for page `index` of the 2 MiB; 0: not present. */
static inline uint64_t mmu_peek_leaf(const struct mmu_peek *peek, unsigned index)
{
    if (!peek->entries) {
        return peek->large ? peek->upper : 0;
    }
    return peek->wide ? ((const uint64_t *)peek->entries)[index]
                      : ((const uint32_t *)peek->entries)[index];
}

/* The region seen at a physical address, remembered for the next time; `*last` as
 * memory_find(). */
const struct memory_region *mmu_find_region(struct cpu *cpu, gpa_t address,
                                            gpa_t *last);

/* Where one access goes: host memory, or a device at `physical`. Fills the TLB. */
struct mmu_target {
    uint8_t *host; /* of the byte at the address; NULL: not plain memory */
    gpa_t physical;
    uint64_t ram_offset; /* of the byte in RAM; UINT64_MAX outside RAM */
    bool unwatched;      /* code there may change without anybody being told */
};

struct mmu_target mmu_reach(struct cpu *cpu, gla_t address, enum mmu_access access,
                            enum mmu_rights rights);

/* Which of RAM and video memory a host address is in, and where; NULL: neither. */
const struct ram *mmu_find_ram(const struct cpu *cpu, const uint8_t *host,
                               uint64_t *offset);

/* Tells the owner of decoded code that RAM was written, if code is there. */
void mmu_wrote_ram(struct cpu *cpu, uint64_t ram_offset, unsigned bytes);

#endif
