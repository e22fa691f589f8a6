/* cpu/direct/tracer.h: a process that traces the CPU's thread, so that INT 80h of guest
 * code comes back.
 *
 * A thread that is traced stops at each system call only if it was resumed that way,
 * and each stop costs two switches of processes. So the tracer lets it run freely but
 * for guest code: `enter` executes INT3 when the tracer has to be told (`armed` is 0),
 * which stops the thread, and its system calls are traced from there on. That ends with
 * the next signal that comes to the thread, or the first system call of our own. An
 * INT 80h of guest code is not made; the tracer has the thread go on at `redirected`.
 *
 * The tracer is nobody's child, is in a session of its own, blocks all signals, has no
 * descriptor but its end of a socket, and may only trace, wait and use that socket. If
 * it dies, so does the machine (PTRACE_O_EXITKILL), whose guest would else make system
 * calls of the host; it ends when the machine has ended. Source: ptrace(2). */
#ifndef CPU_DIRECT_TRACER_H
#define CPU_DIRECT_TRACER_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/* In memory that both processes see. */
struct tracer_shared {
    uint8_t armed;        /* system calls are traced; of the tracer */
    _Atomic pid_t traced; /* thread; 0: none; of the tracer */
    _Atomic pid_t wanted; /* likewise, as the machine wants it */
};

struct tracer {
    bool emulates; /* by PTRACE_SYSEMU; else by PTRACE_SYSCALL */
    int socket;    /* either process has its own end */
    pid_t process;
    struct tracer_shared *shared;
    uint64_t told;       /* RIP behind the INT3 */
    uint64_t redirected; /* expects R13D = RFLAGS, R14D = EIP, R15 = the CPU */
    uint64_t cpu;
    uint64_t eax; /* of the guest code that was redirected last; of the process */
};

/* Starts the process. All but `emulates`, `told`, `redirected`, `cpu` is filled in. */
bool tracer_start(struct tracer *tracer, struct error *error);
/* Traces this thread and no other; 0: none. From any thread. 0 or an error number. */
int tracer_trace(struct tracer *tracer, pid_t thread);
void tracer_stop(struct tracer *tracer);

/* tracer_process.c: what the process does. */
_Noreturn void tracer_main(struct tracer *tracer);

#endif
