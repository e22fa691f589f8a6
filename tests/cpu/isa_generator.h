/* tests/cpu/isa_generator.h: random instances of the instruction table's rows, with a
 * state in which they have something to do. */
#ifndef TESTS_CPU_ISA_GENERATOR_H
#define TESTS_CPU_ISA_GENERATOR_H

#include "duel.h"
#include "random.h"

#include "cpu/core/instruction_table.h"

struct isa_generator {
    struct random random;
    const struct cpu *cpu; /* whose CPUID decides */
};

/* Why the row cannot be judged by the host at privilege 3, or NULL if it can. */
const char *isa_unsuited(const struct isa_generator *generator,
                         const struct instruction_row *row);

/* Whether it ends sequences of instructions in a way that says nothing, or its result
 * differs and would spread: flags that are undefined and read by others, images with TF
 * or x87 pointers, more or less than one step. */
bool isa_unsuited_in_sequence(const struct instruction_row *row);

/* Whether the host can judge the instruction at `code`, as part of a sequence, in the
 * state `duel_case->before`, which is changed if not. Sets the exemptions. */
bool isa_judges(const struct isa_generator *generator, struct duel_case *duel_case,
                const uint8_t *code, unsigned available);

/* Makes up a case of one instruction of the row; `decoded` is what the decoder says of
 * it. False if what came out belongs to an unsuited row: try again. */
bool isa_generate(struct isa_generator *generator, unsigned row,
                  struct duel_case *duel_case, struct instruction *decoded);

/* The parts of it, for sequences: a state and data area; then an instruction that is
 * put at `code`, changing registers and data in its favour if `steer`. Returns its
 * length, 0: try again. */
void isa_random_state(struct isa_generator *generator, struct duel_case *duel_case);
unsigned isa_random_instruction(struct isa_generator *generator, unsigned row,
                                struct duel_case *duel_case, uint8_t *code, bool steer,
                                struct instruction *decoded);

#endif
