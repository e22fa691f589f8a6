/* RETF and IRET (SDM vol. 2; vol. 3, 5.8.6, 6.12, 20.2.6). */
#include "cpu/interpreter/far_stack.h"
#include "cpu/interpreter/far_transfer.h"
#include "cpu/interpreter/segments.h"
#include "cpu/interpreter/system.h"
#include "cpu/interpreter/system_operands.h"
#include "cpu/interpreter/task_switch.h"

enum {
    /* Flags that any IRET may change. */
    FLAGS_UNPRIVILEGED = EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT,
    FLAGS_UPPER = EFLAGS_RF | EFLAGS_AC | EFLAGS_ID,
    FLAGS_REAL = FLAGS_UNPRIVILEGED | FLAGS_UPPER | EFLAGS_IF | EFLAGS_IOPL,
    FLAGS_VIRTUAL = EFLAGS_VIF | EFLAGS_VIP,
};

struct descriptor return_code_segment(struct cpu *cpu, uint16_t selector)
{
    struct descriptor code = descriptor_require(cpu, selector, EXCEPTION_GP);
    unsigned rpl = selector_rpl(selector), dpl = descriptor_dpl(&code);
    bool allowed = descriptor_is_code(&code) && rpl >= cpu->cpl &&
                   (descriptor_is_conforming(&code) ? dpl <= rpl : dpl == rpl);
    if (!allowed) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&code)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    return code;
}

/* The stack to return to at outer level `level`: SS:ESP stand at `offset`. */
static struct far_stack outer_stack(struct cpu *cpu, uint32_t offset, unsigned bytes,
                                    unsigned level)
{
    uint32_t pointer = far_stack_peek(cpu, offset, bytes);
    uint16_t selector = (uint16_t)far_stack_peek(cpu, offset + bytes, bytes);
    struct descriptor descriptor = descriptor_require(cpu, selector, EXCEPTION_GP);
    if (selector_rpl(selector) != level || descriptor_dpl(&descriptor) != level ||
        !descriptor_is_writable_data(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_SS, selector);
    }
    descriptor_set_accessed(cpu, &descriptor);
    bool big = descriptor_access(&descriptor) & SEGMENT_BIG;
    return (struct far_stack){
        .segment = descriptor_segment(&descriptor, selector),
        .pointer = pointer,
        .mask = big ? UINT32_MAX : 0xffff,
    };
}

/* Where a return goes: popped, checked, not yet committed. */
struct far_return {
    uint32_t eip;
    uint16_t selector;
    bool outer;
    struct segment code;
    struct far_stack stack; /* if `outer` */
};

/* `frame` bytes are popped before an outer SS:ESP; `bytes` is the size of each. */
static struct far_return prepare_return(struct cpu *cpu, uint32_t eip,
                                        uint16_t selector, uint32_t frame,
                                        unsigned bytes)
{
    struct far_return target = {.eip = eip, .selector = selector};
    struct descriptor code = return_code_segment(cpu, selector);
    unsigned level = selector_rpl(selector);
    target.outer = level > cpu->cpl;
    if (target.outer) {
        target.stack = outer_stack(cpu, frame, bytes, level);
    }
    target.code = code_segment_enter(cpu, &code, selector, level, eip);
    return target;
}

/* `frame`: bytes released from the old stack; `extra`: of parameters, released from
 * the new one, too. */
static void commit_return(struct cpu *cpu, const struct far_return *target,
                          uint32_t frame, uint32_t extra)
{
    if (target->outer) {
        far_stack_commit(cpu, &target->stack);
        code_segment_commit(cpu, &target->code, target->eip);
        far_stack_release(cpu, extra);
        segments_hide_inner(cpu);
    } else {
        far_stack_release(cpu, frame + extra);
        code_segment_commit(cpu, &target->code, target->eip);
    }
}

static void return_far(struct cpu *cpu, unsigned bytes, uint16_t extra)
{
    uint32_t eip = far_stack_peek(cpu, 0, bytes);
    uint16_t selector = (uint16_t)far_stack_peek(cpu, bytes, bytes);
    if (cpu_protected(cpu)) {
        struct far_return target =
            prepare_return(cpu, eip, selector, 2 * bytes + extra, bytes);
        commit_return(cpu, &target, 2 * bytes, extra);
    } else {
        far_transfer_real(cpu, selector, eip);
        far_stack_release(cpu, 2 * bytes + extra);
    }
}

/* Changes the flags in `mask` only. */
static void change_flags(struct cpu *cpu, uint32_t eflags, uint32_t mask)
{
    cpu_set_eflags(cpu, (cpu_eflags(cpu) & ~mask) | (eflags & mask));
    cpu_update_mode(cpu);
}

static uint32_t size_mask(unsigned bytes)
{
    return bytes == 4 ? UINT32_MAX : 0xffff;
}

static void iret_real(struct cpu *cpu, unsigned bytes)
{
    uint32_t eip = far_stack_peek(cpu, 0, bytes);
    uint16_t selector = (uint16_t)far_stack_peek(cpu, bytes, bytes);
    uint32_t eflags = far_stack_peek(cpu, 2 * bytes, bytes);
    far_transfer_real(cpu, selector, eip);
    far_stack_release(cpu, 3 * bytes);
    change_flags(cpu, eflags, FLAGS_REAL & size_mask(bytes));
}

