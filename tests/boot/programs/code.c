/* Code that is written while it is in use, in one process. */
#define _GNU_SOURCE
#include "programs.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OPERATIONS = 30, CODE_BYTES = 4 * PAGE_BYTES };

typedef uint32_t function_of_two(uint32_t eax, uint32_t edx)
    __attribute__((regparm(2)));

static uint8_t *emit(uint8_t *at, const char *bytes, unsigned count)
{
    memcpy(at, bytes, count);
    return at + count;
}

static uint8_t *emit_word(uint8_t *at, uint32_t word)
{
    memcpy(at, &word, sizeof(word));
    return at + sizeof(word);
}

/* mov $value, %eax; ret */
static void write_constant(uint8_t *at, uint32_t value)
{
    *at++ = 0xb8;
    at = emit_word(at, value);
    *at = 0xc3;
}

static uint32_t call(const void *code)
{
    return ((function_of_two *)code)(0, 0);
}

static void rewrite(unsigned rounds)
{
    uint8_t *code = new_pages(2, PROT_READ | PROT_WRITE | PROT_EXEC);
    uint8_t *crossing = code + PAGE_BYTES - 3;
    unsigned right = 0, crossed = 0, changed = 0;
    for (unsigned i = 0; i < rounds; i++) {
        uint8_t *place = code + i % 64 * 16;
        write_constant(place, i);
        right += call(place) == i;
        *(volatile uint32_t *)(place + 1) = ~i;
        right += call(place) == ~i;
        write_constant(crossing, i * 3);
        crossed += call(crossing) == i * 3;
        code[PAGE_BYTES] ^= 0x40; /* a byte of the constant on the second page */
        changed += call(crossing) == ((i * 3) ^ 0x400000);
    }
    check_equal("constants rewritten", (long)right, 2 * (long)rounds);
    check_equal("constants across two pages", (long)crossed, (long)rounds);
    check_equal("their second page", (long)changed, (long)rounds);
    munmap(code, 2 * PAGE_BYTES);
}

/* The instruction just ahead is overwritten, and must already be executed as new. */
static void write_ahead(unsigned rounds)
{
    /* movb %al, 1f+1; movl $2f, ...: in machine code, at a known place:
     *   88 05 <a>         mov %al, a
     *   88 15 <b>         mov %dl, b
     *   31 c0             xor %eax, %eax
     *   83 c0 a:00        add $0, %eax
     *   c1 e0 08          shl $8, %eax
     *   83 c0 b:00        add $0, %eax
     *   c3                ret */
    uint8_t *code = new_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC), *at = code;
    at = emit_word(emit(at, "\x88\x05", 2), (uint32_t)code + 16);
    at = emit_word(emit(at, "\x88\x15", 2), (uint32_t)code + 22);
    at = emit(at, "\x31\xc0\x83\xc0\x00\xc1\xe0\x08\x83\xc0\x00\xc3", 12);
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t a = i % 128, b = i / 128 % 128;
        right += ((function_of_two *)(void *)code)(a, b) == (a << 8 | b);
    }
    check_equal("instructions written just ahead", (long)right, (long)rounds);

    /* REP STOSB over what follows it: mov $10, ecx; lea 0f, edi; mov $0x40, al;
     * rep stosb; ten bytes (inc eax by then, before: int3); ret. */
    memset(code, 0xcc, PAGE_BYTES);
    at = emit(code, "\x57\xb9\x0a\x00\x00\x00\xbf", 7);
    at = emit_word(at, (uint32_t)code + 17);
    at = emit(at, "\x31\xc0\xb0\x40\xf3\xaa", 6);
    emit(at + 10, "\x5f\xc3", 2);
    right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        memset(at, 0xcc, 10);
        right += call(code) == 0x40 + 10;
    }
    check_equal("instructions written by REP STOSB", (long)right, (long)rounds);
    munmap(code, PAGE_BYTES);
}

/* Calls and jumps whose targets are patched. */
static void patch_targets(unsigned rounds)
{
    uint8_t *code = new_pages(4, PROT_READ | PROT_WRITE | PROT_EXEC);
    static const unsigned places[] = {100, PAGE_BYTES + 40, 2 * PAGE_BYTES - 3,
                                      3 * PAGE_BYTES};
    for (uint32_t i = 0; i < 4; i++) {
        write_constant(code + places[i], i * 1000);
    }
    code[0] = 0xe8; /* call; add $1, %eax; ret */
    emit(code + 5, "\x83\xc0\x01\xc3", 4);
    code[32] = 0xe9; /* jmp */
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t target = i * 5 / 3 % 4;
        emit_word(code + 1, places[target] - 5);
        emit_word(code + 33, places[target] - 37);
        right += call(code) == target * 1000 + 1;
        right += call(code + 32) == target * 1000;
    }
    check_equal("patched calls and jumps", (long)right, 2 * (long)rounds);
    munmap(code, 4 * PAGE_BYTES);
}

/* A compiler of random expressions of two numbers; `expected` is what they are for
 * these two. Each operation is one of a few that i386 compilers use. */
