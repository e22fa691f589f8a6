/* campaign/survey.h: which faults experiment number N of a campaign has. It follows from
 * the campaign's seed, the number, and the fault space; from nothing else.
 * Thread: the experiment's. */
#ifndef CAMPAIGN_SURVEY_H
#define CAMPAIGN_SURVEY_H

#include "experiment/trial.h"

/* {"fault", "at", "target", "location", "bit"}, or {"error"}. `end`: instructions retired
 * at the end of the golden run. */
json_t *survey_point(struct experiment *experiment, uint64_t seed, uint64_t number,
                     uint64_t end);

#endif
