/* cpu/interpreter/conditions.h: the sixteen conditions of Jcc, SETcc and CMOVcc.
 * Intel SDM vol. 1, appendix B. */
#ifndef CPU_INTERPRETER_CONDITIONS_H
#define CPU_INTERPRETER_CONDITIONS_H

#include "cpu/core/cpu.h"

/* SF != OF. */
static inline bool condition_less(struct arithmetic_flags flags)
{
    return ((flags.ax >> 15) ^ flags.ax) & 1;
}

/* `code`: the low four bits count. With a constant it folds to one test. */
static inline __attribute__((always_inline)) bool condition_holds(const struct cpu *cpu,
                                                                  unsigned code)
{
    struct arithmetic_flags flags = cpu->arithmetic;
    bool holds = false;
    switch ((code >> 1) & 7) {
    case 0:
        holds = flags.ax & ARITHMETIC_OF;
        break;
    case 1:
        holds = flags.ax & ARITHMETIC_CF;
        break;
    case 2:
        holds = flags.ax & ARITHMETIC_ZF;
        break;
    case 3:
        holds = flags.ax & (ARITHMETIC_CF | ARITHMETIC_ZF);
        break;
    case 4:
        holds = flags.ax & ARITHMETIC_SF;
        break;
    case 5:
        holds = flags.ax & ARITHMETIC_PF;
        break;
    case 6:
        holds = condition_less(flags);
        break;
    case 7:
        holds = condition_less(flags) || (flags.ax & ARITHMETIC_ZF);
        break;
    }
    return holds != (code & 1);
}

#endif
