/* Integer work of the kinds that interpreters and translators find easy and hard. */
#include "kinds.h"
#include <stdlib.h>
#include <string.h>

enum { SIEVE_SIZE = 2000000, SORT_SIZE = 200000, HASHES = 4000000, STEPS = 6000000 };

static uint32_t sieve(void)
{
    static uint8_t composite[SIEVE_SIZE];
    memset(composite, 0, sizeof(composite));
    uint32_t count = 0;
    for (uint32_t i = 2; i < SIEVE_SIZE; i++) {
        if (!composite[i]) {
            count++;
            for (uint32_t j = i * 2; j < SIEVE_SIZE; j += i) {
                composite[j] = 1;
            }
        }
    }
    return count;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t sort(void)
{
    static uint32_t values[SORT_SIZE];
    uint32_t random = 1;
    for (uint32_t i = 0; i < SORT_SIZE; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        values[i] = random;
    }
    qsort(values, SORT_SIZE, sizeof(values[0]), compare);
    return values[SORT_SIZE / 2];
}

static uint32_t hash(void)
{
    uint32_t h = 2166136261U;
    for (uint32_t i = 0; i < HASHES; i++) {
        h = (h ^ (i & 0xff)) * 16777619U;
        h ^= h >> 15;
    }
    return h;
}

/* A small bytecode machine: an indirect jump for each step. */
static uint32_t bytecode(void)
{
    static const uint8_t program[] = {0, 1, 2, 3, 1, 4, 2, 0, 3, 5};
    uint32_t a = 1, b = 2, at = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        switch (program[at]) {
        case 0:
            a += b;
            break;
        case 1:
            b ^= a << 3;
            break;
        case 2:
            a -= b >> 2;
            break;
        case 3:
            b += 7;
            break;
        case 4:
            a = a * 3 + 1;
            break;
        default:
            b = ~b;
        }
        at = at + 1 == sizeof(program) ? 0 : at + 1;
    }
    return a ^ b;
}

/* Not inlined, so that each step is a call and a return. */
static uint32_t __attribute__((noinline, noclone)) fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint32_t recursion(void)
{
    return fibonacci(29);
}

const struct kind integer_kinds[] = {
    {"sieve", sieve, 1},       {"sort", sort, 1},           {"hash", hash, 1},
    {"bytecode", bytecode, 1}, {"recursion", recursion, 1}, {0},
};
