/* Vector instructions that access memory element by element, as a mask tells: elements
 * that are masked out do not fault. They work on the parked state. Source: Intel SDM
 * vol. 2, MASKMOVDQU, VMASKMOV, VPMASKMOV, VGATHERDPS, VPGATHERDD. */
#include "cpu/core/instruction_table.h"
#include "cpu/interpreter/host_operand.h"
#include "cpu/interpreter/vector_internal.h"

enum { XMM_BYTES = 16, YMM_BYTES = 32 };

/* A YMM register in one piece. */
struct vector {
    uint8_t bytes[YMM_BYTES];
};

static struct vector vector_get(const struct cpu *cpu, unsigned number)
{
    struct vector vector;
    __builtin_memcpy(vector.bytes, cpu->fpu.area + FPU_AREA_XMM + XMM_BYTES * number,
                     XMM_BYTES);
    __builtin_memcpy(vector.bytes + XMM_BYTES,
                     cpu->fpu.area + FPU_AREA_YMM_HIGH + XMM_BYTES * number, XMM_BYTES);
    return vector;
}

static void vector_put(struct cpu *cpu, unsigned number, const struct vector *vector)
{
    __builtin_memcpy(cpu->fpu.area + FPU_AREA_XMM + XMM_BYTES * number, vector->bytes,
                     XMM_BYTES);
    __builtin_memcpy(cpu->fpu.area + FPU_AREA_YMM_HIGH + XMM_BYTES * number,
                     vector->bytes + XMM_BYTES, XMM_BYTES);
}

/* The highest bit of element `i`: is it selected? */
static bool selected(const struct vector *mask, unsigned i, unsigned width)
{
    return mask->bytes[i * width + width - 1] & 0x80;
}

/* Elements need no alignment, even where it is checked. */
static enum mmu_rights element_rights(const struct cpu *cpu)
{
    enum mmu_rights rights = mmu_current_rights(cpu);
    return rights == MMU_USER_ALIGNED ? MMU_USER : rights;
}

static void element_read(struct cpu *cpu, unsigned segment, uint32_t offset,
                         unsigned width, uint8_t *to)
{
    gla_t address = segment_linear_read(cpu, segment, offset, width);
    if (width == 4) {
        uint32_t value = mmu_read32(cpu, address, element_rights(cpu));
        __builtin_memcpy(to, &value, sizeof(value));
    } else {
        uint64_t value = mmu_read64(cpu, address, element_rights(cpu));
        __builtin_memcpy(to, &value, sizeof(value));
    }
}

static void element_write(struct cpu *cpu, unsigned segment, uint32_t offset,
                          unsigned width, const uint8_t *from)
{
    gla_t address = segment_linear_write(cpu, segment, offset, width);
    if (width == 4) {
        uint32_t value;
        __builtin_memcpy(&value, from, sizeof(value));
        mmu_write32(cpu, address, value, element_rights(cpu));
    } else {
        uint64_t value;
        __builtin_memcpy(&value, from, sizeof(value));
        mmu_write64(cpu, address, value, element_rights(cpu));
    }
}

static unsigned vector_bytes(const struct instruction *instruction)
{
    return instruction->vex_flags & INSTRUCTION_VEX_L ? YMM_BYTES : XMM_BYTES;
}

/* VMASKMOVPS has 4 bytes and VMASKMOVPD 8 by opcode; VPMASKMOVD and Q by W. */
static unsigned masked_width(const struct instruction *instruction)
{
    bool floating = (instruction->opcode & 0xf0) == 0x20;
    bool wide =
        floating ? instruction->opcode & 1 : instruction->vex_flags & INSTRUCTION_VEX_W;
    return wide ? 8 : 4;
}

const struct instruction *vector_masked_load(struct cpu *cpu,
                                             const struct instruction *instruction)
{
    unsigned width = masked_width(instruction);
    unsigned count = vector_bytes(instruction) / width;
    uint32_t offset = instruction_offset(cpu, instruction);
    struct vector result = {{0}};
    fpu_park(cpu);
    struct vector mask = vector_get(cpu, instruction->vex_register);
    for (unsigned i = 0; i < count; i++) {
        if (selected(&mask, i, width)) {
            element_read(cpu, instruction->segment, offset + i * width, width,
                         result.bytes + i * width);
        }
    }
    vector_put(cpu, instruction->reg, &result);
    return instruction + 1;
}

