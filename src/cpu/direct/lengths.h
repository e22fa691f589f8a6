/* cpu/direct/lengths.h: how long instructions are, quickly.
 *
 * Of most opcodes the length follows from the opcode and the ModRM byte alone. What the
 * decoder says of them is kept in a table; it is asked for all others. Thread: any. */
#ifndef CPU_DIRECT_LENGTHS_H
#define CPU_DIRECT_LENGTHS_H

#include "cpu/decoder/decoder.h"

/* Of 32-bit ring-3 code: enum code_mode bits to decode in. */
enum { LENGTHS_OPCODES = 512 /* of one byte, and behind 0F */ };

struct lengths {
    uint8_t immediate[LENGTHS_OPCODES]; /* bytes of it; or ASK_DECODER */
    bool modrm[LENGTHS_OPCODES];
    uint32_t mode;
};

void lengths_create(struct lengths *lengths, uint32_t mode);

/* The length of the instruction at `bytes`; `available` if that is too few, 1 if there
 * is no such instruction. */
unsigned lengths_of(const struct lengths *lengths, const uint8_t *bytes,
                    unsigned available);

#endif
