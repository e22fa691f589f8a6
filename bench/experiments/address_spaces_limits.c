/* What host processes cost apart from switches: ways to hand over, creation, memory. */
#define _GNU_SOURCE
#include "address_spaces.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    ROUNDS = 2000,
    POOL = 64,
    POOL_PAGES = 400,
};

/* Space 1 gives the turn back, each time. */
static void return_turns(void)
{
    while (!world->over) {
        world->handover->pass(0);
        world->handover->await(1);
    }
}

/* A process that has nothing but a window: what the engine would do for it, another
 * process does. UD2 stands for a system call that the host redirects. */
static void on_window_trap(int number, siginfo_t *info, void *context)
{
    world->handover->pass(0);
    world->handover->await(1);
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void run_window(void)
{
    on_signal(SIGILL, on_window_trap);
    while (!world->over) {
        __asm__ volatile("ud2");
    }
}

/* There and back, in us: median of ROUNDS. */
static double round_trip_us(const struct handover *handover, unsigned cpu,
                            void (*work)(void))
{
    world->handover = handover;
    world->over = false;
    memset(world->turn, 0, sizeof(world->turn));
    process_create(1, cpu, work);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t begin = now_ns();
        handover->pass(1);
        handover->await(0);
        world->sample_us[i] = (double)(now_ns() - begin) / 1e3;
    }
    world->over = true;
    handover->pass(1);
    children_await();
    return median(world->sample_us, ROUNDS);
}

static double trap_us(void)
{
    on_signal(SIGILL, on_trap);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t begin = now_ns();
        __asm__ volatile("ud2");
        world->sample_us[i] = (double)(now_ns() - begin) / 1e3;
    }
    return median(world->sample_us, ROUNDS);
}

static void print_row(const char *name, double *values, unsigned count)
{
    double middle = median(values, count);
    printf("| %s | %.2f (%.2f–%.2f) |\n", name, middle, values[0], values[count - 1]);
}

void print_handovers(unsigned repetitions, unsigned other_cpu)
{
    static const struct handover *const ways[] = {&by_futex, &by_eventfd, &by_pipe,
                                                  &by_yield};
    double values[REPETITIONS_MAXIMUM];
    unsigned cpu = world->cpu;
    printf("\n### Handing over\n\n| | us |\n|---|---:|\n");
    for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
        for (unsigned i = 0; i < repetitions; i++) {
            values[i] = round_trip_us(ways[way], cpu, return_turns) / 2;
        }
        print_row(ways[way]->name, values, repetitions);
    }
    for (unsigned i = 0; i < repetitions && other_cpu != cpu; i++) {
        values[i] = round_trip_us(&by_futex, other_cpu, return_turns) / 2;
    }
    if (other_cpu != cpu) {
        print_row("futex, the other process on another CPU", values, repetitions);
    }
    for (unsigned i = 0; i < repetitions; i++) {
        values[i] = trap_us();
    }
    print_row("a trap (UD2: signal and return), one process", values, repetitions);
    for (unsigned i = 0; i < repetitions; i++) {
        values[i] = round_trip_us(&by_futex, cpu, run_window);
    }
    print_row("a trap of a window process, handed to the engine and back", values,
              repetitions);
}

/* In KiB: a line of a file in /proc, such as "VmPTE:". */
static unsigned long proc_kib(const char *file, const char *key)
{
    char line[256];
    unsigned long value = 0;
    FILE *stream = fopen(file, "r");
    require(stream, file);
    while (fgets(line, sizeof(line), stream)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            value = strtoul(line + strlen(key), NULL, 10);
        }
    }
    fclose(stream);
    return value;
}

/* Fork, exit and wait, the process having this many mappings: us. */
static double creation_us(void)
{
    enum { TIMES = 50 };
    for (unsigned i = 0; i < TIMES; i++) {
        int64_t begin = now_ns();
        pid_t child = fork();
        require(child >= 0, "fork");
        if (child == 0) {
            _exit(0);
        }
        waitpid(child, NULL, 0);
        world->sample_us[i] = (double)(now_ns() - begin) / 1e3;
    }
    return median(world->sample_us, TIMES);
}

static unsigned long kernel_kib(void)
{
    static const char *const keys[] = {"Slab:", "KernelStack:", "PageTables:"};
    unsigned long sum = 0;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        sum += proc_kib("/proc/meminfo", keys[i]);
    }
    return sum;
}

/* Processes that wait with a window of POOL_PAGES each. */
static void print_pool_memory(unsigned inherited)
{
    int ready[2], go[2];
    char byte;
    require(pipe(ready) == 0 && pipe(go) == 0, "pipe");
    world->current = 0;
    world->base = 0;
    space_fill(0, POOL_PAGES);
    unsigned long before = kernel_kib();
    for (unsigned i = 0; i < POOL; i++) {
        if (fork() == 0) {
            close(go[1]);
            touch(POOL_PAGES);
            unsigned long tables = proc_kib("/proc/self/status", "VmPTE:");
            require(write(ready[1], &tables, sizeof(tables)) > 0, "write");
            _exit(read(go[0], &byte, 1) != 0);
        }
    }
    unsigned long tables = 0;
    for (unsigned i = 0; i < POOL; i++) {
        require(read(ready[0], &tables, sizeof(tables)) > 0, "read");
    }
    printf("| %u, %u | %lu | %lu |\n", POOL_PAGES, POOL_PAGES + inherited, tables,
           (kernel_kib() - before) / POOL);
    close(go[1]);
    children_await();
}

void print_processes(unsigned repetitions)
{
    static const unsigned mappings[] = {0, 1000, 10000};
    double values[REPETITIONS_MAXIMUM];
    printf("\n### Making a process (fork, exit, wait)\n\n| | us |\n|---|---:|\n");
    for (size_t row = 0; row < sizeof(mappings) / sizeof(mappings[0]); row++) {
        char name[64];
        other_mappings(mappings[row]);
        for (unsigned i = 0; i < repetitions; i++) {
            values[i] = creation_us();
        }
        snprintf(name, sizeof(name), "%u mappings to inherit", mappings[row]);
        print_row(name, values, repetitions);
    }
    printf("\n### Memory of a process that waits, one of %u, KiB\n\n"
           "| mappings in its window, in all | page tables | kernel memory in all |\n"
           "|---|---:|---:|\n",
           POOL);
    for (size_t row = 0; row < 2; row++) {
        other_mappings(mappings[row]);
        print_pool_memory(mappings[row]);
    }
}
