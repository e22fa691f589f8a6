/* campaign/crew.h: the workers of a campaign: processes that come, are given work, and
 * may die of it.
 * Thread: one. */
#ifndef CAMPAIGN_CREW_H
#define CAMPAIGN_CREW_H

#include "campaign/campaign.h"
#include "campaign/interrupt.h"

#include <jansson.h>
#include <sys/types.h>

enum { CREW_PIPELINE = 2 }; /* experiments that a worker has at a time */

struct crew_order {
    uint64_t number; /* of an experiment: to carry it out, or… */
    char *why; /* …not NULL: only to tell its fault, as it has ended a worker so */
};

struct crew_member {
    pid_t pid; /* 0: it has gone */
    int fd;
    unsigned index;
    bool at_trial;                           /* it has come there… */
    bool ready;                              /* …and through it, as the others have */
    unsigned waiting;                        /* orders that it has not answered… */
    struct crew_order orders[CREW_PIPELINE]; /* …the oldest first */
    double since_s; /* on what it does now it has been since then */
};

struct crew {
    const struct campaign_options *options;
    const struct campaign_host *host;
    const struct interrupt *interrupt; /* ends waiting */
    struct crew_member *members;
    unsigned count;
    unsigned turn; /* whose messages are looked at first: all get their share */
};

/* Begins a process for each member that has none. */
bool crew_start(struct crew *crew, struct error *error);
/* Takes the message; false: the worker is gone. */
bool crew_tell(struct crew_member *member, json_t *message);
/* The worker is gone, or is to be: says how it has ended, "killed by signal 11". */
void crew_bury(struct crew_member *member, char *how, size_t bytes);
/* Waits for messages, for at most `timeout_ms`. The next member that has one, or has
 * gone; NULL: none, or the user interrupts. */
struct crew_member *crew_wait(struct crew *crew, int timeout_ms);
void crew_end(struct crew *crew);
double crew_now_s(void);

#endif
