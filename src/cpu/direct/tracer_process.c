/* The tracer process. It shares nothing with the machine but a page, and calls nothing
 * that could wait for a lock which somebody held as it was forked. */
#define _GNU_SOURCE /* close_range(), __WALL */
#include "cpu/direct/direct.h"
#include "cpu/direct/seccomp_filter.h"
#include "cpu/direct/tracer.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

enum {
    SYSTEM_CALL_BYTES = 2, /* SYSCALL, INT 80h */
    AT_SYSTEM_CALL = SIGTRAP | 0x80,
    FLAGS_OF_GUEST = EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_AC,
};

static long request(const struct tracer *tracer, int what, uintptr_t data)
{
    return ptrace(what, atomic_load(&tracer->shared->traced), 0, data);
}

static void resume(const struct tracer *tracer, bool armed, int signal)
{
    int traced = tracer->emulates ? PTRACE_SYSEMU : PTRACE_SYSCALL;
    tracer->shared->armed = armed;
    request(tracer, armed ? traced : PTRACE_CONT, (uintptr_t)signal);
}

/* The thread goes on in our code, with the guest's registers and as if there had been
 * no call. */
static void redirect(struct tracer *tracer, struct user_regs_struct *registers)
{
    tracer->eax = registers->orig_rax;
    registers->r13 = registers->eflags;
    registers->r14 = registers->rip;
    registers->r15 = tracer->cpu;
    registers->rip = tracer->redirected;
    registers->cs = HOST_CODE_64;
    registers->eflags &= ~(unsigned long long)FLAGS_OF_GUEST;
    registers->rax = registers->orig_rax;
    registers->orig_rax = UINT64_MAX; /* that is also what cancels it */
    request(tracer, PTRACE_SETREGS, (uintptr_t)registers);
    /* If it goes on by PTRACE_SYSCALL, it stops once more for the end of the call. */
    resume(tracer, tracer->emulates, 0);
}

/* It is our own, by SYSCALL. Under PTRACE_SYSEMU it will not be made, so is to be made
 * again. */
static void allow(const struct tracer *tracer, struct user_regs_struct *registers)
{
    if (tracer->emulates) {
        registers->rip -= SYSTEM_CALL_BYTES;
        registers->rax = registers->orig_rax;
        registers->orig_rax = UINT64_MAX;
        request(tracer, PTRACE_SETREGS, (uintptr_t)registers);
    }
    resume(tracer, false, 0);
}

static void at_system_call(struct tracer *tracer)
{
    struct user_regs_struct registers;
    request(tracer, PTRACE_GETREGS, (uintptr_t)&registers);
    if (registers.cs == HOST_CODE_32) {
        redirect(tracer, &registers);
    } else {
        allow(tracer, &registers);
    }
}

/* Whether the thread has stopped at this place in our code. */
static bool is_at(const struct tracer *tracer, uint64_t place,
                  struct user_regs_struct *registers)
{
    return request(tracer, PTRACE_GETREGS, (uintptr_t)registers) == 0 &&
           registers->cs == HOST_CODE_64 && registers->rip == place;
}

/* A filter of system calls, which forbids those of the i386 interface even if they have
 * been cancelled, has sent SIGSYS, and changed RAX. */
static void at_forbidden(const struct tracer *tracer)
{
    struct user_regs_struct registers;
    if (!is_at(tracer, tracer->redirected, &registers)) {
        resume(tracer, false, SIGSYS);
        return;
    }
    registers.rax = tracer->eax;
    registers.orig_rax = UINT64_MAX;
    request(tracer, PTRACE_SETREGS, (uintptr_t)&registers);
    resume(tracer, false, 0);
}

