#define _GNU_SOURCE /* qsort_r() */
#include "campaign/report_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* In the order of reports: from harmless to harmful, then what scripts name, then
 * errors. */
static const struct report_outcome known_outcomes[] = {
    {.name = "not-injected", .meaning = "the trigger did not come, or was refused"},
    {.name = "not-activated",
     .meaning = "injected, and overwritten or over before anybody used it"},
    {.name = "masked",
     .meaning = "ends like the golden run: same output, values, and way of ending",
     .always = true},
    {.name = "corrected", .meaning = "as the script found"},
    {.name = "detected", .meaning = "as the script found"},
    {.name = "sdc",
     .meaning = "silent data corruption: other output or values, and nobody noticed",
     .always = true},
    {.name = "crash",
     .meaning = "ended in another way: reset, triple fault, halted",
     .always = true},
    {.name = "hang", .meaning = "not over in time", .always = true},
};
static const struct report_outcome other_outcome = {.name = "(others)",
                                                    .meaning = "outcomes of scripts"};
static const struct report_outcome error_outcome = {
    .name = "error", .meaning = "of the script or the simulator", .error = true};

static const struct report_activation known_activations[REPORT_ACTIVATIONS] = {
    {.name = "yes", .meaning = "a wrong value was used"},
    {.name = "no", .meaning = "not until the end"},
    {.name = "overwritten", .meaning = "gone before its first use"},
    {.name = "unknown", .meaning = "not tracked"},
    {.name = "not told", .meaning = "nothing is known of the fault"},
};

/* -- gathering -- */

/* Whether the name is in a list with commas. */
static bool is_listed(const char *list, const char *name)
{
    const size_t length = strlen(name);
    while (*list) {
        size_t word = strcspn(list, ",");
        if (word == length && strncmp(list, name, length) == 0) {
            return true;
        }
        list += word + (list[word] == ',');
    }
    return false;
}

/* One place is left for the rest, and one for errors. */
static unsigned outcome_index(struct report *report, const char *name)
{
    const unsigned own = REPORT_OUTCOMES - 2, rest = own, errors = own + 1;
    if (strcmp(name, error_outcome.name) == 0) {
        return errors;
    }
    for (unsigned i = 0; i < report->outcome_count; i++) {
        if (strcmp(name, report->outcomes[i].name) == 0) {
            return i;
        }
    }
    if (report->outcome_count == own || strlen(name) >= REPORT_OUTCOME_BYTES) {
        return rest;
    }
    struct report_outcome *outcome = &report->outcomes[report->outcome_count];
    *outcome = (struct report_outcome){
        .meaning = "as the script says",
        .failure = is_listed(report->options.failures, name),
    };
    strcpy(outcome->name, name);
    return report->outcome_count++;
}

static void add_to_group(struct report_groups *groups, const char *name,
                         unsigned outcome, bool failure)
{
    json_t *index = json_object_get(groups->indices, name);
    if (!index) {
        if (groups->count == groups->capacity) {
            groups->capacity = groups->capacity ? 2 * groups->capacity : 64;
            groups->items =
                realloc(groups->items, groups->capacity * sizeof(*groups->items));
            assert(groups->items);
        }
        groups->items[groups->count] = (struct report_group){.name = strdup(name)};
        index = json_integer(groups->count++);
        json_object_set_new_nocheck(groups->indices, name, index);
    }
    struct report_group *group = &groups->items[json_integer_value(index)];
    group->rows++;
    group->failures += failure;
    group->by_outcome[outcome]++;
}

static void add_location(struct report *report, const struct result_row *row,
                         unsigned outcome, bool failure)
{
    char *name = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&name, &bytes);
    assert(stream);
    fprintf(stream, "%s %s", row->target ? row->target : "?", row->location);
    fclose(stream);
    add_to_group(&report->locations, name, outcome, failure);
    free(name);
}

