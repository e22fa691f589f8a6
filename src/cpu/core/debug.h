/* cpu/core/debug.h: breakpoints by debug registers (Intel SDM vol. 3, 17.2).
 * Results are the bits B0 to B3 of DR6. Thread: the CPU's own. */
#ifndef CPU_CORE_DEBUG_H
#define CPU_CORE_DEBUG_H

#include "cpu/core/cpu.h"

enum {
    DR6_ACCESS_DETECTED = 1U << 13, /* BD */
    DR6_TASK_SWITCH = 1U << 15,     /* BT */
    DR7_GENERAL_DETECT = 1U << 13,  /* GD */
    DR7_LOCAL_ENABLES = 0x155,      /* L0 to L3, LE */
};

bool debug_breakpoints_enabled(const struct cpu *cpu);
/* Breakpoints on the execution of the instruction at linear `address`. */
uint32_t debug_match_execute(const struct cpu *cpu, gla_t address);
/* Breakpoints on data that the access touches. */
uint32_t debug_match_data(const struct cpu *cpu, gla_t address, unsigned bytes,
                          bool write);
/* Breakpoints on ports (only with CR4.DE). */
uint32_t debug_match_port(const struct cpu *cpu, uint16_t port, unsigned width);

#endif
