/* Control flow of programs: jumps, loops, calls. */
#include "program_internal.h"

#include "isa_steering.h"

#include <string.h>

enum {
    DEPTH_MAX = 3,
    ITEMS_MAX = 10,
    SHORT_REACH = 120, /* of jumps backward with 8 bits */
    OPCODE_JCC = 0x70,
    OPCODE_JNZ = 0x75,
    OPCODE_JMP_SHORT = 0xeb,
    OPCODE_JMP = 0xe9,
    OPCODE_CALL = 0xe8,
    OPCODE_LOOPNE = 0xe0, /* and LOOPE, LOOP, JCXZ */
    OPCODE_LOOP = 0xe2,
    OPCODE_DEC = 0x48, /* + register */
    OPCODE_PUSH = 0x50,
    OPCODE_POP = 0x58,
    OPCODE_RET = 0xc3,
};

static struct random *random_of(const struct program_grower *grower)
{
    return &grower->generator->random;
}

static void some_plain(struct program_grower *grower, unsigned most)
{
    unsigned count = 1 + random_below(random_of(grower), most);
    for (unsigned i = 0; i < count && !grower->ended; i++) {
        program_plain(grower);
    }
}

/* A jump with its displacement: bytes 8, or of the operand size. */
static void jump(struct piece *piece, const struct program_grower *grower,
                 uint8_t opcode, bool near, uint32_t displacement)
{
    if (!near) {
        piece_add(piece, opcode);
        piece_add_number(piece, displacement, 1);
    } else if (opcode >> 4 == OPCODE_JCC >> 4) {
        piece_add(piece, 0x0f);
        piece_add(piece, opcode + 0x10);
        piece_add_number(piece, displacement, grower->is16 ? 2 : 4);
    } else {
        piece_add(piece, opcode == OPCODE_JMP_SHORT ? OPCODE_JMP : opcode);
        piece_add_number(piece, displacement, grower->is16 ? 2 : 4);
    }
}

/* A jump of the given length backward to `target`. */
static void jump_back(struct program_grower *grower, uint8_t opcode, uint32_t target)
{
    bool near = program_end(grower) - target > SHORT_REACH;
    struct piece piece = {.count = 0}, measured = {.count = 0};
    jump(&measured, grower, opcode, near, 0);
    jump(&piece, grower, opcode, near, target - program_end(grower) - measured.count);
    program_emit_piece(grower, &piece);
}

/* A conditional jump forward over some instructions, which are grown as if it were not
 * taken; then it is seen whether it is. */
static void skip(struct program_grower *grower)
{
    struct random *random = random_of(grower);
    struct duel_case before;
    uint8_t code[ORACLE_CODE_BYTES];
    uint8_t opcode = (uint8_t)(OPCODE_JCC + random_below(random, 16));
    bool near = random_one_in(random, 4);
    if (random_one_in(random, 4)) {
        near = false;
        opcode = random_one_in(random, 2)
                     ? OPCODE_JMP_SHORT
                     : (uint8_t)(OPCODE_LOOPNE + random_below(random, 4));
    }
    struct piece piece = {.count = 0};
    jump(&piece, grower, opcode, near, 0);
    uint32_t position = program_end(grower);
    memcpy(&before, &grower->now, sizeof(before));
    memcpy(code, host_oracle_code(), sizeof(code));
    if (!program_append(grower, piece.bytes, piece.count)) {
        return;
    }
    grower->now.before.eip = program_end(grower);
    some_plain(grower, 3);
    uint32_t distance = program_end(grower) - position - piece.count;
    piece.count = 0;
    jump(&piece, grower, opcode, near, distance);
    const struct duel_case *program = &grower->program->duel_case;
    memcpy(&grower->now, &before, sizeof(before));
    memcpy(host_oracle_code(), code, sizeof(code));
    program_patch(grower, position, piece.bytes, piece.count);
    memcpy(program_live(grower, position),
           program->code + (position - program->first_eip),
           program_end(grower) - position);
    grower->ended = false;
    program_advance(grower);
}

static void items(struct program_grower *grower, unsigned most, unsigned depth);

/* Whether DS shows the data area, writable. */
static bool has_data(const struct program_grower *grower)
{
    uint16_t selector = grower->now.before.segments[SEGMENT_DS];
    return selector == ORACLE_DS || selector == ORACLE_SEGMENT_WINDOW;
}

/* op byte [address]: with ModRM.reg. */
static void add_counter(struct piece *piece, const struct program_grower *grower,
                        uint8_t opcode, unsigned reg, uint32_t address)
{
    piece_address32(piece, grower);
    piece_add(piece, opcode);
    piece_add(piece, (uint8_t)(reg << 3 | 5));
    piece_add_number(piece, address - steering_segment_base(&grower->now, SEGMENT_DS),
                     4);
}

