/* base/pages.h: large pieces of memory, in huge pages where the host has them.
 *
 * Tables of megabytes that are looked up at random cost a miss of the host's TLB each
 * time, and a host that is itself virtual pays that twice. Thread: any. */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stddef.h>

enum { PAGES_HUGE_BYTES = 2 << 20 };

/* `bytes` of zeros, which cost nothing until they are touched; NULL if the host
 * refuses. To be freed by pages_free(). */
void *pages_allocate(size_t bytes);
/* Address space where nothing is accessible, at a multiple of PAGES_HUGE_BYTES, to be
 * mapped over; likewise. */
void *pages_reserve(size_t bytes);
/* `memory` may be NULL. */
void pages_free(void *memory, size_t bytes);

/* Makes one huge page of the PAGES_HUGE_BYTES at `memory`, a multiple of that: also of
 * memory that is shared. If the host cannot (Linux 6.1 can), only speed is lost. */
void pages_gather(void *memory);

#endif
