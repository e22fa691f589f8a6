/* Hardware task switches, in the order of SDM vol. 3, section 7.3: everything that the
 * old task must see is checked first, then its state is saved, then the new state is
 * loaded without a check, and last the new segment registers are checked in the new
 * task's context. */
#include "cpu/interpreter/task_switch.h"

#include "cpu/core/debug.h"
#include "cpu/interpreter/far_stack.h"
#include "cpu/interpreter/segments.h"
#include "cpu/interpreter/system.h"
#include "cpu/mmu/access.h"

/* Offsets in a 32-bit TSS (SDM vol. 3, figure 7-2); registers in order of encoding. */
enum {
    TSS32_CR3 = 0x1c,
    TSS32_EIP = 0x20,
    TSS32_EFLAGS = 0x24,
    TSS32_REGISTERS = 0x28,
    TSS32_SEGMENTS = 0x48,
    TSS32_LDT = 0x60,
    TSS32_TRAP = 0x64,
    TSS32_LIMIT = 0x67, /* the least that is allowed */
};

/* Offsets in a 16-bit TSS (SDM vol. 3, figure 7-10). */
enum {
    TSS16_IP = 0x0e,
    TSS16_FLAGS = 0x10,
    TSS16_REGISTERS = 0x12,
    TSS16_SEGMENTS = 0x22,
    TSS16_LDT = 0x2a,
    TSS16_LIMIT = 0x2b,
};

enum { TSS_LINK = 0, TSS_REGISTERS = 8, TSS16_STORED_SEGMENTS = 4 };

/* What a TSS holds. */
struct task_state {
    uint32_t cr3, eip, eflags;
    uint32_t registers[TSS_REGISTERS];
    uint16_t segments[SEGMENT_COUNT];
    uint16_t ldt;
    bool trap;
};

static bool is_wide(uint16_t access)
{
    return access & DESCRIPTOR_GATE_32;
}

static void load_wide_state(struct cpu *cpu, gla_t tss, struct task_state *state)
{
    state->cr3 = supervisor_read32(cpu, tss + TSS32_CR3);
    state->eip = supervisor_read32(cpu, tss + TSS32_EIP);
    state->eflags = supervisor_read32(cpu, tss + TSS32_EFLAGS);
    for (unsigned i = 0; i < TSS_REGISTERS; i++) {
        state->registers[i] = supervisor_read32(cpu, tss + TSS32_REGISTERS + 4 * i);
    }
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        state->segments[i] = supervisor_read16(cpu, tss + TSS32_SEGMENTS + 4 * i);
    }
    state->ldt = supervisor_read16(cpu, tss + TSS32_LDT);
    state->trap = supervisor_read16(cpu, tss + TSS32_TRAP) & 1;
}

/* The upper halves of registers become ones, as on the processors that still show them
 * (undocumented); FS and GS become null. */
static void load_narrow_state(struct cpu *cpu, gla_t tss, struct task_state *state)
{
    state->eip = supervisor_read16(cpu, tss + TSS16_IP);
    state->eflags = supervisor_read16(cpu, tss + TSS16_FLAGS);
    for (unsigned i = 0; i < TSS_REGISTERS; i++) {
        state->registers[i] =
            0xffff0000U | supervisor_read16(cpu, tss + TSS16_REGISTERS + 2 * i);
    }
    for (unsigned i = 0; i < TSS16_STORED_SEGMENTS; i++) {
        state->segments[i] = supervisor_read16(cpu, tss + TSS16_SEGMENTS + 2 * i);
    }
    state->segments[SEGMENT_FS] = state->segments[SEGMENT_GS] = 0;
    state->ldt = supervisor_read16(cpu, tss + TSS16_LDT);
    state->cr3 = cpu->cr3;
    state->trap = false;
}

static void save_state(struct cpu *cpu, uint32_t eip, uint32_t eflags)
{
    gla_t tss = cpu->tr.base;
    if (is_wide(cpu->tr.access)) {
        supervisor_write32(cpu, tss + TSS32_EIP, eip);
        supervisor_write32(cpu, tss + TSS32_EFLAGS, eflags);
        for (unsigned i = 0; i < TSS_REGISTERS; i++) {
            supervisor_write32(cpu, tss + TSS32_REGISTERS + 4 * i, cpu->regs[i]);
        }
        for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
            supervisor_write16(cpu, tss + TSS32_SEGMENTS + 4 * i,
                               cpu->segments[i].selector);
        }
        return;
    }
    supervisor_write16(cpu, tss + TSS16_IP, (uint16_t)eip);
    supervisor_write16(cpu, tss + TSS16_FLAGS, (uint16_t)eflags);
    for (unsigned i = 0; i < TSS_REGISTERS; i++) {
        supervisor_write16(cpu, tss + TSS16_REGISTERS + 2 * i, (uint16_t)cpu->regs[i]);
    }
    for (unsigned i = 0; i < TSS16_STORED_SEGMENTS; i++) {
        supervisor_write16(cpu, tss + TSS16_SEGMENTS + 2 * i,
                           cpu->segments[i].selector);
    }
}

