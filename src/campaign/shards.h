/* campaign/shards.h: which shards of a campaign have something left to do.
 * Thread: one. */
#ifndef CAMPAIGN_SHARDS_H
#define CAMPAIGN_SHARDS_H

#include "campaign/campaign.h"

/* Looks into the database, which is made if it is not there: left[k] is whether shard k
 * (from 0 on) of `shards` has experiments that are not stored, or may have. `stored`:
 * how many experiments are. False if the database has another campaign, too. */
bool shards_look(const struct campaign_options *options, uint64_t shards, bool *left,
                 uint64_t *stored, struct error *error);

#endif
