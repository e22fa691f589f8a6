/* cpu/interpreter/trace.h: what is traced (cpu/core/cpu_trace.h) of instructions and of
 * interrupts. To be called only while the item is traced.
 * Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_TRACE_H
#define CPU_INTERPRETER_TRACE_H

#include "cpu/core/cpu_trace.h"
#include "cpu/interpreter/code_cache.h"
#include "cpu/interpreter/system.h"

/* TRACE_IN_ASM: the block has just been decoded, at CS:EIP. Without the machine lock:
 * devices need not wait until somebody has read this. */
void trace_decoded(struct cpu *cpu, const struct block *block);
/* Likewise, of bytes at CS:EIP that are one instruction, or none. */
void trace_decoded_bytes(struct cpu *cpu, const uint8_t *bytes, unsigned count);

/* TRACE_EXEC: the block is about to be executed, by translated code at `code`; NULL: by
 * the interpreter. So that no block escapes, nothing leads from one to the next then
 * but the run loop. */
void trace_executed(struct cpu *cpu, const struct block *block, const uint8_t *code);

/* TRACE_INT: about to be delivered. The line is as QEMU's, but begins with how many
 * instructions have been retired. */
void trace_interrupt(struct cpu *cpu, uint8_t vector, enum interrupt_source source,
                     bool has_error, uint32_t error, uint32_t return_eip);

#endif
