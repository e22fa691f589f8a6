/* Work for the processor's system side: into the kernel and back, page faults, new
 * address spaces, from one process to another. */
#include "kinds.h"
#include "system.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 1000, PAGES = 256, PAGE_BYTES = 4096, CHILD_STATUS = 42, TURNS = 2000 };

/* Both count the answers that are as they should be. This one calls the way that the
 * kernel recommends, by its page of code in the process. */
static uint32_t getpid_calls(void)
{
    long pid = getpid();
    uint32_t right = 0;
    for (uint32_t i = 0; i < CALLS; i++) {
        right += syscall(SYS_getpid) == pid;
    }
    return right;
}

/* The way of old and of very small programs. */
static uint32_t int80_calls(void)
{
    long pid = getpid();
    uint32_t right = 0;
    for (uint32_t i = 0; i < CALLS; i++) {
        long result;
        __asm__ volatile("int $0x80" : "=a"(result) : "0"(SYS_getpid) : "memory");
        right += result == pid;
    }
    return right;
}

static uint32_t page_faults(void)
{
    uint8_t *memory = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return 0;
    }
    madvise(memory, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < PAGES; i++) {
        volatile uint8_t *byte = memory + i * PAGE_BYTES;
        fresh += (*byte)++ == 0;
    }
    munmap(memory, PAGES * PAGE_BYTES);
    return fresh;
}

bool child_ends_with(pid_t child, int wanted)
{
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == wanted;
}

static uint32_t fork_exit(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(CHILD_STATUS);
    }
    return child_ends_with(child, CHILD_STATUS);
}

/* The static program that is started is this one. */
static uint32_t fork_exec(void)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", EXITING_NAME, NULL);
        _exit(EXITING_STATUS + 1);
    }
    return child_ends_with(child, EXITING_STATUS);
}

static bool pass_on(int from, int to)
{
    uint8_t byte = 0;
    return read(from, &byte, 1) == 1 && ++byte && write(to, &byte, 1) == 1;
}

/* A byte to another process and back; the first and last way are the child's life. */
static uint32_t ping_pong(void)
{
    int there[2], back[2];
    if (pipe(there) != 0 || pipe(back) != 0) {
        return 0;
    }
    pid_t child = fork();
    if (child == 0) {
        close(there[1]);
        while (pass_on(there[0], back[1])) {
        }
        _exit(CHILD_STATUS);
    }
    uint32_t right = 0;
    for (uint32_t i = 0; i < TURNS; i++) {
        uint8_t sent = (uint8_t)(i & 0x7f), got = 0;
        right += write(there[1], &sent, 1) == 1 && read(back[0], &got, 1) == 1 &&
                 got == sent + 1;
    }
    close(there[1]);
    bool ended = child_ends_with(child, CHILD_STATUS);
    close(there[0]);
    close(back[0]);
    close(back[1]);
    return ended ? right : 0;
}

const struct kind system_kinds[] = {
    {"getpid", getpid_calls, CALLS},
    {"int80", int80_calls, CALLS},
    {"fault", page_faults, PAGES},
    {"fork", fork_exit, 1},
    {"exec", fork_exec, 1},
    {"pipe", ping_pong, TURNS},
    {0},
};
