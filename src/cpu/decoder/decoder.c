/* cpu/decoder/decoder.c: prefixes, opcode, the choice of the row, immediates. */
#include "cpu/decoder/decoder_internal.h"

#include <string.h>

enum decode_result decoder_need(const struct decoder *decoder, unsigned count)
{
    unsigned end = decoder->position + count;

    if (end <= decoder->limit) {
        return DECODE_OK;
    }
    return end > INSTRUCTION_LENGTH_MAX ? DECODE_TOO_LONG : DECODE_TRUNCATED;
}

/* Eats prefixes. Leaves the position at the first byte of the opcode; there is one. */
static enum decode_result decode_prefixes(struct decoder *decoder,
                                          struct instruction *out)
{
    unsigned prefixes = 0;

    for (; decoder->position < decoder->limit; decoder->position++) {
        switch (decoder->bytes[decoder->position]) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            out->segment = (decoder->bytes[decoder->position] >> 3) & 3;
            prefixes |= PREFIX_SEGMENT;
            break;
        case 0x64:
        case 0x65:
            out->segment = decoder->bytes[decoder->position] - 0x64 + SEGMENT_FS;
            prefixes |= PREFIX_SEGMENT;
            break;
        case 0x66:
            prefixes |= PREFIX_OPERAND_SIZE;
            break;
        case 0x67:
            prefixes |= PREFIX_ADDRESS_SIZE;
            break;
        case 0xf0:
            prefixes |= PREFIX_LOCK;
            break;
        case 0xf2:
            prefixes = (prefixes & ~PREFIX_REP) | PREFIX_REPNE;
            break;
        case 0xf3:
            prefixes = (prefixes & ~PREFIX_REPNE) | PREFIX_REP;
            break;
        default:
            out->prefixes = prefixes;
            return DECODE_OK;
        }
    }
    return decoder_need(decoder, 1);
}

/* What of enum candidate_prefix these prefixes are. */
static uint8_t mandatory_prefix(unsigned prefixes)
{
    if (prefixes & PREFIX_REP) {
        return CANDIDATE_F3;
    }
    if (prefixes & PREFIX_REPNE) {
        return CANDIDATE_F2;
    }
    return prefixes & PREFIX_OPERAND_SIZE ? CANDIDATE_66 : CANDIDATE_NP;
}

/* A VEX prefix; the position is behind its C4 or C5. SDM vol. 2, section 2.3.5. Outside
 * 64-bit mode bits R and X are ones (they make it different from LES and LDS), B and
 * the highest bit of vvvv are ignored. */
static enum decode_result decode_vex(struct decoder *decoder, struct instruction *out,
                                     bool three_bytes)
{
    static const uint8_t prefixes[4] = {CANDIDATE_NP, CANDIDATE_66, CANDIDATE_F3,
                                        CANDIDATE_F2};
    unsigned payload;

    if (out->prefixes &
        (PREFIX_LOCK | PREFIX_REP | PREFIX_REPNE | PREFIX_OPERAND_SIZE)) {
        return DECODE_INVALID;
    }
    enum decode_result result = decoder_need(decoder, three_bytes ? 3 : 2);
    if (result != DECODE_OK) {
        return result;
    }
    decoder->map = OPCODE_MAP_VEX_0F;
    if (three_bytes) {
        unsigned map = decoder->bytes[decoder->position++] & 0x1f;
        if (map < 1 || map > 3) {
            return DECODE_INVALID;
        }
        decoder->map += map - 1;
    }
    payload = decoder->bytes[decoder->position++];
    out->opcode = decoder->bytes[decoder->position++];
    out->vex_register = (~payload >> 3) & 7;
    out->vex_flags = INSTRUCTION_VEX | (payload & 4 ? INSTRUCTION_VEX_L : 0) |
                     (three_bytes && (payload & 0x80) ? INSTRUCTION_VEX_W : 0);
    decoder->prefix = prefixes[payload & 3];
    decoder->fulfilled =
        (payload & 4 ? CANDIDATE_L1 : CANDIDATE_L0) |
        (out->vex_flags & INSTRUCTION_VEX_W ? CANDIDATE_W1 : CANDIDATE_W0) |
        ((payload & 0x78) == 0x78 ? CANDIDATE_NO_VVVV : 0);
    return DECODE_OK;
}

/* The opcode with its escapes: sets map, prefix, opcode. */
static enum decode_result decode_opcode(struct decoder *decoder,
                                        struct instruction *out, uint32_t code_mode)
{
    enum decode_result result;
    uint8_t byte = decoder->bytes[decoder->position++];

