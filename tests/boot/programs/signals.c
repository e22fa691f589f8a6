/* Signals: both kinds of frames, what they keep, the alternate stack, and handlers that
 * change where the program goes on. */
#define _GNU_SOURCE
#include "programs.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum { STACK_BYTES = 64 * 1024, QUEUED = 10, TIMER_US = 20000 };

static volatile sig_atomic_t calls;
static volatile long last_value;
static char *other_stack;

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void handle_simply(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void note_value(int number, siginfo_t *info, void *context)
{
    last_value = info->si_value.sival_int;
    calls++;
}

static void note(int number)
{
    calls++;
}

static void send_to_itself(unsigned rounds)
{
    unsigned right = 0;
    handle(SIGUSR1, note_value, 0);
    for (unsigned i = 0; i < rounds; i++) {
        sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = (int)i});
        right += last_value == (long)i;
    }
    check_equal("SA_SIGINFO frames", (long)right, (long)rounds);
    handle_simply(SIGUSR1, note);
    calls = 0;
    for (unsigned i = 0; i < rounds; i++) {
        kill(getpid(), SIGUSR1);
    }
    check_equal("old frames", calls, (long)rounds);
}

/* Overwrites what the program is just calculating with. */
static void calculate(int number)
{
    volatile double x = 2;
    volatile float y = 3;
    for (int i = 0; i < 10; i++) {
        x = x * 1.5 + 1;
        y = y / 3 + (float)x;
    }
    asm volatile("fninit; fldpi; fldpi" ::: "memory");
    asm volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7" ::: "memory");
    calls++;
}

/* Sends itself a signal with registers in use: general ones, x87, vector ones. */
__attribute__((target("sse2"))) static bool keeps_registers(int pid)
{
    static const uint32_t in[4] = {0x01234567, 0x89abcdef, 0xdeadbeef, 0x55aa55aa};
    uint32_t low[4], high[4];
    double total = 0, one = 1;
    uint32_t a = 37 /* kill */, b = (uint32_t)pid, c = SIGUSR1, d = 0x33333333;
    uint32_t source = 0x44444444, destination = 0x55555555;
    asm volatile(
        "movups %[in], %%xmm0; movups %[in], %%xmm7; fldl %[one]; fldpi\n"
        "int $0x80\n"
        "faddp; fstpl %[total]\n"
        "movups %%xmm0, %[low]; movups %%xmm7, %[high]"
        : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(source),
          "+D"(destination), [low] "=m"(low), [high] "=m"(high), [total] "=m"(total)
        : [in] "m"(in), [one] "m"(one)
        : "memory", "cc", "xmm0", "xmm7");
    return a == 0 && b == (uint32_t)pid && c == SIGUSR1 && d == 0x33333333 &&
           source == 0x44444444 && destination == 0x55555555 &&
           memcmp(low, in, sizeof(in)) == 0 && memcmp(high, in, sizeof(in)) == 0 &&
           total > 4.14 && total < 4.15;
}

static void keep_registers(unsigned rounds)
{
    unsigned right = 0;
    handle_simply(SIGUSR1, calculate);
    for (unsigned i = 0; i < rounds; i++) {
        right += keeps_registers(getpid());
    }
    check_equal("registers after a handler", (long)right, (long)rounds);
}

static void note_stack(int number, siginfo_t *info, void *context)
{
    char here;
    calls += &here > other_stack && &here < other_stack + STACK_BYTES;
    if (number == SIGUSR1) {
        raise(SIGUSR2); /* also there, below this one */
    }
}

static void use_other_stack(unsigned rounds)
{
    other_stack = malloc(STACK_BYTES);
    stack_t stack = {.ss_sp = other_stack, .ss_size = STACK_BYTES}, found;
    sigaltstack(&stack, NULL);
    handle(SIGUSR1, note_stack, SA_ONSTACK);
    handle(SIGUSR2, note_stack, SA_ONSTACK);
    calls = 0;
    for (unsigned i = 0; i < rounds; i++) {
        raise(SIGUSR1);
    }
    check_equal("handlers on the alternate stack", calls, 2 * (long)rounds);
    sigaltstack(NULL, &found);
    check("the alternate stack is told", found.ss_sp == other_stack);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    free(other_stack);
}

