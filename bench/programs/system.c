/* Work for the processor's system side: into the kernel and back, page faults, new
 * address spaces. */
#include "kinds.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 1000, PAGES = 256, PAGE_BYTES = 4096, CHILD_STATUS = 42 };

/* Counts the answers that are as they should be. */
static uint32_t getpid_calls(void)
{
    long pid = getpid();
    uint32_t right = 0;
    for (uint32_t i = 0; i < CALLS; i++) {
        right += syscall(SYS_getpid) == pid;
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

static uint32_t fork_exit(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(CHILD_STATUS);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == CHILD_STATUS;
}

const struct kind system_kinds[] = {
    {"getpid", getpid_calls, CALLS},
    {"fault", page_faults, PAGES},
    {"fork", fork_exit, 1},
    {0},
};
