/* campaign/campaign.h: a script's trial, thousands of times, each with another fault.
 *
 * Processes of their own, the workers, come to the trial of the script, carry it out
 * once without faults (the golden run), and then as often as it is wanted. What comes
 * of it is kept in a database (results.h), from which a campaign that was interrupted
 * goes on. Experiment number N is the same whoever carries it out, and when. Thread:
 * one. */
#ifndef CAMPAIGN_CAMPAIGN_H
#define CAMPAIGN_CAMPAIGN_H

#include "experiment/trial.h"

enum {
    CAMPAIGN_WORKERS_MAXIMUM = 256,
    CAMPAIGN_LIMIT_S = 600, /* of host time for one experiment */
};
#define CAMPAIGN_CONFIDENCE 0.95 /* of margins */

struct campaign_options {
    const char *script;
    const char *const *settings; /* "KEY=VALUE" */
    unsigned setting_count;
    const char *engine; /* NULL: as the script says */
    uint64_t seed;
    uint64_t experiments; /* 0: as many as `margin` needs */
    double margin;        /* of any rate: 0.01 is a percentage point either way */
    unsigned workers;
    uint64_t shard, shards; /* this process carries out every shards-th experiment, and
                             * what is of their classes */
    const char *database;
    bool prune;
    unsigned waypoints; /* TRIAL_WAYPOINTS at most; 0: all runs begin with the trial */
    unsigned limit_s;
};

/* What a campaign needs of who runs it. */
struct campaign_host {
    /* Carries out the script in a new process, until `conduct` returns or something is
     * wrong. */
    bool (*experiment)(void *opaque, const struct experiment_options *options,
                       void (*conduct)(void *opaque, struct experiment *experiment),
                       void *conductor, struct experiment_result *result,
                       struct error *error);
    void *opaque;
};

enum campaign_end {
    CAMPAIGN_DONE,
    CAMPAIGN_STOPPED, /* by the user; what is done is kept */
    CAMPAIGN_FAILED,  /* with one line in `error`; likewise */
};

enum campaign_end campaign_run(const struct campaign_options *options,
                               const struct campaign_host *host, struct error *error);

/* The seed of what faults leave to chance in experiment `number`. */
uint64_t campaign_trial_seed(uint64_t seed, uint64_t number);

#endif
