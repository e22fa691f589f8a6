/* tests/cpu/vectors.h: the file of real-mode vectors captured on an 80286.
 *
 * One vector a line, fields separated by tabs: form, index, bytes, disassembly,
 * registers before, memory before, registers that changed, memory that changed,
 * exception. See vectors_open() for where it is. */
#ifndef TESTS_CPU_VECTORS_H
#define TESTS_CPU_VECTORS_H

#include "base/types.h"

#include <stdio.h>

enum vector_register {
    VECTOR_AX,
    VECTOR_BX,
    VECTOR_CX,
    VECTOR_DX,
    VECTOR_SP,
    VECTOR_BP,
    VECTOR_SI,
    VECTOR_DI,
    VECTOR_CS,
    VECTOR_SS,
    VECTOR_DS,
    VECTOR_ES,
    VECTOR_IP,
    VECTOR_FLAGS,
    VECTOR_REGISTERS,
};
extern const char *const vector_register_names[VECTOR_REGISTERS];

enum {
    VECTOR_LINE_BYTES = 4096,
    VECTOR_RUNS = 64,
    VECTOR_RUN_BYTES = 512,
    VECTOR_INSTRUCTION_BYTES = 24,
};

struct vector_run {
    uint32_t address; /* physical */
    unsigned count;
    uint8_t bytes[VECTOR_RUN_BYTES];
};

struct vector_memory {
    unsigned runs;
    struct vector_run run[VECTOR_RUNS];
};

struct vector {
    char form[8]; /* opcode, ".n" for a ModRM.reg */
    unsigned index;
    unsigned length; /* without the HLT that follows */
    uint8_t bytes[VECTOR_INSTRUCTION_BYTES];
    char disassembly[64];
    char before_text[256];
    uint16_t before[VECTOR_REGISTERS], after[VECTOR_REGISTERS];
    struct vector_memory memory_before, memory_after;
    int exception;          /* -1: none */
    uint32_t flags_address; /* where the exception pushed FLAGS */
};

/* The uncompressed file as a stream, or NULL if there is none. */
FILE *vectors_open(void);
void vectors_close(FILE *file);

/* Takes one line apart (and changes it). */
bool vector_parse(char *line, struct vector *vector);

bool vector_memory_covers(const struct vector_memory *memory, uint32_t address);

/* Flags that the vector's instruction leaves undefined. */
uint32_t vector_undefined_flags(const struct vector *vector);

/* How processors after the 80286 treat the instruction; may correct `after`. */
enum vector_rule {
    VECTOR_SAME,
    VECTOR_INVALID_OPCODE, /* they raise #UD */
    VECTOR_STACK_FAULT,    /* they raise #SS */
    VECTOR_SKIP,           /* what they do cannot be derived from the vector */
};
enum vector_rule vector_later_rule(struct vector *vector);

#endif
