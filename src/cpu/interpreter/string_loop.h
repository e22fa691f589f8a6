/* cpu/interpreter/string_loop.h: how repeated string instructions repeat.
 *
 * Each iteration is complete in itself: registers are updated, it counts as a retired
 * instruction, and a fault or an interrupt in the middle leaves EIP at the instruction
 * with the rest still to do (Intel SDM vol. 2, "REP"). A handler that repeats, and
 * whose string_count() is not 0, does one iteration or several, calls string_account(),
 * and goes on so until the count is 0 or somebody else wants a turn: string_leave(). */
#ifndef CPU_INTERPRETER_STRING_LOOP_H
#define CPU_INTERPRETER_STRING_LOOP_H

#include "cpu/core/instruction.h"
#include "cpu/interpreter/code_cache.h"

static inline bool string_repeats(const struct instruction *i)
{
    return i->prefixes & (PREFIX_REP | PREFIX_REPNE);
}

/* ECX or CX. */
static inline uint32_t string_count(const struct cpu *cpu, const struct instruction *i)
{
    return cpu->regs[REGISTER_ECX] & i->address_mask;
}

/* How many iterations may run before the engine has to look up again: one, where
 * single steps are wanted. */
static inline uint64_t string_allowance(const struct cpu *cpu)
{
    uint64_t retired = cpu_retired(cpu);
    if (cpu->stepping || retired >= cpu->budget_end) {
        return 1;
    }
    return cpu->budget_end - retired;
}

/* Whether it comes from a place where nobody tells that it is overwritten: then its
 * bytes are fetched for each iteration. */
static inline bool string_is_transient(const struct cpu *cpu)
{
    return cpu->block_start == cpu->code_cache->single->instructions;
}

/* `register_number` += distance, in the width of addresses. */
static inline void string_advance(struct cpu *cpu, const struct instruction *i,
                                  unsigned register_number, uint32_t distance)
{
    uint32_t *r = &cpu->regs[register_number];
    *r = (*r & ~i->address_mask) | ((*r + distance) & i->address_mask);
}

/* Accounts for `iterations` of a repeated instruction. The engine counts an instruction
 * when it is left; what goes beyond is counted here. */
static inline void string_account(struct cpu *cpu, const struct instruction *i,
                                  uint32_t iterations)
{
    string_advance(cpu, i, REGISTER_ECX, -iterations);
    cpu->retired += iterations;
}

/* The instruction is over (done), or interrupted between two iterations. */
static inline const struct instruction *
string_leave(struct cpu *cpu, const struct instruction *i, bool done)
{
    cpu->retired--;
    if (!done) {
        cpu->eip = i->eip;
        return NULL;
    }
    /* The rest of the block was within the budget before the iterations counted. */
    if (cpu->budget_end - cpu_retired(cpu) <= BLOCK_INSTRUCTIONS) {
        return instruction_leave(cpu, i);
    }
    return i + 1;
}

#endif
