/* tests/cpu/random.h: reproducible random numbers (splitmix64, S. Vigna's constants),
 * and values at which instructions tend to break. */
#ifndef TESTS_CPU_RANDOM_H
#define TESTS_CPU_RANDOM_H

#include "base/types.h"

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* 0 to `count` - 1. */
static inline uint32_t random_below(struct random *random, uint32_t count)
{
    return (uint32_t)((random_next(random) >> 32) * count >> 32);
}

/* True once in `n` times. */
static inline bool random_one_in(struct random *random, uint32_t n)
{
    return random_below(random, n) == 0;
}

/* The seed of this run: FAUMACHINE_SEED (see tools/run-tests) or the time. Printed. */
uint64_t random_seed(void);

/* Small, extreme, or anything. */
uint32_t random_integer(struct random *random);

/* A full set of x87, SSE and AVX registers, in the form of an XSAVE area: numbers of
 * all kinds; now and then empty x87 registers, unmasked exceptions, other roundings. */
void random_vector_state(struct random *random, uint8_t *area);

/* 16 bytes: integers, floats or doubles of all kinds. */
void random_vector(struct random *random, uint8_t *bytes);

/* 10 bytes: a number in extended precision. */
void random_extended(struct random *random, uint8_t *bytes);

void random_fill(struct random *random, uint8_t *bytes, size_t count);

#endif
