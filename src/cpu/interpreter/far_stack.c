#include "cpu/interpreter/far_stack.h"

#include "cpu/interpreter/descriptor.h"
#include "cpu/mmu/access.h"

struct far_stack far_stack_current(const struct cpu *cpu)
{
    return (struct far_stack){
        .segment = cpu->segments[SEGMENT_SS],
        .pointer = cpu->regs[REGISTER_ESP] & cpu->stack_mask,
        .mask = cpu->stack_mask,
        .rights = mmu_current_rights(cpu),
    };
}

/* SS and ESP of `level` from the TSS (SDM vol. 3, figures 7-2 and 7-10). */
static uint16_t read_inner_pointer(struct cpu *cpu, unsigned level, uint32_t *pointer)
{
    const struct segment *tr = &cpu->tr;
    bool wide = tr->access & DESCRIPTOR_GATE_32;
    uint32_t offset = wide ? 4 + level * 8 : 2 + level * 4;
    if (offset + (wide ? 5 : 3) > tr->limit) {
        descriptor_fault(cpu, EXCEPTION_TS, tr->selector);
    }
    if (wide) {
        *pointer = supervisor_read32(cpu, tr->base + offset);
        return supervisor_read16(cpu, tr->base + offset + 4);
    }
    *pointer = supervisor_read16(cpu, tr->base + offset);
    return supervisor_read16(cpu, tr->base + offset + 2);
}

struct far_stack far_stack_inner(struct cpu *cpu, unsigned level)
{
    uint32_t pointer;
    uint16_t selector = read_inner_pointer(cpu, level, &pointer);
    struct descriptor descriptor = descriptor_require(cpu, selector, EXCEPTION_TS);
    if (selector_rpl(selector) != level || descriptor_dpl(&descriptor) != level ||
        !descriptor_is_writable_data(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_TS, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_SS, selector);
    }
    descriptor_set_accessed(cpu, &descriptor);
    bool big = descriptor_access(&descriptor) & SEGMENT_BIG;
    uint32_t mask = big ? UINT32_MAX : 0xffff;
    return (struct far_stack){
        .segment = descriptor_segment(&descriptor, selector),
        .pointer = pointer & mask,
        .mask = mask,
        .rights = MMU_SUPERVISOR,
        .fault_selector = selector & SELECTOR_ERROR_MASK,
    };
}

static gla_t slot_address(struct cpu *cpu, const struct far_stack *stack,
                          uint32_t offset, unsigned bytes)
{
    if (!segment_holds(&stack->segment, offset, bytes)) {
        cpu_raise_error(cpu, EXCEPTION_SS, stack->fault_selector);
    }
    return stack->segment.base + offset;
}

void far_stack_require_room(struct cpu *cpu, const struct far_stack *stack,
                            unsigned count, unsigned bytes)
{
    for (unsigned i = 1; i <= count; i++) {
        slot_address(cpu, stack, (stack->pointer - i * bytes) & stack->mask, bytes);
    }
}

void far_stack_push(struct cpu *cpu, struct far_stack *stack, uint32_t value,
                    unsigned bytes)
{
    uint32_t offset = (stack->pointer - bytes) & stack->mask;
    gla_t address = slot_address(cpu, stack, offset, bytes);
    if (bytes == 4) {
        mmu_write32(cpu, address, value, stack->rights);
    } else {
        mmu_write16(cpu, address, (uint16_t)value, stack->rights);
    }
    stack->pointer = offset;
}

void far_stack_commit(struct cpu *cpu, const struct far_stack *stack)
{
    cpu->segments[SEGMENT_SS] = stack->segment;
    cpu->regs[REGISTER_ESP] =
        (cpu->regs[REGISTER_ESP] & ~stack->mask) | (stack->pointer & stack->mask);
}

uint32_t far_stack_peek(struct cpu *cpu, uint32_t offset, unsigned bytes)
{
    uint32_t place = (cpu->regs[REGISTER_ESP] + offset) & cpu->stack_mask;
    return bytes == 4 ? segment_read32(cpu, SEGMENT_SS, place)
                      : segment_read16(cpu, SEGMENT_SS, place);
}

void far_stack_release(struct cpu *cpu, uint32_t bytes)
{
    uint32_t mask = cpu->stack_mask;
    uint32_t pointer = cpu->regs[REGISTER_ESP];
    cpu->regs[REGISTER_ESP] = (pointer & ~mask) | ((pointer + bytes) & mask);
}
