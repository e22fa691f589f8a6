/* cpu/decoder/decoder.h: from bytes to struct instruction.
 *
 * Pure: looks at nothing but its arguments and the instruction table, allocates
 * nothing. What an operand is stands in the instruction's row
 * (cpu/core/instruction_table.h). Source: Intel SDM vol. 2, chapter 2 and appendix A.
 * Any thread. */
#ifndef CPU_DECODER_DECODER_H
#define CPU_DECODER_DECODER_H

#include "cpu/core/instruction.h"

enum { INSTRUCTION_LENGTH_MAX = 15 };

enum decode_result {
    DECODE_OK,
    DECODE_INVALID,   /* #UD */
    DECODE_TOO_LONG,  /* over 15 bytes: #GP(0) */
    DECODE_TRUNCATED, /* the bytes given do not suffice */
};

/* Decodes the instruction at `bytes`, of which `available` may be read; `eip` is the
 * offset in CS of the first, `code_mode` is of enum code_mode. Sets all of `out` but
 * `execute`. If the result is not DECODE_OK, only eip and length (of what was looked
 * at, at least 1 if there was a byte) mean something.
 *
 * Without a ModRM byte `rm` is 0, `reg` the low bits of the opcode, or for PUSH and POP
 * of a segment register its number. `segment` and `address_mask` are also set when the
 * memory operand is implied (strings, XLAT, MASKMOVQ) and `memory` false. With VSIB,
 * `index` is the number of a vector register. */
enum decode_result decode_instruction(struct instruction *out, const uint8_t *bytes,
                                      unsigned available, uint32_t eip,
                                      uint32_t code_mode);

#endif
