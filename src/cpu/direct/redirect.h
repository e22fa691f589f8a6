/* cpu/direct/redirect.h: how system calls of guest code that runs directly come back.
 *
 * SYSENTER and SYSCALL are never executed: copies.c. INT 80h need not be replaced if
 * the host's kernel hands it to us instead of taking it for a call of ours, and it has
 * several ways to do that. -syscall-redirect names one of them:
 *
 *   copy     INT 80h is replaced like the others; asks nothing of the kernel
 *   sud      syscall user dispatch: the kernel looks at a byte of ours, and sends
 * SIGSYS seccomp  a filter sends SIGSYS for all calls of the i386 interface. A thread
 * never gets rid of it, nor do threads that it starts sysemu   a tracer process takes
 * the call, which the kernel does not make ptrace   likewise, but the tracer has to
 * cancel the call auto     of copy and sud (where the kernel does not have that:
 * seccomp) the one whose trial takes less time. The tracer sees all other signals of
 * the thread, too: what that costs is not in the trial, so it has to be asked for
 *
 * However it is named, it is tried with a real INT 80h before guest code runs.
 * Sources: Linux, Documentation/admin-guide/syscall-user-dispatch.rst; seccomp(2);
 * ptrace(2). Thread: the CPU's own. Saved by: nobody. */
#ifndef CPU_DIRECT_REDIRECT_H
#define CPU_DIRECT_REDIRECT_H

#include "base/error.h"

#include <stdint.h>

struct direct;

enum { REDIRECTS = 5 };

struct redirect {
    const char *name;
    bool replaces;  /* INT 80h is not executed */
    bool automatic; /* a candidate of auto */
    /* From here on nobody but the CPU needs to be asked. NULL: nothing is to be done.
     */
    bool (*create)(struct direct *direct, struct error *error);
    void (*destroy)(struct direct *direct);
    /* Around a run, in its thread, which may be another than before. */
    bool (*begin)(struct direct *direct, struct error *error);
    void (*end)(struct direct *direct);
};

extern const struct redirect redirect_copy, redirect_sud, redirect_seccomp,
    redirect_sysemu, redirect_ptrace;

/* "copy, sud, … and auto" for whoever reads an option; NULL or "auto": auto. */
bool redirect_is_known(const char *name);
#define REDIRECT_NAMES "copy, sud, seccomp, sysemu, ptrace and auto"

/* Takes the one of that name, if it works. */
bool redirect_choose(struct direct *direct, const char *name, struct error *error);
void redirect_destroy(struct direct *direct);

/* If it does not work in this thread, INT 80h is replaced from now on. */
void redirect_begin(struct direct *direct);
void redirect_end(struct direct *direct);

/* Executes an INT 80h of guest code, getpid() of the host's if it does not come back.
 * Whether it does. Signals are taken from here on. */
bool redirect_comes_back(struct direct *direct);

/* What a trial of one took, or 0, and its name: for `i` below REDIRECTS. */
uint64_t redirect_measured_ns(const struct direct *direct, unsigned i,
                              const char **name);

#endif
