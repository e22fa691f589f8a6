/* campaign/interrupt.h: the user wants a campaign to stop, by SIGINT (Ctrl-C), SIGTERM
 * or SIGHUP. They come as a descriptor that can be waited for; those that the parent
 * made us ignore stay ignored. Thread: one, before there are others. */
#ifndef CAMPAIGN_INTERRUPT_H
#define CAMPAIGN_INTERRUPT_H

#include "base/error.h"
#include "base/types.h"

#include <signal.h>

struct interrupt {
    int fd;          /* readable: a signal is to be taken */
    sigset_t before; /* what was blocked before */
};

bool interrupt_open(struct interrupt *interrupt, struct error *error);
/* Whether one has come since the last call. Does not wait. */
bool interrupt_take(struct interrupt *interrupt);
/* In a new process: signals are blocked as they were before. */
void interrupt_leave(const struct interrupt *interrupt);
/* Signals are as they were before. One that has not been taken is gone. */
void interrupt_close(struct interrupt *interrupt);

#endif
