/* cpu/interpreter/run_loop.h: the run loop that all engines share.
 *
 * It keeps the engine's contract (cpu/core/engine.h): serves requests, takes interrupts
 * and exceptions, steps where single steps are wanted, and ends the run. In between it
 * calls the engine for what comes next. Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_RUN_LOOP_H
#define CPU_INTERPRETER_RUN_LOOP_H

#include "cpu/core/engine.h"

/* Runs instructions from CS:EIP on: one at least, within cpu->budget_end, with
 * cpu->retired kept; or raises. Returns when a request is to be served or for reasons
 * of its own, with cpu->eip valid and cpu->block_start NULL. */
typedef void run_next_function(struct cpu *cpu);

enum cpu_exit run_loop(struct cpu *cpu, uint64_t budget, run_next_function *run_next);

/* Whether something has to be done before the next instruction, or around it, even if
 * there is no request: single steps, breakpoints. */
bool run_loop_has_business(const struct cpu *cpu);

/* By interpreting. */
void run_loop_interpret(struct cpu *cpu);
/* Likewise, but `instructions` at most, of the block at CS:EIP. */
void run_loop_interpret_few(struct cpu *cpu, uint64_t instructions);

#endif