static void nest(int number, siginfo_t *info, void *context)
{
    if (++calls % 20) {
        raise(number);
    }
}

static void note_order(int number, siginfo_t *info, void *context)
{
    last_value = last_value * 3 + info->si_value.sival_int + number - SIGRTMIN;
}

static void order(unsigned rounds)
{
    handle(SIGUSR1, nest, SA_NODEFER);
    calls = 0;
    for (unsigned i = 0; i < rounds / 20 + 1; i++) {
        raise(SIGUSR1);
    }
    check_equal("handlers in handlers", calls, 20 * (long)(rounds / 20 + 1));

    sigset_t blocked, old;
    sigfillset(&blocked);
    handle(SIGRTMIN, note_order, 0);
    handle(SIGRTMIN + 1, note_order, 0);
    sigprocmask(SIG_SETMASK, &blocked, &old);
    last_value = 0;
    for (int i = 0; i < QUEUED; i++) {
        sigqueue(getpid(), SIGRTMIN + i % 2, (union sigval){.sival_int = i});
    }
    check_equal("blocked signals wait", last_value, 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("order of queued signals: %ld\n", last_value);
}

static uint32_t redirected_from, redirected_to;

static void redirect(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    last_value = (uint32_t)registers[REG_EIP] == redirected_from;
    registers[REG_EIP] = (greg_t)redirected_to;
    registers[REG_EAX] = 0x12345678;
    registers[REG_EFL] |= 0x801; /* carry and overflow */
}

static void go_elsewhere(unsigned rounds)
{
    unsigned right = 0;
    handle(SIGUSR1, redirect, 0);
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t result = 37, flags;
        asm volatile("movl $1f, %[from]; movl $2f, %[to]\n"
                     "int $0x80\n"
                     "1: xor %%eax, %%eax; ud2\n"
                     "2: pushf; pop %[flags]"
                     : "+a"(result), [flags] "=&r"(flags), [from] "=m"(redirected_from),
                       [to] "=m"(redirected_to)
                     : "b"(getpid()), "c"(SIGUSR1)
                     : "memory", "cc");
        right += last_value == 1 && result == 0x12345678 && (flags & 0x801) == 0x801;
    }
    check_equal("handlers that change the context", (long)right, (long)rounds);
}

static void set_timer(long first_us, long next_us)
{
    struct itimerval times = {{0, next_us}, {0, first_us}};
    setitimer(ITIMER_REAL, &times, NULL);
}

/* On a busy machine a signal may come before what it is to interrupt: hence another. */
static void interrupt_calls(void)
{
    int ends[2];
    char byte;
    if (pipe(ends)) {
        check("a pipe", false);
        return;
    }
    handle_simply(SIGALRM, note);
    calls = 0;
    set_timer(TIMER_US, TIMER_US);
    check("a signal ends a read",
          read(ends[0], &byte, 1) == -1 && errno == EINTR && calls > 0);
    set_timer(0, 0);
    sigset_t blocked, old;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    calls = 0;
    set_timer(TIMER_US, 0);
    sigsuspend(&old);
    sigprocmask(SIG_SETMASK, &old, NULL);
    check_equal("sigsuspend", calls, 1);
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    int child = fork();
    if (child == 0) {
        usleep(TIMER_US);
        kill(getppid(), SIGALRM);
        usleep(TIMER_US);
        _exit(write(ends[1], "x", 1) != 1);
    }
    check("a read goes on after a signal",
          read(ends[0], &byte, 1) == 1 && byte == 'x' && calls == 2);
    check("the child has ended", child_ends_with(child, 0));
}

void signals_kind(unsigned rounds)
{
    send_to_itself(rounds);
    keep_registers(rounds);
    use_other_stack(rounds);
    order(rounds);
    go_elsewhere(rounds);
    interrupt_calls();
}
