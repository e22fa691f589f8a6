/* How classes of faults are proved: experiments in a machine that is put back to a
 * moment, again and again. */
#ifndef TESTS_CAMPAIGN_PROOF_H
#define TESTS_CAMPAIGN_PROOF_H

#include "campaign/classes.h"
#include "machine/checkpoint.h"
#include "machine/machine.h"

struct outcome {
    enum machine_end end;
    int exit_code;
    uint64_t instructions, console, hash;
};

struct world {
    struct machine *machine;
    struct checkpoint *checkpoint;
    struct fault_space *space;
    struct access_trace *trace;
    struct outcome golden;
    uint64_t most_instructions; /* of a run; set by the test */
    uint64_t console; /* a hash of what was sent */
    bool ready;       /* the first byte has been */
    uint64_t experiments, experiments_ns;
};

uint64_t proof_now_ns(void);
/* A machine that stands behind the first byte that this BIOS sends. */
void proof_power_on(struct world *world, const char *bios);
/* The golden run from where the machine stands now, without a trace and with one. */
void proof_run_golden(struct world *world, const char *rows);
void proof_forget_golden(struct world *world);
void proof_restore(struct world *world);
struct outcome proof_run(struct world *world);
bool proof_is_same(const struct outcome *a, const struct outcome *b);
/* Carries out the point's experiment, and that of its class; fails if they differ. */
void proof_check(struct world *world, const struct fault_point *point,
                 struct fault_class *class);

#endif