static void add_time(struct report *report, int64_t instruction, unsigned outcome)
{
    double part = ((double)instruction - report->golden_from) /
                  (report->golden_to - report->golden_from);
    if (part >= 0 && part < 1) {
        report->bins[(unsigned)(part * REPORT_BINS)][outcome]++;
        report->binned++;
    }
}

static void add_carried_out(struct report *report, const struct result_row *row)
{
    report->carried_out++;
    report->injected += row->injected != RESULTS_NONE && row->injected > 0;
    report->host_ms += isnan(row->host_ms) ? 0 : row->host_ms;
    const char *activation = row->activation ? row->activation : "";
    if (strcmp(row->outcome, error_outcome.name) == 0) {
        return;
    }
    unsigned i = 0;
    while (i + 1 < REPORT_ACTIVATIONS &&
           strcmp(activation, report->activations[i].name) != 0) {
        i++;
    }
    report->activations[i].count++;
}

static void note_error(struct report *report, const struct result_row *row)
{
    report->errors++;
    if (!report->first_error) {
        report->first_error = strdup(row->detail ? row->detail : "");
        report->first_error_number = row->number;
    }
}

static bool add_row(void *opaque, const struct result_row *row)
{
    struct report *report = opaque;
    const unsigned index = outcome_index(report, row->outcome);
    struct report_outcome *outcome = &report->outcomes[index];
    bool carried_out = row->same_as == RESULTS_NONE;
    report->rows++;
    outcome->rows++;
    outcome->carried_out += carried_out;
    if (outcome->error) {
        note_error(report, row);
    }
    report->failures += outcome->failure;
    report->failures_carried_out += outcome->failure && carried_out;
    if (carried_out) {
        add_carried_out(report, row);
    } else if (row->same_as == row->number) {
        report->known++;
    } else {
        report->shared++;
    }
    if (row->target) {
        add_to_group(&report->targets, row->target, index, outcome->failure);
    }
    if (row->location) {
        add_location(report, row, index, outcome->failure);
    }
    if (row->detected && *row->detected) {
        add_to_group(&report->detections, row->detected, index, outcome->failure);
    }
    if (row->at_instruction != RESULTS_NONE &&
        report->golden_to > report->golden_from) {
        add_time(report, row->at_instruction, index);
    }
    return true;
}

/* -- order -- */

static int compare_groups(const void *a, const void *b)
{
    const struct report_group *first = a, *second = b;
    if (first->failures != second->failures) {
        return first->failures < second->failures ? 1 : -1;
    }
    if (first->rows != second->rows) {
        return first->rows < second->rows ? 1 : -1;
    }
    return strcmp(first->name, second->name);
}

static void sort_groups(struct report_groups *groups)
{
    if (groups->count) {
        qsort(groups->items, groups->count, sizeof(*groups->items), compare_groups);
    }
    json_decref(groups->indices);
    groups->indices = NULL;
}

/* What scripts name comes in any order; it is shown by the alphabet. */
static int compare_outcomes(const void *a, const void *b, void *opaque)
{
    const struct report *report = opaque;
    return strcmp(report->outcomes[*(const unsigned *)a].name,
                  report->outcomes[*(const unsigned *)b].name);
}

static void permute(const unsigned *order, unsigned first, unsigned count,
                    uint64_t *counts)
{
    uint64_t old[REPORT_OUTCOMES];
    memcpy(old, counts, sizeof(old));
    for (unsigned i = first; i < count; i++) {
        counts[i] = old[order[i]];
    }
}

static void sort_outcomes(struct report *report)
{
    const unsigned first = ARRAY_LENGTH(known_outcomes), count = report->outcome_count;
    struct report_outcome old[REPORT_OUTCOMES];
    unsigned order[REPORT_OUTCOMES];
    struct report_groups *all[] = {&report->targets, &report->locations,
                                   &report->detections};
    for (unsigned i = 0; i < count; i++) {
        order[i] = i;
    }
    qsort_r(order + first, count - first, sizeof(*order), compare_outcomes, report);
    memcpy(old, report->outcomes, sizeof(old));
    for (unsigned i = first; i < count; i++) {
        report->outcomes[i] = old[order[i]];
    }
    for (unsigned i = 0; i < REPORT_BINS; i++) {
        permute(order, first, count, report->bins[i]);
    }
    for (unsigned k = 0; k < ARRAY_LENGTH(all); k++) {
        for (unsigned i = 0; i < all[k]->count; i++) {
            permute(order, first, count, all[k]->items[i].by_outcome);
        }
    }
}

