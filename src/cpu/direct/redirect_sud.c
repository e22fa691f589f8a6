/* Syscall user dispatch (Linux 5.11): while a byte of ours says so, the kernel sends
 * SIGSYS for each system call of the thread, by whatever interface. No range of
 * addresses is exempt: `enter` sets the byte, and each way out of guest code clears it.
 */
#include "cpu/direct/direct.h"

#include <errno.h>
#include <sys/prctl.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif

static bool begin(struct direct *direct, struct error *error)
{
    uint8_t *selector = &direct->cpu->direct_state.dispatch;
    *selector = 0;
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, selector) == 0) {
        return true;
    }
    if (errno == EINVAL) {
        return error_set(error,
                         "-syscall-redirect sud: this kernel has no syscall user "
                         "dispatch (Linux 5.11); use seccomp or copy");
    }
    return error_set_errno(error, errno, "-syscall-redirect sud: use seccomp or copy");
}

static void end(struct direct *direct)
{
    (void)direct;
    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
}

const struct redirect redirect_sud = {
    .name = "sud",
    .automatic = true,
    .begin = begin,
    .end = end,
};
