/* The system calls that are left, as a table for libseccomp. docs/security.md lists
 * them, too. */
#include "base/types.h"
#include "host/confinement/confinement.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <linux/fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59 /* Linux 5.11 */
#endif

enum { SORT_AS_TREE = 2 }; /* of SCMP_FLTATR_CTL_OPTIMIZE */

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

/* Depending on an argument. Several rows for one call: any of them. */
struct rule {
    int system_call;
    struct scmp_arg_cmp condition;
};

static const struct rule rules[] = {
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

/* A filter in the making. */
struct filter {
    scmp_filter_ctx context;
    int why; /* it cannot be made: a negative error number; or 0 */
};

/* `condition`: NULL for none. */
static void add(struct filter *filter, uint32_t action, int system_call,
                const struct scmp_arg_cmp *condition)
{
    if (!filter->why) {
        filter->why = seccomp_rule_add_array(filter->context, action, system_call,
                                             condition ? 1 : 0, condition);
    }
}

static void add_all(struct filter *filter)
{
    for (size_t i = 0; i < ARRAY_LENGTH(plain); i++) {
        add(filter, SCMP_ACT_ALLOW, plain[i], NULL);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        add(filter, SCMP_ACT_ALLOW, rules[i].system_call, &rules[i].condition);
    }
    const struct scmp_arg_cmp to_us = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
    add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), &to_us);
    add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), &to_us);
    /* The name of a socket stays behind: who may remove that may remove any file. */
    add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unlink), NULL);
}

static void set(struct filter *filter, enum scmp_filter_attr attribute, uint32_t value)
{
    if (!filter->why) {
        filter->why = seccomp_attr_set(filter->context, attribute, value);
    }
}

/* Old kernels slow down what runs under a filter, lest it speculate. We do not want
 * that, and they may not know. */
static void allow_speculation(struct filter *filter)
{
    seccomp_attr_set(filter->context, SCMP_FLTATR_CTL_SSB, 1);
}

bool confinement_enter(struct error *error)
{
    struct filter filter = {.context = seccomp_init(SCMP_ACT_TRAP)};
    if (!filter.context) {
        return error_set(error, "out of memory for a filter of system calls");
    }
    set(&filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);
    set(&filter, SCMP_FLTATR_CTL_TSYNC, 1);
    set(&filter, SCMP_FLTATR_CTL_OPTIMIZE, SORT_AS_TREE);
    allow_speculation(&filter);
    add_all(&filter);
    int why = filter.why ? filter.why : seccomp_load(filter.context);
    seccomp_release(filter.context);
    return why == 0 || error_set_errno(error, -why,
                                       "the host does not let us give up system calls "
                                       "(-sandbox off does without)");
}
