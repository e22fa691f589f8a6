/* cpu/core/engine.h: the engine contract.
 *
 * An engine runs guest code: until something needs the machine, then it returns why,
 * with precise guest state in struct cpu. All engines run the same struct cpu, so the
 * machine may change engines between two calls. Thread: the CPU's own. */
#ifndef CPU_CORE_ENGINE_H
#define CPU_CORE_ENGINE_H

#include "cpu/core/cpu.h"

enum cpu_exit {
    CPU_EXIT_BUDGET,       /* the instructions asked for have been retired */
    CPU_EXIT_KICK,         /* cpu_kick(); the request is cleared */
    CPU_EXIT_HALT,         /* HLT; interrupts may wake it */
    CPU_EXIT_TRIPLE_FAULT, /* shutdown: the machine resets */
    CPU_EXIT_DEBUG,        /* where the debugger wants it to stop: debugger.h */
};

typedef void cpu_show_statistic(void *opaque, const char *name, uint64_t count);

struct cpu_engine {
    const char *name;
    /* What of the host's processor or kernel it needs and does not find; NULL: nothing.
     * May be NULL itself: it runs everywhere. */
    const char *(*lacks)(void);
    /* The engine's caches. May fail (no memory, host lacks a feature). */
    bool (*create)(struct cpu *cpu, struct error *error);
    void (*destroy)(struct cpu *cpu);
    /* Runs until one of the above; retires at most `budget` instructions, exactly that
     * many on CPU_EXIT_BUDGET. Takes interrupts itself, none after the last of these
     * instructions. A repeated string instruction counts once per iteration; an
     * exception or interrupt that is delivered with no instruction executed since the
     * one before counts as one, too. While cpu->free_running a run may end some
     * instructions later, or sooner, with CPU_EXIT_KICK: engines save what exactness
     * costs. */
    enum cpu_exit (*run)(struct cpu *cpu, uint64_t budget);
    /* The engine's own counters, beside struct cpu_statistics. NULL: it has none. */
    void (*show_statistics)(const struct cpu *cpu, cpu_show_statistic *show,
                            void *opaque);
};

extern const struct cpu_engine interpreter_engine;
extern const struct cpu_engine jit_engine;
extern const struct cpu_engine direct_engine;
extern const struct cpu_engine auto_engine; /* direct or JIT, by address space */

#endif
