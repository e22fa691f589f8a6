/* code_generator.h: bytes that a CPU may find interesting to execute. */
#ifndef CODE_GENERATOR_H
#define CODE_GENERATOR_H

#include "fuzz.h"

/* Where random_world.c puts things; linear, too. */
enum {
    FUZZ_CODE = 0x10000,
    FUZZ_CODE_BYTES = 0x1000,
    FUZZ_DATA = 0x30000,
    FUZZ_DATA_BYTES = 0x1000,
    FUZZ_PAGE_ENTRIES = 0x50000,
};

/* Fills `bytes` with code: noise, instructions of all kinds with random operands, such
 * instructions with some bits turned over, or code that makes sense. */
void generate_code(struct fuzz *fuzz, uint8_t *code, unsigned bytes);

#endif
