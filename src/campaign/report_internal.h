/* campaign/report_internal.h: the figures of a report, and what its writers share. */
#ifndef CAMPAIGN_REPORT_INTERNAL_H
#define CAMPAIGN_REPORT_INTERNAL_H

#include "campaign/report.h"
#include "campaign/statistics.h"

#include <jansson.h>

enum {
    REPORT_OUTCOMES = 24, /* with those that scripts have named */
    REPORT_OUTCOME_BYTES = 32,
    REPORT_BINS = 48, /* of the golden run */
    REPORT_TOP = 10,
};

/* Counts of experiments. Each sampled one counts once ("rows"), as each stands for a
 * point of the fault space; those of the same class as another have not been carried
 * out themselves. */
struct report_outcome {
    char name[REPORT_OUTCOME_BYTES];
    const char *meaning;
    bool always; /* shown, even if there is none: the interval tells something */
    bool failure;
    bool error; /* in no rate */
    uint64_t rows, carried_out;
};

/* What has something in common: a target, a place, an exception. */
struct report_group {
    char *name;
    uint64_t rows, failures;
    uint64_t by_outcome[REPORT_OUTCOMES];
};

struct report_groups {
    struct report_group *items; /* those with the most failures first */
    unsigned count, capacity;
    json_t *indices; /* by name */
};

struct report_activation {
    const char *name, *meaning;
    uint64_t count;
};

enum { REPORT_ACTIVATIONS = 5 };

struct report {
    const struct results *results; /* for its header: not to be closed before this */
    struct report_options options;
    struct report_outcome outcomes[REPORT_OUTCOMES];
    unsigned outcome_count;
    uint64_t rows, errors, failures, failures_carried_out;
    uint64_t carried_out, shared, known; /* together: rows */
    uint64_t injected;                   /* of those carried out without an error */
    struct report_activation activations[REPORT_ACTIVATIONS]; /* likewise */
    double host_ms;
    char *first_error; /* what it says; NULL: there is none */
    int64_t first_error_number;
    struct report_groups targets, locations, detections;
    uint64_t bins[REPORT_BINS][REPORT_OUTCOMES]; /* by time of injection */
    uint64_t binned;
    double points;                 /* of the fault space; 0: unknown */
    double golden_from, golden_to; /* instructions; equal: unknown */
};

/* A row of the table of rates. */
struct report_rate {
    double rate, points; /* points: extrapolated; NAN if the fault space has no size */
    struct interval interval, points_interval;
};

/* Of the rows that are in rates. */
struct report_rate report_rate(const struct report *report, uint64_t rows);
/* Of failures among a group's; without extrapolation. */
struct report_rate report_group_rate(const struct report *report,
                                     const struct report_group *group);
uint64_t report_counted(const struct report *report);

bool report_outcome_is_shown(const struct report_outcome *outcome);

/* A key of the header; "" if there is none. */
const char *report_text(const struct report *report, const char *key);
/* NAN if there is none. */
double report_number(const struct report *report, const char *key);

/* Visits what is told before the tables: a word, and a line without its end. */
typedef void report_visit_fact(void *opaque, const char *label, const char *text);
void report_each_fact(const struct report *report, report_visit_fact *visit,
                      void *opaque);

enum { REPORT_FIGURE_BYTES = 32 };

/* "1,234"; "?" of what is no number. */
const char *report_count(char text[REPORT_FIGURE_BYTES], double number);
/* Likewise, to four digits: more are not known of what is extrapolated. */
const char *report_points(char text[REPORT_FIGURE_BYTES], double points);
/* "12.34%" */
const char *report_percent(char text[REPORT_FIGURE_BYTES], double rate);

/* Charts as SVG within a page (report_charts.c); colours come of its style sheet. */
void report_chart_outcomes(const struct report *report, FILE *stream);
void report_chart_time(const struct report *report, FILE *stream);
void report_chart_groups(const struct report *report,
                         const struct report_groups *groups, unsigned most,
                         FILE *stream);

#endif
