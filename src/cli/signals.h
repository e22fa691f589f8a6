/* cli/signals.h: the signals that end or suspend the simulator or ask for a screenshot,
 * taken in a thread of their own, so that what they set off is not bound by the rules
 * for handlers.
 *
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT stop the machine; a second one, or one that comes
 * while there is no machine, ends the process at once. SIGTSTP gives the terminal back
 * before the process stops. SIGUSR1 has a screenshot written. Signals that the parent
 * made us ignore stay ignored. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/error.h"
#include "machine/machine.h"

struct signals {
    pthread_t thread;
    sem_t started; /* and without privileges: others still need theirs */
    sigset_t taken;
    pthread_mutex_t mutex;   /* protects `machine` */
    struct machine *machine; /* NULL: none to stop */
    atomic_int received;     /* the first signal that wants us to end; or 0 */
    atomic_bool stopping;
};

/* Call before any other thread starts: threads inherit what is blocked. */
bool signals_start(struct signals *signals, struct error *error);

/* The machine to stop from now on; NULL: none. */
void signals_set_machine(struct signals *signals, struct machine *machine);

/* Ends the thread. */
void signals_stop(struct signals *signals);

#endif
