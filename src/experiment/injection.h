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

struct machine;

/* What is to tell of a fault so far. */
struct injection_report {
    const char *key; /* "activated", "address"…; NULL ends a list */
    const char *value;
};

struct injector {
    /* For one machine, before it runs. NULL with one line for the user. */
    void *(*create)(struct machine *machine, struct error *error);
    void (*destroy)(void *injector);
    /* Returns the number of the fault, or -1 with one line that says what is wrong with
     * the text. */
    int (*inject)(void *injector, const char *text, struct error *error);
    /* Valid until the next call. */
    const struct injection_report *(*report)(void *injector, int fault);
};

#endif
