#include "cli/campaign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "campaign/output_file.h"
#include "campaign/report.h"
#include "cli/run.h"

enum { EXIT_PROBLEM = 1 };

static const char usage[] =
    "Usage: faumachine campaign report --db F [options]\n"
    "\n"
    "Prints what the campaign in the database F has shown. F is a file, or\n"
    "postgresql://... docs/campaigns.md explains the figures.\n"
    "\n"
    "  --html FILE           also write a page with charts, tables and all "
    "experiments\n"
    "  --csv FILE            also write a table, a line an experiment (-: standard\n"
    "                        output, and no summary)\n"
    "  --confidence PERCENT  of intervals (default 95)\n"
    "  --interval KIND       wilson (the default) or exact (Clopper and Pearson)\n";

struct words {
    const char *database, *html, *csv;
    struct report_options report;
    bool help;
};

typedef bool word_apply(struct words *words, const char *value, struct error *error);

static bool apply_database(struct words *words, const char *value, struct error *error)
{
    (void)error;
    words->database = value;
    return true;
}

static bool apply_html(struct words *words, const char *value, struct error *error)
{
    (void)error;
    words->html = value;
    return true;
}

static bool apply_csv(struct words *words, const char *value, struct error *error)
{
    (void)error;
    words->csv = value;
    return true;
}

static bool apply_confidence(struct words *words, const char *value,
                             struct error *error)
{
    char *end;
    double percent = strtod(value, &end);
    words->report.confidence = percent / 100;
    return (*value && (!*end || strcmp(end, "%") == 0) && percent >= 50 &&
            percent <= 99.9999) ||
           error_set(error,
                     "campaign report: --confidence %s: give a number from 50 to "
                     "99.9999",
                     value);
}

static bool apply_interval(struct words *words, const char *value, struct error *error)
{
    words->report.exact = strcmp(value, "exact") == 0;
    return words->report.exact || strcmp(value, "wilson") == 0 ||
           error_set(error,
                     "campaign report: --interval %s: there are wilson and exact",
                     value);
}

static const struct {
    const char *name;
    word_apply *apply;
} options[] = {
    {"db", apply_database},           {"html", apply_html},         {"csv", apply_csv},
    {"confidence", apply_confidence}, {"interval", apply_interval},
};

/* Reads one option at arguments[*index]; moves that to the last word used. */
static bool parse_option(struct words *words, int count, char *const arguments[],
                         int *index, struct error *error)
{
    const char *argument = arguments[*index];
    const char *name = argument + (argument[1] == '-' ? 2 : 1);
    size_t length = strcspn(name, "=");
    if (strcmp(name, "h") == 0 || strcmp(name, "help") == 0) {
        words->help = true;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        if (strlen(options[i].name) != length ||
            strncmp(options[i].name, name, length) != 0) {
            continue;
        }
        const char *value = name[length] ? name + length + 1 : NULL;
        if (!value && ++*index == count) {
            return error_set(error, "campaign report: %s needs a value", argument);
        }
        return options[i].apply(words, value ? value : arguments[*index], error);
    }
    return error_set(error, "campaign report: %s: unknown option; -help lists them",
                     argument);
}

static bool parse(struct words *words, int count, char *const arguments[],
                  struct error *error)
{
    for (int i = 0; i < count && !words->help; i++) {
        if (arguments[i][0] != '-' || !arguments[i][1]) {
            return error_set(error,
                             "campaign report: '%s' is one word too many: the database "
                             "is --db %s",
                             arguments[i], arguments[i]);
        }
        if (!parse_option(words, count, arguments, &i, error)) {
            return false;
        }
    }
    return words->help || words->database ||
           error_set(error, "campaign report: name the database: --db F");
}

static bool write_html(const char *path, const struct report *report,
                       struct results *results, struct error *error)
{
    struct output_file file;
    if (!output_file_open(&file, path, error)) {
        return false;
    }
    bool good = report_write_html(report, results, file.stream, error);
    return output_file_close(&file, good, error);
}

static bool write_csv(const char *path, struct results *results, struct error *error)
{
    struct output_file file;
    if (!output_file_open(&file, path, error)) {
        return false;
    }
    bool good = report_write_csv(results, file.stream, error);
    return output_file_close(&file, good, error);
}

static bool is_standard_output(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

static bool write_all(const struct words *words, struct results *results,
                      struct error *error)
{
    struct report *report = report_create(results, &words->report, error);
    if (!report) {
        return false;
    }
    if (!is_standard_output(words->html) && !is_standard_output(words->csv)) {
        report_write_terminal(report, stdout);
    }
    bool good = (!words->html || write_html(words->html, report, results, error)) &&
                (!words->csv || write_csv(words->csv, results, error));
    report_destroy(report);
    return good;
}

int run_campaign_report(int count, char *const arguments[])
{
    struct words words = {.report = {.confidence = 0.95}};
    struct error error;
    if (!parse(&words, count, arguments, &error)) {
        cli_print_error(&error);
        return EXIT_PROBLEM;
    }
    if (words.help) {
        fputs(usage, stdout);
        return cli_flush_output();
    }
    struct results *results = results_open(words.database, RESULTS_READ, &error);
    bool good = results && write_all(&words, results, &error);
    results_close(results);
    if (!good) {
        cli_print_error(&error);
        return EXIT_PROBLEM;
    }
    return cli_flush_output();
}