    decoder->map = OPCODE_MAP_1;
    decoder->prefix = mandatory_prefix(out->prefixes);
    decoder->fulfilled = 0;
    if ((byte & 0xfe) == 0xc4 && (code_mode & CODE_MODE_VEX)) {
        result = decoder_need(decoder, 1);
        if (result != DECODE_OK) {
            return result;
        }
        if (decoder->bytes[decoder->position] >= 0xc0) {
            return decode_vex(decoder, out, byte == 0xc4);
        }
    }
    if (byte == 0x0f) {
        result = decoder_need(decoder, 1);
        if (result != DECODE_OK) {
            return result;
        }
        byte = decoder->bytes[decoder->position++];
        decoder->map = OPCODE_MAP_0F;
        if (byte == 0x38 || byte == 0x3a) {
            result = decoder_need(decoder, 1);
            if (result != DECODE_OK) {
                return result;
            }
            decoder->map = byte == 0x38 ? OPCODE_MAP_0F38 : OPCODE_MAP_0F3A;
            byte = decoder->bytes[decoder->position++];
        }
    }
    out->opcode = byte;
    return DECODE_OK;
}

/* The first candidate that fits, NULL: none does. Reads ModRM if there is one. */
static enum decode_result choose_row(struct decoder *decoder, struct instruction *out)
{
    const struct opcode_entry *entry = &opcode_entries[decoder->map][out->opcode];
    const struct instruction_candidate *candidate =
        &instruction_candidates[entry->first];

    if (entry->modrm) {
        enum decode_result result = decoder_need(decoder, 1);
        if (result != DECODE_OK) {
            return result;
        }
        out->modrm = decoder->bytes[decoder->position++];
        if (out->modrm < 0xc0) {
            decoder->fulfilled |= CANDIDATE_MEMORY;
        }
    }
    for (unsigned i = 0; i < entry->count; i++, candidate++) {
        if ((candidate->prefixes & decoder->prefix) &&
            (out->modrm & candidate->modrm_mask) == candidate->modrm_value &&
            !(candidate->demands & ~decoder->fulfilled)) {
            out->row = candidate->row;
            return DECODE_OK;
        }
    }
    return DECODE_INVALID;
}

static uint32_t fetch(struct decoder *decoder, unsigned width)
{
    uint16_t word;
    uint32_t doubleword;
    const uint8_t *bytes = decoder->bytes + decoder->position;

    decoder->position += width;
    switch (width) {
    case 1:
        return *bytes;
    case 2:
        memcpy(&word, bytes, sizeof word);
        return word;
    default:
        memcpy(&doubleword, bytes, sizeof doubleword);
        return doubleword;
    }
}

/* How many bytes an immediate of this kind has. */
static unsigned immediate_bytes(enum immediate_kind kind, const struct instruction *out)
{
    switch (kind) {
    case IMMEDIATE_NONE:
        break;
    case IMMEDIATE_BYTE:
    case IMMEDIATE_SIGNED_BYTE:
    case IMMEDIATE_BRANCH_BYTE:
    case IMMEDIATE_REGISTER:
        return 1;
    case IMMEDIATE_WORD:
        return 2;
    case IMMEDIATE_ENTER:
        return 3;
    case IMMEDIATE_FULL:
    case IMMEDIATE_BRANCH_FULL:
        return out->operand_bytes;
    case IMMEDIATE_FAR:
        return out->operand_bytes + 2;
    case IMMEDIATE_MOFFS:
        return out->address_mask == 0xffff ? 2 : 4;
    }
    return 0;
}

/* The target of a relative branch. It is the last thing of its instruction. */
static uint32_t branch_target(const struct decoder *decoder,
                              const struct instruction *out, uint32_t distance)
{
    uint32_t target = out->eip + decoder->position + distance;

    return out->operand_bytes == 2 ? target & 0xffff : target;
}

static enum decode_result decode_immediate(struct decoder *decoder,
                                           struct instruction *out,
                                           enum immediate_kind kind)
{
    unsigned width = immediate_bytes(kind, out);
    enum decode_result result = decoder_need(decoder, width);

