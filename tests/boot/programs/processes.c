/* Processes: how they begin and end, and how they talk to each other. */
#define _GNU_SOURCE
#include "programs.h"
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CHILDREN = 10,
    CHAIN = 6,
    STACK_BYTES = 64 * 1024,
    FUTEX_WAIT = 0,
    FUTEX_WAKE = 1
};

static void storm(unsigned rounds)
{
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        int children[CHILDREN];
        for (int j = 0; j < CHILDREN; j++) {
            children[j] = fork();
            if (children[j] == 0) {
                _exit(j + 1);
            }
        }
        for (int j = CHILDREN - 1; j >= 0; j--) {
            right += child_ends_with(children[j], j + 1);
        }
    }
    check_equal("children at once", (long)right, CHILDREN * (long)rounds);
}

/* Starts this very program, which then has another kind of work. */
__attribute__((noinline)) static bool start(bool share)
{
    int child = share ? vfork() : fork();
    if (child == 0) {
        execl("/proc/self/exe", "work", EXITING, NULL);
        _exit(1);
    }
    return child_ends_with(child, EXITING_STATUS);
}

static void execute(unsigned rounds)
{
    unsigned forked = 0, shared = 0;
    for (unsigned i = 0; i < rounds; i++) {
        forked += start(false);
        shared += start(true);
    }
    check_equal("fork and exec", (long)forked, (long)rounds);
    check_equal("vfork and exec", (long)shared, (long)rounds);
}

/* What a parent wrote before a fork, the child reads; what it writes stays its own. */
static void copy_on_write(unsigned rounds)
{
    enum { PAGES = 100 };
    uint32_t *memory = new_pages(PAGES, PROT_READ | PROT_WRITE);
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        for (unsigned page = 0; page < PAGES; page++) {
            memory[page * 1024] = page + i;
        }
        int child = fork();
        if (child == 0) {
            bool well = true;
            for (unsigned page = 0; page < PAGES; page++) {
                well = well && memory[page * 1024] == page + i;
                memory[page * 1024] = ~0U;
                well = well && memory[page * 1024 + 5] == 0;
            }
            _exit(well ? EXITING_STATUS : 0);
        }
        memory[i % PAGES * 1024]++;
        right += child_ends_with(child, EXITING_STATUS);
        for (unsigned page = 0; page < PAGES; page++) {
            right += memory[page * 1024] == page + i + (page == i % PAGES);
        }
    }
    check_equal("pages after forks", (long)right, (1 + PAGES) * (long)rounds);
    munmap(memory, PAGES * PAGE_BYTES);
}

/* A token goes round through several processes, each of which adds to it. */
static void pass_token(unsigned rounds)
{
    int pipes[CHAIN + 1][2];
    unsigned right = 0;
    for (int i = 0; i <= CHAIN; i++) {
        if (pipe(pipes[i])) {
            check("a pipe", false);
            return;
        }
    }
    for (int i = 0; i < CHAIN; i++) {
        if (fork() == 0) {
            uint32_t token;
            for (int j = 0; j <= CHAIN; j++) {
                close(pipes[j][1 - (j == i + 1)]);
            }
            while (read(pipes[i][0], &token, sizeof(token)) == (ssize_t)sizeof(token)) {
                token += (uint32_t)i;
                if (write(pipes[i + 1][1], &token, sizeof(token)) < 0) {
                    break;
                }
            }
            _exit(0);
        }
    }
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t token = i;
        right +=
            write(pipes[0][1], &token, sizeof(token)) == (ssize_t)sizeof(token) &&
            read(pipes[CHAIN][0], &token, sizeof(token)) == (ssize_t)sizeof(token) &&
            token == i + CHAIN * (CHAIN - 1) / 2;
    }
    check_equal("a token through 6 processes", (long)right, (long)rounds);
    for (int i = 0; i <= CHAIN; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    while (wait(NULL) > 0) {
    }
}

struct common {
    sem_t ping, pong;
    uint32_t turn;
    uint32_t sum;
};

static void wait_for_turn(volatile uint32_t *turn, uint32_t other)
{
    while (*turn == other) {
        syscall(SYS_futex, turn, FUTEX_WAIT, other, NULL, NULL, 0);
    }
}

