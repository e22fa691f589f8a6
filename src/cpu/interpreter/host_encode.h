/* cpu/interpreter/host_encode.h: instructions encoded for the host's 64-bit mode.
 *
 * Pure functions of a decoded instruction and its row. Any thread. */
#ifndef CPU_INTERPRETER_HOST_ENCODE_H
#define CPU_INTERPRETER_HOST_ENCODE_H

#include "cpu/core/instruction_table.h"
#include "cpu/interpreter/host_unit.h"

/* The bare instruction, with its memory operand at [rdi] and its general register, if
 * it has one, as EAX. Writes at most 8 bytes, returns how many. */
unsigned host_encode(const struct instruction *instruction, uint8_t *bytes);

/* The stub around it: at most HOST_STUB_BYTES. `flags`: of the form. */
void host_encode_stub(const struct instruction *instruction, unsigned flags,
                      uint8_t *bytes);

/* The instruction's mandatory prefix: one of enum candidate_prefix, or several bits if
 * its row does not demand one. */
unsigned host_mandatory_prefix(const struct instruction *instruction);

#endif
