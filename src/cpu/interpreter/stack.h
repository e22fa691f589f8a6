/* cpu/interpreter/stack.h: pushes and pops at the current privilege.
 *
 * ESP or SP counts, as SS.B says (cpu->stack_mask). Nothing changes when the access
 * faults: ESP is stored last. Intel SDM vol. 1, section 6.2. */
#ifndef CPU_INTERPRETER_STACK_H
#define CPU_INTERPRETER_STACK_H

#include "cpu/mmu/access.h"

/* Offset in SS `distance` bytes above (below, if negative) the top of the stack. */
static inline uint32_t stack_offset(const struct cpu *cpu, int32_t distance)
{
    return (cpu->regs[REGISTER_ESP] + (uint32_t)distance) & cpu->stack_mask;
}

static inline void stack_move(struct cpu *cpu, int32_t distance)
{
    cpu->regs[REGISTER_ESP] =
        (cpu->regs[REGISTER_ESP] & ~cpu->stack_mask) | stack_offset(cpu, distance);
}

static inline void push16(struct cpu *cpu, uint16_t value)
{
    segment_write16(cpu, SEGMENT_SS, stack_offset(cpu, -2), value);
    stack_move(cpu, -2);
}

static inline void push32(struct cpu *cpu, uint32_t value)
{
    segment_write32(cpu, SEGMENT_SS, stack_offset(cpu, -4), value);
    stack_move(cpu, -4);
}

/* The value at `distance` bytes above the top, which stays there. */
static inline uint16_t stack_peek16(struct cpu *cpu, int32_t distance)
{
    return segment_read16(cpu, SEGMENT_SS, stack_offset(cpu, distance));
}

static inline uint32_t stack_peek32(struct cpu *cpu, int32_t distance)
{
    return segment_read32(cpu, SEGMENT_SS, stack_offset(cpu, distance));
}

#endif
