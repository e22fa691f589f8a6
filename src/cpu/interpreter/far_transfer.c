/* Far JMP and CALL (SDM vol. 2, JMP and CALL; vol. 3, 5.8). */
#include "cpu/interpreter/far_transfer.h"

#include "cpu/interpreter/far_stack.h"
#include "cpu/interpreter/system.h"
#include "cpu/interpreter/system_operands.h"
#include "cpu/interpreter/task_switch.h"

enum { GATE_PARAMETERS = 31 };

struct segment code_segment_enter(struct cpu *cpu, struct descriptor *descriptor,
                                  uint16_t selector, unsigned cpl, uint32_t eip)
{
    if (eip > descriptor_limit(descriptor)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    descriptor_set_accessed(cpu, descriptor);
    return descriptor_segment(descriptor, (uint16_t)((selector & ~SELECTOR_RPL) | cpl));
}

void code_segment_commit(struct cpu *cpu, const struct segment *code, uint32_t eip)
{
    cpu->segments[SEGMENT_CS] = *code;
    cpu->eip = eip;
    cpu_update_mode(cpu);
}

void far_transfer_real(struct cpu *cpu, uint16_t selector, uint32_t eip)
{
    if (eip > cpu->segments[SEGMENT_CS].limit) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    segment_load_real(cpu, SEGMENT_CS, selector);
    cpu->eip = eip;
    cpu_update_mode(cpu);
}

/* Privilege and presence of a code segment that is jumped to or called directly. */
static void check_direct_target(struct cpu *cpu, const struct descriptor *descriptor,
                                uint16_t selector)
{
    unsigned dpl = descriptor_dpl(descriptor);
    bool allowed = descriptor_is_conforming(descriptor)
                       ? dpl <= cpu->cpl
                       : dpl == cpu->cpl && selector_rpl(selector) <= cpu->cpl;
    if (!allowed) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(descriptor)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
}

/* The gate may be used and is present. */
static void check_gate(struct cpu *cpu, const struct descriptor *gate,
                       uint16_t selector)
{
    if (!descriptor_reachable(cpu, gate, selector)) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(gate)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
}

/* The code segment that a call gate leads to. `call`: more privilege is allowed. */
static struct descriptor call_gate_target(struct cpu *cpu,
                                          const struct descriptor *gate, bool call)
{
    uint16_t selector = gate_selector(gate);
    struct descriptor target = descriptor_require(cpu, selector, EXCEPTION_GP);
    unsigned dpl = descriptor_dpl(&target);
    bool inner_allowed = call || descriptor_is_conforming(&target);
    if (!descriptor_is_code(&target) || dpl > cpu->cpl ||
        (!inner_allowed && dpl != cpu->cpl)) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&target)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    return target;
}

