/* campaign/survey.h: which fault experiment number N of a campaign has, and which
 * others come to the same. Both follow from the campaign's seed, the number, the fault
 * space and the golden run; from nothing else. Thread: the experiment's. */
#ifndef CAMPAIGN_SURVEY_H
#define CAMPAIGN_SURVEY_H

#include "campaign/classes.h"
#include "experiment/trial.h"

struct survey {
    struct experiment *experiment;
    struct fault_space *space;      /* NULL: the script draws its faults, or has none */
    struct access_trace *trace;     /* of the golden run; NULL: nobody wants classes */
    struct instruction_range range; /* of the golden run */
};

/* Reads what the script says of its fault space. False, with its mistake. */
bool survey_create(struct survey *survey, struct experiment *experiment,
                   struct error *error);
void survey_destroy(struct survey *survey);

/* {"fault", "at", "target", "location", "bit"}, or {"error"}. */
json_t *survey_point(const struct survey *survey, uint64_t seed, uint64_t number);
/* The same, and {"kind", "key", "points"}: with a trace. `kind` is "read",
 * "overwritten", "unused" or "alone". */
json_t *survey_class(const struct survey *survey, uint64_t seed, uint64_t number);

#endif
