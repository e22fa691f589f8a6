/* cpu/direct/costs.h: what the host takes for the things that decide where code runs.
 *
 * They differ by ten between hosts: a virtual host without nested paging against bare
 * metal. Thread: the CPU's own. */
#ifndef CPU_DIRECT_COSTS_H
#define CPU_DIRECT_COSTS_H

#include "base/types.h"

/* In cycles of the host's time stamp counter. */
struct direct_costs {
    uint64_t map;   /* a page: mmap() and the first touch */
    uint64_t unmap; /* a mapping among many */
    uint64_t trap;  /* SIGSEGV and the way back */
};

/* Takes half a millisecond. `fd`: a file of a page at least, to be mapped. */
void direct_costs_measure(struct direct_costs *costs, int fd);

#endif
