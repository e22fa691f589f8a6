/* Interruptions of user code that never enters the kernel by itself: they must arrive,
 * and must leave no trace in what is calculated. */
#define _GNU_SOURCE
#include "programs.h"
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { TICK_US = 2000 };

static volatile sig_atomic_t ticks;
static volatile uint32_t loop_at, goes_on_at;
static sigjmp_buf landing;

static void count(int number)
{
    ticks++;
}

/* Only out of that loop: on a busy machine the first signal may come before it. */
static void leave(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    if ((uint32_t)registers[REG_EIP] == loop_at) {
        registers[REG_EIP] = (greg_t)goes_on_at;
        ticks++;
    }
}

static void jump(int number)
{
    siglongjmp(landing, 1);
}

static void set_timer(int which, int number, void (*handler)(int), long first_us,
                      long next_us)
{
    struct sigaction action = {.sa_handler = handler};
    struct itimerval times = {{0, next_us}, {0, first_us}};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
    setitimer(which, &times, NULL);
}

static const struct {
    const char *name;
    int which, number;
} timers[] = {{"real", ITIMER_REAL, SIGALRM},
              {"virtual", ITIMER_VIRTUAL, SIGVTALRM},
              {"profiling", ITIMER_PROF, SIGPROF}};

/* Loops that only a signal ends. */
static void end_loops(void)
{
    for (unsigned i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        char what[80];
        ticks = 0;
        set_timer(timers[i].which, timers[i].number, count, TICK_US, 0);
        asm volatile("1: cmpl $0, %0; je 1b" : : "m"(ticks) : "cc", "memory");
        snprintf(what, sizeof(what), "a loop that reads, %s time", timers[i].name);
        check_equal(what, ticks, 1);

        if (sigsetjmp(landing, 1) == 0) {
            set_timer(timers[i].which, timers[i].number, jump, TICK_US, 0);
            asm volatile("1: add $1, %%eax; adc $0, %%edx; jmp 1b"
                         :
                         :
                         : "eax", "edx", "cc");
        }
        snprintf(what, sizeof(what), "a loop that counts, %s time", timers[i].name);
        check(what, true);

        struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
        struct itimerval again = {{0, TICK_US}, {0, TICK_US}}, never = {0};
        ticks = 0;
        sigaction(timers[i].number, &action, NULL);
        setitimer(timers[i].which, &again, NULL);
        asm volatile("movl $2f, %1; movl $1f, %0; 1: jmp 1b; 2:"
                     : "=m"(loop_at), "=m"(goes_on_at));
        setitimer(timers[i].which, &never, NULL);
        snprintf(what, sizeof(what), "a jump to itself, %s time", timers[i].name);
        check_equal(what, ticks, 1);
    }
}

/* A mixture of what a processor has: general registers, flags, x87, vectors, string
 * instructions, calls. */
static uint8_t from[256], to[256];

__attribute__((noinline, target("sse2"))) static uint32_t mix(uint32_t sum, uint32_t x)
{
    asm volatile("add %1, %0; adc $3, %0; rcl $5, %0; sbb %1, %0"
                 : "+r"(sum)
                 : "r"(x)
                 : "cc");
    volatile double y = sum % 1000;
    y = y * 1.25 + 3;
    sum ^= (uint32_t)y;
    from[x % 256] = (uint8_t)sum;
    uint8_t *source = from, *destination = to;
    uint32_t bytes = 256;
    asm volatile("cld; rep movsb"
                 : "+S"(source), "+D"(destination), "+c"(bytes)
                 :
                 : "memory");
    asm volatile("movups %1, %%xmm3; movd %0, %%xmm4; pshufd $0, %%xmm4, %%xmm4\n"
                 "paddd %%xmm4, %%xmm3; pshufd $0x1b, %%xmm3, %%xmm3; movd %%xmm3, %0"
                 : "+r"(sum)
                 : "m"(*(struct { uint8_t bytes[16]; } *)(to + x % 240))
                 : "xmm3", "xmm4");
    return sum * 31 + to[(x * 7) % 256];
}

static uint32_t mix_many(unsigned rounds)
{
    uint32_t sum = 1;
    memset(from, 0, sizeof(from));
    memset(to, 0, sizeof(to));
    for (uint32_t i = 0; i < rounds; i++) {
        sum = mix(sum, i);
    }
    return sum;
}

/* The same sum again and again under a timer must be the same. */
static void calculate(unsigned rounds)
{
    unsigned times = rounds * 40 < 4000 ? 4000 : rounds * 40, right = 0, done = 0;
    uint32_t expected = mix_many(times);
    ticks = 0;
    set_timer(ITIMER_REAL, SIGALRM, count, TICK_US, TICK_US);
    while (ticks < (int)rounds / 10 + 3) {
        right += mix_many(times) == expected;
        done++;
    }
    set_timer(ITIMER_REAL, SIGALRM, count, 0, 0);
    check("a sum under a timer", right == done);
}

/* Two processes that never give the processor away both get it. */
static void share_processor(void)
{
    volatile uint32_t *counters = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int children[2];
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            for (;;) {
                counters[i]++;
            }
        }
    }
    struct timespec moment = {0, 10000000};
    for (int i = 0; i < 1000 && (!counters[0] || !counters[1]); i++) {
        nanosleep(&moment, NULL);
    }
    check("both of two busy processes run", counters[0] && counters[1]);
    for (int i = 0; i < 2; i++) {
        kill(children[i], SIGKILL);
        check("one was killed", !child_ends_with(children[i], 0));
    }
    munmap((void *)counters, PAGE_BYTES);
}

/* alarm() counts seconds: too long for every engine, but once. */
static void wait_for_alarm(void)
{
    struct sigaction action = {.sa_handler = count};
    sigaction(SIGALRM, &action, NULL);
    ticks = 0;
    alarm(1);
    while (!ticks) {
    }
    check_equal("alarm", ticks, 1);
}

void timers_kind(unsigned rounds)
{
    end_loops();
    calculate(rounds);
    share_processor();
    wait_for_alarm();
}
