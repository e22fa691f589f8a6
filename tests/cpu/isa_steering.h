/* tests/cpu/isa_steering.h: registers, memory and code bent so that an instruction's
 * operands lie where something can happen. */
#ifndef TESTS_CPU_ISA_STEERING_H
#define TESTS_CPU_ISA_STEERING_H

#include "isa_encoding.h"
#include "isa_generator.h"

/* A linear address for an operand of `bytes`: mostly in the data area, mostly aligned;
 * sometimes across or beyond its borders. */
uint32_t steering_zone(struct random *random, unsigned bytes);

/* Base of the segment register, as the case has it. */
uint32_t steering_segment_base(const struct duel_case *duel_case, unsigned segment);

/* Linear address of the memory operand, of a gather: of its base. */
uint32_t steering_operand_address(const struct duel_case *duel_case,
                                  const struct instruction *decoded);

/* Makes the memory operand that ModRM (or moffs) describes lie at linear `target`.
 * Changes the displacement in `encoding` or registers. */
void steering_move_operand(struct duel_case *duel_case, struct isa_encoding *encoding,
                           const struct instruction *decoded, uint32_t target);

/* What the comparison must know about the instruction. */
void steering_note_exemptions(struct duel_case *duel_case,
                              const struct instruction *decoded);

/* Row by row: values that let the instruction succeed. `target`: linear address of the
 * memory operand, if any. */
void steering_favour(struct isa_generator *generator, struct duel_case *duel_case,
                     const struct instruction *decoded, uint32_t target);

/* A selector that means the same on both sides. */
uint16_t steering_selector(struct random *random);
bool steering_knows_selector(uint16_t selector);

/* Writes into the data area where `address` is in it. */
void steering_store(struct duel_case *duel_case, uint32_t address, const void *bytes,
                    unsigned count);

#endif
