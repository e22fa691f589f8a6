/* Charts of a report: SVG, whose colours come of the page's style sheet by the classes
 * o0, o1… of outcomes. Each figure is also a number in a table. */
#include "campaign/report_internal.h"
#include "campaign/text.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    CHART_WIDTH = 960,
    LABEL_WIDTH = 190,
    FIGURE_WIDTH = 150, /* to the right of bars */
    BAR_WIDTH = CHART_WIDTH - LABEL_WIDTH - FIGURE_WIDTH,
    BAR_PITCH = 28,
    BAR_HEIGHT = 16,
    BAR_TOP = (BAR_PITCH - BAR_HEIGHT) / 2,
    TEXT_BASE = 19, /* of a line of text in a pitch */
    WHISKER = 4,
    COLUMNS_LEFT = 56,
    COLUMNS_WIDTH = CHART_WIDTH - COLUMNS_LEFT - 8,
    COLUMNS_HEIGHT = 180,
    COLUMNS_TOP = 8,
    COLUMNS_BOTTOM = 40, /* for the axis */
    LABEL_CHARACTERS = 26,
};

static void begin_chart(FILE *stream, unsigned height, const char *title)
{
    fprintf(stream,
            "<svg viewBox=\"0 0 %d %u\" width=\"%d\" height=\"%u\" role=\"img\" "
            "aria-label=\"%s\">\n",
            CHART_WIDTH, height, CHART_WIDTH, height, title);
}

/* Text for which there is little room. */
static void write_label(FILE *stream, const char *text)
{
    char *part = text_shorten(text, LABEL_CHARACTERS);
    text_write_html(stream, part);
    free(part);
}

/* -- rates -- */

static void write_whisker(FILE *stream, double low, double high, unsigned y)
{
    fprintf(stream,
            "<path class=\"whisker\" d=\"M%.1f %uH%.1fM%.1f %uv%dM%.1f %uv%d\"/>\n",
            LABEL_WIDTH + BAR_WIDTH * low, y, LABEL_WIDTH + BAR_WIDTH * high,
            LABEL_WIDTH + BAR_WIDTH * low, y - WHISKER, 2 * WHISKER,
            LABEL_WIDTH + BAR_WIDTH * high, y - WHISKER, 2 * WHISKER);
}

static void write_rate_bar(const struct report *report, unsigned index, double scale,
                           unsigned y, FILE *stream)
{
    char percent[REPORT_FIGURE_BYTES], rows[REPORT_FIGURE_BYTES];
    const struct report_outcome *outcome = &report->outcomes[index];
    const struct report_rate rate = report_rate(report, outcome->rows);
    fprintf(stream, "<text class=\"label\" x=\"%d\" y=\"%u\">", LABEL_WIDTH - 8,
            y + TEXT_BASE);
    write_label(stream, outcome->name);
    fprintf(stream,
            "</text><rect class=\"o%u\" x=\"%d\" y=\"%u\" width=\"%.1f\" "
            "height=\"%d\"/>\n",
            index, LABEL_WIDTH, y + BAR_TOP,
            isnan(rate.rate) ? 0 : BAR_WIDTH * rate.rate / scale, BAR_HEIGHT);
    write_whisker(stream, rate.interval.low / scale, rate.interval.high / scale,
                  y + BAR_PITCH / 2);
    fprintf(stream, "<text x=\"%.1f\" y=\"%u\">%s (%s)</text>\n",
            LABEL_WIDTH + BAR_WIDTH * rate.interval.high / scale + 8, y + TEXT_BASE,
            report_percent(percent, rate.rate), text_number(rows, outcome->rows));
}

void report_chart_outcomes(const struct report *report, FILE *stream)
{
    unsigned shown = 0, y = 0;
    double scale = 0;
    for (unsigned i = 0; i < REPORT_OUTCOMES; i++) {
        const struct report_outcome *outcome = &report->outcomes[i];
        if (report_outcome_is_shown(outcome) && !outcome->error) {
            shown++;
            scale = fmax(scale, report_rate(report, outcome->rows).interval.high);
        }
    }
    begin_chart(stream, shown * BAR_PITCH, "Outcomes with intervals");
    for (unsigned i = 0; i < REPORT_OUTCOMES; i++) {
        const struct report_outcome *outcome = &report->outcomes[i];
        if (report_outcome_is_shown(outcome) && !outcome->error) {
            write_rate_bar(report, i, scale, y, stream);
            y += BAR_PITCH;
        }
    }
    fputs("</svg>\n", stream);
}

/* -- outcomes over time -- */

static uint64_t sum_of(const uint64_t counts[REPORT_OUTCOMES])
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < REPORT_OUTCOMES; i++) {
        sum += counts[i];
    }
    return sum;
}

/* Not below the number, and such that four steps are round. */
static double round_up(double number)
{
    static const double round[] = {1, 2, 4, 6, 8, 10};
    double power = 1;
    unsigned i = 0;
    while (power * 10 < number) {
        power *= 10;
    }
    while (round[i] * power < number) {
        i++;
    }
    return round[i] * power;
}

