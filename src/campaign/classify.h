/* campaign/classify.h: what a run has come to, next to the golden run.
 * docs/campaigns.md has the definitions. Thread: any. */
#ifndef CAMPAIGN_CLASSIFY_H
#define CAMPAIGN_CLASSIFY_H

#include <jansson.h>

/* The class of `result`; both are results as workers tell them. The text belongs to
 * `result` or is constant. */
const char *classify(const json_t *golden, const json_t *result);

#endif
