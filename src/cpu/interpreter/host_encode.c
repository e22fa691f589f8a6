/* Encodings: Intel SDM vol. 2, chapter 2. A stub is called as a C function: RDI points
 * to the memory operand, RSI to the struct host_exchange. */
#include "cpu/interpreter/host_encode.h"

struct encoder {
    uint8_t *at;
};

static void put(struct encoder *encoder, unsigned byte)
{
    *encoder->at++ = (uint8_t)byte;
}

unsigned host_mandatory_prefix(const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    const struct opcode_entry *entry = &opcode_entries[row->map][instruction->opcode];
    for (unsigned i = 0; i < entry->count; i++) {
        const struct instruction_candidate *candidate =
            &instruction_candidates[entry->first + i];
        if (candidate->row == instruction->row) {
            return candidate->prefixes;
        }
    }
    return 0;
}

/* Operands that are general registers, be they implied (PCMPESTRM, PCMPESTRI). */
static bool has_general(const struct instruction_row *row)
{
    if (row->map == OPCODE_MAP_VEX_0F3A && (row->opcode & 0xfe) == 0x60) {
        return true;
    }
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        if (row->operands[i].method == OPERAND_E ||
            row->operands[i].method == OPERAND_G) {
            return true;
        }
    }
    return false;
}

static void put_vex(struct encoder *encoder, const struct instruction *instruction,
                    const struct instruction_row *row, unsigned prefix)
{
    unsigned map = row->map - OPCODE_MAP_VEX_0F + 1;
    unsigned pp = prefix == CANDIDATE_66   ? 1
                  : prefix == CANDIDATE_F3 ? 2
                  : prefix == CANDIDATE_F2 ? 3
                                           : 0;
    /* Outside 64-bit mode W does not choose between 32 and 64 bits. */
    bool wide = (instruction->vex_flags & INSTRUCTION_VEX_W) && !has_general(row);
    bool long_vector = instruction->vex_flags & INSTRUCTION_VEX_L;
    put(encoder, 0xc4);
    put(encoder, 0xe0 | map);
    put(encoder, (wide ? 0x80 : 0) | (~(unsigned)instruction->vex_register & 15) << 3 |
                     (long_vector ? 4 : 0) | pp);
}

static void put_legacy(struct encoder *encoder, const struct instruction_row *row,
                       unsigned prefix)
{
    switch (prefix) {
    case CANDIDATE_66:
        put(encoder, 0x66);
        break;
    case CANDIDATE_F3:
        put(encoder, 0xf3);
        break;
    case CANDIDATE_F2:
        put(encoder, 0xf2);
        break;
    default:
        break;
    }
    if (row->map != OPCODE_MAP_1) {
        put(encoder, 0x0f);
    }
    if (row->map == OPCODE_MAP_0F38) {
        put(encoder, 0x38);
    } else if (row->map == OPCODE_MAP_0F3A) {
        put(encoder, 0x3a);
    }
}

static void put_modrm(struct encoder *encoder, const struct instruction *instruction,
                      const struct instruction_row *row)
{
    enum { RDI = 7 };
    unsigned reg = instruction->reg, rm = instruction->rm;
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        if (row->operands[i].method == OPERAND_G) {
            reg = REGISTER_EAX;
        } else if (row->operands[i].method == OPERAND_E) {
            rm = REGISTER_EAX;
        }
    }
    put(encoder, instruction->memory ? reg << 3 | RDI : 0xc0 | reg << 3 | rm);
}

static void put_instruction(struct encoder *encoder,
                            const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    unsigned prefix = host_mandatory_prefix(instruction);
    if (instruction->vex_flags & INSTRUCTION_VEX) {
        put_vex(encoder, instruction, row, prefix);
    } else {
        put_legacy(encoder, row, prefix);
    }
    put(encoder, instruction->opcode);
    if (row->attributes & ROW_MODRM) {
        put_modrm(encoder, instruction, row);
    }
    if (row->immediate == IMMEDIATE_BYTE) {
        put(encoder, instruction->immediate & 0xff);
    } else if (row->immediate == IMMEDIATE_REGISTER) {
        put(encoder, instruction->immediate & 0x7f);
    }
}

unsigned host_encode(const struct instruction *instruction, uint8_t *bytes)
{
    struct encoder encoder = {bytes};
    put_instruction(&encoder, instruction);
    return (unsigned)(encoder.at - bytes);
}

/* 8-bit displacement from RSI of a member of struct host_exchange. */
#define AT(member) offsetof(struct host_exchange, member)

static void put_inputs(struct encoder *encoder, unsigned flags)
{
    if (flags & HOST_FLAGS_IN) {
        /* mov eax, [rsi+…]; add al, 0x7f: OF if AL was 1; sahf: the others. */
        put(encoder, 0x8b);
        put(encoder, 0x46);
        put(encoder, AT(flags));
        put(encoder, 0x04);
        put(encoder, 0x7f);
        put(encoder, 0x9e);
    }
    if (flags & (HOST_GENERAL_IN | HOST_LENGTHS_IN)) {
        put(encoder, 0x8b); /* mov eax, [rsi+…] */
        put(encoder, 0x46);
        put(encoder, AT(general));
    }
    if (flags & HOST_LENGTHS_IN) {
        put(encoder, 0x8b); /* mov edx, [rsi+…] */
        put(encoder, 0x56);
        put(encoder, AT(edx));
    }
}

static void put_outputs(struct encoder *encoder, unsigned flags)
{
    if (flags & HOST_GENERAL_OUT) {
        put(encoder, 0x89); /* mov [rsi+…], eax */
        put(encoder, 0x46);
        put(encoder, AT(general));
    }
    if (flags & HOST_INDEX_OUT) {
        put(encoder, 0x89); /* mov [rsi+…], ecx */
        put(encoder, 0x4e);
        put(encoder, AT(ecx));
    }
    if (flags & HOST_FLAGS_OUT) {
        put(encoder, 0x9f); /* lahf; seto al; mov [rsi+…], ax */
        put(encoder, 0x0f);
        put(encoder, 0x90);
        put(encoder, 0xc0);
        put(encoder, 0x66);
        put(encoder, 0x89);
        put(encoder, 0x46);
        put(encoder, AT(flags));
    }
}

void host_encode_stub(const struct instruction *instruction, unsigned flags,
                      uint8_t *bytes)
{
    struct encoder encoder = {bytes};
    put_inputs(&encoder, flags);
    put_instruction(&encoder, instruction);
    put_outputs(&encoder, flags);
    put(&encoder, 0xc3); /* ret */
}
