/* Loading segment registers other than CS (SDM vol. 2, MOV, POP, LDS; vol. 3, 5.5-5.7).
 */
#include "cpu/interpreter/segments.h"

#include "cpu/interpreter/system_operands.h"
#include "cpu/interpreter/far_stack.h"
#include "cpu/interpreter/system.h"
#include "cpu/mmu/access.h"

_Static_assert(MMU_SUPERVISOR == 0 && MMU_USER == 1 && MMU_USER_ALIGNED == 2,
               "cpu_update_mode() relies on this order");

enum {
    V86_ACCESS = SEGMENT_PRESENT | 3 << SEGMENT_DPL_SHIFT | SEGMENT_NOT_SYSTEM |
                 SEGMENT_WRITABLE | SEGMENT_ACCESSED,
    REAL_ACCESS = V86_ACCESS & ~(3 << SEGMENT_DPL_SHIFT),
    REAL_LIMIT = 0xffff,
};

void segment_load_real(struct cpu *cpu, enum segment_number number, uint16_t selector)
{
    struct segment *segment = &cpu->segments[number];
    segment->selector = selector;
    segment->base = (uint32_t)selector << 4;
    if (cpu_v86(cpu)) {
        segment->limit = REAL_LIMIT;
        segment->access = V86_ACCESS;
    } else if (!(segment->access & SEGMENT_PRESENT)) {
        /* A null selector was loaded in protected mode. */
        segment->limit = REAL_LIMIT;
        segment->access = REAL_ACCESS;
    } else if (number == SEGMENT_CS) {
        uint16_t size = segment->access & (SEGMENT_BIG | SEGMENT_GRANULAR);
        segment->access = REAL_ACCESS | size;
    }
    segment_update(segment);
}

bool segment_data_allowed(const struct descriptor *descriptor, uint16_t selector,
                          unsigned cpl)
{
    if (!descriptor_is_readable(descriptor)) {
        return false;
    }
    unsigned dpl = descriptor_dpl(descriptor);
    return descriptor_is_conforming(descriptor) ||
           (selector_rpl(selector) <= dpl && cpl <= dpl);
}

static struct loaded_segment *loaded_before(struct cpu *cpu, uint16_t selector)
{
    return &cpu->loaded_segments[(selector >> 3) % LOADED_SEGMENTS];
}

static bool is_same(const struct cpu *cpu, const struct loaded_segment *loaded,
                    uint64_t descriptor, uint16_t selector)
{
    return loaded->descriptor == descriptor && loaded->segment.selector == selector &&
           loaded->cpl == cpu->cpl;
}

static void load_data_segment(struct cpu *cpu, enum segment_number number,
                              uint16_t selector)
{
    if (selector_is_null(selector)) {
        cpu->segments[number] = segment_null(selector);
        return;
    }
    struct descriptor descriptor = descriptor_require(cpu, selector, EXCEPTION_GP);
    uint64_t raw = (uint64_t)descriptor.high << 32 | descriptor.low;
    struct loaded_segment *loaded = loaded_before(cpu, selector);
    if (is_same(cpu, loaded, raw, selector)) {
        cpu->segments[number] = loaded->segment;
        return;
    }
    if (!segment_data_allowed(&descriptor, selector, cpu->cpl)) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_NP, selector);
    }
    descriptor_set_accessed(cpu, &descriptor);
    cpu->segments[number] = descriptor_segment(&descriptor, selector);
    *loaded = (struct loaded_segment){
        .descriptor = (uint64_t)descriptor.high << 32 | descriptor.low,
        .cpl = cpu->cpl,
        .segment = cpu->segments[number],
    };
}

bool segment_load_again(struct cpu *cpu, enum segment_number number, uint16_t selector)
{
    struct segment *segment = &cpu->segments[number];
    bool any_kind = number == SEGMENT_FS || number == SEGMENT_GS;
    if (selector_is_null(selector)) {
        if (segment->kind != SEGMENT_CHECKED && !any_kind) {
            return false;
        }
        *segment = segment_null(selector);
        return true;
    }
    const struct loaded_segment *loaded = loaded_before(cpu, selector);
    uint32_t offset = selector & ~7U;
    uint64_t descriptor;
    if ((selector & SELECTOR_LOCAL) || offset + 7 > cpu->gdtr.limit ||
        (loaded->segment.kind != segment->kind && !any_kind) ||
        !supervisor_try_read64(cpu, cpu->gdtr.base + offset, &descriptor) ||
        !is_same(cpu, loaded, descriptor, selector)) {
        return false;
    }
    *segment = loaded->segment;
    return true;
}

