/* cpu/core/fpu.h: x87, MMX, SSE and AVX by the host's own unit.
 *
 * The guest's vector state stays in the host's registers (cpu->fpu.live) from the first
 * such instruction until something else needs them: all code in cpu/ is compiled with
 * general registers only, and whoever leaves it (a device access, the return from the
 * engine, libc) parks the state first. Thread: the CPU's own. */
#ifndef CPU_CORE_FPU_H
#define CPU_CORE_FPU_H

#include "cpu/core/cpu.h"

void fpu_park_slow(struct cpu *cpu);
/* Host registers -> cpu->fpu.area, host defaults restored. */
static inline void fpu_park(struct cpu *cpu)
{
    if (cpu->fpu.live) {
        fpu_park_slow(cpu);
    }
}
/* cpu->fpu.area -> host registers. */
void fpu_load(struct cpu *cpu);

/* FNINIT and MXCSR as after power-on (SDM vol. 3, table 9-1). */
void fpu_reset(struct cpu *cpu);

#endif
