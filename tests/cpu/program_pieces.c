/* Pieces of programs: strings, and stores to code. */
#include "program_internal.h"

#include "isa_steering.h"

#include <string.h>

enum {
    ITERATIONS = 40,     /* of a string instruction */
    SLOTS_AHEAD = 4,     /* right behind what changes them */
    RESERVED_BYTES = 16, /* at the end of the code area, for the test */
    OPERAND_PREFIX = 0x66,
    ADDRESS_PREFIX = 0x67,
    OPCODE_MOV = 0xb8, /* + register */
};

static const uint8_t one_byte_instructions[] = {
    0x40, 0x41, 0x42, 0x43, 0x45, 0x46, 0x47,       /* inc */
    0x48, 0x49, 0x4a, 0x4b, 0x4d, 0x4e, 0x4f,       /* dec */
    0x90, 0x91, 0x92, 0x93, 0x95, 0x96, 0x97,       /* xchg */
    0x98, 0x99, 0x9e, 0x9f, 0xf5, 0xf8, 0xf9, 0xfc, /* cbw, cwd, lahf, sahf, cmc… */
};

static struct random *random_of(const struct program_grower *grower)
{
    return &grower->generator->random;
}

void piece_add(struct piece *piece, uint8_t byte)
{
    piece->bytes[piece->count++] = byte;
}

void piece_add_number(struct piece *piece, uint32_t number, unsigned bytes)
{
    memcpy(piece->bytes + piece->count, &number, bytes);
    piece->count += bytes;
}

void piece_operand32(struct piece *piece, const struct program_grower *grower)
{
    if (grower->is16) {
        piece_add(piece, OPERAND_PREFIX);
    }
}

void piece_address32(struct piece *piece, const struct program_grower *grower)
{
    if (grower->is16) {
        piece_add(piece, ADDRESS_PREFIX);
    }
}

void program_emit_piece(struct program_grower *grower, const struct piece *piece)
{
    program_emit(grower, piece->bytes, piece->count);
}

void program_move(struct program_grower *grower, enum register_number to,
                  uint32_t number)
{
    struct piece piece = {.count = 0};
    piece_operand32(&piece, grower);
    piece_add(&piece, (uint8_t)(OPCODE_MOV + to));
    piece_add_number(&piece, number, 4);
    program_emit_piece(grower, &piece);
}

void program_string(struct program_grower *grower)
{
    static const uint8_t opcodes[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa,
                                      0xab, 0xac, 0xad, 0xae, 0xaf};
    struct random *random = random_of(grower);
    uint32_t count = random_below(random, ITERATIONS);
    program_move(grower, REGISTER_ECX, count);
    program_move(grower, REGISTER_ESI,
                 steering_zone(random, 4 * count) -
                     steering_segment_base(&grower->now, SEGMENT_DS));
    program_move(grower, REGISTER_EDI,
                 steering_zone(random, 4 * count) -
                     steering_segment_base(&grower->now, SEGMENT_ES));
    struct piece piece = {.count = 0};
    if (random_one_in(random, 4)) {
        piece_add(&piece, OPERAND_PREFIX);
    }
    if (!random_one_in(random, 4)) {
        piece_add(&piece, random_one_in(random, 2) ? 0xf2 : 0xf3);
    }
    piece_add(&piece, opcodes[random_below(random, sizeof(opcodes))]);
    program_emit_piece(grower, &piece);
}

/* A segment register shows something else, or the flat segment again. */
void program_segment(struct program_grower *grower)
{
    static const uint16_t selectors[] = {ORACLE_SEGMENT_WINDOW, ORACLE_SEGMENT_SHORT,
                                         ORACLE_SEGMENT_CONSTANT,
                                         ORACLE_SEGMENT_EXPAND_DOWN, 0};
    static const uint8_t segments[] = {SEGMENT_ES, SEGMENT_DS, SEGMENT_FS, SEGMENT_GS};
    struct random *random = random_of(grower);
    unsigned reg = random_below(random, 4);
    bool flat = random_one_in(random, 2);
    program_move(grower, reg,
                 flat ? ORACLE_DS
                      : selectors[random_below(random, ARRAY_LENGTH(selectors))]);
    struct piece piece = {.count = 0};
    piece_add(&piece, 0x8e); /* mov sreg, reg */
    piece_add(
        &piece,
        (uint8_t)(0xc0 | segments[random_below(random, sizeof(segments))] << 3 | reg));
    program_emit_piece(grower, &piece);
}

uint8_t program_slot_value(struct random *random, const struct slot *slot)
{
    switch (slot->kind) {
    case SLOT_INSTRUCTION:
        return one_byte_instructions[random_below(random,
                                                  sizeof(one_byte_instructions))];
    case SLOT_CONDITION:
        return (uint8_t)(0x70 + random_below(random, 16));
    default:
        return (uint8_t)random_next(random);
    }
}

/* Adds a slot at EIP `eip`; what to put there. */
static uint8_t new_slot(struct program_grower *grower, uint32_t eip,
                        enum slot_kind kind)
{
    struct program *program = grower->program;
    struct slot slot = {duel_code_address(&grower->now.before, eip), kind};
    if (program->slot_count < PROGRAM_SLOTS) {
        program->slots[program->slot_count++] = slot;
    }
    return program_slot_value(random_of(grower), &slot);
}

