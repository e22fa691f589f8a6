#include "isa_encoding.h"

#include <string.h>

/* What has been decided about an encoding in the making. */
struct making {
    struct random *random;
    const struct instruction_row *row;
    const struct instruction_candidate *candidate;
    uint8_t opcode;
    bool operand16, address16;
    struct isa_encoding *out;
};

enum { ALL_PREFIXES = CANDIDATE_NP | CANDIDATE_66 | CANDIDATE_F3 | CANDIDATE_F2 };

static void put(struct making *making, uint8_t byte)
{
    making->out->bytes[making->out->length++] = byte;
}

static void put_random(struct making *making, unsigned count)
{
    uint32_t value = random_integer(making->random);
    for (unsigned i = 0; i < count; i++) {
        put(making, (uint8_t)(value >> 8 * i));
    }
}

/* One of the row's opcodes, and one of the candidates that lead from it to the row.
 * (Another row may have taken one of the opcodes: XCHG EAX, EAX is NOP.) */
static bool choose_candidate(struct making *making, unsigned row)
{
    const struct instruction_row *r = making->row;
    making->opcode =
        (uint8_t)(r->opcode + random_below(making->random, r->opcode_count));
    const struct opcode_entry *entry = &opcode_entries[r->map][making->opcode];
    unsigned found = 0;
    for (unsigned i = 0; i < entry->count; i++) {
        const struct instruction_candidate *c =
            &instruction_candidates[entry->first + i];
        if (c->row == row && random_below(making->random, ++found) == 0) {
            making->candidate = c;
        }
    }
    return making->candidate;
}

static uint8_t choose_repeat_prefix(struct making *making)
{
    uint8_t accepted = making->candidate->prefixes;
    if (!(accepted & (CANDIDATE_NP | CANDIDATE_66))) {
        return accepted & CANDIDATE_F3 ? 0xf3 : 0xf2;
    }
    /* Before other instructions they mean something to some processors only. */
    bool repeatable = making->row->attributes & (ROW_REP | ROW_REPCC);
    bool harmless = accepted == ALL_PREFIXES && making->row->map == OPCODE_MAP_1 &&
                    strncmp(making->row->mnemonic, "LOOP", 4) != 0;
    if (repeatable ? random_one_in(making->random, 2)
                   : harmless && random_one_in(making->random, 64)) {
        return random_one_in(making->random, 2) ? 0xf3 : 0xf2;
    }
    return 0;
}

static bool choose_operand_prefix(struct making *making, uint8_t repeat)
{
    uint8_t accepted = making->candidate->prefixes;
    if (repeat) {
        return random_one_in(making->random, 4);
    }
    if (!(accepted & CANDIDATE_NP)) {
        return true;
    }
    return (accepted & CANDIDATE_66) && random_one_in(making->random, 4);
}

static void put_legacy_prefixes(struct making *making, bool is16, bool vex)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    struct random *random = making->random;
    uint8_t prefixes[5];
    unsigned count = 0;
    bool operand = false;
    if (!vex) {
        uint8_t repeat = choose_repeat_prefix(making);
        operand = choose_operand_prefix(making, repeat);
        if (repeat) {
            prefixes[count++] = repeat;
        }
        bool lockable = making->row->attributes & ROW_LOCK;
        /* LOCK MOV CR0 is MOV CR8 to AMD; LOCK VERW reads before its #UD. */
        bool special = making->row->map == OPCODE_MAP_0F &&
                       (making->opcode == 0x20 || making->opcode == 0x22 ||
                        making->opcode == 0x00);
        if (!special && random_one_in(random, lockable ? 6 : 200)) {
            prefixes[count++] = 0xf0;
        }
        if (operand) {
            prefixes[count++] = 0x66;
        }
    }
    bool address = random_one_in(random, 8);
    if (address) {
        prefixes[count++] = 0x67;
    }
    if (random_one_in(random, 8)) {
        prefixes[count++] = segments[random_below(random, ARRAY_LENGTH(segments))];
    }
    making->operand16 = is16 ^ operand;
    making->address16 = is16 ^ address;
    while (count) {
        unsigned i = random_below(random, count);
        put(making, prefixes[i]);
        prefixes[i] = prefixes[--count];
    }
}

static void put_escape(struct making *making)
{
    switch (making->row->map) {
    case OPCODE_MAP_0F:
        put(making, 0x0f);
        break;
    case OPCODE_MAP_0F38:
        put(making, 0x0f);
        put(making, 0x38);
        break;
    case OPCODE_MAP_0F3A:
        put(making, 0x0f);
        put(making, 0x3a);
        break;
    default:
        break;
    }
}

