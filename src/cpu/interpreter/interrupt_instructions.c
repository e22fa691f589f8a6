/* INT n, INT3, INTO, ICEBP, BOUND, UD (SDM vol. 2). */
#include "cpu/interpreter/system.h"
#include "cpu/interpreter/system_operands.h"

static const struct instruction *interrupt(struct cpu *cpu,
                                           const struct instruction *instruction,
                                           uint8_t vector, enum interrupt_source source)
{
    interrupt_deliver(cpu, vector, source, false, 0, instruction_next_eip(instruction));
    cpu->statistics->software_interrupts++;
    cpu_delivered(cpu, vector | CPU_DELIVERED_SOFTWARE, 0);
    return NULL;
}

static const struct instruction *int_Ib(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    return interrupt(cpu, instruction, (uint8_t)instruction->immediate,
                     INTERRUPT_SOFTWARE);
}

static const struct instruction *int3(struct cpu *cpu,
                                      const struct instruction *instruction)
{
    return interrupt(cpu, instruction, EXCEPTION_BP, INTERRUPT_SOFTWARE_EXCEPTION);
}

static const struct instruction *into(struct cpu *cpu,
                                      const struct instruction *instruction)
{
    if (!(cpu->arithmetic.ax & ARITHMETIC_OF)) {
        return instruction_leave(cpu, instruction);
    }
    return interrupt(cpu, instruction, EXCEPTION_OF, INTERRUPT_SOFTWARE_EXCEPTION);
}

/* INT1 counts as external: no privilege is checked. */
static const struct instruction *icebp(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    return interrupt(cpu, instruction, EXCEPTION_DB, INTERRUPT_HARDWARE);
}

static const struct instruction *bound_Gv_Ma(struct cpu *cpu,
                                             const struct instruction *instruction)
{
    unsigned bytes = instruction->operand_bytes;
    uint32_t place = instruction_offset(cpu, instruction);
    uint32_t next = (place + bytes) & instruction->address_mask;
    int32_t index, lower, upper;
    if (bytes == 4) {
        index = (int32_t)cpu->regs[instruction->reg];
        lower = (int32_t)segment_read32(cpu, instruction->segment, place);
        upper = (int32_t)segment_read32(cpu, instruction->segment, next);
    } else {
        index = (int16_t)cpu->regs[instruction->reg];
        lower = (int16_t)segment_read16(cpu, instruction->segment, place);
        upper = (int16_t)segment_read16(cpu, instruction->segment, next);
    }
    if (index < lower || index > upper) {
        cpu_raise(cpu, EXCEPTION_BR);
    }
    return instruction_leave(cpu, instruction);
}

static const struct instruction *ud(struct cpu *cpu,
                                    const struct instruction *instruction)
{
    cpu_raise(cpu, EXCEPTION_UD);
}

const struct handler_set exec_int_Ib = HANDLER_SET_ONE(int_Ib);
const struct handler_set exec_int3 = HANDLER_SET_ONE(int3);
const struct handler_set exec_into = HANDLER_SET_ONE(into);
const struct handler_set exec_icebp = HANDLER_SET_ONE(icebp);
const struct handler_set exec_bound_Gv_Ma = HANDLER_SET_ONE(bound_Gv_Ma);
const struct handler_set exec_ud = HANDLER_SET_ONE(ud);
