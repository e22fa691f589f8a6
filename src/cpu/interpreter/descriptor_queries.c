/* LAR, LSL, VERR, VERW, ARPL: asking about descriptors without a fault (SDM vol. 2). */
#include "cpu/interpreter/descriptor.h"
#include "cpu/interpreter/system_operands.h"

/* What LAR shows of the descriptor's second word. */
enum { LAR_MASK = 0x00ffff00 };

/* System descriptors that LAR shows and LSL knows limits of, one bit for each type. */
enum {
    LSL_TYPES = 1 << DESCRIPTOR_TSS16 | 1 << DESCRIPTOR_LDT |
                1 << DESCRIPTOR_TSS16_BUSY | 1 << DESCRIPTOR_TSS32 |
                1 << DESCRIPTOR_TSS32_BUSY,
    LAR_TYPES = LSL_TYPES | 1 << DESCRIPTOR_CALL_GATE16 | 1 << DESCRIPTOR_TASK_GATE |
                1 << DESCRIPTOR_CALL_GATE32,
};

/* Whether the descriptor is there, of an allowed type and may be seen by CPL and RPL.
 */
static bool find_visible(struct cpu *cpu, uint16_t selector, uint32_t system_types,
                         struct descriptor *descriptor)
{
    if (selector_is_null(selector) || !descriptor_find(cpu, selector, descriptor)) {
        return false;
    }
    if (!(descriptor_access(descriptor) & SEGMENT_NOT_SYSTEM) &&
        !(system_types >> descriptor_type(descriptor) & 1)) {
        return false;
    }
    return descriptor_is_conforming(descriptor) ||
           descriptor_reachable(cpu, descriptor, selector);
}

static const struct instruction *lar_Gv_Ew(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    struct descriptor descriptor;
    require_protected_mode(cpu);
    uint16_t selector = operand_read_Ew(cpu, instruction);
    bool visible = find_visible(cpu, selector, LAR_TYPES, &descriptor);
    if (visible) {
        register_write(cpu, instruction->reg, descriptor.high & LAR_MASK,
                       instruction->operand_bytes);
    }
    set_zero_flag(cpu, visible);
    return instruction + 1;
}

static const struct instruction *lsl_Gv_Ew(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    struct descriptor descriptor;
    require_protected_mode(cpu);
    uint16_t selector = operand_read_Ew(cpu, instruction);
    bool visible = find_visible(cpu, selector, LSL_TYPES, &descriptor);
    if (visible) {
        register_write(cpu, instruction->reg, descriptor_limit(&descriptor),
                       instruction->operand_bytes);
    }
    set_zero_flag(cpu, visible);
    return instruction + 1;
}

static const struct instruction *verr_Ew(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    struct descriptor descriptor;
    require_protected_mode(cpu);
    uint16_t selector = operand_read_Ew(cpu, instruction);
    set_zero_flag(cpu, find_visible(cpu, selector, 0, &descriptor) &&
                           descriptor_is_readable(&descriptor));
    return instruction + 1;
}

static const struct instruction *verw_Ew(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    struct descriptor descriptor;
    require_protected_mode(cpu);
    uint16_t selector = operand_read_Ew(cpu, instruction);
    set_zero_flag(cpu, find_visible(cpu, selector, 0, &descriptor) &&
                           descriptor_is_writable_data(&descriptor));
    return instruction + 1;
}

static const struct instruction *arpl_Ew_Gw(struct cpu *cpu,
                                            const struct instruction *instruction)
{
    require_protected_mode(cpu);
    uint16_t selector = operand_read_Ew(cpu, instruction);
    unsigned least = selector_rpl((uint16_t)cpu->regs[instruction->reg]);
    bool raise = selector_rpl(selector) < least;
    if (raise) {
        selector = (uint16_t)((selector & ~SELECTOR_RPL) | least);
        if (instruction->memory) {
            segment_write16(cpu, instruction->segment,
                            instruction_offset(cpu, instruction), selector);
        } else {
            register_write(cpu, instruction->rm, selector, 2);
        }
    }
    set_zero_flag(cpu, raise);
    return instruction + 1;
}

const struct handler_set exec_lar_Gv_Ew = HANDLER_SET_ONE(lar_Gv_Ew);
const struct handler_set exec_lsl_Gv_Ew = HANDLER_SET_ONE(lsl_Gv_Ew);
const struct handler_set exec_verr_Ew = HANDLER_SET_ONE(verr_Ew);
const struct handler_set exec_verw_Ew = HANDLER_SET_ONE(verw_Ew);
const struct handler_set exec_arpl_Ew_Gw = HANDLER_SET_ONE(arpl_Ew_Gw);
