/* fuzz.h: what the fuzzers share: random numbers, a machine to torment, a clock that
 * says when to stop, and what is told when something breaks.
 *
 * Every iteration starts from its own seed, base + number, so that one can be repeated
 * alone: `fuzz_code 0 SEED`. */
#ifndef FUZZ_H
#define FUZZ_H

#include "machine/machine.h"
#include "machine/machine_internal.h"

struct fuzz {
    uint64_t seed; /* of the running iteration */
    uint64_t state;
    uint64_t iterations;
    uint64_t end_ns;   /* on the host's monotonic clock; 0: one iteration */
    uint64_t limit_ns; /* when the running iteration is taken for endless */
    struct machine *machine;
    char disk[32]; /* path of a small image; removed at the end */
};

enum { FUZZ_RAM_BYTES = MACHINE_MINIMUM_RAM_MIB << 20 };

/* `SECONDS [SEED]`: without a seed one is drawn; 0 seconds run one iteration. Creates
 * the machine and powers it on. */
bool fuzz_begin(struct fuzz *fuzz, int count, char **arguments);
/* Whether to run another iteration; gives it its seed. */
bool fuzz_next(struct fuzz *fuzz);
/* Destroys the machine; the exit status. */
int fuzz_end(struct fuzz *fuzz);

/* A machine with that engine and a counted clock, powered on; its disk, if there is
 * none yet. */
bool fuzz_make_machine(struct fuzz *fuzz, const char *engine);
/* All devices and the CPU, as after power-on but with time going on. RAM is zeroed. */
void fuzz_reset(struct fuzz *fuzz);
/* Forgets what the guest has asked of the machine: reset, power-off and the like. */
void fuzz_forget_requests(struct machine *machine);

/* 64 random bits; a number below `limit` (> 0); true once in `n`. */
uint64_t fuzz_random(struct fuzz *fuzz);
uint32_t fuzz_below(struct fuzz *fuzz, uint32_t limit);
bool fuzz_one_in(struct fuzz *fuzz, uint32_t n);
/* 32 bits as programs have them: small, a power of two, all ones, a bit off… */
uint32_t fuzz_interesting(struct fuzz *fuzz);

#endif
