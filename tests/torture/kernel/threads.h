/* threads.h: programs of ring 3 in spaces of their own that take turns, by a system
 * call or whenever a handler says so. */
#ifndef THREADS_H
#define THREADS_H

#include "torture.h"

enum { THREADS = 8 };

/* Makes the spaces and the programs' pages. */
void threads_create(void);
/* Runs all to their ends, mixed, and compares with what each does alone. */
void threads_compare(struct tally *tally, uint32_t salt);
/* To be called by a handler that has interrupted ring 3: goes on with another one. */
void threads_switch(struct trap *trap);

#endif
