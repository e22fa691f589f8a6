/* cpu/interpreter/interpreter.h: what other engines make of the interpreter.
 *
 * An engine that leaves some instructions to the interpreter has its caches, too:
 * address translations, decoded blocks, stubs of the host's vector unit. Thread: the
 * CPU's own. */
#ifndef CPU_INTERPRETER_INTERPRETER_H
#define CPU_INTERPRETER_INTERPRETER_H

#include "base/error.h"
#include "cpu/core/cpu.h"

/* Fails where the host refuses memory. */
bool interpreter_create(struct cpu *cpu, struct error *error);
void interpreter_destroy(struct cpu *cpu);

#endif