/* With IOPL 3 as in real mode, but IOPL stays; else with VME the virtual interrupt flag
 * takes the place of IF (SDM vol. 3, 20.3.2). */
static void iret_v86(struct cpu *cpu, unsigned bytes)
{
    uint32_t mask = FLAGS_REAL & ~EFLAGS_IOPL & size_mask(bytes);
    bool virtual = cpu_iopl(cpu) < 3;
    if (virtual && (!(cpu->cr4 & CR4_VME) || bytes == 4)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    uint32_t eip = far_stack_peek(cpu, 0, bytes);
    uint16_t selector = (uint16_t)far_stack_peek(cpu, bytes, bytes);
    uint32_t eflags = far_stack_peek(cpu, 2 * bytes, bytes);
    if (virtual) {
        bool pending = cpu->system_flags & EFLAGS_VIP;
        if ((eflags & EFLAGS_TF) || (pending && (eflags & EFLAGS_IF))) {
            cpu_raise_error(cpu, EXCEPTION_GP, 0);
        }
        mask = (mask & ~(uint32_t)EFLAGS_IF) | EFLAGS_VIF;
        eflags =
            (eflags & ~(uint32_t)EFLAGS_VIF) | (eflags & EFLAGS_IF ? EFLAGS_VIF : 0);
    }
    far_transfer_real(cpu, selector, eip);
    far_stack_release(cpu, 3 * bytes);
    change_flags(cpu, eflags, mask);
}

/* EIP, CS, EFLAGS, ESP, SS, ES, DS, FS, GS, 4 bytes each. */
static void iret_to_v86(struct cpu *cpu, uint32_t eip, uint16_t selector,
                        uint32_t eflags)
{
    static const uint8_t data[] = {SEGMENT_SS, SEGMENT_ES, SEGMENT_DS, SEGMENT_FS,
                                   SEGMENT_GS};
    uint16_t selectors[ARRAY_LENGTH(data)];
    uint32_t esp = far_stack_peek(cpu, 12, 4);
    for (unsigned i = 0; i < ARRAY_LENGTH(data); i++) {
        selectors[i] = (uint16_t)far_stack_peek(cpu, 16 + 4 * i, 4);
    }
    cpu_set_eflags(cpu, eflags);
    segment_load_real(cpu, SEGMENT_CS, selector);
    for (unsigned i = 0; i < ARRAY_LENGTH(data); i++) {
        segment_load_real(cpu, data[i], selectors[i]);
    }
    cpu->regs[REGISTER_ESP] = esp;
    cpu->eip = eip & 0xffff;
    cpu_update_mode(cpu);
}

/* What IRET may change at the privilege it is executed at. */
static uint32_t iret_flags_mask(const struct cpu *cpu, unsigned bytes)
{
    uint32_t mask = FLAGS_UNPRIVILEGED | FLAGS_UPPER;
    if (cpu->cpl <= cpu_iopl(cpu)) {
        mask |= EFLAGS_IF;
    }
    if (cpu->cpl == 0) {
        mask |= EFLAGS_IOPL | FLAGS_VIRTUAL;
    }
    return mask & size_mask(bytes);
}

static void iret_protected(struct cpu *cpu, const struct instruction *instruction)
{
    unsigned bytes = instruction->operand_bytes;
    if (cpu->system_flags & EFLAGS_NT) {
        task_switch_return(cpu, instruction_next_eip(instruction));
        return;
    }
    uint32_t eip = far_stack_peek(cpu, 0, bytes);
    uint16_t selector = (uint16_t)far_stack_peek(cpu, bytes, bytes);
    uint32_t eflags = far_stack_peek(cpu, 2 * bytes, bytes);
    if (bytes == 4 && (eflags & EFLAGS_VM) && cpu->cpl == 0) {
        iret_to_v86(cpu, eip, selector, eflags);
        return;
    }
    uint32_t mask = iret_flags_mask(cpu, bytes);
    struct far_return target = prepare_return(cpu, eip, selector, 3 * bytes, bytes);
    commit_return(cpu, &target, 3 * bytes, 0);
    change_flags(cpu, eflags, mask);
}

static const struct instruction *iret(struct cpu *cpu,
                                      const struct instruction *instruction)
{
    /* Also if it faults (SDM vol. 3, 6.7.1). */
    cpu->nmi_blocked = false;
    if (cpu_protected(cpu)) {
        iret_protected(cpu, instruction);
    } else if (cpu_v86(cpu)) {
        iret_v86(cpu, instruction->operand_bytes);
    } else {
        iret_real(cpu, instruction->operand_bytes);
    }
    return NULL;
}

static const struct instruction *retf(struct cpu *cpu,
                                      const struct instruction *instruction)
{
    return_far(cpu, instruction->operand_bytes, 0);
    return NULL;
}

static const struct instruction *retf_Iw(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    return_far(cpu, instruction->operand_bytes, (uint16_t)instruction->immediate);
    return NULL;
}

const struct handler_set exec_iret = HANDLER_SET_ONE(iret);
const struct handler_set exec_retf = HANDLER_SET_ONE(retf);
const struct handler_set exec_retf_Iw = HANDLER_SET_ONE(retf_Iw);
