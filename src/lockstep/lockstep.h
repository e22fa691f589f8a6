/* lockstep/lockstep.h: one guest under two engines, to find where they differ.
 *
 * Each engine runs a machine of its own in a process of its own, so that a crash or an
 * endless loop is a finding like any other. Both clocks are counted: at the same
 * instruction the machines must be the same. They are compared every so many
 * instructions; after the first difference they are run again, with ever shorter
 * distances from the last point at which they were the same. Copies of the processes
 * wait there, so that not every attempt has to begin with power-on.
 *
 * An engine stops where it is told to, and a difference may need to run over such a
 * place (a block that is translated as a whole, say). Then the result is no single
 * instruction but the shortest run that shows it.
 * Thread: one, in a process that has no others. */
#ifndef LOCKSTEP_LOCKSTEP_H
#define LOCKSTEP_LOCKSTEP_H

#include "machine/machine.h"

enum {
    LOCKSTEP_ENGINES = 2,
    LOCKSTEP_EVERY = 1000000,     /* a good distance between comparisons */
    LOCKSTEP_PATIENCE_MS = 10000, /* and a good patience */
    LOCKSTEP_STATES = 3,          /* the last common one, then each engine's */
    LOCKSTEP_MEMORY = 16,         /* bytes of RAM that are told */
    LOCKSTEP_CODE = 64,           /* instructions that are told */
};

struct lockstep_engine {
    const char *name;
    const struct cpu_engine *override; /* NULL: the one of that name */
};

/* How far it has come. */
struct lockstep_progress {
    uint64_t instructions;
    /* 0, 0 until there is a difference: it lies behind the first of these instruction
     * counts, and not behind the second. */
    uint64_t same, different;
};

struct lockstep_config {
    /* The clock must be counted, and no line to the outside may bring input. The second
     * machine writes to no file. Images are never changed. */
    struct machine_config machine;
    struct lockstep_engine engines[LOCKSTEP_ENGINES];
    uint64_t from;  /* instructions before the first comparison */
    uint64_t every; /* instructions from one to the next */
    uint64_t until; /* instructions; 0: to the end of the guest */
    /* An engine hangs that takes so much longer than a hundred times as long as the
     * other. */
    unsigned patience_ms;
    void (*progress)(void *opaque, const struct lockstep_progress *progress);
    void *opaque; /* of `progress`, which may be NULL */
};

enum lockstep_outcome { LOCKSTEP_SAME, LOCKSTEP_DIFFERENT, LOCKSTEP_PROBLEM };

/* A part of the state, as text. */
struct lockstep_row {
    char name[80];
    char values[LOCKSTEP_STATES][48];
    bool differs; /* between the engines */
};

struct lockstep_byte {
    uint64_t address; /* in RAM */
    uint8_t values[LOCKSTEP_ENGINES];
};

struct lockstep_code {
    uint8_t bytes[15];
    uint8_t count; /* of bytes, behind this instruction too; 0: cannot be read */
    bool is16;
    bool interrupted; /* an interrupt is taken before */
    uint16_t cs;
    uint32_t eip;
};

struct lockstep_result {
    enum lockstep_outcome outcome;
    struct error error;    /* LOCKSTEP_PROBLEM */
    uint64_t instructions; /* until here the machines were the same */
    /* How each engine's run ended; where they are the same, both. */
    char ends[LOCKSTEP_ENGINES][96];

    /* LOCKSTEP_DIFFERENT: if both stop after `instructions` of them, and next after
     * `different`, they differ there. */
    uint64_t different;
    bool vanished; /* could not be shown a second time; what follows is the first's */
    struct lockstep_row *rows;
    size_t row_count;
    struct lockstep_byte memory[LOCKSTEP_MEMORY];
    size_t memory_count;
    uint64_t memory_bytes;                    /* how many bytes of RAM differ in all */
    struct lockstep_code code[LOCKSTEP_CODE]; /* the first engine's way */
    size_t code_count;
};

/* Never fails but by what it says in `result`. */
void lockstep_run(const struct lockstep_config *config, struct lockstep_result *result);
void lockstep_result_free(struct lockstep_result *result);

#endif
