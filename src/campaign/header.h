/* campaign/header.h: what a campaign is, as its database says it (docs/campaigns.md has
 * the keys). Thread: one. */
#ifndef CAMPAIGN_HEADER_H
#define CAMPAIGN_HEADER_H

#include "campaign/campaign.h"
#include "campaign/results.h"

struct campaign_facts {
    const json_t *ready, *golden; /* as a worker has told them: worker.h */
    double points;                /* of the fault space; 0: not known */
    uint64_t timeout_ns;
};

/* Stores them; or, if the campaign goes on, sees that it is the same one. */
bool header_store(struct results *results, const struct campaign_options *options,
                  const struct campaign_facts *facts, struct error *error);
/* If there is a campaign, sees that it is this one, as far as the options tell. */
bool header_check(struct results *results, const struct campaign_options *options,
                  struct error *error);
/* This process is done; if others are, too, notes when the campaign was. */
bool header_finish(struct results *results, struct error *error);

#endif
