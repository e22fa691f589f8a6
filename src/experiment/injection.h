/* experiment/injection.h: what scripts break machines with.
 *
 * The seam between scripts and whoever injects faults: faults are texts, as they are
 * everywhere ("target=ram,address=0x1234,bit=3,model=flip,when=instruction:1000000").
 * Where there is no injector, scripts have no function inject().
 * Thread: the one that runs the machine, while it does not run. */
#ifndef EXPERIMENT_INJECTION_H
#define EXPERIMENT_INJECTION_H

#include "base/error.h"
#include "base/types.h"

#include <stdio.h>

struct machine;

struct injector {
    /* For one machine, before it is switched on. `seed`: of all that is left to chance.
     * NULL with one line for the user. */
    void *(*create)(struct machine *machine, uint64_t seed, struct error *error);
    void (*destroy)(void *injector);
    /* False, with one line that says what is wrong with the text. The first fault is
     * number 0. Lock held. */
    bool (*inject)(void *injector, const char *text, struct error *error);
    /* Writes what is to tell of a fault so far, an object in JSON. Lock held. */
    void (*report)(void *injector, unsigned fault, FILE *stream);
};

#endif
