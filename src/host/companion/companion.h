/* host/companion/companion.h: a process beside the machine's, for what needs more of
 * the host than a confined machine has: a window, sound, connections to anywhere, files
 * that are opened later.
 *
 * It is forked while the machine is made, before the sandbox closes, and talks with it
 * by a socket (SOCK_SEQPACKET: a message is a message), and by memory that was mapped
 * shared before, should it need any. It has no capabilities, no descriptor but standard
 * input, output and error, its socket and those it is told to keep, and ignores the
 * signals of the terminal, and SIGTERM: the machine decides when to end. It ends when
 * its socket reads as closed, and is killed if the machine has died otherwise. If it
 * ends on its own, the machine reads its socket as closed, and goes on without it.
 *
 * Source: unix(7), PR_SET_PDEATHSIG in prctl(2). Thread: the machine's own; the socket
 * is whoever's. Saved by: nobody. */
#ifndef HOST_COMPANION_COMPANION_H
#define HOST_COMPANION_COMPANION_H

#include "base/error.h"
#include "base/types.h"

#include <sys/types.h>

struct companion {
    pid_t process; /* 0: not started */
    int socket;    /* the machine's end; close-on-exec */
};

struct companion_role {
    const char *name; /* in ps(1) it is faumachine-NAME; up to 4 letters are seen */
    /* What the process does, with its own end of the socket; it may start threads, and
     * returns the exit status. */
    int (*main)(void *opaque, int socket);
    void *opaque;
    const int *keep; /* descriptors that stay open */
    unsigned keep_count;
};

/* Fails if the host refuses. */
bool companion_start(struct companion *companion, const struct companion_role *role,
                     struct error *error);

/* For a child process that is about to be another program: it dies with the machine,
 * and leaves the signals of the terminal to it. `machine`: getpid() before fork(). */
void companion_begin(pid_t machine);

/* Has it end, and waits for that, two seconds at most. Not started: nothing. */
void companion_stop(struct companion *companion);

/* Has it end, without waiting for that: where the machine lock is held. */
void companion_abandon(struct companion *companion);

#endif
