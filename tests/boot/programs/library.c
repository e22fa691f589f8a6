/* The C library itself: memory, jumps, sorting, floating point in and out of text. */
#include "programs.h"
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 64, LARGEST_BLOCK = 20000, DEPTH = 50, NUMBERS = 1000 };

struct block {
    unsigned char *bytes;
    size_t size;
    unsigned char pattern;
};

static bool holds_pattern(const struct block *block, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block->bytes[i] != block->pattern) {
            return false;
        }
    }
    return true;
}

static void allocate(unsigned rounds)
{
    struct block blocks[BLOCKS] = {{0}};
    uint32_t state = 1;
    bool right = true;
    for (unsigned i = 0; i < rounds * 50; i++) {
        struct block *block = &blocks[next_random(&state) % BLOCKS];
        size_t size = next_random(&state) % LARGEST_BLOCK + 1;
        right = right && holds_pattern(block, block->size);
        if (next_random(&state) % 3 == 0) {
            free(block->bytes);
            *block = (struct block){0};
            continue;
        }
        block->bytes = realloc(block->bytes, size);
        right = right && holds_pattern(block, size < block->size ? size : block->size);
        block->size = size;
        block->pattern = (unsigned char)i;
        memset(block->bytes, block->pattern, size);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i].bytes);
    }
    check("malloc, realloc and free", right);
}

static jmp_buf landing;

__attribute__((noinline)) static int fall(int depth, int value)
{
    if (depth == 0 && value != 0) {
        longjmp(landing, value);
    }
    return depth > 0 ? fall(depth - 1, value) + 1 : 0;
}

static void jump(unsigned rounds)
{
    volatile unsigned right = 0;
    for (volatile unsigned i = 1; i <= rounds; i++) {
        int value = setjmp(landing);
        if (value == 0) {
            fall(DEPTH, (int)i);
        }
        right += (unsigned)value == i;
    }
    check_equal("longjmp out of 50 functions", (long)right, (long)rounds);

    static sigjmp_buf masked;
    sigset_t before, blocked, after;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_SETMASK, NULL, &before);
    if (sigsetjmp(masked, 1) == 0) {
        sigprocmask(SIG_BLOCK, &blocked, NULL);
        siglongjmp(masked, 1);
    }
    sigprocmask(SIG_SETMASK, NULL, &after);
    check("siglongjmp brings back the mask", !sigismember(&after, SIGUSR1));
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static void sort(unsigned rounds)
{
    static uint32_t numbers[NUMBERS];
    uint32_t state = 7;
    bool right = true;
    for (unsigned round = 0; round < rounds / 10 + 1; round++) {
        uint32_t sum = 0;
        for (int i = 0; i < NUMBERS; i++) {
            numbers[i] = next_random(&state);
            sum += numbers[i];
        }
        uint32_t wanted = numbers[NUMBERS / 2];
        qsort(numbers, NUMBERS, sizeof(numbers[0]), compare);
        for (int i = 0; i < NUMBERS; i++) {
            right = right && (i == 0 || numbers[i - 1] <= numbers[i]);
            sum -= numbers[i];
        }
        uint32_t *found =
            bsearch(&wanted, numbers, NUMBERS, sizeof(numbers[0]), compare);
        right = right && sum == 0 && found && *found == wanted;
    }
    check("qsort and bsearch", right);
}

static void print_numbers(void)
{
    static const double numbers[] = {
        0.0, -0.0, 1.0 / 3,  3.141592653589793, 1e300,  -5e-324,  1e22,
        0.1, 2.5,  INFINITY, 6.02e23,           1e-300, 123456.75};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        double x = numbers[i];
        printf("%.17g %a %.3f %e %.20Lg\n", x, x, x, x, (long double)x / 7);
        printf("%a %a %a %a %a\n", sqrt(fabs(x)), floor(x), fmod(x, 0.7),
               remainder(x, 1.25), ldexp(x, -3));
    }
}

static void convert(unsigned rounds)
{
    uint32_t state = 99;
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        union {
            uint64_t bits;
            double value;
        } x;
        x.bits = (uint64_t)next_random(&state) << 32;
        x.bits |= next_random(&state);
        char text[64];
        snprintf(text, sizeof(text), "%.17g", x.value);
        right += x.value != x.value || strtod(text, NULL) == x.value;
    }
    check_equal("numbers to text and back", (long)right, (long)rounds);
}

static void round_numbers(void)
{
    static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        fesetround(modes[i]);
        volatile double one = 1, three = 3, tie = -2.5;
        volatile float single = 1.0f;
        printf("mode %zu: %a %a %a %ld\n", i, one / three, rint(tie),
               (double)(single / (float)three), lrint(-tie));
    }
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    volatile double huge = 1e308, zero = 0;
    huge *= 10;
    zero = zero / zero;
    printf("exceptions: %#x\n", (unsigned)fetestexcept(FE_ALL_EXCEPT));
}

static void divide(unsigned rounds)
{
    uint32_t state = 5;
    uint64_t sum = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t a = (uint64_t)next_random(&state) << 32 | next_random(&state);
        uint64_t b = next_random(&state) | 1;
        sum = sum * 31 + a / b + a % b + (uint64_t)((int64_t)a / (int32_t)(b | 1));
    }
    printf("64-bit divisions: %llx\n", (unsigned long long)sum);
    (void)rounds;
}

void library_kind(unsigned rounds)
{
    allocate(rounds);
    jump(rounds);
    sort(rounds);
    print_numbers();
    convert(rounds);
    round_numbers();
    divide(rounds);
}