/* All that can fault in the old task: limits, and pages of both TSSs and of the busy
 * bits. After this, saving cannot fault. */
static void check_old_context(struct cpu *cpu, uint16_t selector,
                              const struct descriptor *descriptor,
                              enum task_switch_reason reason)
{
    bool new_wide = is_wide(descriptor_access(descriptor));
    uint32_t new_last = new_wide ? TSS32_LIMIT : TSS16_LIMIT;
    uint32_t old_last = is_wide(cpu->tr.access) ? TSS32_LIMIT : TSS16_LIMIT;
    if (descriptor_limit(descriptor) < new_last) {
        descriptor_fault(cpu, EXCEPTION_TS, selector);
    }
    if (cpu->tr.limit < old_last) {
        descriptor_fault(cpu, EXCEPTION_TS, cpu->tr.selector);
    }
    gla_t new_tss = descriptor_base(descriptor);
    mmu_probe_read(cpu, new_tss, new_last + 1, MMU_SUPERVISOR);
    if (reason == TASK_SWITCH_CALL || reason == TASK_SWITCH_INTERRUPT) {
        mmu_probe_write(cpu, new_tss, 2, MMU_SUPERVISOR);
    }
    mmu_probe_write(cpu, cpu->tr.base, old_last + 1, MMU_SUPERVISOR);
    if (reason != TASK_SWITCH_IRET) {
        mmu_probe_write(cpu, descriptor->address, 8, MMU_SUPERVISOR);
    }
}

/* The old task stays busy if the new one is nested in it. */
static void release_old_task(struct cpu *cpu)
{
    struct descriptor old;
    if (descriptor_find_global(cpu, cpu->tr.selector, &old)) {
        descriptor_set_busy(cpu, &old, false);
    }
}

/* The visible state of the new task; its segment registers are unusable still. CPL is
 * what CS says. */
static void load_visible_state(struct cpu *cpu, const struct task_state *state)
{
    for (unsigned i = 0; i < TSS_REGISTERS; i++) {
        cpu->regs[i] = state->registers[i];
    }
    cpu_set_eflags(cpu, state->eflags);
    cpu->eip = state->eip;
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        cpu->segments[i] = segment_null(state->segments[i]);
    }
    uint16_t rpl = (uint16_t)selector_rpl(state->segments[SEGMENT_CS]);
    cpu->segments[SEGMENT_SS].access = (uint16_t)(rpl << SEGMENT_DPL_SHIFT);
    cpu->ldtr = segment_null(state->ldt);
    cpu->dr[7] &= ~(uint32_t)DR7_LOCAL_ENABLES;
    cpu->cr0 |= CR0_TS;
    cpu_update_mode(cpu);
}

static void load_new_ldt(struct cpu *cpu, uint16_t selector)
{
    struct descriptor descriptor;
    if (selector_is_null(selector)) {
        return;
    }
    if (!descriptor_find_global(cpu, selector, &descriptor) ||
        descriptor_type(&descriptor) != DESCRIPTOR_LDT ||
        !descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_TS, selector);
    }
    cpu->ldtr = descriptor_segment(&descriptor, selector);
}

static void load_new_stack_segment(struct cpu *cpu, uint16_t selector)
{
    struct descriptor descriptor = descriptor_require(cpu, selector, EXCEPTION_TS);
    if (!descriptor_is_writable_data(&descriptor) ||
        selector_rpl(selector) != cpu->cpl || descriptor_dpl(&descriptor) != cpu->cpl) {
        descriptor_fault(cpu, EXCEPTION_TS, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_SS, selector);
    }
    descriptor_set_accessed(cpu, &descriptor);
    cpu->segments[SEGMENT_SS] = descriptor_segment(&descriptor, selector);
}

