/* Floating point and integers in SSE2's registers: scalar, as compilers make it of
 * plain C, and packed, by intrinsics. */
#pragma GCC target("sse2,fpmath=sse")
#include "kinds.h"
#include <emmintrin.h>
#include <string.h>

enum {
    MATRIX = 128,
    POINTS = 4096,
    LOG_POINTS = 12,
    FRAME = 128,
    BLOCK = 16,
    REACH = 6
};

/* Small integers, so that all sums are exact. */
static void fill(double *values, uint32_t count, uint32_t random)
{
    for (uint32_t i = 0; i < count; i++) {
        random = random * 1664525 + 1013904223;
        values[i] = (double)(random >> 24) - 128;
    }
}

/* A product of matrices, two elements at a time. */
static uint32_t matrix(void)
{
    static double a[MATRIX][MATRIX] __attribute__((aligned(16)));
    static double b[MATRIX][MATRIX] __attribute__((aligned(16)));
    static double product[MATRIX][MATRIX] __attribute__((aligned(16)));
    fill(a[0], MATRIX * MATRIX, 1);
    fill(b[0], MATRIX * MATRIX, 2);
    for (uint32_t i = 0; i < MATRIX; i++) {
        for (uint32_t j = 0; j < MATRIX; j += 4) {
            __m128d low = _mm_setzero_pd(), high = _mm_setzero_pd();
            for (uint32_t k = 0; k < MATRIX; k++) {
                __m128d factor = _mm_set1_pd(a[i][k]);
                low = _mm_add_pd(low, _mm_mul_pd(factor, _mm_load_pd(&b[k][j])));
                high = _mm_add_pd(high, _mm_mul_pd(factor, _mm_load_pd(&b[k][j + 2])));
            }
            _mm_store_pd(&product[i][j], low);
            _mm_store_pd(&product[i][j + 2], high);
        }
    }
    return checksum(product, sizeof(product));
}

struct complex {
    double re, im;
};

static uint32_t reversed(uint32_t index)
{
    uint32_t result = 0;
    for (uint32_t bit = 0; bit < LOG_POINTS; bit++) {
        result |= (index >> bit & 1) << (LOG_POINTS - 1 - bit);
    }
    return result;
}

/* Cosine and sine of half a turn divided by 2, 4, 8 and so on come from the formula
 * for half an angle, so that no library is asked, which might answer differently. */
static uint32_t fourier(void)
{
    static struct complex values[POINTS];
    for (uint32_t i = 0; i < POINTS; i++) {
        values[reversed(i)] = (struct complex){(double)(i * i % 1021) - 510, 0};
    }
    struct complex step = {-1, 0}; /* by half a turn */
    for (uint32_t half = 1; half < POINTS; half *= 2) {
        struct complex turn = {1, 0};
        for (uint32_t k = 0; k < half; k++) {
            for (uint32_t i = k; i < POINTS; i += 2 * half) {
                struct complex *one = &values[i], *other = &values[i + half];
                struct complex t = {other->re * turn.re - other->im * turn.im,
                                    other->re * turn.im + other->im * turn.re};
                *other = (struct complex){one->re - t.re, one->im - t.im};
                *one = (struct complex){one->re + t.re, one->im + t.im};
            }
            turn = (struct complex){turn.re * step.re - turn.im * step.im,
                                    turn.re * step.im + turn.im * step.re};
        }
        double cosine = __builtin_sqrt((1 + step.re) / 2);
        double sine = __builtin_sqrt((1 - step.re) / 2);
        step = (struct complex){cosine, -sine};
    }
    return checksum(values, sizeof(values));
}

/* Sum of absolute differences of two blocks of 16 x 16 bytes. */
static uint32_t difference(const uint8_t *one, const uint8_t *other)
{
    __m128i sum = _mm_setzero_si128();
    for (uint32_t row = 0; row < BLOCK; row++) {
        __m128i x = _mm_loadu_si128((const __m128i *)(one + row * FRAME));
        __m128i y = _mm_loadu_si128((const __m128i *)(other + row * FRAME));
        sum = _mm_add_epi64(sum, _mm_sad_epu8(x, y));
    }
    return (uint32_t)_mm_cvtsi128_si32(sum) +
           (uint32_t)_mm_cvtsi128_si32(_mm_srli_si128(sum, 8));
}

/* Searches each block of a picture near its place in another, as video encoders do. */
static uint32_t motion(void)
{
    static uint8_t before[FRAME * FRAME], after[FRAME * FRAME];
    uint32_t random = 1, sum = 0;
    for (uint32_t i = 0; i < FRAME * FRAME; i++) {
        random = random * 1664525 + 1013904223;
        before[i] = (uint8_t)(random >> 24);
    }
    memset(after, 0, sizeof(after));
    memcpy(after, before + 3 * FRAME + 2, FRAME * (FRAME - 4));
    for (uint32_t y = REACH; y + BLOCK + REACH <= FRAME; y += BLOCK) {
        for (uint32_t x = REACH; x + BLOCK + REACH <= FRAME; x += BLOCK) {
            uint32_t best = UINT32_MAX, where = 0;
            for (uint32_t dy = 0; dy <= 2 * REACH; dy++) {
                for (uint32_t dx = 0; dx <= 2 * REACH; dx++) {
                    uint32_t found = difference(after + y * FRAME + x,
                                                before + (y - REACH + dy) * FRAME +
                                                    (x - REACH + dx));
                    if (found < best) {
                        best = found;
                        where = dy * FRAME + dx;
                    }
                }
            }
            sum = sum * 31 + where + best;
        }
    }
    return sum;
}

const struct kind sse2_kinds[] = {
    {"matrix", matrix, 1}, {"fft", fourier, 1}, {"motion", motion, 1}, {0}};
