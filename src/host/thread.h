/* host/thread.h: threads that leave signals to others. Thread: any. */
#ifndef HOST_THREAD_H
#define HOST_THREAD_H

#include "base/error.h"

#include <pthread.h>

/* Starts a thread in which all signals are blocked, except those that a thread causes
 * itself, by a fault or by reading its terminal from the background. `what`: for the
 * message ("for disks"). */
bool thread_start(pthread_t *thread, void *(*run)(void *opaque), void *opaque,
                  const char *what, struct error *error);

#endif
