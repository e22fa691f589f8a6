#define _GNU_SOURCE /* si_syscall */
#include "cli/sandbox.h"

#include <linux/audit.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "host/confinement/confinement.h"
#include "host/console/terminal.h"

enum {
    /* si_code, which glibc does not name: SYS_SECCOMP and SYS_USER_DISPATCH, of direct
     * execution. */
    FROM_FILTER = 1,
    FROM_DISPATCH = 2,
    X32_CALL = 0x40000000,
};

/* A text made without the C library, which a handler may not call. */
struct text {
    char bytes[256];
    size_t length;
};

static void add(struct text *text, const char *words)
{
    while (*words && text->length < sizeof(text->bytes)) {
        text->bytes[text->length++] = *words++;
    }
}

static void add_number(struct text *text, unsigned number)
{
    char digits[12];
    size_t first = sizeof(digits) - 1;
    digits[first] = '\0';
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    add(text, digits + first);
}

static void print(const struct text *text)
{
    ssize_t ignored = write(STDERR_FILENO, text->bytes, text->length);
    (void)ignored;
}

static void report(unsigned system_call, unsigned architecture)
{
    bool is_x32 = architecture == AUDIT_ARCH_X86_64 && (system_call & X32_CALL);
    struct text text = {.length = 0};
    add(&text, "faumachine: the guest, or a mistake of the simulator, tried the host's "
               "system call ");
    add_number(&text, is_x32 ? system_call & ~(unsigned)X32_CALL : system_call);
    add(&text, architecture == AUDIT_ARCH_I386 ? " (i386)"
               : is_x32                        ? " (x32)"
                                               : " (x86-64)");
    add(&text, ", which it may not: the machine was stopped\n");
    print(&text);
}

void sandbox_stop_escaped(void)
{
    struct text text = {.length = 0};
    terminal_restore();
    add(&text, "faumachine: guest code left 32-bit mode, which it may not: the machine "
               "was stopped\n");
    print(&text);
    _exit(SANDBOX_EXIT_STATUS);
}

static void stop(int number, siginfo_t *info, void *context)
{
    (void)context;
    terminal_restore();
    if (info->si_code == FROM_FILTER || info->si_code == FROM_DISPATCH) {
        report((unsigned)info->si_syscall, info->si_arch);
        _exit(SANDBOX_EXIT_STATUS);
    }
    /* Somebody has sent it. */
    signal(number, SIG_DFL);
    raise(number);
}

/* Threads would allocate from heaps of their own, and before glibc shrinks such a heap
 * it opens /proc/sys/vm/overcommit_memory. */
void sandbox_prepare(void)
{
    mallopt(M_ARENA_MAX, 1);
}

bool sandbox_enter(struct error *error)
{
    struct sigaction action = {.sa_sigaction = stop,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSYS, &action, NULL);
    return confinement_enter(error);
}
