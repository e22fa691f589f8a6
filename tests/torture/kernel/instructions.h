/* instructions.h: instructions that access memory, for the topics that want each kind.
 *
 * The operand is at EBX, ESI and EDI; where the stack is the operand ESP or EBP lead to
 * it. EAX, ECX and EDX hold numbers that no instruction minds. */
#ifndef INSTRUCTIONS_H
#define INSTRUCTIONS_H

#include "torture.h"

enum {
    READS = 1,
    WRITES = 2,
    MODIFIES = 3,
    KIND = 3,
    PUSHES = 4,     /* the operand ends at ESP */
    POPS = 8,       /* the operand begins at ESP */
    FRAME = 0x10,   /* the operand begins at EBP */
    ALIGNED = 0x20, /* never across the border of two pages */
    BY_STACK = PUSHES | POPS | FRAME,
    /* What is in memory before; else a pattern. */
    POINTERS = 0x100,  /* a pointer to INT3, a code selector, flags */
    SELECTORS = 0x200, /* data selectors */
    CONTROLS = 0x400,  /* FPU control words that mask all */
    BOUNDS = 0x800,    /* that hold EAX */
};

struct instruction {
    const char *name;
    const uint8_t *code;
    uint16_t bytes; /* of the operand */
    uint16_t does;
};
extern const struct instruction instructions[];
extern const unsigned instruction_count;

#endif
