#define _GNU_SOURCE /* close_range() */
#include "host/companion/companion.h"

#include "host/confinement/confinement.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    KEPT_MAXIMUM = 16,
    PATIENCE_MS = 2000,
    NAME_BYTES = 16, /* of a process; PR_SET_NAME */
};

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void close_all_but(int socket, const struct companion_role *role)
{
    int kept[KEPT_MAXIMUM + 1];
    unsigned count = 0;
    kept[count++] = socket;
    for (unsigned i = 0; i < role->keep_count && i < KEPT_MAXIMUM; i++) {
        kept[count++] = role->keep[i];
    }
    qsort(kept, count, sizeof(kept[0]), compare);
    unsigned first = STDERR_FILENO + 1;
    for (unsigned i = 0; i < count; i++) {
        if ((unsigned)kept[i] > first) {
            close_range(first, (unsigned)kept[i] - 1, 0);
        }
        if ((unsigned)kept[i] >= first) {
            first = (unsigned)kept[i] + 1;
        }
    }
    close_range(first, UINT32_MAX, 0);
}

/* As in a process that has just been started, but for those that come from a terminal
 * or may be sent to all processes of a group: they are for the machine. */
static void settle_signals(void)
{
    static const int of_machine[] = {SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTERM};
    sigset_t none;
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL);
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(of_machine); i++) {
        signal(of_machine[i], SIG_IGN);
    }
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void companion_begin(pid_t machine)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != machine) {
        _exit(1); /* it has died meanwhile */
    }
    settle_signals();
}

static _Noreturn void be_companion(const struct companion_role *role, int socket,
                                   pid_t machine)
{
    char name[NAME_BYTES];
    struct error ignored; /* nothing to give up, then */
    snprintf(name, sizeof(name), "faumachine-%s", role->name);
    prctl(PR_SET_NAME, name);
    companion_begin(machine);
    close_all_but(socket, role);
    confinement_drop_privileges(&ignored);
    _exit(role->main(role->opaque, socket));
}

bool companion_start(struct companion *companion, const struct companion_role *role,
                     struct error *error)
{
    int ends[2];
    pid_t machine = getpid();
    *companion = (struct companion){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return error_set_errno(error, errno, "cannot prepare a process for %s",
                               role->name);
    }
    fflush(NULL); /* or it would be written twice */
    pid_t process = fork();
    if (process == 0) {
        be_companion(role, ends[1], machine);
    }
    int why = errno;
    close(ends[1]);
    if (process < 0) {
        close(ends[0]);
        return error_set_errno(error, why, "cannot start a process for %s", role->name);
    }
    *companion = (struct companion){.process = process, .socket = ends[0]};
    return true;
}

void companion_stop(struct companion *companion)
{
    if (!companion->process) {
        return;
    }
    char rest[4096];
    struct pollfd end = {.fd = companion->socket, .events = POLLIN};
    shutdown(companion->socket, SHUT_WR);
    while (poll(&end, 1, PATIENCE_MS) == 1 &&
           recv(companion->socket, rest, sizeof(rest), 0) > 0) {
    }
    companion_abandon(companion);
}

void companion_abandon(struct companion *companion)
{
    close(companion->socket);
    /* Whoever is still there is killed when we end. */
    waitpid(companion->process, NULL, WNOHANG);
    companion->process = 0;
    companion->socket = -1;
}
