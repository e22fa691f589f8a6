/* x87, MMX, SSE and AVX instructions: themselves, with another memory operand. */
#include "cpu/jit/encode.h"

#include "cpu/interpreter/host_encode.h"
#include "cpu/interpreter/vector_internal.h"

#include <stddef.h>

enum { FNINIT_OPCODE = 0xdb, FNINIT_MODRM = 0xe3 };

static unsigned prefix_byte(unsigned mandatory)
{
    switch (mandatory) {
    case CANDIDATE_66:
        return 0x66;
    case CANDIDATE_F3:
        return 0xf3;
    case CANDIDATE_F2:
        return 0xf2;
    default:
        return 0;
    }
}

/* General registers among the ModRM operands are renamed, vector registers are not. */
static void take_registers(struct shape *shape, const struct instruction *instruction,
                           const struct instruction_row *row)
{
    shape->reg = instruction->reg;
    shape->rm = instruction->memory ? 0 : instruction->rm;
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        unsigned method = row->operands[i].method;
        if (method == OPERAND_G) {
            shape->reg = (uint8_t)host_register_of(instruction->reg);
        } else if ((method == OPERAND_E || method == OPERAND_R) &&
                   !instruction->memory) {
            shape->rm = (uint8_t)host_register_of(instruction->rm);
        }
    }
}

static bool has_general(const struct instruction_row *row)
{
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        if (row->operands[i].method == OPERAND_E ||
            row->operands[i].method == OPERAND_G) {
            return true;
        }
    }
    return false;
}

/* What only the interpreter does as the guest's processor would. */
static bool is_special(struct cpu *cpu, const struct instruction *instruction,
                       const struct instruction_row *row)
{
    const struct host_form *form = host_form(cpu, instruction);
    bool initializes = (row->attributes & ROW_X87) &&
                       instruction->opcode == FNINIT_OPCODE &&
                       instruction->modrm == FNINIT_MODRM;
    bool explicit_lengths = form->flags & (HOST_LENGTHS_IN | HOST_INDEX_OUT);
    /* Not all processors insist on their alignment. */
    bool sha = row->feature == FEATURE_SHA && instruction->memory;
    bool stores_status = row->operands[0].method == OPERAND_AX; /* FNSTSW AX */
    return (form->special && !stores_status) || initializes || explicit_lengths ||
           sha || (form->flags & (HOST_BUFFERED | HOST_PASSES)) ||
           (row->attributes & ROW_VSIB);
}

static void emit_vex(struct emitter *e, const struct instruction *instruction,
                     const struct instruction_row *row, const struct shape *shape,
                     const struct address *address)
{
    unsigned map = row->map - OPCODE_MAP_VEX_0F + 1;
    unsigned pp = shape->prefix == 0x66   ? 1
                  : shape->prefix == 0xf3 ? 2
                  : shape->prefix == 0xf2 ? 3
                                          : 0;
    /* Outside 64-bit mode W does not choose between 32 and 64 bits. */
    bool wide = (instruction->vex_flags & INSTRUCTION_VEX_W) && !has_general(row);
    unsigned extended = shape->reg & 8 ? 0x80 : 0;
    if (address) {
        extended |= address->index != HOST_RSP && (address->index & 8) ? 0x40 : 0;
        extended |= address->base != HOST_RSP && (address->base & 8) ? 0x20 : 0;
    } else {
        extended |= shape->rm & 8 ? 0x20 : 0;
    }
    emit8(e, 0xc4);
    emit8(e, (~extended & 0xe0) | map);
    emit8(e, (wide ? 0x80 : 0) | (~(unsigned)instruction->vex_register & 15) << 3 |
                 (instruction->vex_flags & INSTRUCTION_VEX_L ? 4 : 0) | pp);
    emit8(e, instruction->opcode);
}

#define AT(member) ((int32_t)offsetof(struct cpu, fpu.member))

/* What FSTENV and FSAVE show of the last instruction's operand (SDM vol. 1, section
 * 8.1.8). No x87 instruction changes what its address is made of. */
static void note_operand(struct emitter *e, const struct instruction *instruction)
{
    const struct address address = encode_offset(instruction);
    const struct shape lea = {.opcode = 0x8d, .reg = HOST_R8};
    encode_memory(e, &lea, &address, false, true);
    emit_store32(e, HOST_R8, HOST_CPU, AT(operand_offset));
}

bool encode_is_noted(struct cpu *cpu, const struct instruction *instruction)
{
    return instruction_row(instruction)->handler == HANDLER_x87 &&
           !(host_form(cpu, instruction)->flags & HOST_CONTROLS);
}

bool encode_vector(struct emitter *e, struct cpu *cpu,
                   const struct instruction *instruction, uint32_t assumptions)
{
    const struct instruction_row *row = instruction_row(instruction);
    bool runs_on_host = row->handler == HANDLER_vector || row->handler == HANDLER_x87;
    uint32_t needs = row->attributes & ROW_AVX ? ASSUME_AVX : ASSUME_VECTOR;
    if (!runs_on_host || !(assumptions & needs) || is_special(cpu, instruction, row) ||
        (instruction->memory && !encode_reaches(instruction, assumptions))) {
        return false;
    }
    bool vex = instruction->vex_flags & INSTRUCTION_VEX;
    struct shape shape = {
        .prefix = (uint8_t)prefix_byte(host_mandatory_prefix(instruction)),
        .map = row->map,
        .opcode = instruction->opcode,
        /* Outside 64-bit mode bit 7 of a register's number is ignored. */
        .immediate = instruction->immediate &
                     (row->immediate == IMMEDIATE_REGISTER ? 0x7f : 0xff),
    };
    shape.immediate_bytes =
        row->immediate == IMMEDIATE_BYTE || row->immediate == IMMEDIATE_REGISTER;
    take_registers(&shape, instruction, row);
    struct address address;
    if (instruction->memory) {
        address = encode_address(e, instruction, assumptions);
    }
    if (vex) {
        if (instruction->memory) {
            encode_reach(e, &address);
        }
        emit_vex(e, instruction, row, &shape, instruction->memory ? &address : NULL);
        if (instruction->memory) {
            encode_modrm_address(e, shape.reg, &address);
        } else if (row->attributes & ROW_MODRM) {
            emit8(e, 0xc0 | (shape.reg & 7U) << 3 | (shape.rm & 7U));
        }
        if (shape.immediate_bytes) {
            emit8(e, shape.immediate);
        }
        return true;
    }
    if (instruction->memory) {
        encode_memory(e, &shape, &address, false, false);
    } else if (row->attributes & ROW_MODRM) {
        encode_register(e, &shape);
    } else {
        encode_bare(e, &shape);
    }
    if (instruction->memory && encode_is_noted(cpu, instruction)) {
        note_operand(e, instruction);
    }
    return true;
}
