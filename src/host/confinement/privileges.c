#include "host/confinement/confinement.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Those that a program could ever get. Only who may change them is allowed to; for
 * others, no_new_privs does the same. */
static void empty_bounding_set(void)
{
    for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
        prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    }
}

bool confinement_drop_privileges(struct error *error)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    empty_bounding_set();
    /* Effective, permitted and inheritable; the ambient ones go with them. */
    if (syscall(SYS_capset, &header, none) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_set_errno(error, errno, "cannot give up privileges");
    }
    return true;
}
