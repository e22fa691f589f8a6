/* LGDT, LIDT, SGDT, SIDT, LLDT, SLDT, LTR, STR (SDM vol. 2). */
#include "cpu/interpreter/descriptor.h"
#include "cpu/interpreter/system_operands.h"

/* Of a base, with 16-bit operands. */
enum { BASE_MASK16 = 0xffffff };

static uint32_t base_mask(const struct instruction *instruction)
{
    return instruction->operand_bytes == 4 ? UINT32_MAX : BASE_MASK16;
}

/* The limit, and after it the base. */
static const struct instruction *load_table(struct cpu *cpu,
                                            const struct instruction *instruction,
                                            struct descriptor_table *table)
{
    uint32_t place = instruction_offset(cpu, instruction);
    require_cpl0(cpu);
    uint16_t limit = segment_read16(cpu, instruction->segment, place);
    uint32_t base = segment_read32(cpu, instruction->segment,
                                   (place + 2) & instruction->address_mask);
    table->limit = limit;
    table->base = base & base_mask(instruction);
    return instruction + 1;
}

static const struct instruction *store_table(struct cpu *cpu,
                                             const struct instruction *instruction,
                                             const struct descriptor_table *table)
{
    uint32_t place = instruction_offset(cpu, instruction);
    uint32_t base_place = (place + 2) & instruction->address_mask;
    segment_probe_write(cpu, instruction->segment, place, 2);
    segment_probe_write(cpu, instruction->segment, base_place, 4);
    segment_write16(cpu, instruction->segment, place, table->limit);
    segment_write32(cpu, instruction->segment, base_place,
                    table->base & base_mask(instruction));
    return instruction + 1;
}

static const struct instruction *lgdt_Ms(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    return load_table(cpu, instruction, &cpu->gdtr);
}

static const struct instruction *lidt_Ms(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    return load_table(cpu, instruction, &cpu->idtr);
}

static const struct instruction *sgdt_Ms(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    return store_table(cpu, instruction, &cpu->gdtr);
}

static const struct instruction *sidt_Ms(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    return store_table(cpu, instruction, &cpu->idtr);
}

/* A system segment in the GDT: #GP(selector) if it is not there. */
static struct descriptor require_global(struct cpu *cpu, uint16_t selector)
{
    struct descriptor descriptor;
    if (!descriptor_find_global(cpu, selector, &descriptor)) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    return descriptor;
}

static const struct instruction *lldt_Ew(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    require_protected_mode(cpu);
    require_cpl0(cpu);
    uint16_t selector = operand_read_Ew(cpu, instruction);
    if (selector_is_null(selector)) {
        cpu->ldtr = segment_null(selector);
        return instruction + 1;
    }
    struct descriptor descriptor = require_global(cpu, selector);
    if (descriptor_type(&descriptor) != DESCRIPTOR_LDT) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    cpu->ldtr = descriptor_segment(&descriptor, selector);
    return instruction + 1;
}

static const struct instruction *ltr_Ew(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    require_protected_mode(cpu);
    require_cpl0(cpu);
    uint16_t selector = operand_read_Ew(cpu, instruction);
    if (selector_is_null(selector)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    struct descriptor descriptor = require_global(cpu, selector);
    if (!descriptor_is_available_tss(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    descriptor_set_busy(cpu, &descriptor, true);
    cpu->tr = descriptor_segment(&descriptor, selector);
    return instruction + 1;
}

static const struct instruction *sldt_Ev(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    require_protected_mode(cpu);
    operand_write_Evw(cpu, instruction, cpu->ldtr.selector);
    return instruction + 1;
}

static const struct instruction *str_Ev(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    require_protected_mode(cpu);
    operand_write_Evw(cpu, instruction, cpu->tr.selector);
    return instruction + 1;
}

const struct handler_set exec_lgdt_Ms = HANDLER_SET_ONE(lgdt_Ms);
const struct handler_set exec_lidt_Ms = HANDLER_SET_ONE(lidt_Ms);
const struct handler_set exec_sgdt_Ms = HANDLER_SET_ONE(sgdt_Ms);
const struct handler_set exec_sidt_Ms = HANDLER_SET_ONE(sidt_Ms);
const struct handler_set exec_lldt_Ew = HANDLER_SET_ONE(lldt_Ew);
const struct handler_set exec_ltr_Ew = HANDLER_SET_ONE(ltr_Ew);
const struct handler_set exec_sldt_Ev = HANDLER_SET_ONE(sldt_Ev);
const struct handler_set exec_str_Ev = HANDLER_SET_ONE(str_Ev);
