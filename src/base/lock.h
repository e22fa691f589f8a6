/* base/lock.h: the machine lock.
 *
 * Devices, clock and address maps of one machine are used by one thread at a time: the
 * one that holds this lock. A virtual CPU takes it for each access to a device, the
 * event loop for each call back. Not recursive. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <pthread.h>

struct lock {
    pthread_mutex_t mutex;
};

static inline void lock_init(struct lock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
}

static inline void lock_destroy(struct lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

static inline void lock_take(struct lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

static inline void lock_release(struct lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

#endif
