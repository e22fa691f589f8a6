/* machine/snapshot_runs.h: which pages of memory, or sectors of a disk, are in a
 * snapshot: runs, each a number and a count, followed by what they hold, in order and
 * without overlap. Thread: one at a time. */
#ifndef MACHINE_SNAPSHOT_RUNS_H
#define MACHINE_SNAPSHOT_RUNS_H

#include "base/types.h"

struct run {
    uint64_t first, count;
};

/* A list in the making. */
struct runs {
    struct run *items;
    size_t count, capacity;
    uint64_t units; /* in all of them */
};

void runs_add(struct runs *runs, uint64_t unit); /* in ascending order */
void runs_free(struct runs *runs);
/* How long they are with what they hold. */
uint64_t runs_bytes(const struct runs *runs, size_t unit_bytes);

/* Reading, from bytes that may be anything. */
struct run_reader {
    const uint8_t *next;
    size_t left, unit_bytes;
    uint64_t end; /* there are so many units */
    uint64_t seen;
};

/* The next run and where it is; false: there is none, or what is there makes no sense,
 * and then `left` is not 0. */
bool run_reader_next(struct run_reader *reader, struct run *run, const uint8_t **bytes);
/* Whether all of it makes sense. */
bool runs_are_valid(struct run_reader reader);

#endif
