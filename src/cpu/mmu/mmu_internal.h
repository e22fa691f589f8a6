/* cpu/mmu/mmu_internal.h: what page walks and access functions share. */
#ifndef CPU_MMU_MMU_INTERNAL_H
#define CPU_MMU_MMU_INTERNAL_H

#include "cpu/mmu/mmu.h"

/* Where a linear page leads and what may be done there. */
struct translation {
    gpa_t physical; /* of the address asked for, A20 mask applied */
    bool writable;  /* at the rights asked for */
    bool executable;
    bool global;
    bool large;
    bool dirty; /* a later write needs no walk */
};

/* Walks the page tables for one access; sets A (and D for writes). Raises #PF. */
void mmu_walk(struct cpu *cpu, gla_t address, enum mmu_access access,
              enum mmu_rights rights, struct translation *out);

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

/* Tells the owner of decoded code that RAM was written, if code is there. */
void mmu_wrote_ram(struct cpu *cpu, uint64_t ram_offset, unsigned bytes);

#endif
