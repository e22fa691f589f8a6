/* cpu/mmu/mmu.h: cached translations of guest-linear addresses (the interpreter's TLB).
 *
 * Direct-mapped tables, one for supervisor and one for user accesses. An entry
 * gives host addresses for pages of plain memory; everything else (devices, pages that
 * hold decoded code when written, watchpoints) has no tag and takes the slow path.
 * Semantics of invalidation: Intel SDM vol. 3, section 4.10.
 * Thread: the CPU's own. Saved by: nobody; flushed when loaded. */
#ifndef CPU_MMU_MMU_H
#define CPU_MMU_MMU_H

#include "cpu/core/cpu.h"

enum { TLB_BITS = 10, TLB_ENTRIES = 1 << TLB_BITS, TLB_ENTRY_SHIFT = 5 };

/* Page address | TLB_TAG_VALID, or 0. */
#define TLB_TAG_VALID 1U

struct tlb_entry {
    uint32_t read_tag, write_tag, execute_tag;
    bool global;
    bool large;      /* from a 2 or 4 MiB page: INVLPG anywhere in that drops it */
    uint8_t *host;   /* of guest-linear address 0, so to speak: host + address */
    uint64_t unused; /* a power of two is cheaper to index */
};

/* With whose rights an access is made. While EFLAGS.AC and CR0.AM are set in ring 3,
 * MMU_USER_ALIGNED accesses find an empty table, and the slow path checks alignment. */
enum mmu_rights { MMU_SUPERVISOR, MMU_USER, MMU_USER_ALIGNED, MMU_RIGHTS };

/* A stretch of guest-physical memory as it was last looked up. */
struct mmu_region {
    gpa_t first, last; /* empty while first > last */
    const struct memory_region *region;
};

enum { MMU_RECENT_REGIONS = 4, MMU_LARGE_SHIFT = 22, MMU_LARGE_WORDS = 1024 / 64 };

struct mmu {
    struct tlb_entry tlb[MMU_RIGHTS][TLB_ENTRIES];
    struct mmu_region recent[MMU_RECENT_REGIONS];
    unsigned next_recent;
    /* A bit for each 4 MiB of linear space of which entries from large pages may be in
     * the table: INVLPG elsewhere need not look for them. */
    uint64_t large[MMU_LARGE_WORDS];
    uint32_t generation; /* changes with every flush: what jump caches compare */
};

static inline const struct tlb_entry *tlb_entry(const struct mmu *mmu, gla_t address,
                                                enum mmu_rights rights)
{
    /* The index in bytes by one shift and one mask. */
    _Static_assert(sizeof(struct tlb_entry) == 1 << TLB_ENTRY_SHIFT, "TLB_ENTRY_SHIFT");
    uint32_t offset = (address >> (PAGE_SHIFT - TLB_ENTRY_SHIFT)) &
                      ((TLB_ENTRIES - 1) << TLB_ENTRY_SHIFT);
    return (const struct tlb_entry *)((const char *)mmu->tlb[rights] + offset);
}

/* Whether `bytes` at `address` lie in the page whose tag, from the entry for `address`,
 * this is. The last byte's page is compared: where the operand crosses into the next
 * page that differs from every tag the entry can hold. */
static inline bool tlb_hits(uint32_t tag, gla_t address, unsigned bytes)
{
    return tag ==
           (((address + bytes - 1) & ~(uint32_t)PAGE_OFFSET_MASK) | TLB_TAG_VALID);
}

bool mmu_create(struct cpu *cpu, struct error *error);
void mmu_destroy(struct cpu *cpu);

/* What entries mean has changed: CR0.PG/WP, CR4.PSE/PAE, EFER.NXE, A20, the memory map,
 * whether anything is watched. */
void mmu_flush_all(struct cpu *cpu);
/* CR4.PGE was changed: entries are read anew, global ones included. */
void mmu_flush_entries(struct cpu *cpu);
/* The memory map has changed, but for this guest-physical page only: who watches it.
 * Entries are read anew, and where RAM that the page shows could be reached, it has to
 * be asked for again. Not within an instruction. */
void mmu_flush_physical_page(struct cpu *cpu, gpa_t page);
/* CR3 was loaded: all but global pages. */
void mmu_flush_non_global(struct cpu *cpu);
/* INVLPG. */
void mmu_flush_page(struct cpu *cpu, gla_t address);
/* Code has been decoded from this page of RAM: writes must be seen from now on. */
void mmu_protect_ram_page(struct cpu *cpu, uint64_t ram_offset);
/* No page of RAM or video memory that ram_track() knows as unwritten may be written
 * from now on without that being noted. */
void mmu_protect_unwritten(struct cpu *cpu);

/* MOV to CR3 (and task switch): with PAE reads and checks the four PDPTEs, raising
 * #GP(0) when a reserved bit is set; then stores CR3 and flushes. */
void mmu_load_cr3(struct cpu *cpu, uint32_t value);
/* PAE was switched on with paging, or paging with PAE: PDPTEs from the current CR3,
 * with cr0/cr4 as they will be. Raises #GP(0) as above. */
void mmu_load_pdptes(struct cpu *cpu, uint32_t cr3);

enum mmu_access { MMU_READ, MMU_WRITE, MMU_EXECUTE };

/* Where instruction bytes at linear `address` come from: host memory of that byte (the
 * rest of the page follows), or NULL if it is not plain memory, or such whose changes
 * nobody sees (video memory). Raises #PF.
 * `*ram_offset` gets its place in RAM, or UINT64_MAX outside RAM (ROM). */
const uint8_t *mmu_fetch(struct cpu *cpu, gla_t address, uint64_t *ram_offset);

/* Where a page of instruction bytes of the current privilege level would come from, as
 * page tables stand: looks only. NULL if it cannot be fetched, or not from plain
 * memory. */
const uint8_t *mmu_peek_code(struct cpu *cpu, gla_t page);

/* One instruction byte from wherever it is, devices included. Raises #PF. */
uint8_t mmu_fetch_byte(struct cpu *cpu, gla_t address);

#endif
