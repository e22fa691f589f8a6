#include "campaign/shards.h"

#include <stdlib.h>

#include "campaign/header.h"
#include "campaign/results.h"

/* With pruning, whose an experiment is depends on its class, which is not known here.
 */
static void mark(const struct campaign_options *options, const uint8_t *done,
                 uint64_t shards, bool *left)
{
    uint64_t planned = options->experiments;
    bool any = false;
    for (uint64_t i = 0; i < planned; i++) {
        left[i % shards] |= !done[i];
        any |= !done[i];
    }
    for (uint64_t k = 0; k < shards; k++) {
        left[k] |= any && options->prune;
    }
}

bool shards_look(const struct campaign_options *options, uint64_t shards, bool *left,
                 uint64_t *stored, struct error *error)
{
    struct results *results = results_open(options->database, RESULTS_CREATE, error);
    uint8_t *done = calloc(options->experiments + 1, sizeof(*done));
    bool good = results &&
                (done || error_set(error, "out of memory: give it fewer "
                                          "experiments")) &&
                header_check(results, options, error) &&
                results_done(results, done, options->experiments, stored, error);
    for (uint64_t k = 0; good && k < shards; k++) {
        left[k] = false;
    }
    if (good) {
        mark(options, done, shards, left);
    }
    free(done);
    results_close(results);
    return good;
}
