/* tests/cpu/isa_encoding.h: random bytes that encode an instruction of a given row. */
#ifndef TESTS_CPU_ISA_ENCODING_H
#define TESTS_CPU_ISA_ENCODING_H

#include "random.h"

#include "cpu/core/instruction_table.h"

struct isa_encoding {
    uint8_t bytes[24];
    unsigned length;
    unsigned displacement; /* where in bytes it is; displacement_bytes 0: none */
    unsigned displacement_bytes;
};

/* `is16`: for a 16-bit code segment. */
void isa_encode(struct random *random, unsigned row, bool is16,
                struct isa_encoding *encoding);

#endif
