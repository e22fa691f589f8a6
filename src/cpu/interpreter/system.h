/* cpu/interpreter/system.h: segmentation, privilege and interrupts (Intel SDM vol. 3,
 * chapters 5 to 7 and 20), for the interpreter and for engines that borrow it.
 *
 * All of these raise exceptions as the manual says, before anything has changed that
 * must not have. Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_SYSTEM_H
#define CPU_INTERPRETER_SYSTEM_H

#include "cpu/core/exception.h"
#include "cpu/core/instruction.h"

enum interrupt_source {
    INTERRUPT_EXCEPTION,          /* raised by the CPU */
    INTERRUPT_HARDWARE,           /* INTR or NMI */
    INTERRUPT_SOFTWARE,           /* INT n: IOPL and DPL are checked */
    INTERRUPT_SOFTWARE_EXCEPTION, /* INT3, INTO, INT1: DPL is checked */
};

/* Goes through the IDT (or IVT) for `vector`; `return_eip` is what gets saved. Loads
 * cpu->eip. Does not keep track of double faults: that is the run loop's business. */
void interrupt_deliver(struct cpu *cpu, uint8_t vector, enum interrupt_source source,
                       bool has_error, uint32_t error, uint32_t return_eip);

/* MOV/POP/LDS… to a segment register other than CS, in any mode. */
void segment_load(struct cpu *cpu, enum segment_number number, uint16_t selector);

/* Real-mode and v86 contents: base = selector * 16. For v86 also limit and rights. */
void segment_load_real(struct cpu *cpu, enum segment_number number, uint16_t selector);

/* Whether IN/OUT/INS/OUTS at `port` is allowed (IOPL, I/O bitmap); raises #GP(0). */
void port_check(struct cpu *cpu, uint16_t port, unsigned width);

/* Stores CR0/CR4 with the checks and flushes that follow from the bits that change. */
void control_register_write(struct cpu *cpu, unsigned number, uint32_t value);

#endif
