/* A filter that sends SIGSYS for each system call of the i386 interface. The one that
 * confines the process (host/confinement) does that, too: another is loaded only in a
 * thread that has none. It stays there. */
#define _GNU_SOURCE /* gettid() */
#include "cpu/direct/direct.h"
#include "cpu/direct/seccomp_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <unistd.h>

static bool load(struct error *error)
{
    static const struct sock_filter program[] = {
        SECCOMP_LOAD(arch),
        SECCOMP_IF_NOT(AUDIT_ARCH_I386, 1),
        SECCOMP_RETURN(SECCOMP_RET_TRAP),
        SECCOMP_RETURN(SECCOMP_RET_ALLOW),
    };
    return seccomp_filter_load(program, ARRAY_LENGTH(program)) ||
           error_set_errno(error, errno,
                           "-syscall-redirect seccomp: the host does not let us filter "
                           "system calls; use copy");
}

static bool begin(struct direct *direct, struct error *error)
{
    pid_t thread = gettid();
    if (direct->filtered_thread != thread && !redirect_comes_back(direct) &&
        !load(error)) {
        return false;
    }
    direct->filtered_thread = thread;
    return true;
}

const struct redirect redirect_seccomp = {.name = "seccomp", .begin = begin};
