/* cli/submission.h: a campaign on its way to a cluster: its batch script, and who gets
 * it. Thread: one. */
#ifndef CLI_SUBMISSION_H
#define CLI_SUBMISSION_H

#include "cli/batch_script.h"
#include "cli/campaign_run.h"

enum {
    SUBMISSION_OPTIONS_MAXIMUM = 64,
    SUBMISSION_TEXTS_MAXIMUM = SUBMISSION_OPTIONS_MAXIMUM + 16,
};

/* All zeros at first; what the user has said is then filled in. Of the script these are
 * tasks, array_limit, requeue, words and the number of options. */
struct submission {
    struct campaign_command run;
    struct batch_script script;
    struct batch_option options[SUBMISSION_OPTIONS_MAXIMUM];
    bool has_workers; /* run.options.workers is of a task */
    uint64_t cpus;    /* of a task; 0: the user has not said */
    const char *logs, *output;
    bool dry_run;

    bool *left; /* of each task */
    char *kept[SUBMISSION_TEXTS_MAXIMUM];
    unsigned kept_count;
};

/* A text that is there as long as the submission is. */
__attribute__((format(printf, 2, 3))) char *submission_text(struct submission *this,
                                                            const char *format, ...);

/* Prints the script, or submits what is left of the campaign. */
bool submission_carry_out(struct submission *this, struct error *error);
void submission_free(struct submission *this);

#endif
