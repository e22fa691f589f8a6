/* cpu/mmu/inspect.h: where linear addresses lead, for those who look on.
 *
 * The guest sees nothing of it: no A bit changes, no device is asked; nor are
 * rights checked. Thread: the CPU's own. */
#ifndef CPU_MMU_INSPECT_H
#define CPU_MMU_INSPECT_H

#include "cpu/core/cpu.h"

/* False: no page is there. What bits its entry has (present, writable, user… as in a
 * PDE or PTE; no-execute in bit 63) goes to `*entry`, whether it is a large one to
 * `*large`; either may be NULL. */
bool mmu_translate(struct cpu *cpu, gla_t address, gpa_t *physical, uint64_t *entry,
                   bool *large);

/* Copies up to `most` bytes from linear `address` on; less where a page is not present
 * or not plain memory. Returns how many. */
size_t mmu_inspect(struct cpu *cpu, gla_t address, uint8_t *bytes, size_t most);

#endif