static uint32_t compile(uint8_t *at, uint32_t *state, uint32_t eax, uint32_t edx)
{
    uint8_t *start = at;
    at = emit(at, "\x51", 1); /* push %ecx */
    for (int i = 0; i < OPERATIONS; i++) {
        uint32_t number = next_random(state);
        unsigned count = number >> 8 & 31;
        switch (number % 8) {
        case 0: /* add %edx, %eax */
            at = emit(at, "\x01\xd0", 2);
            eax += edx;
            break;
        case 1: /* xor $number, %eax */
            at = emit_word(emit(at, "\x35", 1), number);
            eax ^= number;
            break;
        case 2: /* imul %edx, %eax */
            at = emit(at, "\x0f\xaf\xc2", 3);
            eax *= edx;
            break;
        case 3: /* rol $count, %edx */
            at = emit(at, "\xc1\xc2", 2);
            *at++ = (uint8_t)count;
            edx = count ? edx << count | edx >> (32 - count) : edx;
            break;
        case 4: /* cmp %edx, %eax; ja over; xchg %eax, %edx; over: */
            at = emit(at, "\x39\xd0\x77\x01\x92", 5);
            if (eax <= edx) {
                uint32_t other = eax;
                eax = edx;
                edx = other;
            }
            break;
        case 5: /* sub $number, %edx; adc %edx, %eax */
            at = emit_word(emit(at, "\x81\xea", 2), number);
            at = emit(at, "\x11\xd0", 2);
            eax += edx - number + (edx < number);
            edx -= number;
            break;
        case 6: /* push %eax; add %edx, (%esp); pop %edx */
            at = emit(at, "\x50\x01\x14\x24\x5a", 5);
            edx += eax;
            break;
        case 7: /* mov $count, %ecx; again: inc %eax; loop again */
            at = emit_word(emit(at, "\xb9", 1), count + 1);
            at = emit(at, "\x40\xe2\xfd", 3);
            eax += count + 1;
            break;
        }
    }
    at = emit(at, "\x59\xc3", 2);
    return at - start < PAGE_BYTES ? eax : 0;
}

static void run_compiler(unsigned rounds)
{
    uint8_t *open = new_pages(4, PROT_READ | PROT_WRITE | PROT_EXEC);
    uint8_t *closed = new_pages(1, PROT_READ | PROT_WRITE);
    uint32_t state = 2024;
    unsigned right = 0, right_closed = 0;
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t a = next_random(&state), b = next_random(&state);
        uint8_t *code = open + next_random(&state) % (CODE_BYTES - PAGE_BYTES);
        uint32_t expected = compile(code, &state, a, b);
        right += ((function_of_two *)(void *)code)(a, b) == expected;
        if (i % 4 == 0) {
            mprotect(closed, PAGE_BYTES, PROT_READ | PROT_WRITE);
            expected = compile(closed, &state, a, b);
            mprotect(closed, PAGE_BYTES, PROT_READ | PROT_EXEC);
            right_closed += ((function_of_two *)(void *)closed)(a, b) == expected;
        }
    }
    check_equal("compiled where it can be written", (long)right, (long)rounds);
    check_equal("compiled, then closed to writing", (long)right_closed,
                (long)(rounds + 3) / 4);
    munmap(open, CODE_BYTES);
    munmap(closed, PAGE_BYTES);
}

/* The kernel brings the code: by read(), by another mapping, by moving the page. */
static void change_mappings(unsigned rounds)
{
    int ends[2];
    uint8_t bytes[6];
    unsigned right = 0;
    uint8_t *place = new_pages(4, PROT_READ | PROT_WRITE | PROT_EXEC);
    if (pipe(ends)) {
        check("a pipe", false);
        return;
    }
    for (unsigned i = 0; i < rounds; i++) {
        write_constant(bytes, i);
        right += write(ends[1], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes) &&
                 read(ends[0], place, sizeof(bytes)) == (ssize_t)sizeof(bytes) &&
                 call(place) == i;
        /* Another page at the same place. */
        uint8_t *fresh = mmap(place, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        write_constant(fresh, ~i);
        right += fresh == place && call(place) == ~i;
        /* This one elsewhere; then gone and empty. */
        void *moved = mremap(place, PAGE_BYTES, PAGE_BYTES,
                             MREMAP_MAYMOVE | MREMAP_FIXED, place + 2 * PAGE_BYTES);
        right += moved == place + 2 * PAGE_BYTES && call(moved) == ~i;
        mmap(place, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        madvise(moved, PAGE_BYTES, MADV_DONTNEED);
        write_constant(moved, i + 5);
        right += *place == 0 && call(moved) == i + 5;
    }
    check_equal("code that the kernel brings", (long)right, 4 * (long)rounds);
    close(ends[0]);
    close(ends[1]);
    munmap(place, 4 * PAGE_BYTES);
}

/* Tables lie between functions in many libraries of cryptography; to be executed beside
 * them must not change them. */
static void read_tables(void)
{
    enum { PAGES = 256, FUNCTION_BYTES = 16 };
    uint8_t *code = new_pages(PAGES, PROT_READ | PROT_WRITE | PROT_EXEC);
    uint32_t state = 1, again = 1;
    unsigned right = 0, same = 0;
    for (uint8_t *at = code; at < code + PAGES * PAGE_BYTES; at += 4) {
        emit_word(at, next_random(&state));
    }
    for (unsigned i = 0; i < PAGES; i++) {
        write_constant(code + i * PAGE_BYTES, i);
        right += call(code + i * PAGE_BYTES) == i;
    }
    for (unsigned i = 0; i < PAGES * PAGE_BYTES; i += 4) {
        uint32_t found, wanted = next_random(&again);
        memcpy(&found, code + i, sizeof(found));
        same += found == wanted || i % PAGE_BYTES < FUNCTION_BYTES;
    }
    check_equal("functions beside tables", (long)right, PAGES);
    check_equal("tables beside functions", (long)same, PAGES * PAGE_BYTES / 4);
    munmap(code, PAGES * PAGE_BYTES);
}

void code_kind(unsigned rounds)
{
    read_tables();
    rewrite(rounds);
    write_ahead(rounds);
    patch_targets(rounds);
    run_compiler(rounds);
    change_mappings(rounds);
}
