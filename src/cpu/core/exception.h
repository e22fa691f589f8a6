/* cpu/core/exception.h: how an instruction faults.
 *
 * cpu_raise() abandons the instruction being executed: it unwinds to the engine's run
 * loop, which delivers the exception with the instruction's own EIP saved. Whoever
 * calls it must have changed nothing yet that the manual says is unchanged.
 * Vectors and classes: Intel SDM vol. 3, table 6-1. Thread: the CPU's own. */
#ifndef CPU_CORE_EXCEPTION_H
#define CPU_CORE_EXCEPTION_H

#include "cpu/core/cpu.h"

enum exception_vector {
    EXCEPTION_DE = 0,
    EXCEPTION_DB = 1,
    EXCEPTION_NMI = 2,
    EXCEPTION_BP = 3,
    EXCEPTION_OF = 4,
    EXCEPTION_BR = 5,
    EXCEPTION_UD = 6,
    EXCEPTION_NM = 7,
    EXCEPTION_DF = 8,
    EXCEPTION_TS = 10,
    EXCEPTION_NP = 11,
    EXCEPTION_SS = 12,
    EXCEPTION_GP = 13,
    EXCEPTION_PF = 14,
    EXCEPTION_MF = 16,
    EXCEPTION_AC = 17,
    EXCEPTION_MC = 18,
    EXCEPTION_XM = 19,
};

/* Without an error code: DE, DB, BP, OF, BR, UD, NM, MF, XM. */
_Noreturn void cpu_raise(struct cpu *cpu, enum exception_vector vector);
/* With one: TS, NP, SS, GP, AC (and DF). The EXT bit is added by delivery. */
_Noreturn void cpu_raise_error(struct cpu *cpu, enum exception_vector vector,
                               uint32_t error);
/* #PF: sets CR2. `error`: P, W/R, U/S, RSVD, I/D bits (SDM vol. 3, figure 4-12). */
_Noreturn void cpu_raise_page_fault(struct cpu *cpu, gla_t address, uint32_t error);

/* An exception or interrupt has been delivered, or could not be: tells the observer. */
void cpu_delivered(struct cpu *cpu, unsigned vector, uint32_t error);

#endif
