/* faults/random.h: chance that follows from a seed (SplitMix64).
 * Thread: the owner's. */
#ifndef FAULTS_RANDOM_H
#define FAULTS_RANDOM_H

#include "base/types.h"

struct fault_random {
    uint64_t state;
};

static inline uint64_t random_next(struct fault_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* 0 … limit - 1. */
static inline uint64_t random_below(struct fault_random *random, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)random_next(random) * limit >> 64);
}

/* True with that probability. Certain and impossible ones use no number. */
static inline bool random_chance(struct fault_random *random, double probability)
{
    if (probability >= 1 || probability <= 0) {
        return probability >= 1;
    }
    return (double)(random_next(random) >> 11) * 0x1p-53 < probability;
}

#endif