static void load_stack_segment(struct cpu *cpu, uint16_t selector)
{
    if (selector_is_null(selector)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    struct descriptor descriptor = descriptor_require(cpu, selector, EXCEPTION_GP);
    if (selector_rpl(selector) != cpu->cpl ||
        !descriptor_is_writable_data(&descriptor) ||
        descriptor_dpl(&descriptor) != cpu->cpl) {
        descriptor_fault(cpu, EXCEPTION_GP, selector);
    }
    if (!descriptor_present(&descriptor)) {
        descriptor_fault(cpu, EXCEPTION_SS, selector);
    }
    descriptor_set_accessed(cpu, &descriptor);
    cpu->segments[SEGMENT_SS] = descriptor_segment(&descriptor, selector);
}

void segment_load(struct cpu *cpu, enum segment_number number, uint16_t selector)
{
    if (!cpu_protected(cpu)) {
        segment_load_real(cpu, number, selector);
    } else if (number == SEGMENT_SS) {
        load_stack_segment(cpu, selector);
    } else {
        load_data_segment(cpu, number, selector);
    }
    if (number == SEGMENT_SS) {
        cpu_update_mode(cpu);
    }
}

void segments_hide_inner(struct cpu *cpu)
{
    static const uint8_t data[] = {SEGMENT_ES, SEGMENT_FS, SEGMENT_GS, SEGMENT_DS};
    for (unsigned i = 0; i < ARRAY_LENGTH(data); i++) {
        struct segment *segment = &cpu->segments[data[i]];
        unsigned conforming = SEGMENT_CODE | SEGMENT_CONFORMING;
        bool checked = (segment->access & SEGMENT_PRESENT) &&
                       (segment->access & conforming) != conforming;
        if (checked && segment_dpl(segment) < cpu->cpl) {
            *segment = segment_null(0);
        }
    }
}

/* After SS was loaded: interrupts and debug traps wait for one instruction, and the
 * size of the stack may be another. */
static const struct instruction *finish_load(struct cpu *cpu,
                                             const struct instruction *instruction,
                                             enum segment_number number)
{
    if (number != SEGMENT_SS) {
        return instruction + 1;
    }
    cpu->shadow |= CPU_SHADOW_MOV_SS;
    return instruction_leave(cpu, instruction);
}

static const struct instruction *mov_Sw_Ew(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    enum segment_number number = instruction->reg;
    if (number == SEGMENT_CS || number >= SEGMENT_COUNT) {
        cpu_raise(cpu, EXCEPTION_UD);
    }
    segment_load(cpu, number, operand_read_Ew(cpu, instruction));
    return finish_load(cpu, instruction, number);
}

static const struct instruction *mov_Ev_Sw(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    if (instruction->reg >= SEGMENT_COUNT) {
        cpu_raise(cpu, EXCEPTION_UD);
    }
    operand_write_Evw(cpu, instruction, cpu->segments[instruction->reg].selector);
    return instruction + 1;
}

/* With 32-bit operands the selector is pushed zero-extended. */
static const struct instruction *push_Sw(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    struct far_stack stack = far_stack_current(cpu);
    far_stack_push(cpu, &stack, cpu->segments[instruction->reg].selector,
                   instruction->operand_bytes);
    far_stack_release(cpu, 0U - instruction->operand_bytes);
    return instruction + 1;
}

static const struct instruction *pop_Sw(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    enum segment_number number = instruction->reg;
    unsigned bytes = instruction->operand_bytes;
    uint32_t old_mask = cpu->stack_mask;
    uint16_t selector = (uint16_t)far_stack_peek(cpu, 0, bytes);
    segment_load(cpu, number, selector);
    /* POP SS moves the stack pointer by the old stack's size. */
    uint32_t pointer = cpu->regs[REGISTER_ESP];
    cpu->regs[REGISTER_ESP] = (pointer & ~old_mask) | ((pointer + bytes) & old_mask);
    return finish_load(cpu, instruction, number);
}

/* LES, LDS, LSS, LFS, LGS: offset, then selector. */
static const struct instruction *load_far_pointer(struct cpu *cpu,
                                                  const struct instruction *instruction,
                                                  enum segment_number number)
{
    unsigned bytes = instruction->operand_bytes;
    uint32_t place = instruction_offset(cpu, instruction);
    uint32_t offset = bytes == 4 ? segment_read32(cpu, instruction->segment, place)
                                 : segment_read16(cpu, instruction->segment, place);
    uint16_t selector = segment_read16(cpu, instruction->segment,
                                       (place + bytes) & instruction->address_mask);
    segment_load(cpu, number, selector);
    register_write(cpu, instruction->reg, offset, bytes);
    return number == SEGMENT_SS ? instruction_leave(cpu, instruction) : instruction + 1;
}

static const struct instruction *les_Gv_Mp(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return load_far_pointer(cpu, instruction, SEGMENT_ES);
}

static const struct instruction *lds_Gv_Mp(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return load_far_pointer(cpu, instruction, SEGMENT_DS);
}

static const struct instruction *lss_Gv_Mp(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return load_far_pointer(cpu, instruction, SEGMENT_SS);
}

static const struct instruction *lfs_Gv_Mp(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return load_far_pointer(cpu, instruction, SEGMENT_FS);
}

static const struct instruction *lgs_Gv_Mp(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return load_far_pointer(cpu, instruction, SEGMENT_GS);
}

const struct handler_set exec_mov_Sw_Ew = HANDLER_SET_ONE(mov_Sw_Ew);
const struct handler_set exec_mov_Ev_Sw = HANDLER_SET_ONE(mov_Ev_Sw);
const struct handler_set exec_push_Sw = HANDLER_SET_ONE(push_Sw);
const struct handler_set exec_pop_Sw = HANDLER_SET_ONE(pop_Sw);
const struct handler_set exec_les_Gv_Mp = HANDLER_SET_ONE(les_Gv_Mp);
const struct handler_set exec_lds_Gv_Mp = HANDLER_SET_ONE(lds_Gv_Mp);
const struct handler_set exec_lss_Gv_Mp = HANDLER_SET_ONE(lss_Gv_Mp);
const struct handler_set exec_lfs_Gv_Mp = HANDLER_SET_ONE(lfs_Gv_Mp);
const struct handler_set exec_lgs_Gv_Mp = HANDLER_SET_ONE(lgs_Gv_Mp);
