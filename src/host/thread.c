#include "host/thread.h"

#include "base/types.h"

#include <signal.h>

bool thread_start(pthread_t *thread, void *(*run)(void *opaque), void *opaque,
                  const char *what, struct error *error)
{
    static const int own_signals[] = {SIGSEGV, SIGBUS, SIGILL,  SIGFPE,
                                      SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < ARRAY_LENGTH(own_signals); i++) {
        sigdelset(&blocked, own_signals[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int failure = pthread_create(thread, NULL, run, opaque);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !failure ||
           error_set_errno(error, failure, "cannot start a thread %s", what);
}
