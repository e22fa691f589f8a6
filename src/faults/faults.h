/* faults/faults.h: faults that are injected into a machine.
 *
 * A fault waits for its trigger, is then present for as long as its duration says, and
 * reports what became of it. Faults stand at the seams of the machine: devices and
 * engines do not know of them, and one that is not armed costs nothing.
 *
 * Reproducible: all that is left to chance follows from a seed; with a counted clock a
 * machine with the same faults has the same end.
 *
 * Thread: created and destroyed by the machine's own while its event loop does not run;
 * the others any that holds the machine lock. What they arm takes effect before the
 * next instruction. Saved by: nobody. */
#ifndef FAULTS_FAULTS_H
#define FAULTS_FAULTS_H

#include "faults/spec.h"
#include "machine/machine.h"

#include <stdio.h>

enum { FAULT_SYMBOL_BYTES = 64, FAULT_NO_VECTOR = -1, FAULT_TRIPLE_FAULT = 256 };

enum fault_state {
    FAULT_WAITING, /* for its trigger */
    FAULT_PRESENT, /* or it will be again: intermittent */
    FAULT_OVER,
    FAULT_REFUSED, /* the trigger has come, but nothing could be broken */
};

enum fault_activation {
    FAULT_NOT_ACTIVATED, /* nobody has used the wrong value so far */
    FAULT_ACTIVATED,
    FAULT_OVERWRITTEN,        /* it is gone, and nobody has used it */
    FAULT_ACTIVATION_UNKNOWN, /* it is not tracked */
};

/* A point of the run. EIP is that of the instruction that did it, or is next. */
struct fault_place {
    bool known;
    uint64_t ns, instructions;
    uint32_t eip;
    gla_t linear;
    char symbol[FAULT_SYMBOL_BYTES]; /* "name+0x12"; empty: not known */
};

struct fault_report {
    enum fault_state state;
    uint64_t injections; /* so often; intermittent faults are injected many times */
    char reason[160];    /* why it was refused, or what it has changed */
    struct fault_place injected; /* first */
    enum fault_activation activation;
    uint64_t uses; /* of wrong values, as far as they are tracked; operations hit */
    struct fault_place activated; /* first */
    /* The first exception after the activation, or after the injection where that is
     * unknown: FAULT_NO_VECTOR, or its vector, or FAULT_TRIPLE_FAULT. */
    int detected_vector;
    struct fault_place detected;
};

struct fault;
struct faults;

struct faults_config {
    uint64_t seed;
    const char *log; /* a file for reports, as lines of JSON; NULL: standard error */
    const char *symbols; /* System.map; NULL: none */
    /* Told of each injection, on the CPU's thread before its next instruction, lock
     * held. May be NULL. */
    void (*injected)(void *opaque, const struct fault *fault);
    void *opaque;
};

/* Opens files: call it before the process is confined. NULL with a line in `error`. */
struct faults *faults_create(struct machine *machine,
                             const struct faults_config *config, struct error *error);
/* The machine does not run. NULL is fine. */
void faults_destroy(struct faults *faults);

/* NULL with a line in `error` if the machine has no such thing, or cannot do it. */
struct fault *faults_arm(struct faults *faults, const struct fault_spec *spec,
                         struct error *error);
/* Likewise, by the text form. */
struct fault *faults_arm_text(struct faults *faults, const char *option,
                              const char *text, struct error *error);
/* Nothing is broken any more; what was changed stays. Reports stay. The CPU does not
 * run, or is held (machine/control.h). */
void faults_disarm_all(struct faults *faults);

/* Likewise, and there have never been any: what comes by chance follows from `seed`
 * anew. */
void faults_forget_all(struct faults *faults, uint64_t seed);

/* In the order of arming; NULL: no more. */
struct fault *faults_first(const struct faults *faults);
struct fault *fault_next(const struct fault *fault);
const struct fault_spec *fault_spec(const struct fault *fault);
const struct fault_report *fault_report(const struct fault *fault);

/* One line for people, without a newline. */
void fault_describe(const struct fault *fault, char *text, size_t bytes);
/* One object in JSON, without a newline. */
void fault_write_json(const struct fault *fault, FILE *stream);
/* A report of each fault, to the log or standard error. */
void faults_write_reports(struct faults *faults);

#endif