/* An instruction that can be changed later. */
void program_slots(struct program_grower *grower)
{
    struct random *random = random_of(grower);
    uint32_t eip = program_end(grower);
    struct piece piece = {.count = 0};
    unsigned reg = random_below(random, 8);
    reg = reg == REGISTER_ESP ? REGISTER_EAX : reg;
    switch (random_below(random, 4)) {
    case 0: /* mov reg8, imm8 */
        piece_add(&piece, (uint8_t)(0xb0 + random_below(random, 8)));
        piece_add(&piece, new_slot(grower, eip + 1, SLOT_IMMEDIATE));
        break;
    case 1: /* add, or, adc… reg, imm8 */
        piece_add(&piece, 0x83);
        piece_add(&piece, (uint8_t)(0xc0 | random_below(random, 8) << 3 | reg));
        piece_add(&piece, new_slot(grower, eip + 2, SLOT_IMMEDIATE));
        break;
    case 2: /* a jump over one instruction, or not */
        piece_add(&piece, new_slot(grower, eip, SLOT_CONDITION));
        piece_add(&piece, 1);
        /* fall through */
    default:
        piece_add(&piece, new_slot(grower, eip + piece.count, SLOT_INSTRUCTION));
    }
    program_emit_piece(grower, &piece);
}

/* Puts the prefix of a segment register that shows the code into the piece; false if
 * there is none. */
static bool reach_code(struct piece *piece, const struct program_grower *grower)
{
    static const struct {
        enum segment_number segment;
        uint8_t prefix;
    } choices[] = {{SEGMENT_DS, 0x3e},
                   {SEGMENT_ES, 0x26},
                   {SEGMENT_SS, 0x36},
                   {SEGMENT_FS, 0x64},
                   {SEGMENT_GS, 0x65}};
    for (unsigned i = 0; i < ARRAY_LENGTH(choices); i++) {
        if (grower->now.before.segments[choices[i].segment] == ORACLE_DS) {
            piece_add(piece, choices[i].prefix);
            return true;
        }
    }
    return false;
}

/* Adds a store of `bytes` (1 or 4) of `value`; `any`: or something that changes it. */
static bool store(struct piece *piece, const struct program_grower *grower,
                  gla_t address, uint32_t value, unsigned bytes, bool any)
{
    static const struct {
        uint8_t opcode, modrm;
        bool immediate;
    } changes[] = {{0xfe, 0x05, false}, /* inc */
                   {0xf6, 0x15, false}, /* not */
                   {0x80, 0x05, true},  /* add */
                   {0x80, 0x35, true}}; /* xor */
    unsigned choice =
        any ? random_below(random_of(grower), 2 * ARRAY_LENGTH(changes)) : UINT32_MAX;
    bool changes_it = choice < ARRAY_LENGTH(changes);
    if (!reach_code(piece, grower)) {
        return false;
    }
    piece_operand32(piece, grower);
    piece_address32(piece, grower);
    piece_add(piece, changes_it ? changes[choice].opcode : bytes == 1 ? 0xc6 : 0xc7);
    piece_add(piece, changes_it ? changes[choice].modrm : 0x05);
    piece_add_number(piece, address, 4);
    if (!changes_it || changes[choice].immediate) {
        piece_add_number(piece, value, changes_it ? 1 : bytes);
    }
    return true;
}

/* Changes what comes right behind. */
static void modify_ahead(struct program_grower *grower)
{
    struct random *random = random_of(grower);
    const struct slot any = {.kind = SLOT_INSTRUCTION};
    struct piece piece = {.count = 0}, measured = {.count = 0};
    unsigned bytes = random_one_in(random, 2) ? 1 : 4;
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint32_t)program_slot_value(random, &any) << 8 * i;
    }
    if (!store(&measured, grower, 0, value, bytes, false)) {
        return;
    }
    uint32_t behind = program_end(grower) + measured.count;
    store(&piece, grower, duel_code_address(&grower->now.before, behind), value, bytes,
          false);
    for (unsigned i = 0; i < SLOTS_AHEAD; i++) {
        piece_add(&piece, new_slot(grower, behind + i, SLOT_INSTRUCTION));
    }
    program_emit_piece(grower, &piece);
}

void program_modify(struct program_grower *grower)
{
    struct random *random = random_of(grower);
    const struct program *program = grower->program;
    struct piece piece = {.count = 0};
    if (program->slot_count == 0 || random_one_in(random, 3)) {
        modify_ahead(grower);
        return;
    }
    const struct slot *slot =
        &program->slots[random_below(random, program->slot_count)];
    if (store(&piece, grower, slot->address, program_slot_value(random, slot), 1,
              slot->kind == SLOT_IMMEDIATE)) {
        program_emit_piece(grower, &piece);
    }
}

/* Writes to a page of code, but not to code. */
void program_write_near(struct program_grower *grower)
{
    struct random *random = random_of(grower);
    const struct duel_case *code = &grower->program->duel_case;
    gla_t first = duel_code_address(&code->before, code->first_eip);
    gla_t address =
        ORACLE_CODE + random_below(random, ORACLE_CODE_BYTES - RESERVED_BYTES - 4);
    struct piece piece = {.count = 0};
    if (address + 4 > first && address < first + DUEL_CODE_MAX) {
        return;
    }
    if (store(&piece, grower, address, (uint32_t)random_next(random),
              random_one_in(random, 2) ? 1 : 4, true)) {
        program_emit_piece(grower, &piece);
    }
}
