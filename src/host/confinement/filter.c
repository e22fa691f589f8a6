/* The system calls that are left, as a table for libseccomp. docs/security.md lists
 * them, too. */
#include "base/types.h"
#include "host/confinement/filter_builder.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <linux/fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59 /* Linux 5.11 */
#endif

/* Whatever the arguments. */
static const int plain[] = {
    /* memory: views of the guest's, malloc() */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    /* signals: traps of translated code, kicks, those that end the run */
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    /* how a thread begins; the event loop's may be about to */
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    /* threads that wait for each other, for input or for a time */
    SCMP_SYS(futex),
    SCMP_SYS(ppoll),
    SCMP_SYS(poll),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(restart_syscall),
    /* disk images, consoles, logs: what is open */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fallocate),
    /* the ring that was made for them, if any: there is no way to another one */
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(fstat),
    SCMP_SYS(close),
    /* a medium of an experiment that is put in once more */
    SCMP_SYS(dup),
    /* the next client of a socket that is listened on */
    SCMP_SYS(accept4),
    /* the end of a companion process */
    SCMP_SYS(wait4),
    SCMP_SYS(shutdown),
    /* messages to and from companion processes */
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    /* who we are, for tgkill() and the terminal; the end */
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getpgrp),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* Several rows for one call: any of them. */
static const struct filter_rule rules[] = {
    /* What can be executed is not to be writable at the same place. */
    {SCMP_SYS(mmap), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
    {SCMP_SYS(mmap), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC}},
    {SCMP_SYS(mprotect), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
    {SCMP_SYS(mprotect), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC}},
    {SCMP_SYS(prctl), {0, SCMP_CMP_EQ, PR_SET_TIMERSLACK, 0}},
    {SCMP_SYS(prctl), {0, SCMP_CMP_EQ, PR_SET_SYSCALL_USER_DISPATCH, 0}},
    /* send(), not sendto(): to no address */
    {SCMP_SYS(sendto), {4, SCMP_CMP_EQ, 0, 0}},
    /* the C library's fstat() */
    {SCMP_SYS(newfstatat), {3, SCMP_CMP_EQ, AT_EMPTY_PATH, 0}},
    /* the settings of a terminal, and whether we are in its foreground */
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, TCGETS, 0}},
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, TCSETS, 0}},
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, TCGETS2, 0}},
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, TCSETS2, 0}},
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, TIOCGPGRP, 0}},
};

bool confinement_enter(struct error *error)
{
    struct filter filter;
    if (!filter_begin(&filter, SCMP_ACT_TRAP, error)) {
        return false;
    }
    filter_add_calls(&filter, SCMP_ACT_ALLOW, plain, ARRAY_LENGTH(plain));
    filter_add_rules(&filter, SCMP_ACT_ALLOW, rules, ARRAY_LENGTH(rules));
    filter_allow_own_signals(&filter);
    /* The name of a socket stays behind: who may remove that may remove any file. */
    filter_add(&filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unlink), NULL);
    return filter_load(&filter, error);
}
