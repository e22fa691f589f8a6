#include "cli/campaign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "campaign/output_file.h"
#include "campaign/report.h"
#include "cli/run.h"
#include "cli/words.h"

enum { EXIT_PROBLEM = 1 };

static const char command[] = "campaign report";

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
    "  --interval KIND       wilson (the default) or exact (Clopper and Pearson)\n"
    "  --failures NAMES      outcomes that are failures (default " REPORT_FAILURES
    ")\n";

struct command {
    const char *database, *html, *csv;
    struct report_options report;
    bool help;
};

static bool apply_database(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct command *)opaque)->database = value;
    return true;
}

static bool apply_html(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct command *)opaque)->html = value;
    return true;
}

static bool apply_csv(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct command *)opaque)->csv = value;
    return true;
}

static bool apply_confidence(void *opaque, const char *value, struct error *error)
{
    char *end;
    double percent = strtod(value, &end);
    ((struct command *)opaque)->report.confidence = percent / 100;
    return (*value && (!*end || strcmp(end, "%") == 0) && percent >= 50 &&
            percent <= 99.9999) ||
           error_set(error, "%s: --confidence %s: give a number from 50 to 99.9999",
                     command, value);
}

static bool apply_interval(void *opaque, const char *value, struct error *error)
{
    struct command *this = opaque;
    this->report.exact = strcmp(value, "exact") == 0;
    return this->report.exact || strcmp(value, "wilson") == 0 ||
           error_set(error, "%s: --interval %s: there are wilson and exact", command,
                     value);
}

static bool apply_failures(void *opaque, const char *value, struct error *error)
{
    ((struct command *)opaque)->report.failures = value;
    return *value || error_set(error,
                               "%s: --failures: give names of outcomes, as in "
                               "--failures " REPORT_FAILURES,
                               command);
}

static bool apply_help(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct command *)opaque)->help = true;
    return true;
}

static const struct word words[] = {
    {"db", false, apply_database},       {"html", false, apply_html},
    {"csv", false, apply_csv},           {"confidence", false, apply_confidence},
    {"interval", false, apply_interval}, {"failures", false, apply_failures},
    {"help", true, apply_help},          {"h", true, apply_help},
};

static bool parse(struct command *this, int count, char *const arguments[],
                  struct error *error)
{
    for (int i = 0; i < count && !this->help; i++) {
        if (!words_is_option(arguments[i])) {
            return error_set(error,
                             "%s: '%s' is one word too many: the database is --db %s",
                             command, arguments[i], arguments[i]);
        }
        if (!words_apply(command, words, ARRAY_LENGTH(words), this, count, arguments,
                         &i, error)) {
            return false;
        }
    }
    return this->help || this->database ||
           error_set(error, "%s: name the database: --db F", command);
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

static bool write_all(const struct command *this, struct results *results,
                      struct error *error)
{
    struct report *report = report_create(results, &this->report, error);
    if (!report) {
        return false;
    }
    if (!is_standard_output(this->html) && !is_standard_output(this->csv)) {
        report_write_terminal(report, stdout);
    }
    bool good = (!this->html || write_html(this->html, report, results, error)) &&
                (!this->csv || write_csv(this->csv, results, error));
    report_destroy(report);
    return good;
}

int run_campaign_report(int count, char *const arguments[])
{
    struct command this = {.report = {.confidence = 0.95, .failures = REPORT_FAILURES}};
    struct error error;
    if (!parse(&this, count, arguments, &error)) {
        cli_print_error(&error);
        return EXIT_PROBLEM;
    }
    if (this.help) {
        fputs(usage, stdout);
        return cli_flush_output();
    }
    struct results *results = results_open(this.database, RESULTS_READ, &error);
    bool good = results && write_all(&this, results, &error);
    results_close(results);
    if (!good) {
        cli_print_error(&error);
        return EXIT_PROBLEM;
    }
    return cli_flush_output();
}
