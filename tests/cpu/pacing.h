/* tests/cpu/pacing.h: a guest's run in random pieces, kicked and interrupted.
 *
 * What the guest does must not depend on it. Thread: one. */
#ifndef TESTS_CPU_PACING_H
#define TESTS_CPU_PACING_H

#include "cpu_fixture.h"
#include "random.h"

struct pacing {
    struct cpu_fixture *fixture;
    struct random random;
    bool slices;     /* pieces, and not one run */
    bool interrupts; /* the interrupt line rises before some of them */
    uint64_t taken;  /* interrupts */
    uint64_t kicks;  /* runs that ended for one */
    atomic_bool running;
    char complaint[128]; /* the engine miscounts; else empty */
};

/* Interrupts of the fixture in protected mode come from here; their handler returns at
 * once. */
void pacing_create(struct pacing *pacing, struct cpu_fixture *fixture);

/* Runs `count` instructions, those of handlers of interrupts not counted; fewer if the
 * CPU halts. */
void pacing_run(struct pacing *pacing, uint64_t count);

#endif