/* TSSs and task gates, for JMP and CALL; everything else faults. */
static void transfer_to_task(struct cpu *cpu, const struct descriptor *descriptor,
                             uint16_t selector, enum task_switch_reason reason,
                             uint32_t next_eip)
{
    switch (descriptor_type(descriptor)) {
    case DESCRIPTOR_TASK_GATE:
        check_gate(cpu, descriptor, selector);
        task_switch_to(cpu, gate_selector(descriptor), true, reason, next_eip);
        break;
    case DESCRIPTOR_TSS16:
    case DESCRIPTOR_TSS32:
        task_switch_to(cpu, selector, false, reason, next_eip);
        break;
    default:
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
}

static bool is_call_gate(const struct descriptor *descriptor)
{
    return descriptor_type(descriptor) == DESCRIPTOR_CALL_GATE16 ||
           descriptor_type(descriptor) == DESCRIPTOR_CALL_GATE32;
}

static void jump_protected(struct cpu *cpu, uint16_t selector, uint32_t eip,
                           uint32_t next_eip)
{
    struct descriptor descriptor = descriptor_require(cpu, selector, EXCEPTION_GP);
    if (descriptor_is_code(&descriptor)) {
        check_direct_target(cpu, &descriptor, selector);
    } else if (is_call_gate(&descriptor)) {
        check_gate(cpu, &descriptor, selector);
        selector = gate_selector(&descriptor);
        eip = gate_offset(&descriptor);
        descriptor = call_gate_target(cpu, &descriptor, false);
    } else {
        transfer_to_task(cpu, &descriptor, selector, TASK_SWITCH_JUMP, next_eip);
        return;
    }
    struct segment code = code_segment_enter(cpu, &descriptor, selector, cpu->cpl, eip);
    code_segment_commit(cpu, &code, eip);
}

/* Pushes the return address on the current stack and goes to the code segment. */
static void call_same_privilege(struct cpu *cpu, struct descriptor *descriptor,
                                uint16_t selector, uint32_t eip, unsigned bytes,
                                uint32_t next_eip)
{
    struct far_stack stack = far_stack_current(cpu);
    far_stack_require_room(cpu, &stack, 2, bytes);
    struct segment code = code_segment_enter(cpu, descriptor, selector, cpu->cpl, eip);
    far_stack_push(cpu, &stack, cpu->segments[SEGMENT_CS].selector, bytes);
    far_stack_push(cpu, &stack, next_eip, bytes);
    far_stack_commit(cpu, &stack);
    code_segment_commit(cpu, &code, eip);
}

/* Through a call gate to an inner level: the stack is switched and parameters are
 * copied. */
static void call_more_privilege(struct cpu *cpu, const struct descriptor *gate,
                                struct descriptor *target, uint32_t next_eip)
{
    uint32_t parameters[GATE_PARAMETERS];
    unsigned count = gate->high & GATE_PARAMETERS;
    unsigned bytes = gate_push_bytes(gate);
    unsigned level = descriptor_dpl(target);
    struct far_stack stack = far_stack_inner(cpu, level);
    far_stack_require_room(cpu, &stack, count + 4, bytes);
    for (unsigned i = 0; i < count; i++) {
        parameters[i] = far_stack_peek(cpu, i * bytes, bytes);
    }
    struct segment code =
        code_segment_enter(cpu, target, gate_selector(gate), level, gate_offset(gate));
    far_stack_push(cpu, &stack, cpu->segments[SEGMENT_SS].selector, bytes);
    far_stack_push(cpu, &stack, cpu->regs[REGISTER_ESP], bytes);
    for (unsigned i = count; i > 0; i--) {
        far_stack_push(cpu, &stack, parameters[i - 1], bytes);
    }
    far_stack_push(cpu, &stack, cpu->segments[SEGMENT_CS].selector, bytes);
    far_stack_push(cpu, &stack, next_eip, bytes);
    far_stack_commit(cpu, &stack);
    code_segment_commit(cpu, &code, gate_offset(gate));
}

static void call_protected(struct cpu *cpu, uint16_t selector, uint32_t eip,
                           unsigned bytes, uint32_t next_eip)
{
    struct descriptor descriptor = descriptor_require(cpu, selector, EXCEPTION_GP);
    if (descriptor_is_code(&descriptor)) {
        check_direct_target(cpu, &descriptor, selector);
        call_same_privilege(cpu, &descriptor, selector, eip, bytes, next_eip);
        return;
    }
    if (!is_call_gate(&descriptor)) {
        transfer_to_task(cpu, &descriptor, selector, TASK_SWITCH_CALL, next_eip);
        return;
    }
    check_gate(cpu, &descriptor, selector);
    struct descriptor target = call_gate_target(cpu, &descriptor, true);
    if (!descriptor_is_conforming(&target) && descriptor_dpl(&target) < cpu->cpl) {
        call_more_privilege(cpu, &descriptor, &target, next_eip);
    } else {
        call_same_privilege(cpu, &target, gate_selector(&descriptor),
                            gate_offset(&descriptor), gate_push_bytes(&descriptor),
                            next_eip);
    }
}

static void call_real(struct cpu *cpu, uint16_t selector, uint32_t eip, unsigned bytes,
                      uint32_t next_eip)
{
    struct far_stack stack = far_stack_current(cpu);
    far_stack_require_room(cpu, &stack, 2, bytes);
    if (eip > cpu->segments[SEGMENT_CS].limit) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    far_stack_push(cpu, &stack, cpu->segments[SEGMENT_CS].selector, bytes);
    far_stack_push(cpu, &stack, next_eip, bytes);
    far_stack_commit(cpu, &stack);
    far_transfer_real(cpu, selector, eip);
}

static const struct instruction *jump_far(struct cpu *cpu,
                                          const struct instruction *instruction,
                                          uint16_t selector, uint32_t eip)
{
    if (cpu_protected(cpu)) {
        jump_protected(cpu, selector, eip, instruction_next_eip(instruction));
    } else {
        far_transfer_real(cpu, selector, eip);
    }
    return NULL;
}

static const struct instruction *call_far(struct cpu *cpu,
                                          const struct instruction *instruction,
                                          uint16_t selector, uint32_t eip)
{
    unsigned bytes = instruction->operand_bytes;
    uint32_t next_eip = instruction_next_eip(instruction);
    if (cpu_protected(cpu)) {
        call_protected(cpu, selector, eip, bytes, next_eip);
    } else {
        call_real(cpu, selector, eip, bytes, next_eip);
    }
    return NULL;
}

/* A far pointer in memory: offset, then selector. */
static uint32_t read_far_pointer(struct cpu *cpu, const struct instruction *instruction,
                                 uint16_t *selector)
{
    unsigned bytes = instruction->operand_bytes;
    uint32_t place = instruction_offset(cpu, instruction);
    uint32_t eip = bytes == 4 ? segment_read32(cpu, instruction->segment, place)
                              : segment_read16(cpu, instruction->segment, place);
    *selector = segment_read16(cpu, instruction->segment,
                               (place + bytes) & instruction->address_mask);
    return eip;
}

static const struct instruction *jmp_Ap(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    return jump_far(cpu, instruction, instruction->immediate2, instruction->immediate);
}

static const struct instruction *jmp_Mp(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    uint16_t selector;
    uint32_t eip = read_far_pointer(cpu, instruction, &selector);
    return jump_far(cpu, instruction, selector, eip);
}

static const struct instruction *call_Ap(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    return call_far(cpu, instruction, instruction->immediate2, instruction->immediate);
}

static const struct instruction *call_Mp(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    uint16_t selector;
    uint32_t eip = read_far_pointer(cpu, instruction, &selector);
    return call_far(cpu, instruction, selector, eip);
}

const struct handler_set exec_jmp_Ap = HANDLER_SET_ONE(jmp_Ap);
const struct handler_set exec_jmp_Mp = HANDLER_SET_ONE(jmp_Mp);
const struct handler_set exec_call_Ap = HANDLER_SET_ONE(call_Ap);
const struct handler_set exec_call_Mp = HANDLER_SET_ONE(call_Mp);
