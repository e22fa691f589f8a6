/* clock/host_time.h: the host's monotonic clock, read without the C library.
 *
 * The kernel gives each process a function for that (the vDSO's), which makes no system
 * call. Thread: any. */
#ifndef CLOCK_HOST_TIME_H
#define CLOCK_HOST_TIME_H

#include "base/types.h"

#include <time.h>

struct host_time {
    int (*gettime)(clockid_t, struct timespec *);
    /* It was seen to leave the host's vector registers alone, as code of the kernel
     * does: who has something in them may call it. */
    bool keeps_vectors;
};

void host_time_create(struct host_time *time);

static inline uint64_t host_time_ns(const struct host_time *time)
{
    struct timespec now;
    time->gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

#endif
