/* A report for the terminal: within 80 columns, as far as names allow. */
#include "campaign/report_internal.h"
#include "campaign/text.h"

#include <string.h>

enum { LABEL_WIDTH = 15, NAME_WIDTH = 24, LINE_WIDTH = 80, WORD_BYTES = 256 };

static unsigned width_of(const char *text)
{
    unsigned width = 0;
    for (; *text; text += text_character(text) ? text_character(text) : 1) {
        width++;
    }
    return width;
}

/* Breaks lines between words. */
static void write_fact(void *opaque, const char *label, const char *text)
{
    unsigned column = LABEL_WIDTH;
    fprintf(opaque, "%-*s", LABEL_WIDTH, label);
    while (*text) {
        char word[WORD_BYTES];
        size_t length = strcspn(text, " ");
        snprintf(word, sizeof(word), "%.*s", (int)length, text);
        if (column > LABEL_WIDTH && column + 1 + width_of(word) > LINE_WIDTH) {
            fprintf(opaque, "\n%*s", LABEL_WIDTH, "");
            column = LABEL_WIDTH;
        } else if (column > LABEL_WIDTH) {
            fputc(' ', opaque);
            column++;
        }
        text_write_plain(opaque, word, WORD_BYTES);
        column += width_of(word);
        text += length + (text[length] == ' ');
    }
    fputc('\n', opaque);
}

static void write_name(FILE *stream, const char *name)
{
    text_write_plain(stream, name, NAME_WIDTH);
    for (unsigned width = width_of(name); width < NAME_WIDTH; width++) {
        fputc(' ', stream);
    }
}

static void write_rate(FILE *stream, const struct report_rate *rate)
{
    char middle[REPORT_FIGURE_BYTES], low[REPORT_FIGURE_BYTES];
    char high[REPORT_FIGURE_BYTES];
    fprintf(stream, " %8s   %7s to %7s\n", report_percent(middle, rate->rate),
            report_percent(low, rate->interval.low),
            report_percent(high, rate->interval.high));
}

static void write_outcome(const struct report *report, FILE *stream, const char *name,
                          uint64_t rows, uint64_t carried_out)
{
    char figure[REPORT_FIGURE_BYTES];
    const struct report_rate rate = report_rate(report, rows);
    write_name(stream, name);
    fprintf(stream, "%10s", text_number(figure, rows));
    fprintf(stream, " %12s", text_number(figure, carried_out));
    write_rate(stream, &rate);
}

static void write_outcomes(const struct report *report, FILE *stream)
{
    char interval[REPORT_FIGURE_BYTES], figure[REPORT_FIGURE_BYTES];
    snprintf(interval, sizeof(interval), "%.6g%% interval",
             100 * report->options.confidence);
    fprintf(stream, "\n%-*s%10s %12s %8s   %s\n", NAME_WIDTH, "outcome", "sampled",
            "carried out", "rate", interval);
    for (unsigned i = 0; i < REPORT_OUTCOMES; i++) {
        const struct report_outcome *outcome = &report->outcomes[i];
        if (report_outcome_is_shown(outcome) && !outcome->error) {
            write_outcome(report, stream, outcome->name, outcome->rows,
                          outcome->carried_out);
        }
    }
    write_outcome(report, stream, "failures", report->failures,
                  report->failures_carried_out);
    if (report->errors) {
        fprintf(stream, "%-*s%10s\n", NAME_WIDTH, "error",
                text_number(figure, report->errors));
    }
}

static void write_points(const struct report *report, FILE *stream, const char *name,
                         uint64_t rows)
{
    char figure[REPORT_FIGURE_BYTES];
    const struct report_rate rate = report_rate(report, rows);
    write_name(stream, name);
    fprintf(stream, "%20s", report_points(figure, rate.points));
    fprintf(stream, "   %s", report_points(figure, rate.points_interval.low));
    fprintf(stream, " to %s\n", report_points(figure, rate.points_interval.high));
}

static void write_extrapolation(const struct report *report, FILE *stream)
{
    if (!report->points || !report_counted(report)) {
        return;
    }
    fprintf(stream, "\n%-*s%20s   %.6g%% interval\n", NAME_WIDTH, "of the fault space",
            "points", 100 * report->options.confidence);
    for (unsigned i = 0; i < REPORT_OUTCOMES; i++) {
        const struct report_outcome *outcome = &report->outcomes[i];
        if (report_outcome_is_shown(outcome) && !outcome->error) {
            write_points(report, stream, outcome->name, outcome->rows);
        }
    }
    write_points(report, stream, "failures", report->failures);
}

static void write_groups(const struct report *report, FILE *stream, const char *label,
                         const struct report_groups *groups)
{
    char figure[REPORT_FIGURE_BYTES];
    if (!groups->count) {
        return;
    }
    fprintf(stream, "\n%-*s%10s %12s %8s   %.6g%% interval\n", NAME_WIDTH, label,
            "sampled", "failures", "rate", 100 * report->options.confidence);
    for (unsigned i = 0; i < groups->count && i < REPORT_TOP; i++) {
        const struct report_group *group = &groups->items[i];
        const struct report_rate rate = report_group_rate(report, group);
        write_name(stream, group->name);
        fprintf(stream, "%10s", text_number(figure, group->rows));
        fprintf(stream, " %12s", text_number(figure, group->failures));
        write_rate(stream, &rate);
    }
    if (groups->count > REPORT_TOP) {
        fprintf(stream, "(and %s more)\n",
                text_number(figure, groups->count - REPORT_TOP));
    }
}

void report_write_terminal(const struct report *report, FILE *stream)
{
    report_each_fact(report, write_fact, stream);
    write_outcomes(report, stream);
    write_extrapolation(report, stream);
    write_groups(report, stream, "target", &report->targets);
    write_groups(report, stream, "location", &report->locations);
    write_groups(report, stream, "first exception after", &report->detections);
}
