/* campaign/ledger.h: which experiments of a campaign are done, and which are to be;
 * what comes of them goes to the database.
 *
 * With pruning the class of each is heard of first, one number after the other; of a
 * class only the first experiment is carried out, and the others get its outcome.
 * Thread: one. */
#ifndef CAMPAIGN_LEDGER_H
#define CAMPAIGN_LEDGER_H

#include "campaign/crew.h"
#include "campaign/progress.h"
#include "campaign/pruning.h"
#include "campaign/results.h"

struct ledger {
    const struct campaign_options *options;
    struct results *results;
    struct progress progress;
    uint8_t *states;         /* of each experiment */
    uint64_t next;           /* before that, nothing is to be carried out */
    struct crew_order *lost; /* their faults are to be told */
    unsigned lost_count;
    uint64_t classed; /* with pruning: whose classes are known; else all */
    struct pruning pruning;
    char **outcomes;         /* with pruning: of those that are in the database */
    uint64_t stored, errors; /* by this run… */
    char *why;               /* …what was said of the last one in error */
    struct error *error;     /* of whatever returns false */
};

/* Reads what is in the database. `results` is the caller's. */
bool ledger_open(struct ledger *ledger, const struct campaign_options *options,
                 struct results *results, struct error *error);
void ledger_close(struct ledger *ledger);

/* Takes one that is to be carried out, or has been lost. False: there is none now. */
bool ledger_take(struct ledger *ledger, struct crew_order *order);
/* It was not carried out; or, with a `why`, which the ledger takes, has been lost by
 * that. */
void ledger_give_back(struct ledger *ledger, const struct crew_order *order);

/* Stores an experiment. False also if nothing ever succeeds. */
bool ledger_store(struct ledger *ledger, const struct result_row *row);

/* At the end: false if nothing has ever succeeded. */
bool ledger_check(const struct ledger *ledger);

/* With pruning: hears of the classes of the next numbers, as survey_class() tells them.
 */
bool ledger_hear_classes(struct ledger *ledger, const json_t *classes);
/* How many classes are to be heard of. */
uint64_t ledger_unclassed(const struct ledger *ledger);

/* Nothing is to be carried out any more, unless something is given back. */
bool ledger_is_empty(struct ledger *ledger);

#endif