static void give_turn(volatile uint32_t *turn, uint32_t to)
{
    *turn = to;
    syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void share_memory(unsigned rounds)
{
    struct common *common = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(&common->ping, 1, 0);
    sem_init(&common->pong, 1, 0);
    int child = fork();
    if (child == 0) {
        for (unsigned i = 0; i < rounds; i++) {
            sem_wait(&common->ping);
            common->sum = common->sum * 3 + 1;
            sem_post(&common->pong);
        }
        for (unsigned i = 0; i < rounds; i++) {
            wait_for_turn(&common->turn, 0);
            common->sum = common->sum * 5 + 2;
            give_turn(&common->turn, 0);
        }
        _exit(EXITING_STATUS);
    }
    uint32_t expected = 0;
    for (unsigned i = 0; i < rounds; i++) {
        common->sum += i;
        sem_post(&common->ping);
        sem_wait(&common->pong);
        expected = (expected + i) * 3 + 1;
    }
    for (unsigned i = 0; i < rounds; i++) {
        common->sum ^= i;
        give_turn(&common->turn, 1);
        wait_for_turn(&common->turn, 1);
        expected = (expected ^ i) * 5 + 2;
    }
    check("the other process has ended", child_ends_with(child, EXITING_STATUS));
    check_equal("semaphores and futexes", (long)common->sum, (long)expected);
    munmap(common, PAGE_BYTES);
}

static volatile uint32_t common_word;

static int add(void *argument)
{
    common_word += (uint32_t)(uintptr_t)argument;
    return EXITING_STATUS;
}

__attribute__((noinline)) static bool add_by_vfork(void)
{
    int child = vfork();
    if (child == 0) {
        common_word++;
        _exit(EXITING_STATUS);
    }
    return child_ends_with(child, EXITING_STATUS);
}

static void share_all_memory(unsigned rounds)
{
    char *stack = malloc(STACK_BYTES);
    unsigned right = 0, expected = 0;
    for (unsigned i = 0; i < rounds; i++) {
        expected += i;
        right += child_ends_with(clone(add, stack + STACK_BYTES, CLONE_VM | SIGCHLD,
                                       (void *)(uintptr_t)i),
                                 EXITING_STATUS) &&
                 common_word == expected;
        expected++;
        right += add_by_vfork() && common_word == expected;
    }
    check_equal("clone and vfork share memory", (long)right, 2 * (long)rounds);
    free(stack);
}

static volatile sig_atomic_t arrived;

static void note(int number)
{
    arrived++;
}

static void answer(int number, siginfo_t *info, void *context)
{
    arrived++;
    kill(info->si_pid, SIGUSR2);
}

/* The child answers each signal with one. */
static void exchange_signals(unsigned rounds)
{
    sigset_t blocked, old;
    struct sigaction plain = {.sa_handler = note};
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    sigaction(SIGUSR2, &plain, NULL);
    int child = fork();
    if (child == 0) {
        struct sigaction answering = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO};
        sigaction(SIGUSR1, &answering, NULL);
        while (arrived < (int)rounds) {
            sigsuspend(&old);
        }
        _exit(EXITING_STATUS);
    }
    for (int i = 1; i <= (int)rounds; i++) {
        kill(child, SIGUSR1);
        while (arrived < i) {
            sigsuspend(&old);
        }
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    check("signals there and back", child_ends_with(child, EXITING_STATUS));
    check_equal("answers", arrived, (long)rounds);
}

static void end_by_signal(void)
{
    static const int numbers[] = {SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGKILL, SIGTERM};
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int status = 0, child = fork();
        if (child == 0) {
            switch (numbers[i]) {
            case SIGSEGV:
                asm volatile("movl $1, 16" ::: "memory");
                break;
            case SIGFPE:
                asm volatile("div %%ecx" : : "a"(1), "d"(0), "c"(0) : "cc");
                break;
            case SIGILL:
                asm volatile("ud2");
                break;
            case SIGTRAP:
                asm volatile("int3");
                break;
            default:
                kill(getpid(), numbers[i]);
            }
            _exit(0);
        }
        waitpid(child, &status, 0);
        printf("status of a child that gets signal %d: %#x\n", numbers[i],
               status & ~0x80);
    }
}

void processes_kind(unsigned rounds)
{
    storm(rounds / 10 + 1);
    execute(rounds / 10 + 1);
    copy_on_write(rounds / 10 + 1);
    pass_token(rounds);
    share_memory(rounds);
    share_all_memory(rounds);
    exchange_signals(rounds);
    end_by_signal();
}
