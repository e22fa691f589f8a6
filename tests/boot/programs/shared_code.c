/* Code that is written under one address and executed under another, or by another
 * process; and code pages that a fork shares. */
#define _GNU_SOURCE
#include "programs.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void write_constant(volatile uint8_t *at, uint32_t value)
{
    at[0] = 0xb8; /* mov $value, %eax; ret */
    memcpy((void *)(at + 1), &value, sizeof(value));
    at[5] = 0xc3;
}

/* What the manual wants between a write under another address and the execution. */
static void serialize(void)
{
    uint32_t a = 0;
    asm volatile("cpuid" : "+a"(a) : : "ebx", "ecx", "edx", "memory");
}

static uint32_t call(const void *code)
{
    serialize();
    return ((uint32_t(*)(void))code)();
}

static void two_mappings(unsigned rounds)
{
    int file = memfd_create("code", 0);
    if (file < 0 || ftruncate(file, 2 * PAGE_BYTES)) {
        check("a file in memory", false);
        return;
    }
    uint8_t *data =
        mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    uint8_t *code =
        mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    uint8_t *other = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    unsigned right = 0, by_file = 0;
    for (unsigned i = 0; i < rounds; i++) {
        unsigned place = i * 37 % (PAGE_BYTES + 100);
        write_constant(data + place, i);
        right += call(code + place) == i;
        write_constant(data + i % 100, i + 1);
        right += call(code + i % 100) == i + 1 && call(other + i % 100) == i + 1;
        data[i % 100 + 1] ^= 0x80;
        right += call(other + i % 100) == ((i + 1) ^ 0x80);
        uint8_t bytes[6];
        write_constant(bytes, ~i);
        by_file +=
            pwrite(file, bytes, sizeof(bytes), place) == (ssize_t)sizeof(bytes) &&
            call(code + place) == ~i;
    }
    check_equal("written here, executed there", (long)right, 3 * (long)rounds);
    check_equal("written to the file", (long)by_file, (long)rounds);
    munmap(other, PAGE_BYTES);
    munmap(code, 2 * PAGE_BYTES);
    munmap(data, 2 * PAGE_BYTES);
    close(file);
}

static bool say(int file, uint32_t value)
{
    return write(file, &value, sizeof(value)) == (ssize_t)sizeof(value);
}

static uint32_t hear(int file)
{
    uint32_t value = 0;
    return read(file, &value, sizeof(value)) == (ssize_t)sizeof(value) ? value : 0;
}

/* The child writes what the parent then executes. */
static void two_processes(unsigned rounds)
{
    int to_parent[2], to_child[2];
    uint8_t *code = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned right = 0;
    if (pipe(to_parent) || pipe(to_child)) {
        check("pipes", false);
        return;
    }
    int child = fork();
    if (child == 0) {
        bool well = true;
        for (unsigned i = 1; i <= rounds; i++) {
            write_constant(code, i);
            well = well && say(to_parent[1], i) && hear(to_child[0]) == i;
            well = well && call(code) == i + 7;
        }
        _exit(well ? EXITING_STATUS : 0);
    }
    for (unsigned i = 1; i <= rounds; i++) {
        right += hear(to_parent[0]) == i && call(code) == i;
        write_constant(code, i + 7);
        say(to_child[1], i);
    }
    check_equal("written by the child", (long)right, (long)rounds);
    check("written by the parent", child_ends_with(child, EXITING_STATUS));
    for (int i = 0; i < 2; i++) {
        close(to_parent[i]);
        close(to_child[i]);
    }
    munmap(code, PAGE_BYTES);
}

/* After a fork each has its own copy, as soon as one of them writes. */
static void copies(unsigned rounds)
{
    uint8_t *code = new_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        write_constant(code, i);
        right += call(code) == i;
        int child = fork();
        if (child == 0) {
            bool well = call(code) == i;
            write_constant(code, i + 100);
            well = well && call(code) == i + 100;
            usleep(i % 3 ? 0 : 1000);
            _exit(well && call(code) == i + 100 ? EXITING_STATUS : 0);
        }
        if (i % 2) {
            write_constant(code, i + 200);
            right += call(code) == i + 200;
        } else {
            right += call(code) == i;
        }
        right += child_ends_with(child, EXITING_STATUS);
        right += call(code) == (i % 2 ? i + 200 : i);
    }
    check_equal("code pages after forks", (long)right, 4 * (long)rounds);
    munmap(code, PAGE_BYTES);
}

void shared_code_kind(unsigned rounds)
{
    two_mappings(rounds);
    two_processes(rounds);
    copies(rounds / 8 + 1);
}
