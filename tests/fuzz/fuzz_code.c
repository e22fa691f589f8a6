/* Random code in every mode of the processor, on a whole machine. Nothing may crash,
 * hang or leave the machine; a guest's own crash ends an iteration. */
#include "../engine.h"
#include "random_world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    INSTRUCTIONS = 3000, /* of an iteration, at most */
    MXCSR_DEFAULT = 0x1f80,
    X87_CONTROL_DEFAULT = 0x37f,
};

/* The engine must give the host's vector unit back as it found it. */
static void check_host_state(void)
{
    uint32_t mxcsr;
    uint16_t control;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
    assert((mxcsr & ~0x3fU) == MXCSR_DEFAULT);
    assert(control == X87_CONTROL_DEFAULT);
}

static void check_count(uint64_t retired, uint64_t budget, enum cpu_exit why)
{
    if (why == CPU_EXIT_BUDGET ? retired != budget : retired > budget) {
        fprintf(stderr, "%" PRId64 " retired of %" PRIu64 ", exit %d\n",
                (int64_t)retired, budget, why);
        abort();
    }
}

static void run(struct fuzz *fuzz)
{
    enum { HALTS = 100 };
    struct machine *machine = fuzz->machine;
    struct cpu *cpu = &machine->cpu;
    uint64_t end = cpu->retired + INSTRUCTIONS;
    unsigned halts = 0;
    bool goes_on = true;
    while (goes_on && cpu->retired < end) {
        lock_take(&machine->lock);
        clock_run_timers(&machine->clock);
        uint64_t budget = random_world_allowance(machine, end);
        lock_release(&machine->lock);
        uint64_t before = cpu->retired;
        enum cpu_exit why = machine->engine->run(cpu, budget);
        check_host_state();
        check_count(cpu->retired - before, budget, why);
        lock_take(&machine->lock);
        goes_on = why != CPU_EXIT_TRIPLE_FAULT && !machine->reset_requested;
        if (why == CPU_EXIT_HALT) {
            goes_on = ++halts < HALTS && random_world_wait(machine);
        }
        fuzz_forget_requests(machine);
        lock_release(&machine->lock);
    }
}

int main(int count, char **arguments)
{
    struct fuzz fuzz;
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    if (!fuzz_begin(&fuzz, count, arguments)) {
        return 1;
    }
    while (fuzz_next(&fuzz)) {
        fuzz_reset(&fuzz);
        random_world_prepare(&fuzz);
        run(&fuzz);
    }
    return fuzz_end(&fuzz);
}
