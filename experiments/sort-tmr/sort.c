/* Sorts numbers without an operating system: a Multiboot kernel that tells its results
 * on the first serial line. With COPIES=3 each number is there three times: a read
 * takes the majority and puts right what differs from it.
 *
 *   numbers at 00100abc, 1200 bytes     before the work begins
 *   sum right, corrected 0              the checksum is the one from before
 *   result 1a2b3c4d                     a digest of the numbers in their order
 *
 * An exception has no handler: the processor shuts down. */
#include <stdint.h>

#ifndef COPIES
#error "COPIES is 1 or 3"
#endif

enum {
    COUNT = 300,
    COM1 = 0x3f8,
    MULTIBOOT_MAGIC = 0x1badb002,
    STACK_BYTES = 4096,
};

/* How numbers are made, and their digest; experiment.lua does the same. */
enum { SEED = 12345, FACTOR = 1664525, INCREMENT = 1013904223, DIGEST_FACTOR = 31 };

__attribute__((section(".text.multiboot"), used)) static const uint32_t header[] = {
    MULTIBOOT_MAGIC, 0, -(uint32_t)MULTIBOOT_MAGIC};

uint8_t stack[STACK_BYTES] __attribute__((aligned(16)));

__asm__(".globl _start\n"
        "_start:\n"
        "    mov $stack + 4096, %esp\n"
        "    lidt no_handlers\n"
        "    call sort_and_tell\n"
        "stop:\n"
        "    cli\n"
        "    hlt\n"
        "    jmp stop\n"
        "no_handlers:\n"
        "    .word 0\n"
        "    .long 0\n");

/* Volatile: each read is one of memory. */
static volatile uint32_t numbers[COPIES][COUNT];
static uint32_t corrected;

static void set(uint32_t index, uint32_t number)
{
    for (int copy = 0; copy < COPIES; copy++) {
        numbers[copy][index] = number;
    }
}

#if COPIES == 1

static uint32_t get(uint32_t index)
{
    return numbers[0][index];
}

#else

/* Each bit is to be what most copies say. */
__attribute__((noinline)) static uint32_t correct(uint32_t index, uint32_t a,
                                                  uint32_t b, uint32_t c)
{
    uint32_t majority = (a & b) | (a & c) | (b & c);
    set(index, majority);
    corrected++;
    return majority;
}

static inline uint32_t get(uint32_t index)
{
    uint32_t a = numbers[0][index], b = numbers[1][index], c = numbers[2][index];
    return a == b && b == c ? a : correct(index, a, b, c);
}

#endif

/* -- the work -- */

/* Returns the sum. */
static uint32_t make_numbers(void)
{
    uint32_t number = SEED, sum = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        number = number * FACTOR + INCREMENT;
        set(i, number);
        sum += number;
    }
    return sum;
}

static void sift_down(uint32_t place, uint32_t count)
{
    const uint32_t sinking = get(place);
    for (uint32_t child; (child = 2 * place + 1) < count; place = child) {
        uint32_t larger = get(child);
        if (child + 1 < count && get(child + 1) > larger) {
            larger = get(++child);
        }
        if (larger <= sinking) {
            break;
        }
        set(place, larger);
    }
    set(place, sinking);
}

/* Heapsort: how long it takes depends little on the numbers. */
static void sort(void)
{
    for (uint32_t i = COUNT / 2; i-- > 0;) {
        sift_down(i, COUNT);
    }
    for (uint32_t last = COUNT - 1; last > 0; last--) {
        uint32_t largest = get(0);
        set(0, get(last));
        set(last, largest);
        sift_down(0, last);
    }
}

static uint32_t sum_now(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        sum += get(i);
    }
    return sum;
}

static uint32_t digest(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        sum = sum * DIGEST_FACTOR + get(i);
    }
    return sum;
}

/* -- the serial line, which is a simulated one: there is always room -- */

static void put(char c)
{
    __asm__ volatile("outb %0, %w1" : : "a"(c), "Nd"(COM1));
}

static void print(const char *text)
{
    while (*text) {
        put(*text++);
    }
}

static void print_hexadecimal(uint32_t number)
{
    for (int shift = 28; shift >= 0; shift -= 4) {
        put("0123456789abcdef"[number >> shift & 15]);
    }
}

static void print_decimal(uint32_t number)
{
    if (number >= 10) {
        print_decimal(number / 10);
    }
    put((char)('0' + number % 10));
}

/* Called by _start. */
void sort_and_tell(void)
{
    print("numbers at ");
    print_hexadecimal((uint32_t)numbers);
    print(", ");
    print_decimal(sizeof(numbers));
    print(" bytes\n");
    uint32_t sum = make_numbers();
    sort();
    print(sum_now() == sum ? "sum right" : "sum wrong");
    print(", corrected ");
    print_decimal(corrected);
    print("\nresult ");
    print_hexadecimal(digest());
    put('\n');
}
