/* tests/lockstep/faulty.h: engines that do something wrong, and a guest for them.
 *
 * They are the interpreter, but after `faulty_at` instructions one thing is done to the
 * machine, the engine or the process. */
#ifndef TESTS_LOCKSTEP_FAULTY_H
#define TESTS_LOCKSTEP_FAULTY_H

#include "cpu/core/engine.h"
#include "lockstep/lockstep.h"

enum {
    FAULTY_COUNTING_BYTES = 14,
    FAULTY_BEFORE_LOOP = 4,    /* instructions: a jump, and the three before the loop */
    FAULTY_LOOP = 4,           /* instructions */
    FAULTY_ADDRESS = 0x123456, /* of the byte in RAM that is changed */
    FAULTY_WIDTH = 10,         /* of what needs a run without a stop */
    FAULTY_EXIT_PORT = 0x501,  /* isa-debug-exit's default */
};

/* A guest that counts in AX and BX, and adds that up in memory, for ever. */
extern const uint8_t faulty_counting[FAULTY_COUNTING_BYTES];

extern uint64_t faulty_at;

typedef enum cpu_exit faulty_run(struct cpu *cpu, uint64_t budget);
faulty_run faulty_run_with_register; /* flips bit 0 of EBX */
faulty_run faulty_run_with_memory;   /* flips bit 4 of a byte */
faulty_run faulty_run_with_crash;
faulty_run faulty_run_with_hang;
/* As the first, but only if FAULTY_WIDTH instructions before and behind are run in one
 * go. */
faulty_run faulty_run_with_width;
/* As the first, but only while `done` is false. */
faulty_run faulty_run_with_luck;

/* What all processes share; make it first. */
struct faulty_shared {
    bool done;
    unsigned created; /* how often such an engine was */
};
extern struct faulty_shared *faulty_shared;
bool faulty_share(void);

/* To run `code` from f000:0000 under the interpreter and an engine with that `run`
 * (NULL: the interpreter's). `bios_path`: a file that is made. */
struct lockstep_config faulty_config(const char *bios_path, const uint8_t *code,
                                     size_t length, faulty_run *run);

#endif
