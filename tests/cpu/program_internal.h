/* tests/cpu/program_internal.h: growing programs piece by piece. */
#ifndef TESTS_CPU_PROGRAM_INTERNAL_H
#define TESTS_CPU_PROGRAM_INTERNAL_H

#include "program.h"

/* EIP behind what is there. */
uint32_t program_end(const struct program_grower *grower);

/* Where the host has the byte at `eip`. */
uint8_t *program_live(const struct program_grower *grower, uint32_t eip);

/* Adds bytes; false, and the end of the program, if there is no room. */
bool program_append(struct program_grower *grower, const void *bytes, unsigned count);
/* Changes bytes that are there already. */
void program_patch(struct program_grower *grower, uint32_t eip, const void *bytes,
                   unsigned count);
/* Runs the host from where it is to the end; if it does not get there, that is the end
 * of the program. */
void program_advance(struct program_grower *grower);
/* Both. */
void program_emit(struct program_grower *grower, const void *bytes, unsigned count);
/* Runs one instruction (all its iterations); the vector that it raised, -1: none. */
int program_step(struct program_grower *grower);

/* One instruction of any kind. */
void program_plain(struct program_grower *grower);

/* Bytes of an instruction in the making. */
struct piece {
    uint8_t bytes[24];
    unsigned count;
};

void piece_add(struct piece *piece, uint8_t byte);
void piece_add_number(struct piece *piece, uint32_t number, unsigned bytes);
/* 32-bit operands or addresses whatever the code segment. */
void piece_operand32(struct piece *piece, const struct program_grower *grower);
void piece_address32(struct piece *piece, const struct program_grower *grower);

/* mov `number` to a register of 32 bits. */
void program_move(struct program_grower *grower, enum register_number to,
                  uint32_t number);
void program_emit_piece(struct program_grower *grower, const struct piece *piece);

/* The whole. */
void program_flow(struct program_grower *grower);

/* Pieces of several instructions. */
void program_string(struct program_grower *grower);
void program_segment(struct program_grower *grower);
void program_slots(struct program_grower *grower);
void program_modify(struct program_grower *grower);
void program_write_near(struct program_grower *grower);

#endif
