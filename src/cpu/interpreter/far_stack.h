/* cpu/interpreter/far_stack.h: stacks that far transfers push to: the current one or
 * that of an inner privilege level. Nothing of the CPU's state changes before the
 * caller commits. Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_FAR_STACK_H
#define CPU_INTERPRETER_FAR_STACK_H

#include "cpu/core/cpu.h"
#include "cpu/mmu/mmu.h"

struct far_stack {
    struct segment segment;
    uint32_t pointer, mask;
    enum mmu_rights rights;
    uint16_t fault_selector; /* error code of #SS: 0 for the current stack */
};

struct far_stack far_stack_current(const struct cpu *cpu);

/* The stack of privilege level `level` (0 to 2) as the current TSS gives it, with all
 * the checks of SDM vol. 2, CALL, "MORE-PRIVILEGE" and INT n, "INTER-PRIVILEGE". */
struct far_stack far_stack_inner(struct cpu *cpu, unsigned level);

/* Raises #SS if `count` pushes of `bytes` (2 or 4) each exceed the segment's limit. */
void far_stack_require_room(struct cpu *cpu, const struct far_stack *stack,
                            unsigned count, unsigned bytes);

/* Raises #SS, #PF. */
void far_stack_push(struct cpu *cpu, struct far_stack *stack, uint32_t value,
                    unsigned bytes);

/* Makes it the current stack. The caller calls cpu_update_mode(). */
void far_stack_commit(struct cpu *cpu, const struct far_stack *stack);

/* Reads from the current stack, `offset` bytes above its top; raises #SS(0), #PF. */
uint32_t far_stack_peek(struct cpu *cpu, uint32_t offset, unsigned bytes);

/* Adds to ESP or SP of the current stack. */
void far_stack_release(struct cpu *cpu, uint32_t bytes);

#endif
