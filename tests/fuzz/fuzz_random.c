#include "fuzz.h"

uint64_t fuzz_random(struct fuzz *fuzz)
{
    /* splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
    uint64_t z = fuzz->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint32_t fuzz_below(struct fuzz *fuzz, uint32_t limit)
{
    return (uint32_t)(fuzz_random(fuzz) % limit);
}

bool fuzz_one_in(struct fuzz *fuzz, uint32_t n)
{
    return fuzz_below(fuzz, n) == 0;
}

uint32_t fuzz_interesting(struct fuzz *fuzz)
{
    uint32_t value = (uint32_t)fuzz_random(fuzz);
    switch (fuzz_below(fuzz, 6)) {
    case 0:
        return value & 0xff;
    case 1:
        return (1U << (value & 31)) - (value >> 5 & 1);
    case 2:
        return 0U - (value & 0xff);
    case 3:
        return value & 0xffff;
    case 4: /* in RAM, often near the end of a page */
        value &= FUZZ_RAM_BYTES - 1;
        return value & 0x1000 ? value | 0xff8 : value;
    default:
        return value;
    }
}
