/* cpu/direct/seccomp_filter.h: filters of a few rules, for one thread.
 *
 * Source: seccomp(2). Thread: any. */
#ifndef CPU_DIRECT_SECCOMP_FILTER_H
#define CPU_DIRECT_SECCOMP_FILTER_H

#include "base/types.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

/* A member of struct seccomp_data; of arguments, the low half. */
#define SECCOMP_LOAD(member)                                                           \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
/* Skips so many statements if the value loaded is this, or is not. */
#define SECCOMP_IF(value, skipped)                                                     \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skipped, 0)
#define SECCOMP_IF_NOT(value, skipped)                                                 \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped)
#define SECCOMP_RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

/* For the calling thread, and those that it starts, for ever. False: see errno. */
static inline bool seccomp_filter_load(const struct sock_filter *program, size_t count)
{
    const struct sock_fprog filter = {(unsigned short)count,
                                      (struct sock_filter *)program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

#endif