    if (result != DECODE_OK) {
        return result;
    }
    switch (kind) {
    case IMMEDIATE_NONE:
        break;
    case IMMEDIATE_BYTE:
    case IMMEDIATE_WORD:
    case IMMEDIATE_FULL:
        out->immediate = fetch(decoder, width);
        break;
    case IMMEDIATE_SIGNED_BYTE:
        out->immediate = (uint32_t)(int8_t)fetch(decoder, 1);
        break;
    case IMMEDIATE_BRANCH_BYTE: {
        uint32_t distance = (uint32_t)(int8_t)fetch(decoder, 1);
        out->immediate = branch_target(decoder, out, distance);
        break;
    }
    case IMMEDIATE_BRANCH_FULL: {
        uint32_t distance = fetch(decoder, width);
        out->immediate = branch_target(decoder, out, distance);
        break;
    }
    case IMMEDIATE_FAR:
        out->immediate = fetch(decoder, width - 2);
        out->immediate2 = fetch(decoder, 2);
        break;
    case IMMEDIATE_MOFFS:
        out->memory = true;
        out->displacement = fetch(decoder, width);
        break;
    case IMMEDIATE_ENTER:
        out->immediate = fetch(decoder, 2);
        out->immediate2 = fetch(decoder, 1);
        break;
    case IMMEDIATE_REGISTER: /* bit 7 is ignored outside 64-bit mode */
        out->immediate = fetch(decoder, 1);
        out->immediate2 = (out->immediate >> 4) & 7;
        break;
    }
    return DECODE_OK;
}

/* `reg` of an instruction without a ModRM byte. */
static uint8_t register_in_opcode(const struct instruction *out,
                                  const struct instruction_row *row)
{
    if (row->operands[0].method >= OPERAND_ES &&
        row->operands[0].method <= OPERAND_GS) {
        return row->operands[0].method - OPERAND_ES;
    }
    return out->opcode & 7;
}

/* What no candidate can say: registers that do not exist, LOCK. */
static bool operands_exist(const struct instruction *out,
                           const struct instruction_row *row)
{
    if (row->attributes & ROW_VSIB) {
        return out->reg != out->index && out->reg != out->vex_register &&
               out->index != out->vex_register;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (row->operands[i].method == OPERAND_C) {
            return out->reg == 0 || (out->reg >= 2 && out->reg <= 4);
        }
        if (row->operands[i].method == OPERAND_S) {
            return out->reg < SEGMENT_COUNT && !(i == 0 && out->reg == SEGMENT_CS);
        }
    }
    return true;
}

static enum decode_result decode(struct decoder *decoder, struct instruction *out,
                                 uint32_t code_mode)
{
    enum decode_result result = decode_prefixes(decoder, out);

    if (result != DECODE_OK) {
        return result;
    }
    bool wide = code_mode & CODE_MODE_32;
    out->operand_bytes = wide != !!(out->prefixes & PREFIX_OPERAND_SIZE) ? 4 : 2;
    out->address_mask =
        wide != !!(out->prefixes & PREFIX_ADDRESS_SIZE) ? 0xffffffff : 0xffff;
    result = decode_opcode(decoder, out, code_mode);
    if (result != DECODE_OK) {
        return result;
    }
    result = choose_row(decoder, out);
    if (result != DECODE_OK) {
        return result;
    }
    const struct instruction_row *row = &instruction_rows[out->row];
    if (row->attributes & ROW_MODRM) {
        result = decode_modrm(decoder, out, row->attributes);
        if (result != DECODE_OK) {
            return result;
        }
    } else {
        out->reg = register_in_opcode(out, row);
    }
    result = decode_immediate(decoder, out, row->immediate);
    if (result != DECODE_OK) {
        return result;
    }
    if ((out->prefixes & PREFIX_LOCK) &&
        !(out->memory && (row->attributes & ROW_LOCK))) {
        return DECODE_INVALID;
    }
    if ((row->attributes & ROW_SPECIAL) && !operands_exist(out, row)) {
        return DECODE_INVALID;
    }
    return DECODE_OK;
}

enum decode_result decode_instruction(struct instruction *out, const uint8_t *bytes,
                                      unsigned available, uint32_t eip,
                                      uint32_t code_mode)
{
    struct decoder decoder = {
        .bytes = bytes,
        .limit =
            available < INSTRUCTION_LENGTH_MAX ? available : INSTRUCTION_LENGTH_MAX,
    };

    *out = (struct instruction){
        .execute = out->execute,
        .eip = eip,
        .segment = SEGMENT_DS,
        .base = REGISTER_ZERO,
        .index = REGISTER_ZERO,
    };
    enum decode_result result = decode(&decoder, out, code_mode);
    out->length = decoder.position;
    return result;
}
