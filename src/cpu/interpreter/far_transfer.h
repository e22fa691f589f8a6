/* cpu/interpreter/far_transfer.h: what far calls, jumps, returns and interrupts share.
 * Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_FAR_TRANSFER_H
#define CPU_INTERPRETER_FAR_TRANSFER_H

#include "cpu/interpreter/descriptor.h"

/* The code segment as CS will hold it when it is entered at privilege `cpl`; sets the
 * accessed bit. Raises #GP(0) if `eip` is beyond its limit. */
struct segment code_segment_enter(struct cpu *cpu, struct descriptor *descriptor,
                                  uint16_t selector, unsigned cpl, uint32_t eip);

/* CS:EIP; nothing faults. The caller commits SS first when privilege changes. */
void code_segment_commit(struct cpu *cpu, const struct segment *code, uint32_t eip);

/* CS:EIP in real and virtual-8086 mode; raises #GP(0) beyond the limit. */
void far_transfer_real(struct cpu *cpu, uint16_t selector, uint32_t eip);

/* The code segment that a far return goes to, checked (RETF, IRET). */
struct descriptor return_code_segment(struct cpu *cpu, uint16_t selector);

#endif