static void load_new_code_segment(struct cpu *cpu, uint16_t selector)
{
    struct descriptor descriptor = descriptor_require(cpu, selector, EXCEPTION_TS);
    unsigned rpl = selector_rpl(selector), dpl = descriptor_dpl(&descriptor);
    bool allowed = descriptor_is_code(&descriptor) &&
                   (descriptor_is_conforming(&descriptor) ? dpl <= rpl : dpl == rpl);
    if (!allowed) {
        descriptor_fault(cpu, EXCEPTION_TS, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    descriptor_set_accessed(cpu, &descriptor);
    cpu->segments[SEGMENT_CS] = descriptor_segment(&descriptor, selector);
}

static void load_new_data_segment(struct cpu *cpu, enum segment_number number,
                                  uint16_t selector)
{
    struct descriptor descriptor;
    if (selector_is_null(selector)) {
        return;
    }
    if (!descriptor_find(cpu, selector, &descriptor) ||
        !segment_data_allowed(&descriptor, selector, cpu->cpl)) {
        descriptor_fault(cpu, EXCEPTION_TS, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    descriptor_set_accessed(cpu, &descriptor);
    cpu->segments[number] = descriptor_segment(&descriptor, selector);
}

/* Checks and loads the hidden parts, in the new task's context. */
static void load_new_segments(struct cpu *cpu, const struct task_state *state)
{
    static const uint8_t data[] = {SEGMENT_ES, SEGMENT_DS, SEGMENT_FS, SEGMENT_GS};
    load_new_ldt(cpu, state->ldt);
    if (cpu_v86(cpu)) {
        for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
            segment_load_real(cpu, i, state->segments[i]);
        }
    } else {
        load_new_code_segment(cpu, state->segments[SEGMENT_CS]);
        load_new_stack_segment(cpu, state->segments[SEGMENT_SS]);
        cpu_update_mode(cpu); /* the next fault is pushed on this stack */
        for (unsigned i = 0; i < ARRAY_LENGTH(data); i++) {
            load_new_data_segment(cpu, data[i], state->segments[data[i]]);
        }
    }
    cpu_update_mode(cpu);
    if (cpu->eip > cpu->segments[SEGMENT_CS].limit) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
}

static void push_error(struct cpu *cpu, uint32_t error)
{
    struct far_stack stack = far_stack_current(cpu);
    far_stack_push(cpu, &stack, error, is_wide(cpu->tr.access) ? 4 : 2);
    far_stack_commit(cpu, &stack);
}

/* What happens after the point of no return: the running instruction is done, and
 * faults are the first instruction's of the new task. */
static void finish_in_new_context(struct cpu *cpu, const struct task_state *state,
                                  const uint32_t *error)
{
    bool in_block = cpu->block_start != NULL;
    if (in_block) {
        cpu->retired += (uint64_t)(cpu->current - cpu->block_start) + 1;
        cpu->block_start = NULL;
    }
    if ((cpu->cr0 & CR0_PG) && is_wide(cpu->tr.access)) {
        mmu_load_cr3(cpu, state->cr3);
    }
    load_new_segments(cpu, state);
    if (error) {
        push_error(cpu, *error);
    }
    if (state->trap) {
        cpu->dr[6] |= DR6_TASK_SWITCH;
        cpu->delivering = -1;
        cpu_raise(cpu, EXCEPTION_DB);
    }
    if (in_block) {
        cpu->block_start = cpu->current;
        cpu->retired--;
    }
}

void task_switch(struct cpu *cpu, uint16_t selector, struct descriptor *descriptor,
                 enum task_switch_reason reason, uint32_t saved_eip,
                 uint32_t saved_eflags, const uint32_t *error)
{
    bool nested = reason == TASK_SWITCH_CALL || reason == TASK_SWITCH_INTERRUPT;
    struct task_state state;
    check_old_context(cpu, selector, descriptor, reason);
    if (!nested) {
        release_old_task(cpu);
    }
    if (reason == TASK_SWITCH_IRET) {
        saved_eflags &= ~(uint32_t)EFLAGS_NT;
    }
    save_state(cpu, saved_eip, saved_eflags);
    gla_t new_tss = descriptor_base(descriptor);
    if (is_wide(descriptor_access(descriptor))) {
        load_wide_state(cpu, new_tss, &state);
    } else {
        load_narrow_state(cpu, new_tss, &state);
    }
    if (nested) {
        supervisor_write16(cpu, new_tss + TSS_LINK, cpu->tr.selector);
        state.eflags |= EFLAGS_NT;
    }
    if (reason != TASK_SWITCH_IRET) {
        descriptor_set_busy(cpu, descriptor, true);
    }
    cpu->tr = descriptor_segment(descriptor, selector);
    load_visible_state(cpu, &state);
    finish_in_new_context(cpu, &state, error);
}

void task_switch_to(struct cpu *cpu, uint16_t selector, bool through_gate,
                    enum task_switch_reason reason, uint32_t next_eip)
{
    struct descriptor descriptor;
    bool allowed = descriptor_find_global(cpu, selector, &descriptor) &&
                   descriptor_is_available_tss(&descriptor) &&
                   (through_gate || descriptor_reachable(cpu, &descriptor, selector));
    if (!allowed) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    task_switch(cpu, selector, &descriptor, reason, next_eip, cpu_eflags(cpu), NULL);
}

void task_switch_return(struct cpu *cpu, uint32_t next_eip)
{
    struct descriptor descriptor;
    uint16_t selector = supervisor_read16(cpu, cpu->tr.base + TSS_LINK);
    bool busy = descriptor_find_global(cpu, selector, &descriptor) &&
                (descriptor_type(&descriptor) == DESCRIPTOR_TSS16_BUSY ||
                 descriptor_type(&descriptor) == DESCRIPTOR_TSS32_BUSY);
    if (!busy) {
        descriptor_fault(cpu, EXCEPTION_TS, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    task_switch(cpu, selector, &descriptor, TASK_SWITCH_IRET, next_eip, cpu_eflags(cpu),
                NULL);
}