const struct instruction *vector_masked_store(struct cpu *cpu,
                                              const struct instruction *instruction)
{
    unsigned width = masked_width(instruction);
    unsigned count = vector_bytes(instruction) / width;
    unsigned segment = instruction->segment;
    uint32_t offset = instruction_offset(cpu, instruction);
    fpu_park(cpu);
    struct vector mask = vector_get(cpu, instruction->vex_register);
    struct vector data = vector_get(cpu, instruction->reg);
    for (unsigned i = 0; i < count; i++) {
        if (selected(&mask, i, width)) {
            segment_probe_write(cpu, segment, offset + i * width, width);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (selected(&mask, i, width)) {
            element_write(cpu, segment, offset + i * width, width,
                          data.bytes + i * width);
        }
    }
    return instruction + 1;
}

/* An MMX register of the parked state: the mantissa of a physical x87 register. */
static struct vector mmx_get(const struct cpu *cpu, unsigned number)
{
    unsigned top = (fpu_area_get16(cpu, FPU_AREA_STATUS) >> FPU_STATUS_TOP_SHIFT) & 7;
    struct vector vector = {{0}};
    __builtin_memcpy(vector.bytes,
                     cpu->fpu.area + FPU_AREA_ST + 16 * ((number - top) & 7), 8);
    return vector;
}

/* MASKMOVQ and MASKMOVDQU, to DS:EDI (or another segment, or DS:DI). Whether bytes that
 * are masked out can fault depends on the processor; here, as on AMD's, they do. */
const struct instruction *
vector_masked_store_bytes(struct cpu *cpu, const struct instruction *instruction)
{
    const struct host_form *form = host_form(cpu, instruction);
    bool mmx = instruction_row(instruction)->attributes & ROW_MMX;
    unsigned count = mmx ? 8 : XMM_BYTES;
    unsigned segment = instruction->segment;
    uint32_t offset = cpu->regs[REGISTER_EDI] & instruction->address_mask;
    fpu_park(cpu);
    struct vector data =
        mmx ? mmx_get(cpu, instruction->reg) : vector_get(cpu, instruction->reg);
    struct vector mask =
        mmx ? mmx_get(cpu, instruction->rm) : vector_get(cpu, instruction->rm);
    if (mmx) {
        /* For the transition from x87 to MMX, which comes first: into the buffer. */
        struct host_exchange exchange;
        bool pending = fpu_status(cpu) & FPU_STATUS_SUMMARY;
        fpu_load(cpu);
        if (pending) {
            host_run_pending(cpu, form, cpu->host_unit->buffer, &exchange);
        } else {
            form->code(cpu->host_unit->buffer, &exchange);
        }
    }
    host_check_alignment(cpu, segment_linear_write(cpu, segment, offset, count), 8);
    segment_probe_write(cpu, segment, offset, count);
    for (unsigned i = 0; i < count; i++) {
        if (selected(&mask, i, 1)) {
            segment_write8(cpu, segment, offset + i, data.bytes[i]);
        }
    }
    host_done(cpu);
    return instruction + 1;
}

struct gather {
    unsigned width, index_width; /* of elements and indices, in bytes */
    unsigned count;
};

/* Opcode 90 to 93: bit 0 makes indices 64 bits wide, W elements. */
static struct gather gather_of(const struct instruction *instruction)
{
    struct gather gather = {
        .width = instruction->vex_flags & INSTRUCTION_VEX_W ? 8 : 4,
        .index_width = instruction->opcode & 1 ? 8 : 4,
    };
    unsigned widest =
        gather.width > gather.index_width ? gather.width : gather.index_width;
    gather.count = vector_bytes(instruction) / widest;
    return gather;
}

static uint32_t gather_offset(const struct cpu *cpu,
                              const struct instruction *instruction,
                              const struct vector *indices, unsigned byte)
{
    uint32_t index; /* of 64-bit indices the low half: addresses have 32 bits */
    __builtin_memcpy(&index, indices->bytes + byte, sizeof(index));
    return (cpu->regs[instruction->base] + (index << instruction->scale) +
            instruction->displacement) &
           instruction->address_mask;
}

/* Elements that have been read stay read, and their masks are cleared, when a later one
 * faults: the instruction then goes on from there. */
const struct instruction *vector_gather(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    struct gather gather = gather_of(instruction);
    unsigned width = gather.width, bytes = gather.count * width;
    fpu_park(cpu);
    struct vector indices = vector_get(cpu, instruction->index);
    struct vector mask = vector_get(cpu, instruction->vex_register);
    struct vector result = vector_get(cpu, instruction->reg);
    for (unsigned i = 0; i < gather.count; i++) {
        if (selected(&mask, i, width)) {
            uint32_t offset =
                gather_offset(cpu, instruction, &indices, i * gather.index_width);
            element_read(cpu, instruction->segment, offset, width,
                         result.bytes + i * width);
        }
        __builtin_memset(mask.bytes + i * width, 0, width == 8 ? 8 : 4);
        vector_put(cpu, instruction->vex_register, &mask);
        vector_put(cpu, instruction->reg, &result);
    }
    for (unsigned i = bytes; i < YMM_BYTES; i++) {
        result.bytes[i] = 0;
        mask.bytes[i] = 0;
    }
    vector_put(cpu, instruction->vex_register, &mask);
    vector_put(cpu, instruction->reg, &result);
    return instruction + 1;
}
