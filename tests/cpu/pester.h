/* tests/cpu/pester.h: kicks and interrupts for a CPU, from another thread and from the
 * handler of a timer's signal, at any moment while it runs.
 *
 * Thread: start and stop are for the CPU's. One at a time in a process. */
#ifndef TESTS_CPU_PESTER_H
#define TESTS_CPU_PESTER_H

#include "cpu/core/cpu.h"

#include <pthread.h>
#include <signal.h>

struct pester {
    struct cpu *cpu;
    const atomic_bool *running; /* the CPU runs: the thread waits for this, awake */
    atomic_bool stop;
    pthread_t thread;
    struct sigaction previous;
};

bool pester_start(struct pester *pester, struct cpu *cpu, const atomic_bool *running);
void pester_stop(struct pester *pester);

#endif
