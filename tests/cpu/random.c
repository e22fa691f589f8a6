#include "random.h"

#include "xsave_area.h"

#include "cpu/core/cpu.h"
#include "cpu/core/fpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t random_seed(void)
{
    const char *text = getenv("FAUMACHINE_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    printf("FAUMACHINE_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

uint32_t random_integer(struct random *random)
{
    static const uint32_t edges[] = {0,      1,      0xffffffff, 0x80000000, 0x7fffffff,
                                     0x8000, 0x7fff, 0xffff,     0x80,       0x7f,
                                     0xff,   2,      0xfffffffe, 0x10000,    0x100};
    switch (random_below(random, 4)) {
    case 0:
        return edges[random_below(random, ARRAY_LENGTH(edges))];
    case 1:
        return random_below(random, 70) - (random_one_in(random, 2) ? 0 : 35);
    default:
        return (uint32_t)random_next(random);
    }
}

void random_fill(struct random *random, uint8_t *bytes, size_t count)
{
    while (count) {
        uint64_t value = random_next(random);
        size_t part = count < sizeof(value) ? count : sizeof(value);
        memcpy(bytes, &value, part);
        bytes += part;
        count -= part;
    }
}

static uint32_t random_float(struct random *random)
{
    static const uint32_t edges[] = {
        0,          0x80000000, /* zeroes */
        0x3f800000, 0xbf800000, /* ones */
        0x7f800000, 0xff800000, /* infinities */
        0x7fc00000, 0xffc00001, /* quiet NaNs */
        0x7f800001, 0xff812345, /* signalling NaNs */
        0x00000001, 0x807fffff, /* denormals */
        0x00800000, 0x7f7fffff, /* smallest and largest */
        0x4f000000, 0xcf000000, /* 2^31 */
    };
    uint32_t value = (uint32_t)random_next(random);
    switch (random_below(random, 3)) {
    case 0:
        return edges[random_below(random, ARRAY_LENGTH(edges))];
    case 1: /* of moderate size */
        return (value & 0x807fffff) | (0x70U + random_below(random, 0x20)) << 23;
    default:
        return value;
    }
}

static uint64_t random_double(struct random *random)
{
    static const uint64_t edges[] = {
        0,
        1ULL << 63,
        0x3ff0000000000000,
        0xbff0000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0xfff8000000000001,
        0x7ff0000000000001,
        1,
        0x800fffffffffffff,
        0x0010000000000000,
        0x7fefffffffffffff,
        0x41e0000000000000,
        0xc3e0000000000000,
    };
    uint64_t value = random_next(random);
    switch (random_below(random, 3)) {
    case 0:
        return edges[random_below(random, ARRAY_LENGTH(edges))];
    case 1:
        return (value & 0x800fffffffffffff) | (0x3f0ULL + random_below(random, 0x20))
                                                  << 52;
    default:
        return value;
    }
}

void random_extended(struct random *random, uint8_t *bytes)
{
    static const struct {
        uint64_t mantissa;
        uint16_t exponent;
    } edges[] = {
        {0, 0},
        {0, 0x8000},
        {1ULL << 63, 0x3fff},
        {1ULL << 63, 0xbfff},
        {1ULL << 63, 0x7fff},
        {1ULL << 63, 0xffff},
        {3ULL << 62, 0x7fff},
        {3ULL << 62, 0xffff},
        {(1ULL << 63) + 5, 0x7fff},
        {1, 0},
        {1ULL << 63, 0},
        {0x1234, 0x4000}, /* not normal: not supported */
        {~0ULL, 0x7ffe},
        {0xc90fdaa22168c235, 0x4000},
    };
    uint64_t mantissa = random_next(random) | 1ULL << 63;
    uint16_t exponent = (uint16_t)random_next(random);
    switch (random_below(random, 4)) {
    case 0: {
        unsigned i = random_below(random, ARRAY_LENGTH(edges));
        mantissa = edges[i].mantissa;
        exponent = edges[i].exponent;
        break;
    }
    case 1:
    case 2:
        exponent =
            (uint16_t)((exponent & 0x8000) | (0x3ff0 + random_below(random, 32)));
        break;
    default:
        break;
    }
    memcpy(bytes, &mantissa, sizeof(mantissa));
    memcpy(bytes + sizeof(mantissa), &exponent, sizeof(exponent));
}

void random_vector(struct random *random, uint8_t *bytes)
{
    switch (random_below(random, 4)) {
    case 0:
        random_fill(random, bytes, 16);
        break;
    case 1:
        for (unsigned i = 0; i < 4; i++) {
            uint32_t value = random_integer(random);
            memcpy(bytes + 4 * (size_t)i, &value, sizeof(value));
        }
        break;
    case 2:
        for (unsigned i = 0; i < 4; i++) {
            uint32_t value = random_float(random);
            memcpy(bytes + 4 * (size_t)i, &value, sizeof(value));
        }
        break;
    default:
        for (unsigned i = 0; i < 2; i++) {
            uint64_t value = random_double(random);
            memcpy(bytes + 8 * (size_t)i, &value, sizeof(value));
        }
        break;
    }
}

static void random_x87_words(struct random *random, uint8_t *area)
{
    static const uint16_t precisions[] = {0x300, 0x300, 0x200, 0x000};
    uint16_t control = FPU_CONTROL_INIT;
    if (random_one_in(random, 2)) {
        control = (uint16_t)(FPU_CONTROL_ONE | FPU_EXCEPTIONS |
                             precisions[random_below(random, 4)] |
                             random_below(random, 4) << 10);
    }
    if (random_one_in(random, 8)) {
        control &= (uint16_t)~random_below(random, 64);
    }
    uint16_t status = (uint16_t)(random_below(random, 8) << FPU_STATUS_TOP_SHIFT);
    status |= (uint16_t)(random_next(random) & FPU_STATUS_CONDITION);
    if (random_one_in(random, 4)) {
        status |= (uint16_t)random_below(random, 128);
    }
    if (status & ~control & FPU_EXCEPTIONS) {
        status |= FPU_STATUS_SUMMARY | FPU_STATUS_BUSY;
    }
    memcpy(area + FPU_AREA_CONTROL, &control, sizeof(control));
    memcpy(area + FPU_AREA_STATUS, &status, sizeof(status));
    area[FPU_AREA_TAGS] =
        random_one_in(random, 4) ? (uint8_t)random_next(random) : 0xff;
}

void random_vector_state(struct random *random, uint8_t *area)
{
    xsave_area_init(area);
    random_x87_words(random, area);
    uint32_t mxcsr = MXCSR_INIT;
    if (random_one_in(random, 4)) {
        mxcsr |= random_below(random, 0x10000) & ~(uint32_t)MXCSR_MASKS;
    }
    if (random_one_in(random, 8)) {
        mxcsr &= ~(random_below(random, 64) << MXCSR_MASK_SHIFT);
    }
    memcpy(area + FPU_AREA_MXCSR, &mxcsr, sizeof(mxcsr));
    for (unsigned i = 0; i < 8; i++) {
        random_extended(random, area + FPU_AREA_ST + 16 * (size_t)i);
        random_vector(random, area + FPU_AREA_XMM + 16 * (size_t)i);
        random_vector(random, area + FPU_AREA_YMM_HIGH + 16 * (size_t)i);
    }
}
