/* The kernel's entries (int 0x80, and whichever the vDSO chooses), and clocks, which
 * are read in user mode where the vDSO can. */
#define _GNU_SOURCE
#include "programs.h"
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The call of that number has another name in each library. */
enum { CLOCK_GETTIME = 265, CARRY_AND_DIRECTION = 0x401 };

/* The vDSO's entry; in a variable since six registers are taken by arguments. */
static uint32_t vdso_entry;

static long by_interrupt(long number, long b, long c)
{
    long result;
    asm volatile("int $0x80"
                 : "=a"(result)
                 : "a"(number), "b"(b), "c"(c)
                 : "memory", "cc");
    return result;
}

static long by_vdso(long number, long b, long c)
{
    long result;
    asm volatile("call *%[entry]"
                 : "=a"(result)
                 : "a"(number), "b"(b), "c"(c), [entry] "m"(vdso_entry)
                 : "memory", "cc");
    return result;
}

static void ask_for_number(unsigned rounds)
{
    long pid = getpid();
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        right += by_interrupt(SYS_getpid, 0, 0) == pid;
        right += by_vdso(SYS_getpid, 0, 0) == pid;
        right += syscall(SYS_getpid) == pid;
    }
    check_equal("getpid, three ways", (long)right, 3 * (long)rounds);
    check_equal("no such call, int 0x80", by_interrupt(9999, 0, 0), -38);
    check_equal("no such call, vDSO", by_vdso(9999, 0, 0), -38);
}

#define KEEPS_REGISTERS(name, instruction)                                             \
    static bool name(void)                                                             \
    {                                                                                  \
        uint32_t a = SYS_getppid, b = 0x11111111, c = 0x22222222, d = 0x33333333;      \
        uint32_t source = 0x44444444, destination = 0x55555555;                        \
        asm volatile(instruction                                                       \
                     : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(source),               \
                       "+D"(destination)                                               \
                     : [entry] "m"(vdso_entry)                                         \
                     : "memory", "cc");                                                \
        return a == (uint32_t)getppid() && b == 0x11111111 && c == 0x22222222 &&       \
               d == 0x33333333 && source == 0x44444444 && destination == 0x55555555;   \
    }
KEEPS_REGISTERS(interrupt_keeps_registers, "int $0x80")
KEEPS_REGISTERS(vdso_keeps_registers, "call *%[entry]")

#define KEEPS_FLAGS(name, instruction)                                                 \
    static long name(void)                                                             \
    {                                                                                  \
        long flags, a = SYS_getppid;                                                   \
        asm volatile("std; stc; " instruction "; pushfl; cld; popl %[flags]"           \
                     : [flags] "=&r"(flags), "+a"(a)                                   \
                     : [entry] "m"(vdso_entry)                                         \
                     : "memory", "cc");                                                \
        return flags & CARRY_AND_DIRECTION;                                            \
    }
KEEPS_FLAGS(flags_after_interrupt, "int $0x80")
KEEPS_FLAGS(flags_after_vdso, "call *%[entry]")

/* mmap2() has six arguments: the last is in EBP, which SYSENTER needs for the stack. */
static void map_by(const char *how, bool vdso)
{
    long result;
    if (vdso) {
        asm volatile("push %%ebp; xor %%ebp, %%ebp; call *%[entry]; pop %%ebp"
                     : "=a"(result)
                     : "a"(SYS_mmap2), "b"(0), "c"(PAGE_BYTES),
                       "d"(PROT_READ | PROT_WRITE), "S"(MAP_PRIVATE | MAP_ANONYMOUS),
                       "D"(-1), [entry] "m"(vdso_entry)
                     : "memory", "cc");
    } else {
        asm volatile("push %%ebp; xor %%ebp, %%ebp; int $0x80; pop %%ebp"
                     : "=a"(result)
                     : "a"(SYS_mmap2), "b"(0), "c"(PAGE_BYTES),
                       "d"(PROT_READ | PROT_WRITE), "S"(MAP_PRIVATE | MAP_ANONYMOUS),
                       "D"(-1)
                     : "memory", "cc");
    }
    bool right = (unsigned long)result < -4096UL;
    if (right) {
        *(volatile int *)result = 1;
        munmap((void *)result, PAGE_BYTES);
    }
    check(how, right);
}

static int64_t in_ns(const struct timespec *time)
{
    return time->tv_sec * 1000000000LL + time->tv_nsec;
}

static int64_t raw_ns(clockid_t clock)
{
    int32_t now[2] = {0}; /* seconds, ns; the library's own type may be larger */
    by_interrupt(CLOCK_GETTIME, clock, (long)now);
    return now[0] * 1000000000LL + now[1];
}

static int64_t library_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return in_ns(&now);
}

/* The system call and the vDSO take turns: each must be at or after the other. */
static void read_clocks(unsigned rounds)
{
    static const struct {
        clockid_t clock;
        const char *what;
    } clocks[] = {{CLOCK_MONOTONIC, "monotonic time never goes back"},
                  {CLOCK_BOOTTIME, "time since boot never goes back"},
                  {CLOCK_REALTIME, "the date never goes back"}};
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        int64_t last = raw_ns(clocks[i].clock);
        unsigned right = 0;
        for (unsigned round = 0; round < rounds; round++) {
            int64_t library = library_ns(clocks[i].clock), again, raw;
            again = library_ns(clocks[i].clock);
            raw = raw_ns(clocks[i].clock);
            right += last <= library && library <= again && again <= raw;
            last = raw;
        }
        check_equal(clocks[i].what, (long)right, (long)rounds);
    }
}

static void compare_clocks(unsigned rounds)
{
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        int64_t coarse = library_ns(CLOCK_MONOTONIC_COARSE);
        int64_t fine = library_ns(CLOCK_MONOTONIC);
        right += coarse <= fine;
        struct timeval day;
        int64_t before = raw_ns(CLOCK_REALTIME) / 1000;
        gettimeofday(&day, NULL);
        int64_t found = day.tv_sec * 1000000LL + day.tv_usec;
        int64_t after = raw_ns(CLOCK_REALTIME) / 1000;
        right += before <= found && found <= after;
        time_t seconds = time(NULL);
        right += seconds <= after / 1000000 + 1 && seconds >= before / 1000000 - 1;
    }
    check_equal("clocks agree", (long)right, 3 * (long)rounds);
}

static void sleep_a_little(void)
{
    struct timespec wanted = {0, 20000000};
    int64_t before = library_ns(CLOCK_MONOTONIC);
    nanosleep(&wanted, NULL);
    check("20 ms of sleep take 20 ms",
          library_ns(CLOCK_MONOTONIC) - before >= in_ns(&wanted));
}

void times_kind(unsigned rounds)
{
    vdso_entry = (uint32_t)getauxval(AT_SYSINFO);
    check("the kernel has a vDSO", vdso_entry != 0);
    if (!vdso_entry) {
        return;
    }
    ask_for_number(rounds);
    check("int 0x80 keeps registers", interrupt_keeps_registers());
    check("the vDSO keeps registers", vdso_keeps_registers());
    check_equal("int 0x80 keeps flags", flags_after_interrupt(), CARRY_AND_DIRECTION);
    check_equal("the vDSO keeps flags", flags_after_vdso(), CARRY_AND_DIRECTION);
    map_by("six arguments, int 0x80", false);
    map_by("six arguments, vDSO", true);
    read_clocks(rounds);
    compare_clocks(rounds);
    sleep_a_little();
}
