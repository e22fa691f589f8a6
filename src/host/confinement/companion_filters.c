/* What processes beside the machine's may ask of the host, as tables. docs/security.md
 * tells of them. */
#define _GNU_SOURCE /* AT_EMPTY_PATH, CLONE_THREAD */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/confinement/filter_builder.h"

/* Inherited by companions that are programs of their own. */
static const char forgone[] = "FAUMACHINE_WITHOUT_FILTERS";

/* Those of whom it is known what they need get nothing else. */

static const int common[] = {
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(futex),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(fcntl),
    SCMP_SYS(close),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(shutdown),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static const struct filter_rule common_rules[] = {
    {SCMP_SYS(mmap), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
    {SCMP_SYS(mprotect), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
    {SCMP_SYS(newfstatat), {3, SCMP_CMP_EQ, AT_EMPTY_PATH, 0}},
    {SCMP_SYS(prlimit64), {2, SCMP_CMP_EQ, 0, 0}}, /* getrlimit() */
};

static const int opener[] = {
    SCMP_SYS(openat),
    SCMP_SYS(sendmsg),
};

static const int pictures[] = {
    SCMP_SYS(openat), SCMP_SYS(newfstatat), SCMP_SYS(access),   SCMP_SYS(rename),
    SCMP_SYS(unlink), SCMP_SYS(faccessat),  SCMP_SYS(readlink),
};

/* Sockets that are there, and clients that come. */
static const int server[] = {
    SCMP_SYS(accept),     SCMP_SYS(accept4),     SCMP_SYS(setsockopt),
    SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(recvmsg),    SCMP_SYS(sendmsg),
};

static const int network[] = {
    SCMP_SYS(bind),    SCMP_SYS(listen),     SCMP_SYS(connect),
    SCMP_SYS(pread64), SCMP_SYS(newfstatat),
};

enum { FILE_MODES = O_ACCMODE | O_CREAT | O_TRUNC };

static const struct filter_rule network_rules[] = {
    {SCMP_SYS(socket), {0, SCMP_CMP_EQ, AF_INET, 0}},
    {SCMP_SYS(socket), {0, SCMP_CMP_EQ, AF_INET6, 0}},
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, FIONREAD, 0}},
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, FIONBIO, 0}},
    /* what the host's name server is; files of -netdev user,tftp= */
    {SCMP_SYS(openat), {2, SCMP_CMP_MASKED_EQ, FILE_MODES, O_RDONLY}},
};

/* Libraries of windows and sound do much that depends on the host, its drivers and its
 * servers: of them it is only known what they do not need once they are set up. */

static const int not_for_libraries[] = {
    /* other programs and processes */
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(tkill),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(kcmp),
    /* connections: those to the servers are there */
    SCMP_SYS(socket),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    /* files: changing what there is */
    SCMP_SYS(open),
    SCMP_SYS(openat2),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(creat),
    SCMP_SYS(truncate),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(link),
    SCMP_SYS(linkat),
    SCMP_SYS(symlink),
    SCMP_SYS(symlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(chown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
    SCMP_SYS(removexattr),
    SCMP_SYS(lremovexattr),
    SCMP_SYS(utime),
    SCMP_SYS(utimes),
    SCMP_SYS(utimensat),
    SCMP_SYS(futimesat),
    /* more of the kernel than a program with a window wants */
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(chroot),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(fsopen),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
};

static const struct filter_rule not_for_libraries_rules[] = {
    {SCMP_SYS(openat), {2, SCMP_CMP_MASKED_EQ, O_ACCMODE, O_WRONLY}},
    {SCMP_SYS(openat), {2, SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDWR}},
    {SCMP_SYS(openat), {2, SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT}},
    {SCMP_SYS(openat), {2, SCMP_CMP_MASKED_EQ, O_TRUNC, O_TRUNC}},
    {SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0}},
};

#define ADD_CALLS(filter, action, table)                                               \
    filter_add_calls(filter, action, table, ARRAY_LENGTH(table))
#define ADD_RULES(filter, action, table)                                               \
    filter_add_rules(filter, action, table, ARRAY_LENGTH(table))

static void allow(struct filter *filter, enum confinement_companion companion)
{
    ADD_CALLS(filter, SCMP_ACT_ALLOW, common);
    ADD_RULES(filter, SCMP_ACT_ALLOW, common_rules);
    filter_allow_own_signals(filter);
    if (companion == CONFINEMENT_OPENER) {
        ADD_CALLS(filter, SCMP_ACT_ALLOW, opener);
    } else if (companion == CONFINEMENT_PICTURES) {
        ADD_CALLS(filter, SCMP_ACT_ALLOW, pictures);
    } else {
        ADD_CALLS(filter, SCMP_ACT_ALLOW, server);
    }
    if (companion == CONFINEMENT_NETWORK) {
        ADD_CALLS(filter, SCMP_ACT_ALLOW, network);
        ADD_RULES(filter, SCMP_ACT_ALLOW, network_rules);
    }
}

static void forbid(struct filter *filter)
{
    const uint32_t refused = SCMP_ACT_ERRNO(EACCES);
    ADD_CALLS(filter, refused, not_for_libraries);
    ADD_RULES(filter, refused, not_for_libraries_rules);
    /* Its flags are in memory; the C library then starts threads by clone(). */
    filter_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), NULL);
    const struct scmp_arg_cmp to_others = {0, SCMP_CMP_NE, (scmp_datum_t)getpid(), 0};
    filter_add(filter, refused, SCMP_SYS(kill), &to_others);
    filter_add(filter, refused, SCMP_SYS(tgkill), &to_others);
}

void confinement_enter_companion(enum confinement_companion companion)
{
    bool libraries = companion == CONFINEMENT_WINDOW || companion == CONFINEMENT_SOUND;
    struct filter filter;
    struct error ignored; /* the machine says it, whose own filter fails as well */
    if (!CONFINEMENT_POSSIBLE || getenv(forgone) ||
        !filter_begin(&filter, libraries ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EACCES),
                      &ignored)) {
        return;
    }
    if (libraries) {
        forbid(&filter);
    } else {
        allow(&filter, companion);
    }
    filter_load(&filter, &ignored);
}

void confinement_forgo(void)
{
    setenv(forgone, "1", 1);
}
