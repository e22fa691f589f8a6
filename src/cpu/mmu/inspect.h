/* cpu/mmu/inspect.h: where linear addresses lead, for those who look on.
 *
 * The guest sees nothing of it: no A bit changes, no device is asked; nor are
 * rights checked. Thread: the CPU's own. */
#ifndef CPU_MMU_INSPECT_H
#define CPU_MMU_INSPECT_H

#include "cpu/core/cpu.h"

/* Copies up to `most` bytes from linear `address` on; less where a page is not present
 * or not plain memory. Returns how many. */
size_t mmu_inspect(struct cpu *cpu, gla_t address, uint8_t *bytes, size_t most);

#endif
