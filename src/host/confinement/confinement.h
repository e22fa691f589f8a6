/* host/confinement/confinement.h: what is left of the process's power over the host
 * while a guest runs. docs/security.md says what that protects, and what not.
 *
 * Source: capabilities(7), seccomp(2), seccomp_rule_add(3). Saved by: nobody. */
#ifndef HOST_CONFINEMENT_CONFINEMENT_H
#define HOST_CONFINEMENT_CONFINEMENT_H

#include "base/error.h"

/* Sanitizers and coverage start threads and open files whenever they like. */
#ifdef FAUMACHINE_INSTRUMENTED
enum { CONFINEMENT_POSSIBLE = 0 };
#else
enum { CONFINEMENT_POSSIBLE = 1 };
#endif

/* Drops all capabilities of the calling thread, and of those that it starts later;
 * execve() will never give any back. The user stays who it was. What only root may open
 * has to be open. */
bool confinement_drop_privileges(struct error *error);

/* From now on all threads of the process, and what they start, may only make the system
 * calls that a running machine and its end need. Files, sockets and threads have to be
 * there. Another call is not made, but sends SIGSYS (si_code SYS_SECCOMP) to the thread
 * that tries; so do all of the i386 and x32 interfaces. A handler of SIGSYS calls the
 * one that was there before for what it does not know.
 *
 * All threads, not only the one that runs guest code: they share their memory, and
 * whoever may write to the stack of another thread may use its system calls. */
bool confinement_enter(struct error *error);

/* -- processes beside the machine's -- */

enum confinement_companion {
    CONFINEMENT_OPENER,   /* opens files, and passes them on */
    CONFINEMENT_PICTURES, /* writes screenshots */
    CONFINEMENT_NETWORK,  /* libslirp */
    CONFINEMENT_VNC,
    CONFINEMENT_WINDOW,
    CONFINEMENT_SOUND,
};

/* From now on this process, all of its threads, may only do what such a one is for:
 * call it when all that it needs is set up. What it may not fails with EACCES; the i386
 * and x32 interfaces kill. Without effect after confinement_forgo(), in instrumented
 * builds, and where the host has no filters. */
void confinement_enter_companion(enum confinement_companion companion);

/* Processes that are started later do without filters: -sandbox off. One thread. */
void confinement_forgo(void);

#endif
