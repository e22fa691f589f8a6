/* faults/write_cache.h: the volatile write cache of a disk, which power failures empty.
 *
 * Stands between a controller and what holds the sectors. Writes are done once they are
 * in the cache; a flush writes all of it, and so does a cache that is full, the oldest
 * first. Reads see what was written.
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef FAULTS_WRITE_CACHE_H
#define FAULTS_WRITE_CACHE_H

#include "bus/block_device.h"
#include "faults/random.h"

struct write_cache;

/* Takes the device's place. `limit`: bytes. NULL: no memory. */
struct write_cache *write_cache_create(struct block_device *device, uint64_t limit);
/* Each write that is not flushed is lost, with that probability; the others are
 * written. Returns how many are lost. */
unsigned write_cache_lose(struct write_cache *cache, struct fault_random *random,
                          double probability);
/* Writes all, and gives the place back. NULL is fine. */
void write_cache_destroy(struct write_cache *cache);

#endif
