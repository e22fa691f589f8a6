/* campaign/worker.h: a process that carries out experiments, one after the other.
 *
 * It has a machine of its own. What it is told, and what it answers, are messages
 * (message.h):
 *
 *     -> {"ready": {"begin", "begin_ns", "timeout_ns", "space", "draws", "engine"}}
 *     -> {"failed": "one line"}                the script has no trial, or a mistake
 *     {"do": "golden"} -> {"golden": result, "points"}
 *     {"do": "survey", "campaign_seed", "first", "count"} -> {"survey": [class, …]}
 *     {"do": "run", "number", "campaign_seed", "seed", "timeout_ns"}
 *                      -> {"number", "point", "result"}
 *     {"do": "point", "number", "campaign_seed"} -> {"number", "point"}
 *
 * Points and classes are survey.h's.
 *
 * Thread: the experiment's. */
#ifndef CAMPAIGN_WORKER_H
#define CAMPAIGN_WORKER_H

#include "campaign/survey.h"

struct worker {
    int fd;
    unsigned waypoints; /* trial_lay_waypoints() */
    bool came_to_trial;
    struct survey survey;
};

/* For struct experiment_host: `opaque` is a struct worker. */
void worker_conduct(void *opaque, struct experiment *experiment);
/* The experiment is over, or could not begin, before it came to a trial. */
void worker_fail(struct worker *worker, const char *why);

#endif
