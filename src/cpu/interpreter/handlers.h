/* cpu/interpreter/handlers.h: from table rows to the C functions that execute them. */
#ifndef CPU_INTERPRETER_HANDLERS_H
#define CPU_INTERPRETER_HANDLERS_H

#include "cpu/core/instruction.h"

/* The function that executes a decoded instruction; one that raises #UD where the
 * guest's CPUID does not report the feature it belongs to. */
instruction_handler *handler_choose(const struct cpu *cpu,
                                    const struct instruction *instruction);

/* Whether the chosen handler is one that raises #UD. */
bool handler_is_invalid(const struct instruction *instruction);

/* Whether nothing after it belongs to the same block (jumps, HLT…). */
bool handler_ends_block(const struct instruction *instruction);

#endif
