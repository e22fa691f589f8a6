/* cpu/interpreter/system_operands.h: operands of system instructions, and what these
 * instructions require. Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_SYSTEM_OPERANDS_H
#define CPU_INTERPRETER_SYSTEM_OPERANDS_H

#include "cpu/core/instruction.h"
#include "cpu/mmu/access.h"

/* #GP(0) unless CPL is 0 (real mode has CPL 0, virtual-8086 mode 3). */
static inline void require_cpl0(struct cpu *cpu)
{
    if (cpu->cpl != 0) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
}

/* #UD in real-address and virtual-8086 mode. */
static inline void require_protected_mode(struct cpu *cpu)
{
    if (!cpu_protected(cpu)) {
        cpu_raise(cpu, EXCEPTION_UD);
    }
}

/* `bytes`: 1 (the low byte), 2 or 4. */
static inline void register_write(struct cpu *cpu, unsigned number, uint32_t value,
                                  unsigned bytes)
{
    uint32_t mask = bytes == 4 ? UINT32_MAX : (1U << (8 * bytes)) - 1;
    cpu->regs[number] = (cpu->regs[number] & ~mask) | (value & mask);
}

static inline uint16_t operand_read_Ew(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    if (instruction->memory) {
        return segment_read16(cpu, instruction->segment,
                              instruction_offset(cpu, instruction));
    }
    return (uint16_t)cpu->regs[instruction->rm];
}

/* A register goes with operand size, memory gets 16 bits. */
static inline void operand_write_Evw(struct cpu *cpu,
                                     const struct instruction *instruction,
                                     uint32_t value)
{
    if (instruction->memory) {
        segment_write16(cpu, instruction->segment, instruction_offset(cpu, instruction),
                        (uint16_t)value);
    } else {
        register_write(cpu, instruction->rm, value, instruction->operand_bytes);
    }
}

static inline void set_zero_flag(struct cpu *cpu, bool zero)
{
    uint16_t others = cpu->arithmetic.ax & (uint16_t)~ARITHMETIC_ZF;
    cpu->arithmetic.ax = (uint16_t)(others | (zero ? ARITHMETIC_ZF : 0));
}

#endif
