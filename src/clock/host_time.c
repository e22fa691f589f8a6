#define _GNU_SOURCE
#include "clock/host_time.h"

#include <dlfcn.h>

enum { TRIALS = 256, VECTORS = 16, VECTOR_BYTES = 32 };

/* `operation` of each YMM register and its place in the table at RBX or RBP. */
#define EACH_VECTOR(operation)                                                         \
    operation(0) operation(1) operation(2) operation(3) operation(4) operation(5)      \
        operation(6) operation(7) operation(8) operation(9) operation(10)              \
            operation(11) operation(12) operation(13) operation(14) operation(15)
#define LOAD(n) "vmovdqu " #n "*32(%%r12), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%%r13)\n\t"

/* Calls it with patterns in the vector registers; whether they are there afterwards. */
static bool finds_vectors_again(const struct host_time *time, uint8_t seed)
{
    uint8_t before[VECTORS * VECTOR_BYTES], after[VECTORS * VECTOR_BYTES];
    struct timespec now;
    for (unsigned i = 0; i < sizeof(before); i++) {
        before[i] = (uint8_t)(i * 37 + seed);
        after[i] = 0;
    }
    register uint8_t *from __asm__("r12") = before;
    register uint8_t *to __asm__("r13") = after;
    register int (*call)(clockid_t, struct timespec *) __asm__("r14") = time->gettime;
    uint64_t clock_id = CLOCK_MONOTONIC;
    struct timespec *place = &now;
    /* The stack pointer goes below what the compiler may keep under it. */
    __asm__ volatile("mov %%rsp, %%r15\n\t"
                     "sub $256, %%rsp\n\t"
                     "and $-64, %%rsp\n\t" EACH_VECTOR(
                         LOAD) "call *%%r14\n\t" EACH_VECTOR(STORE) "vzeroupper\n\t"
                                                                    "mov %%r15, %%rsp"
                     : "+D"(clock_id), "+S"(place)
                     : "r"(from), "r"(to), "r"(call)
                     : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r15", "cc",
                       "memory");
    bool same = true;
    for (unsigned i = 0; i < sizeof(before); i++) {
        same = same && before[i] == after[i];
    }
    return same;
}

void host_time_create(struct host_time *time)
{
    /* It is loaded already, if it is there. */
    void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    void *found = vdso ? dlsym(vdso, "__vdso_clock_gettime") : NULL;
    time->gettime =
        found ? (int (*)(clockid_t, struct timespec *))found : clock_gettime;
    time->keeps_vectors = found && __builtin_cpu_supports("avx");
    for (unsigned i = 0; i < TRIALS && time->keeps_vectors; i++) {
        time->keeps_vectors = finds_vectors_again(time, (uint8_t)i);
    }
}
