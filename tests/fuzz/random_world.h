/* random_world.h: a machine in any mode of the processor, with tables, handlers, tasks,
 * data and code that make sense more or less. What comes of it is a function of
 * fuzz->state. */
#ifndef RANDOM_WORLD_H
#define RANDOM_WORLD_H

#include "fuzz.h"

/* RAM is zero, but for what this has put there before. */
void random_world_prepare(struct fuzz *fuzz);

/* How many instructions may run up to the `end`-th and the next timer. Lock held. */
uint64_t random_world_allowance(struct machine *machine, uint64_t end);
/* A halted CPU waits for the next timer; false if none can wake it. Lock held. */
bool random_world_wait(struct machine *machine);

/* What the page tables say, as one number: A and D bits are left out. */
uint64_t random_world_tables(const struct machine *machine);

#endif
