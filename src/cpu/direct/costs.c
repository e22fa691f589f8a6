#define _GNU_SOURCE /* REG_RIP */
#include "cpu/direct/costs.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

enum {
    PAGES = 32,
    TRAPS = 16,
    SPACING = 2 * PAGE_BYTES,
    LOAD_BYTES = 2, /* of the instruction that traps */
};

static void skip_load(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += LOAD_BYTES;
}

static uint64_t measure_traps(const uint8_t *nothing)
{
    struct sigaction action = {.sa_sigaction = skip_load, .sa_flags = SA_SIGINFO},
                     before;
    sigaction(SIGSEGV, &action, &before);
    uint64_t began = __builtin_ia32_rdtsc();
    for (unsigned i = 0; i < TRAPS; i++) {
        /* mov (%rcx), %al: two bytes. */
        __asm__ volatile(".byte 0x8a, 0x01" : : "c"(nothing) : "rax", "memory");
    }
    uint64_t took = __builtin_ia32_rdtsc() - began;
    sigaction(SIGSEGV, &before, NULL);
    return took / TRAPS;
}

void direct_costs_measure(struct direct_costs *costs, int fd)
{
    const size_t bytes = (size_t)PAGES * SPACING;
    uint8_t *place = mmap(NULL, bytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    *costs = (struct direct_costs){0};
    if (place == MAP_FAILED) {
        return;
    }
    costs->trap = measure_traps(place);
    uint64_t began = __builtin_ia32_rdtsc();
    for (unsigned i = 0; i < PAGES; i++) {
        mmap(place + (size_t)i * SPACING, PAGE_BYTES, PROT_READ,
             MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0);
    }
    costs->map = (__builtin_ia32_rdtsc() - began) / PAGES;
    began = __builtin_ia32_rdtsc();
    munmap(place, bytes);
    costs->unmap = (__builtin_ia32_rdtsc() - began) / PAGES;
}