/* VEX prefix, two bytes or three (SDM vol. 2, figure 2-9). */
static void put_vex(struct making *making)
{
    struct random *random = making->random;
    const struct instruction_candidate *candidate = making->candidate;
    uint8_t demands = candidate->demands;
    unsigned pp = candidate->prefixes & CANDIDATE_NP   ? 0
                  : candidate->prefixes & CANDIDATE_66 ? 1
                  : candidate->prefixes & CANDIDATE_F3 ? 2
                                                       : 3;
    unsigned l = demands & CANDIDATE_L0   ? 0
                 : demands & CANDIDATE_L1 ? 1
                                          : random_below(random, 2);
    unsigned w = demands & CANDIDATE_W0   ? 0
                 : demands & CANDIDATE_W1 ? 1
                                          : random_below(random, 2);
    /* VPEXTRD and VPINSRD ignore W by Intel; #UD by AMD. */
    if (making->row->map == OPCODE_MAP_VEX_0F3A &&
        (making->opcode == 0x16 || making->opcode == 0x22)) {
        w = 0;
    }
    unsigned vvvv = demands & CANDIDATE_NO_VVVV ? 15 : 8 + random_below(random, 8);
    unsigned low = vvvv << 3 | l << 2 | pp;
    unsigned map = making->row->map - OPCODE_MAP_VEX_0F + 1;
    bool w_matters = demands & (CANDIDATE_W0 | CANDIDATE_W1);
    if (map == 1 && !(w_matters && w) && random_one_in(random, 2)) {
        put(making, 0xc5);
        put(making, (uint8_t)(0x80 | low));
    } else {
        put(making, 0xc4);
        put(making, (uint8_t)(0xe0 | map));
        put(making, (uint8_t)(w << 7 | low));
    }
}

static void put_displacement(struct making *making, unsigned bytes)
{
    making->out->displacement = making->out->length;
    making->out->displacement_bytes = bytes;
    put_random(making, bytes);
}

static uint8_t choose_modrm(struct making *making)
{
    const struct instruction_candidate *candidate = making->candidate;
    uint8_t modrm;
    bool want_memory = random_below(making->random, 100) < 60;
    do {
        modrm = (uint8_t)random_next(making->random);
        if (!(candidate->modrm_mask & 0xc0)) {
            bool memory = want_memory || (candidate->demands & CANDIDATE_MEMORY);
            modrm = memory ? modrm : modrm | 0xc0;
            if (memory && modrm >= 0xc0) {
                continue;
            }
        }
        modrm = (uint8_t)((modrm & ~candidate->modrm_mask) | candidate->modrm_value);
        if ((making->row->attributes & ROW_VSIB) && (modrm & 7) != 4) {
            continue;
        }
        return modrm;
    } while (true);
}

static void put_modrm(struct making *making)
{
    uint8_t modrm = choose_modrm(making);
    unsigned mod = modrm >> 6, rm = modrm & 7;
    put(making, modrm);
    if (mod == 3) {
        return;
    }
    if (making->address16 && !(making->row->attributes & ROW_VSIB)) {
        if (mod || rm == 6) {
            put_displacement(making, mod == 1 ? 1 : 2);
        }
        return;
    }
    if (rm == 4) {
        uint8_t sib = (uint8_t)random_next(making->random);
        put(making, sib);
        if (mod == 0 && (sib & 7) == 5) {
            put_displacement(making, 4);
        }
    }
    if (mod || rm == 5) {
        put_displacement(making, mod == 1 ? 1 : 4);
    }
}

static void put_immediate(struct making *making)
{
    switch ((enum immediate_kind)making->row->immediate) {
    case IMMEDIATE_NONE:
        break;
    case IMMEDIATE_BYTE:
    case IMMEDIATE_SIGNED_BYTE:
    case IMMEDIATE_BRANCH_BYTE:
    case IMMEDIATE_REGISTER:
        put_random(making, 1);
        break;
    case IMMEDIATE_WORD:
        put_random(making, 2);
        break;
    case IMMEDIATE_FULL:
    case IMMEDIATE_BRANCH_FULL:
        put_random(making, making->operand16 ? 2 : 4);
        break;
    case IMMEDIATE_FAR:
        put_random(making, making->operand16 ? 2 : 4);
        put_random(making, 2);
        break;
    case IMMEDIATE_MOFFS:
        put_displacement(making, making->address16 ? 2 : 4);
        break;
    case IMMEDIATE_ENTER:
        put(making, (uint8_t)random_next(making->random));
        put(making, random_one_in(making->random, 8)
                        ? (uint8_t)random_next(making->random)
                        : (uint8_t)random_below(making->random, 4));
        put(making, random_one_in(making->random, 8)
                        ? (uint8_t)random_next(making->random)
                        : (uint8_t)random_below(making->random, 4));
        break;
    }
}

void isa_encode(struct random *random, unsigned row, bool is16,
                struct isa_encoding *encoding)
{
    struct making making = {
        .random = random, .row = &instruction_rows[row], .out = encoding};
    bool vex = making.row->map >= OPCODE_MAP_VEX_0F;
    *encoding = (struct isa_encoding){.length = 0};
    while (!choose_candidate(&making, row)) {
    }
    put_legacy_prefixes(&making, is16, vex);
    if (vex) {
        put_vex(&making);
    } else {
        put_escape(&making);
    }
    put(&making, making.opcode);
    if (making.row->attributes & ROW_MODRM) {
        put_modrm(&making);
    }
    put_immediate(&making);
}
