/* Checks by the hundred, pseudo-random numbers, patterns of memory. */
#include "torture.h"

enum { BAD_PRINTED = 4, DEFAULT_SEED = 0x2545f491 };
static const uint32_t MIXER = 0x9e3779b1; /* 2^32 by the golden ratio */

uint32_t random_seed = DEFAULT_SEED;
static bool something_bad;

void tally_add(struct tally *tally, uint32_t value)
{
    tally->sum = ((tally->sum << 5 | tally->sum >> 27) ^ value) * MIXER;
}

void expect(struct tally *tally, uint32_t where, uint32_t found, uint32_t wanted)
{
    tally->count++;
    tally_add(tally, found);
    if (found == wanted) {
        return;
    }
    something_bad = true;
    if (tally->bad++ < BAD_PRINTED) {
        put(" [at %x: %x, not %x]", where, found, wanted);
    }
}

void put_tally(const struct tally *tally)
{
    put(" %d checks, sum %x", tally->count, tally->sum);
    if (tally->bad) {
        put(", %d BAD", tally->bad);
    }
}

bool any_bad(void)
{
    return something_bad;
}

struct random random_new(uint32_t salt)
{
    struct random random = {random_seed ^ salt * MIXER};
    if (!random.state) {
        random.state = 1;
    }
    random_next(&random);
    return random;
}

uint32_t random_next(struct random *random)
{
    uint32_t x = random->state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return random->state = x;
}

uint32_t random_below(struct random *random, uint32_t limit)
{
    return (random_next(random) >> 8) % limit;
}

uint32_t checksum(uint32_t address, uint32_t bytes)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < bytes; i += 4) {
        sum = ((sum << 5 | sum >> 27) ^ *at(address + i)) * MIXER;
    }
    return sum;
}

uint32_t pattern_word(uint32_t offset, uint32_t salt)
{
    return (offset + salt * 0x10001) * MIXER;
}

void fill_pattern(uint32_t address, uint32_t bytes, uint32_t salt)
{
    for (uint32_t i = 0; i < bytes; i += 4) {
        *at(address + i) = pattern_word(i, salt);
    }
}
