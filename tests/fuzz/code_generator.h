/* code_generator.h: bytes that a CPU may find interesting to execute. */
#ifndef CODE_GENERATOR_H
#define CODE_GENERATOR_H

#include "fuzz.h"

/* Fills `bytes` with code: noise, instructions of all kinds with random operands, or
 * such instructions with some bits turned over. */
void generate_code(struct fuzz *fuzz, uint8_t *code, unsigned bytes);

#endif
