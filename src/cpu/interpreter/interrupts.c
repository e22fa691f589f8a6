/* Delivery of interrupts and exceptions (SDM vol. 2, INT n; vol. 3, chapters 6 and 20).
 */
#include "cpu/core/debug.h"
#include "cpu/interpreter/far_stack.h"
#include "cpu/interpreter/far_transfer.h"
#include "cpu/interpreter/segments.h"
#include "cpu/interpreter/system.h"
#include "cpu/interpreter/task_switch.h"
#include "cpu/interpreter/trace.h"
#include "cpu/mmu/access.h"

enum {
    GATE_BYTES = 8,
    VECTOR_BYTES = 4,           /* in the real-mode table: IP, CS */
    ERROR_IDT = 2,              /* the error code names a vector */
    REDIRECTION_MAP_BYTES = 32, /* just below the I/O map */
};

/* One delivery under way. */
struct delivery {
    uint8_t vector;
    enum interrupt_source source;
    bool has_error;
    uint32_t error;
    uint32_t return_eip;
    uint32_t eflags; /* as they are pushed */
};

static _Noreturn void gate_fault(struct cpu *cpu, enum exception_vector vector,
                                 const struct delivery *delivery)
{
    cpu_raise_error(cpu, vector, delivery->vector * 8 + ERROR_IDT);
}

/* IP and CS from a table of 4-byte vectors, FLAGS, CS and IP on the current stack. */
static void enter_real_handler(struct cpu *cpu, gla_t table_entry, uint16_t flags,
                               uint32_t return_eip)
{
    struct far_stack stack = far_stack_current(cpu);
    uint32_t target = supervisor_read32(cpu, table_entry);
    far_stack_require_room(cpu, &stack, 3, 2);
    if ((target & 0xffff) > cpu->segments[SEGMENT_CS].limit) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    far_stack_push(cpu, &stack, flags, 2);
    far_stack_push(cpu, &stack, cpu->segments[SEGMENT_CS].selector, 2);
    far_stack_push(cpu, &stack, return_eip, 2);
    far_stack_commit(cpu, &stack);
    far_transfer_real(cpu, (uint16_t)(target >> 16), target & 0xffff);
}

