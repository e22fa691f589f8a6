/* campaign/progress.h: how far a campaign is, on standard error: a line that changes on
 * a terminal, else now and then a line. Thread: one. */
#ifndef CAMPAIGN_PROGRESS_H
#define CAMPAIGN_PROGRESS_H

#include "base/types.h"

enum { PROGRESS_CLASSES = 12, PROGRESS_NAME_BYTES = 24 };

struct progress {
    uint64_t planned, done; /* of them, `before` in earlier runs */
    uint64_t before;
    bool terminal;
    double began_s, shown_s;
    struct {
        char name[PROGRESS_NAME_BYTES];
        uint64_t count;
    } classes[PROGRESS_CLASSES]; /* in the order of their first coming */
};

/* How many experiments a margin takes, both given as a part of 1. */
void progress_announce(uint64_t experiments, double margin, double confidence);
void progress_begin(struct progress *progress, uint64_t planned, uint64_t before);
/* There are `now` experiments where it was thought there were `before`; they are `done`
 * since an earlier run. */
void progress_correct(struct progress *progress, unsigned before, unsigned now,
                      bool done);
void progress_count(struct progress *progress, const char *outcome);
/* Shows it if it is time. */
void progress_show(struct progress *progress);
/* Shows how it ends. */
void progress_end(struct progress *progress);

#endif
