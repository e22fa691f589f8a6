/* String instructions, upwards, in flat segments.
 *
 * Single ones become a load, a store, an LEA for each pointer. REP MOVS and REP STOS
 * are the host's own, on host addresses, with the view's base added to the pointers for
 * as long as they run: views begin at multiples of 4 GiB, so their low halves are right
 * at any time. */
#include "cpu/jit/encode.h"

#include <stddef.h>

static const struct address at_source = {.base = HOST_RSI, .index = HOST_RSP};
static const struct address at_destination = {.base = HOST_RDI, .index = HOST_RSP};

static unsigned width_of(const struct instruction *instruction)
{
    return instruction->opcode & 1 ? instruction->operand_bytes : 1;
}

static void emit_move(struct emitter *e, unsigned width, unsigned opcode, unsigned reg,
                      const struct address *address)
{
    const struct shape shape = {
        .sixteen = width == 2,
        .opcode = (uint8_t)(opcode | (width > 1)),
        .reg = (uint8_t)reg,
    };
    encode_memory(e, &shape, address, false, false);
}

/* lea reg, [reg + width] */
static void emit_advance(struct emitter *e, unsigned reg, unsigned width)
{
    const struct shape lea = {.opcode = 0x8d, .reg = (uint8_t)reg};
    const struct address next = {
        .base = (uint8_t)reg, .index = HOST_RSP, .displacement = width};
    encode_memory(e, &lea, &next, false, true);
}

static bool encode_once(struct emitter *e, const struct instruction *instruction)
{
    enum { LOAD = 0x8a, STORE = 0x88, COMPARE = 0x3a };
    unsigned width = width_of(instruction);
    switch (instruction->opcode & 0xfe) {
    case 0xa4: /* MOVS */
        emit_move(e, width, LOAD, HOST_R8, &at_source);
        emit_move(e, width, STORE, HOST_R8, &at_destination);
        emit_advance(e, HOST_RSI, width);
        emit_advance(e, HOST_RDI, width);
        return true;
    case 0xa6: /* CMPS */
        emit_move(e, width, LOAD, HOST_R8, &at_source);
        emit_move(e, width, COMPARE, HOST_R8, &at_destination);
        emit_advance(e, HOST_RSI, width);
        emit_advance(e, HOST_RDI, width);
        return true;
    case 0xaa: /* STOS */
        emit_move(e, width, STORE, HOST_RAX, &at_destination);
        emit_advance(e, HOST_RDI, width);
        return true;
    case 0xac: /* LODS */
        emit_move(e, width, LOAD, HOST_RAX, &at_source);
        emit_advance(e, HOST_RSI, width);
        return true;
    case 0xae: /* SCAS */
        emit_move(e, width, COMPARE, HOST_RAX, &at_destination);
        emit_advance(e, HOST_RDI, width);
        return true;
    default:
        return false;
    }
}

/* r9 = -ECX - 1; traps if the budget does not suffice for that many iterations and the
 * rest of the block, less what of it has been paid for: an estimate to the safe side.
 */
static void emit_iterations_check(struct emitter *e, unsigned rest)
{
    EMIT(e, 0x49, 0x89, 0xc9);             /* mov r9, rcx */
    EMIT(e, 0x49, 0xf7, 0xd1);             /* not r9 */
    EMIT(e, 0x4f, 0x8d, 0x84, 0x0d);       /* lea r8, … */
    emit32(e, 0U - rest);                  /* [r13 + r9 - rest] */
    EMIT(e, 0xc4, 0x42, 0x8b, 0xf7, 0xc0); /* shrx r8, r8, r14 */
    EMIT(e, 0x47, 0x8b, 0x84, 0xc6);       /* mov r8d, … */
    emit32(e, (uint32_t)(JUMP_TABLE_BYTES - 8 -
                         JUMP_TABLE_BIAS)); /* [r14 + r8 * 8 + last] */
}

static bool encode_repeated(struct emitter *e, const struct instruction *instruction,
                            unsigned rest)
{
    bool moves = (instruction->opcode & 0xfe) == 0xa4;
    if (!moves && (instruction->opcode & 0xfe) != 0xaa) {
        return false;
    }
    EMIT(e, 0xe3, 0x00); /* jrcxz: nothing to do */
    uint8_t *skip = e->at - 1;
    emit_iterations_check(e, rest);
    /* lea r13, [r13 + r9 + 2]: ECX - 1 iterations more */
    EMIT(e, 0x4f, 0x8d, 0x6c, 0x0d, 0x02);
    emit_load64(e, HOST_R8, HOST_CPU, (int32_t)offsetof(struct cpu, translated.view));
    EMIT(e, 0x4a, 0x8d, 0x3c, 0x07); /* lea rdi, [rdi + r8] */
    if (moves) {
        EMIT(e, 0x4a, 0x8d, 0x34, 0x06); /* lea rsi, [rsi + r8] */
    }
    emit8(e, 0xf3);
    if (width_of(instruction) == 2) {
        emit8(e, 0x66);
    }
    EMIT(e, REX, instruction->opcode);
    EMIT(e, 0x89, 0xff); /* mov edi, edi */
    if (moves) {
        EMIT(e, 0x89, 0xf6); /* mov esi, esi */
    }
    *skip = (uint8_t)(e->at - skip - 1);
    return true;
}

static bool is_flat(unsigned segment, uint32_t assumptions)
{
    return (segment == SEGMENT_ES || segment == SEGMENT_SS || segment == SEGMENT_DS) &&
           (assumptions >> (ASSUME_SEGMENT_BITS * segment) & 3) == SEGMENT_FLAT;
}

bool encode_string(struct emitter *e, const struct instruction *instruction,
                   unsigned rest, uint32_t assumptions)
{
    const struct instruction_row *row = instruction_row(instruction);
    unsigned opcode = instruction->opcode;
    bool is_string = row->map == OPCODE_MAP_1 && opcode >= 0xa4 && opcode < 0xb0 &&
                     opcode != 0xa8 && opcode != 0xa9;
    bool reads = opcode < 0xa8 || (opcode & 0xfe) == 0xac;
    bool writes = (opcode & 0xfe) != 0xac;
    if (!is_string || !(assumptions & ASSUME_UPWARD) ||
        instruction->address_mask != UINT32_MAX ||
        (reads && !is_flat(instruction->segment, assumptions)) ||
        (writes && !is_flat(SEGMENT_ES, assumptions))) {
        return false;
    }
    return instruction->prefixes & (PREFIX_REP | PREFIX_REPNE)
               ? encode_repeated(e, instruction, rest)
               : encode_once(e, instruction);
}