static void loop(struct program_grower *grower, unsigned depth)
{
    struct random *random = random_of(grower);
    uint8_t count =
        (uint8_t)(2 + random_below(random, random_one_in(random, 4) ? 40 : 6));
    uint32_t address = ORACLE_DATA + random_below(random, ORACLE_DATA_BYTES);
    unsigned reg = random_below(random, 8);
    bool in_memory = has_data(grower) && random_one_in(random, 2);
    struct piece piece = {.count = 0};
    if (in_memory) {
        add_counter(&piece, grower, 0xc6, 0, address); /* mov byte [], */
        piece_add(&piece, count);
        program_emit_piece(grower, &piece);
    } else {
        reg = reg == REGISTER_ESP ? REGISTER_ECX : reg;
        program_move(grower, reg, count);
    }
    uint32_t start = program_end(grower);
    items(grower, 5, depth + 1);
    if (grower->ended) {
        return;
    }
    piece.count = 0;
    if (in_memory) {
        add_counter(&piece, grower, 0xfe, 1, address); /* dec byte [] */
    } else if (reg == REGISTER_ECX && program_end(grower) - start < SHORT_REACH) {
        jump_back(grower, OPCODE_LOOP, start);
        return;
    } else {
        piece_operand32(&piece, grower);
        piece_add(&piece, (uint8_t)(OPCODE_DEC + reg));
    }
    program_emit_piece(grower, &piece);
    jump_back(grower, OPCODE_JNZ, start);
}

/* call f; jmp over; f: …; ret; over: */
static void define_function(struct program_grower *grower, unsigned depth)
{
    struct random *random = random_of(grower);
    struct piece call = {.count = 0}, over = {.count = 0};
    jump(&over, grower, OPCODE_JMP, true, 0);
    jump(&call, grower, OPCODE_CALL, true, over.count);
    uint32_t position = program_end(grower) + call.count;
    uint32_t function = position + over.count;
    if (!program_append(grower, call.bytes, call.count)) {
        return;
    }
    grower->ended = program_step(grower) >= 0 || grower->now.before.eip != function;
    if (!program_append(grower, over.bytes, over.count)) {
        return;
    }
    items(grower, 4, depth + 1);
    struct piece ret = {.count = 0};
    bool drops = random_one_in(random, 8);
    piece_add(&ret, drops ? OPCODE_RET - 1 : OPCODE_RET);
    piece_add_number(&ret, 4, drops ? 2 : 0);
    if (!program_append(grower, ret.bytes, ret.count)) {
        return;
    }
    over.count = 0;
    jump(&over, grower, OPCODE_JMP, true, program_end(grower) - function);
    program_patch(grower, position, over.bytes, over.count);
    program_advance(grower);
    if (grower->function_count < PROGRAM_FUNCTIONS) {
        grower->functions[grower->function_count++] = function;
    }
}

/* Calls one of those that are there, by its name or through a register. */
static void call_again(struct program_grower *grower)
{
    struct random *random = random_of(grower);
    if (grower->function_count == 0) {
        return;
    }
    uint32_t function = grower->functions[random_below(random, grower->function_count)];
    struct piece piece = {.count = 0};
    if (random_one_in(random, 2)) {
        unsigned bytes = grower->is16 ? 2 : 4;
        piece_add(&piece, OPCODE_CALL);
        piece_add_number(&piece, function - program_end(grower) - 1 - bytes, bytes);
    } else {
        unsigned reg = random_below(random, 4);
        program_move(grower, reg, function);
        piece_add(&piece, 0xff);
        piece_add(&piece, (uint8_t)(0xd0 + reg)); /* call reg */
    }
    program_emit_piece(grower, &piece);
}

static void push_and_pop(struct program_grower *grower)
{
    struct random *random = random_of(grower);
    struct piece piece = {.count = 0};
    switch (random_below(random, 3)) {
    case 0:
        piece_add(&piece, 0x6a); /* push imm8 */
        piece_add(&piece, (uint8_t)random_next(random));
        break;
    case 1:
        piece_operand32(&piece, grower);
        /* fall through */
    default:
        piece_add(&piece, (uint8_t)(OPCODE_PUSH + random_below(random, 8)));
    }
    program_emit_piece(grower, &piece);
    some_plain(grower, 2);
    uint8_t pop = (uint8_t)(OPCODE_POP + random_below(random, 8));
    program_emit(grower, &pop, 1);
}

static void item(struct program_grower *grower, unsigned depth)
{
    switch (random_below(random_of(grower), 16)) {
    case 0:
    case 1:
        skip(grower);
        break;
    case 2:
    case 3:
        if (depth < DEPTH_MAX) {
            loop(grower, depth);
        }
        break;
    case 4:
        if (depth < DEPTH_MAX) {
            define_function(grower, depth);
        }
        break;
    case 5:
        call_again(grower);
        break;
    case 6:
        push_and_pop(grower);
        break;
    case 7:
        program_string(grower);
        break;
    case 8:
        program_slots(grower);
        break;
    case 9:
        program_modify(grower);
        break;
    case 10:
        program_write_near(grower);
        break;
    case 11:
        program_segment(grower);
        break;
    default:
        program_plain(grower);
    }
}

static void items(struct program_grower *grower, unsigned most, unsigned depth)
{
    unsigned count = 1 + random_below(random_of(grower), most);
    for (unsigned i = 0; i < count && !grower->ended; i++) {
        item(grower, depth);
    }
}

void program_flow(struct program_grower *grower)
{
    if (random_one_in(random_of(grower), 2)) {
        loop(grower, 0);
    }
    items(grower, ITEMS_MAX, 0);
}
