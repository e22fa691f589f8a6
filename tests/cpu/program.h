/* tests/cpu/program.h: random programs with loops, jumps, calls, strings, and with
 * instructions that change others.
 *
 * They are grown on the host: what comes next is made up for the state in which what is
 * there leaves the machine, and then run. So most of a program is of use, and loops
 * end, unless something in them overwrites their counter. */
#ifndef TESTS_CPU_PROGRAM_H
#define TESTS_CPU_PROGRAM_H

#include "isa_generator.h"

enum { PROGRAM_SLOTS = 32, PROGRAM_FUNCTIONS = 8, PROGRAM_ROWS = 1024 };

/* A place in the code that may be changed. */
enum slot_kind {
    SLOT_INSTRUCTION, /* one byte that is one */
    SLOT_CONDITION,   /* opcode of Jcc with an 8-bit displacement */
    SLOT_IMMEDIATE,   /* any byte will do */
};

struct slot {
    gla_t address;
    enum slot_kind kind;
};

struct program {
    struct duel_case duel_case;
    struct slot slots[PROGRAM_SLOTS];
    unsigned slot_count;
};

struct program_grower {
    struct isa_generator *generator;
    struct program *program;
    struct duel_case now;    /* state and data as the code so far leaves them */
    struct duel_case tried;  /* the next instruction */
    struct duel_case judged; /* the instruction that the host is to run */
    uint32_t functions[PROGRAM_FUNCTIONS]; /* their EIPs */
    unsigned function_count;
    uint16_t plain_rows[PROGRAM_ROWS]; /* of the instruction table: no vector unit */
    unsigned plain_row_count;
    unsigned steps; /* of the host, so far */
    bool is16;
    bool ended; /* in a fault, somewhere else, or for lack of room */
};

/* Length 0 if nothing came of it. The program's case refers to the generator. */
void program_grow(struct program_grower *grower, struct isa_generator *generator,
                  struct program *program);

/* What may be written to the slot. */
uint8_t program_slot_value(struct random *random, const struct slot *slot);

#endif