static void write_column(const struct report *report, unsigned bin, double most,
                         FILE *stream)
{
    const double width = (double)COLUMNS_WIDTH / REPORT_BINS;
    double y = COLUMNS_TOP + COLUMNS_HEIGHT;
    for (unsigned i = REPORT_OUTCOMES; i-- > 0;) {
        const uint64_t count = report->bins[bin][i];
        double height = COLUMNS_HEIGHT * (double)count / most;
        if (!count) {
            continue;
        }
        y -= height;
        fprintf(stream,
                "<rect class=\"o%u\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
                "height=\"%.2f\"><title>",
                i, COLUMNS_LEFT + bin * width, y, width - 1, height);
        text_write_html(stream, report->outcomes[i].name);
        fprintf(stream, ": %" PRIu64 "</title></rect>\n", count);
    }
}

static void write_axes(const struct report *report, double most, FILE *stream)
{
    enum { STEPS = 4 };
    char figure[REPORT_FIGURE_BYTES];
    static const char *const anchors[] = {"start", "middle", "middle", "middle", "end"};
    for (unsigned i = 0; i <= STEPS; i++) {
        double part = (double)i / STEPS, y = COLUMNS_TOP + COLUMNS_HEIGHT * (1 - part);
        double from = report->golden_from, to = report->golden_to;
        if (most * part == floor(most * part)) {
            fprintf(stream,
                    "<path class=\"grid\" d=\"M%d %.1fh%d\"/><text class=\"label\" "
                    "x=\"%d\" y=\"%.1f\">%s</text>\n",
                    COLUMNS_LEFT, y, COLUMNS_WIDTH, COLUMNS_LEFT - 6, y + 4,
                    report_count(figure, most * part));
        }
        fprintf(stream, "<text text-anchor=\"%s\" x=\"%.1f\" y=\"%d\">%s</text>\n",
                anchors[i], COLUMNS_LEFT + COLUMNS_WIDTH * part,
                COLUMNS_TOP + COLUMNS_HEIGHT + 16,
                report_count(figure, from + (to - from) * part));
    }
    fprintf(stream,
            "<text class=\"axis\" x=\"%d\" y=\"%d\">instruction at which the fault "
            "comes</text>\n",
            COLUMNS_LEFT + COLUMNS_WIDTH / 2,
            COLUMNS_TOP + COLUMNS_HEIGHT + COLUMNS_BOTTOM - 6);
}

void report_chart_time(const struct report *report, FILE *stream)
{
    double most = 1;
    for (unsigned i = 0; i < REPORT_BINS; i++) {
        most = fmax(most, (double)sum_of(report->bins[i]));
    }
    most = round_up(most);
    begin_chart(stream, COLUMNS_TOP + COLUMNS_HEIGHT + COLUMNS_BOTTOM,
                "Outcomes over time of injection");
    write_axes(report, most, stream);
    for (unsigned i = 0; i < REPORT_BINS; i++) {
        write_column(report, i, most, stream);
    }
    fputs("</svg>\n", stream);
}

/* -- outcomes by place -- */

static void write_group_bar(const struct report *report,
                            const struct report_group *group, uint64_t most, unsigned y,
                            FILE *stream)
{
    char failures[REPORT_FIGURE_BYTES], rows[REPORT_FIGURE_BYTES];
    double x = LABEL_WIDTH;
    fprintf(stream, "<text class=\"label\" x=\"%d\" y=\"%u\">", LABEL_WIDTH - 8,
            y + TEXT_BASE);
    write_label(stream, group->name);
    fputs("</text>\n", stream);
    for (unsigned i = REPORT_OUTCOMES; i-- > 0;) {
        double width = BAR_WIDTH * (double)group->by_outcome[i] / (double)most;
        if (!group->by_outcome[i]) {
            continue;
        }
        fprintf(stream,
                "<rect class=\"o%u\" x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\">"
                "<title>",
                i, x, y + BAR_TOP, width, BAR_HEIGHT);
        text_write_html(stream, report->outcomes[i].name);
        fprintf(stream, ": %" PRIu64 "</title></rect>\n", group->by_outcome[i]);
        x += width;
    }
    fprintf(stream, "<text x=\"%.1f\" y=\"%u\">%s of %s fail</text>\n", x + 8,
            y + TEXT_BASE, text_number(failures, group->failures),
            text_number(rows, group->rows));
}

void report_chart_groups(const struct report *report,
                         const struct report_groups *groups, unsigned most,
                         FILE *stream)
{
    const unsigned count = groups->count < most ? groups->count : most;
    uint64_t largest = 1;
    for (unsigned i = 0; i < count; i++) {
        uint64_t rows = groups->items[i].rows;
        largest = rows > largest ? rows : largest;
    }
    begin_chart(stream, count * BAR_PITCH, "Outcomes by place");
    for (unsigned i = 0; i < count; i++) {
        write_group_bar(report, &groups->items[i], largest, i * BAR_PITCH, stream);
    }
    fputs("</svg>\n", stream);
}