static void at_signal(const struct tracer *tracer, int signal)
{
    struct user_regs_struct registers;
    switch (signal) {
    case SIGTRAP:
        if (is_at(tracer, tracer->told, &registers)) {
            resume(tracer, true, 0);
        } else {
            resume(tracer, false, signal);
        }
        break;
    case SIGSYS:
        at_forbidden(tracer);
        break;
    case SIGSEGV: /* they have handlers, which leave guest code */
    case SIGFPE:
    case SIGBUS:
    case SIGURG:
    case SIGILL:
        resume(tracer, false, signal);
        break;
    default:
        resume(tracer, tracer->shared->armed, signal);
    }
}

/* Not a signal, but what it has done to all threads. */
static void at_event(const struct tracer *tracer, int signal)
{
    if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN ||
        signal == SIGTTOU) {
        request(tracer, PTRACE_LISTEN, 0);
    } else {
        resume(tracer, tracer->shared->armed, 0);
    }
}

static void trace(struct tracer *tracer)
{
    struct tracer_shared *shared = tracer->shared;
    pid_t thread = atomic_load(&shared->traced);
    int status;
    if (waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) {
        shared->armed = false;
        atomic_store(&shared->traced, 0);
        return;
    }
    int signal = WSTOPSIG(status), event = status >> 16;
    if (event) {
        at_event(tracer, signal);
    } else if (signal == AT_SYSTEM_CALL) {
        at_system_call(tracer);
    } else if (atomic_load(&shared->wanted) != thread) {
        shared->armed = false;
        /* SIGURG was sent for this; the handler is no longer this thread's. */
        request(tracer, PTRACE_DETACH, signal == SIGURG ? 0 : (uintptr_t)signal);
        atomic_store(&shared->traced, 0);
    } else {
        at_signal(tracer, signal);
    }
}

/* A thread may be traced only by who has all of its capabilities; it may have some
 * before the machine gives them up. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    syscall(SYS_capset, &header, none);
}

/* Does what the machine asks for next, or ends with it. */
static void obey(const struct tracer *tracer)
{
    pid_t thread;
    int why = 0;
    if (read(tracer->socket, &thread, sizeof(thread)) != sizeof(thread)) {
        _exit(0);
    }
    if (thread) {
        const uintptr_t options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
        why = ptrace(PTRACE_SEIZE, thread, 0, options) == 0 ? 0 : errno;
        atomic_store(&tracer->shared->traced, why ? 0 : thread);
        drop_capabilities();
    }
    if (write(tracer->socket, &why, sizeof(why)) != sizeof(why)) {
        _exit(0);
    }
}

static bool give_up(int socket)
{
    const struct sock_filter program[] = {
        SECCOMP_LOAD(arch),
        SECCOMP_IF_NOT(AUDIT_ARCH_X86_64, 9),
        SECCOMP_LOAD(nr),
        SECCOMP_IF(SYS_ptrace, 8),
        SECCOMP_IF(SYS_wait4, 7),
        SECCOMP_IF(SYS_capset, 6),
        SECCOMP_IF(SYS_exit_group, 5),
        SECCOMP_IF(SYS_read, 1),
        SECCOMP_IF_NOT(SYS_write, 2),
        SECCOMP_LOAD(args[0]),
        SECCOMP_IF((unsigned)socket, 1),
        SECCOMP_RETURN(SECCOMP_RET_KILL_PROCESS),
        SECCOMP_RETURN(SECCOMP_RET_ALLOW),
    };
    return seccomp_filter_load(program, ARRAY_LENGTH(program));
}

_Noreturn void tracer_main(struct tracer *tracer)
{
    int socket = tracer->socket;
    pid_t process = getpid();
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    if (socket > 0) {
        close_range(0, (unsigned)socket - 1, 0);
    }
    close_range((unsigned)socket + 1, UINT32_MAX, 0);
    if (!give_up(socket) ||
        write(socket, &process, sizeof(process)) != sizeof(process)) {
        _exit(1);
    }
    for (;;) {
        if (atomic_load(&tracer->shared->traced)) {
            trace(tracer);
        } else {
            obey(tracer);
        }
    }
}
