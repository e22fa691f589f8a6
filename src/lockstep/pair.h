/* lockstep/pair.h: both machines, run to the same points and compared there.
 *
 * Thread: one. */
#ifndef LOCKSTEP_PAIR_H
#define LOCKSTEP_PAIR_H

#include "lockstep/side.h"

enum { PAIR_LEVELS = 16 };

/* Stops up to `end`, `step` instructions apart. */
struct pair_level {
    uint64_t end, step;
};

/* Where a pair stops on its way, one level behind the other: an engine may do other
 * things when it stops elsewhere, though it must not. */
struct pair_path {
    struct pair_level levels[PAIR_LEVELS];
    unsigned count;
};

struct pair {
    const struct lockstep_config *config;
    struct side sides[LOCKSTEP_ENGINES];
    uint64_t position; /* instructions since power-on */
    /* Copies that wait where to start again; 0: there are none. */
    struct side saved[LOCKSTEP_ENGINES];
    uint64_t saved_position;
    bool no_saving; /* not wanted, or the host refuses */
};

void pair_init(struct pair *pair, const struct lockstep_config *config);
/* Two fresh machines, powered on, or those that pair_save() has saved; whatever there
 * was before has an end. */
bool pair_start(struct pair *pair, struct error *error);
void pair_stop(struct pair *pair);
/* From now on, pair_start() goes on from here. */
void pair_save(struct pair *pair);
/* It starts from power-on again, now and for ever. */
void pair_save_no_more(struct pair *pair);

/* Runs the first `count` machines up to `until`. Each may crash, hang or end. */
void pair_run(struct pair *pair, unsigned count, uint64_t until);
/* Starts, and runs along `path`; the machines that were saved have come along there. */
bool pair_follow(struct pair *pair, const struct pair_path *path, struct error *error);

/* Whether the machines are the same in what pair_run() has brought: CPU, time, and how
 * the run has ended. */
bool pair_same_cpu(const struct pair *pair);
/* Likewise devices and RAM. */
bool pair_same(struct pair *pair);
/* Both go on. */
bool pair_goes_on(const struct pair *pair);

/* Fills in where RAM differs. */
void pair_tell_memory(const struct pair *pair, struct lockstep_result *result);

#endif