/* -- life -- */

static void prepare(struct report *report)
{
    struct report_groups *all[] = {&report->targets, &report->locations,
                                   &report->detections};
    memcpy(report->outcomes, known_outcomes, sizeof(known_outcomes));
    report->outcome_count = ARRAY_LENGTH(known_outcomes);
    for (unsigned i = 0; i < report->outcome_count; i++) {
        struct report_outcome *outcome = &report->outcomes[i];
        outcome->failure = is_listed(report->options.failures, outcome->name);
    }
    report->outcomes[REPORT_OUTCOMES - 2] = other_outcome;
    report->outcomes[REPORT_OUTCOMES - 1] = error_outcome;
    memcpy(report->activations, known_activations, sizeof(known_activations));
    for (unsigned i = 0; i < ARRAY_LENGTH(all); i++) {
        all[i]->indices = json_object();
    }
    double points = report_number(report, "points");
    report->points = points > 0 && isfinite(points) ? points : 0;
    report->golden_from = report_number(report, "golden_from");
    report->golden_to = report_number(report, "golden_to");
}

struct report *report_create(struct results *results,
                             const struct report_options *options, struct error *error)
{
    struct report *report = calloc(1, sizeof(*report));
    assert(report);
    report->results = results;
    report->options = *options;
    prepare(report);
    bool good = results_each(results, INT64_MIN, INT64_MAX, add_row, report, error);
    sort_outcomes(report);
    sort_groups(&report->targets);
    sort_groups(&report->locations);
    sort_groups(&report->detections);
    if (!good) {
        report_destroy(report);
        return NULL;
    }
    return report;
}

static void free_groups(struct report_groups *groups)
{
    for (unsigned i = 0; i < groups->count; i++) {
        free(groups->items[i].name);
    }
    free(groups->items);
    json_decref(groups->indices);
}

void report_destroy(struct report *report)
{
    if (report) {
        free_groups(&report->targets);
        free_groups(&report->locations);
        free_groups(&report->detections);
        free(report->first_error);
        free(report);
    }
}

/* -- figures -- */

uint64_t report_counted(const struct report *report)
{
    return report->rows - report->errors;
}

bool report_outcome_is_shown(const struct report_outcome *outcome)
{
    return outcome->always || outcome->rows;
}

static struct report_rate rate_of(const struct report *report, uint64_t rows,
                                  uint64_t counted)
{
    const double confidence = report->options.confidence;
    return (struct report_rate){
        .rate = counted ? (double)rows / (double)counted : NAN,
        .interval = report->options.exact
                        ? statistics_clopper_pearson(rows, counted, confidence)
                        : statistics_wilson(rows, counted, confidence),
        .points = NAN,
    };
}

struct report_rate report_rate(const struct report *report, uint64_t rows)
{
    const double points = report->points ? report->points : NAN;
    struct report_rate result = rate_of(report, rows, report_counted(report));
    result.points = points * result.rate;
    result.points_interval =
        (struct interval){points * result.interval.low, points * result.interval.high};
    return result;
}

struct report_rate report_group_rate(const struct report *report,
                                     const struct report_group *group)
{
    const uint64_t errors = group->by_outcome[REPORT_OUTCOMES - 1];
    return rate_of(report, group->failures, group->rows - errors);
}

const char *report_text(const struct report *report, const char *key)
{
    const char *text = results_get(report->results, key);
    return text ? text : "";
}

double report_number(const struct report *report, const char *key)
{
    const char *text = results_get(report->results, key);
    char *end;
    double number = text ? strtod(text, &end) : NAN;
    return text && *text && !*end ? number : NAN;
}