static void deliver_real(struct cpu *cpu, const struct delivery *delivery)
{
    uint32_t offset = delivery->vector * VECTOR_BYTES;
    if (offset + VECTOR_BYTES - 1 > cpu->idtr.limit) {
        gate_fault(cpu, EXCEPTION_GP, delivery);
    }
    enter_real_handler(cpu, cpu->idtr.base + offset, (uint16_t)delivery->eflags,
                       delivery->return_eip);
    cpu->system_flags &= ~(uint32_t)(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
}

/* Whether INT n of a virtual-8086 task goes to the task's own handler, at linear
 * address 0: the software interrupt redirection bit map in the TSS, SDM vol. 3, 20.3.3.
 */
static bool is_redirected(struct cpu *cpu, uint8_t vector)
{
    if (!(cpu->cr4 & CR4_VME)) {
        return false;
    }
    if (!(cpu->tr.access & DESCRIPTOR_GATE_32) || cpu->tr.limit < TSS_IO_MAP + 1) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    uint32_t map = supervisor_read16(cpu, cpu->tr.base + TSS_IO_MAP);
    uint32_t byte = map - REDIRECTION_MAP_BYTES + vector / 8;
    if (map < REDIRECTION_MAP_BYTES || byte > cpu->tr.limit) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    return !(supervisor_read8(cpu, cpu->tr.base + byte) >> (vector % 8) & 1);
}

/* With IOPL below 3, VIF stands for IF and the task sees IOPL 3. */
static void deliver_redirected(struct cpu *cpu, const struct delivery *delivery)
{
    uint32_t flags = delivery->eflags;
    uint32_t cleared = EFLAGS_TF | EFLAGS_RF | EFLAGS_NT | EFLAGS_IF;
    if (cpu_iopl(cpu) < 3) {
        flags &= ~(uint32_t)EFLAGS_IF;
        flags |= EFLAGS_IOPL | (flags & EFLAGS_VIF ? EFLAGS_IF : 0);
        cleared ^= EFLAGS_IF | EFLAGS_VIF;
    }
    enter_real_handler(cpu, delivery->vector * VECTOR_BYTES, (uint16_t)flags,
                       delivery->return_eip);
    cpu->system_flags &= ~cleared;
}

/* The gate, with the checks that do not depend on its kind. */
static struct descriptor find_gate(struct cpu *cpu, const struct delivery *delivery)
{
    struct descriptor gate;
    uint32_t offset = delivery->vector * GATE_BYTES;
    if (offset + GATE_BYTES - 1 > cpu->idtr.limit) {
        gate_fault(cpu, EXCEPTION_GP, delivery);
    }
    gate.address = cpu->idtr.base + offset;
    uint64_t both = supervisor_read64(cpu, gate.address);
    gate.low = (uint32_t)both;
    gate.high = (uint32_t)(both >> 32);
    switch (descriptor_type(&gate)) {
    case DESCRIPTOR_TASK_GATE:
    case DESCRIPTOR_INTERRUPT_GATE16:
    case DESCRIPTOR_TRAP_GATE16:
    case DESCRIPTOR_INTERRUPT_GATE32:
    case DESCRIPTOR_TRAP_GATE32:
        break;
    default:
        gate_fault(cpu, EXCEPTION_GP, delivery);
    }
    bool software = delivery->source == INTERRUPT_SOFTWARE ||
                    delivery->source == INTERRUPT_SOFTWARE_EXCEPTION;
    if (software && descriptor_dpl(&gate) < cpu->cpl) {
        gate_fault(cpu, EXCEPTION_GP, delivery);
    }
    if (!descriptor_present(&gate)) {
        gate_fault(cpu, EXCEPTION_NP, delivery);
    }
    return gate;
}

static void deliver_to_task(struct cpu *cpu, const struct descriptor *gate,
                            const struct delivery *delivery)
{
    struct descriptor descriptor;
    uint16_t selector = gate_selector(gate);
    if (!descriptor_find_global(cpu, selector, &descriptor) ||
        !descriptor_is_available_tss(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    task_switch(cpu, selector, &descriptor, TASK_SWITCH_INTERRUPT, delivery->return_eip,
                delivery->eflags, delivery->has_error ? &delivery->error : NULL);
}

/* The handler's code segment. */
static struct descriptor find_handler(struct cpu *cpu, const struct descriptor *gate)
{
    uint16_t selector = gate_selector(gate);
    struct descriptor handler = descriptor_require(cpu, selector, EXCEPTION_GP);
    if (!descriptor_is_code(&handler) || descriptor_dpl(&handler) > cpu->cpl) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&handler)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    return handler;
}

static void push_data_segments(struct cpu *cpu, struct far_stack *stack, unsigned bytes)
{
    static const uint8_t order[] = {SEGMENT_GS, SEGMENT_FS, SEGMENT_DS, SEGMENT_ES};
    for (unsigned i = 0; i < ARRAY_LENGTH(order); i++) {
        far_stack_push(cpu, stack, cpu->segments[order[i]].selector, bytes);
    }
}

static void forget_data_segments(struct cpu *cpu)
{
    static const uint8_t data[] = {SEGMENT_GS, SEGMENT_FS, SEGMENT_DS, SEGMENT_ES};
    for (unsigned i = 0; i < ARRAY_LENGTH(data); i++) {
        cpu->segments[data[i]] = segment_null(0);
    }
}

/* Through an interrupt or trap gate. `level`: privilege of the handler. */
static void deliver_through_gate(struct cpu *cpu, const struct descriptor *gate,
                                 struct descriptor *handler, unsigned level,
                                 const struct delivery *delivery)
{
    bool from_v86 = cpu_v86(cpu);
    bool inner = from_v86 || level < cpu->cpl;
    unsigned bytes = gate_push_bytes(gate);
    unsigned slots = 3 + (inner ? 2 : 0) + (from_v86 ? 4 : 0) + delivery->has_error;
    struct far_stack stack =
        inner ? far_stack_inner(cpu, level) : far_stack_current(cpu);
    far_stack_require_room(cpu, &stack, slots, bytes);
    struct segment code =
        code_segment_enter(cpu, handler, gate_selector(gate), level, gate_offset(gate));
    if (from_v86) {
        push_data_segments(cpu, &stack, bytes);
    }
    if (inner) {
        far_stack_push(cpu, &stack, cpu->segments[SEGMENT_SS].selector, bytes);
        far_stack_push(cpu, &stack, cpu->regs[REGISTER_ESP], bytes);
    }
    far_stack_push(cpu, &stack, delivery->eflags, bytes);
    far_stack_push(cpu, &stack, cpu->segments[SEGMENT_CS].selector, bytes);
    far_stack_push(cpu, &stack, delivery->return_eip, bytes);
    if (delivery->has_error) {
        far_stack_push(cpu, &stack, delivery->error, bytes);
    }
    bool interrupt_gate = !(descriptor_type(gate) & 1);
    cpu->system_flags &= ~(uint32_t)(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM |
                                     (interrupt_gate ? EFLAGS_IF : 0));
    if (from_v86) {
        forget_data_segments(cpu);
    }
    far_stack_commit(cpu, &stack);
    code_segment_commit(cpu, &code, gate_offset(gate));
}

static void deliver_protected(struct cpu *cpu, const struct delivery *delivery)
{
    struct descriptor gate = find_gate(cpu, delivery);
    if (descriptor_type(&gate) == DESCRIPTOR_TASK_GATE) {
        deliver_to_task(cpu, &gate, delivery);
        return;
    }
    struct descriptor handler = find_handler(cpu, &gate);
    bool conforming = descriptor_is_conforming(&handler);
    unsigned level = conforming ? cpu->cpl : descriptor_dpl(&handler);
    /* A handler of virtual-8086 tasks runs at privilege 0, never conforming. */
    if (cpu_v86(cpu) && (conforming || level != 0)) {
        descriptor_fault(cpu, EXCEPTION_GP, gate_selector(&gate));
    }
    deliver_through_gate(cpu, &gate, &handler, level, delivery);
}

/* Whether the saved image gets RF: faults other than #DB, so that their restart does
 * not meet an instruction breakpoint again (SDM vol. 3, 17.3.1.1). */
static bool sets_resume_flag(const struct delivery *delivery)
{
    if (delivery->source != INTERRUPT_EXCEPTION) {
        return false;
    }
    switch (delivery->vector) {
    case EXCEPTION_DB:
    case EXCEPTION_NMI:
    case EXCEPTION_BP:
    case EXCEPTION_OF:
    case EXCEPTION_DF:
    case EXCEPTION_MC:
        return false;
    default:
        return true;
    }
}

static bool is_vector_of_v86_task(struct cpu *cpu, const struct delivery *delivery)
{
    if (!cpu_v86(cpu) || delivery->source != INTERRUPT_SOFTWARE) {
        return false;
    }
    if (is_redirected(cpu, delivery->vector)) {
        return true;
    }
    if (cpu_iopl(cpu) < 3) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    return false;
}

void interrupt_deliver(struct cpu *cpu, uint8_t vector, enum interrupt_source source,
                       bool has_error, uint32_t error, uint32_t return_eip)
{
    struct delivery delivery = {
        .vector = vector,
        .source = source,
        .has_error = has_error,
        .error = error,
        .return_eip = return_eip,
        .eflags = cpu_eflags(cpu),
    };
    cpu->delivering_external =
        source == INTERRUPT_EXCEPTION || source == INTERRUPT_HARDWARE;
    if (sets_resume_flag(&delivery)) {
        delivery.eflags |= EFLAGS_RF;
    }
    if (cpu_traces(cpu, TRACE_INT)) {
        trace_interrupt(cpu, vector, source, has_error, error, return_eip);
    }
    if (!(cpu->cr0 & CR0_PE)) {
        deliver_real(cpu, &delivery);
    } else if (is_vector_of_v86_task(cpu, &delivery)) {
        deliver_redirected(cpu, &delivery);
    } else {
        deliver_protected(cpu, &delivery);
    }
    if (vector == EXCEPTION_DB && source == INTERRUPT_EXCEPTION) {
        cpu->dr[7] &= ~(uint32_t)DR7_GENERAL_DETECT;
    }
    cpu->delivering_external = false;
    /* INT n under TF is not followed by a trap: its handler starts untraced. */
    cpu->single_step = false;
}
