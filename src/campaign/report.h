/* campaign/report.h: what a campaign has shown, for people (terminal, HTML) and for
 * other programs (CSV).
 *
 * Thread: one. */
#ifndef CAMPAIGN_REPORT_H
#define CAMPAIGN_REPORT_H

#include "campaign/results.h"

#include <stdio.h>

/* A summary of the database, made by one pass over it. */
struct report;

#define REPORT_FAILURES "sdc,crash,hang"

struct report_options {
    double confidence;    /* 0.95 */
    bool exact;           /* intervals by Clopper and Pearson, else by Wilson */
    const char *failures; /* outcomes that are failures: "sdc,crash,hang" */
};

/* NULL with one line if the database cannot be read. */
struct report *report_create(struct results *results,
                             const struct report_options *options, struct error *error);
void report_destroy(struct report *report);

void report_write_terminal(const struct report *report, FILE *stream);

/* One page that needs nothing else. Reads the rows once more; those that have come
 * since report_create() are in it, but not in its figures. */
bool report_write_html(const struct report *report, struct results *results,
                       FILE *stream, struct error *error);

/* A line with the columns' names, then a line for each experiment. */
bool report_write_csv(struct results *results, FILE *stream, struct error *error);

#endif
