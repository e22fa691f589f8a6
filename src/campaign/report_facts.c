/* What a report tells before its tables: each fact is a word and a line. */
#include "campaign/report_internal.h"
#include "campaign/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *report_count(char text[REPORT_FIGURE_BYTES], double number)
{
    if (isnan(number) || number < 0 || number > 1e18) {
        return "?";
    }
    return text_number(text, (uint64_t)llround(number));
}

const char *report_percent(char text[REPORT_FIGURE_BYTES], double rate)
{
    if (isnan(rate)) {
        return "-";
    }
    snprintf(text, REPORT_FIGURE_BYTES, "%.*f%%", rate > 0 && rate < 0.01 ? 3 : 2,
             100 * rate);
    return text;
}

const char *report_points(char text[REPORT_FIGURE_BYTES], double points)
{
    if (points >= 1e4) {
        double unit = pow(10, floor(log10(points)) - 3);
        points = round(points / unit) * unit;
    }
    return report_count(text, points);
}

/* -- the campaign -- */

static void write_campaign(const struct report *report, FILE *stream)
{
    fputs(report_text(report, "script"), stream);
    const char *seed = report_text(report, "seed");
    json_t *settings = json_loads(report_text(report, "settings"), 0, NULL);
    fprintf(stream, "%s%s", *seed ? ", seed " : "", seed);
    for (size_t i = 0; i < json_array_size(settings); i++) {
        const char *setting = json_string_value(json_array_get(settings, i));
        fprintf(stream, ", %s", setting ? setting : "?");
    }
    json_decref(settings);
}

static void write_database(const struct report *report, FILE *stream)
{
    fputs(results_name(report->results), stream);
    static const struct {
        const char *key, *before, *after;
    } parts[] = {
        {"version", ", by faumachine ", ""},
        {"engine", ", engine ", ""},
        {"started", ", ", ""},
        {"finished", " to ", ""},
        {"workers", ", ", " workers"},
        {"host", " on ", ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        const char *text = report_text(report, parts[i].key);
        if (*text) {
            fprintf(stream, "%s%s%s", parts[i].before, text, parts[i].after);
        }
    }
}

static void write_golden(const struct report *report, FILE *stream)
{
    char from[REPORT_FIGURE_BYTES], to[REPORT_FIGURE_BYTES];
    if (!(report->golden_to > report->golden_from)) {
        return;
    }
    fprintf(stream, "instructions %s to %s", report_count(from, report->golden_from),
            report_count(to, report->golden_to));
    double ns = report_number(report, "golden_ns");
    const char *end = report_text(report, "golden_end");
    if (!isnan(ns)) {
        fprintf(stream, ", %.9g ms of virtual time", ns / 1e6);
    }
    if (*end) {
        fprintf(stream, ", end: %s", end);
    }
}

static void write_space_value(const char *key, const json_t *value, FILE *stream)
{
    if (json_is_integer(value) && strcmp(key, "address") == 0) {
        fprintf(stream, "0x%llx", (unsigned long long)json_integer_value(value));
    } else if (json_is_string(value)) {
        fputs(json_string_value(value), stream);
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            fputs(i ? "/" : "", stream);
            write_space_value(key, json_array_get(value, i), stream);
        }
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        fputs(text ? text : "?", stream);
        free(text);
    }
}

/* "ram address=0x100000 bytes=400; register name=eax/ecx" */
static void write_space_row(json_t *row, FILE *stream)
{
    const char *target = json_string_value(json_object_get(row, "target"));
    const char *key;
    json_t *value;
    fputs(target ? target : "?", stream);
    json_object_foreach(row, key, value)
    {
        if (strcmp(key, "target") != 0) {
            fprintf(stream, " %s=", key);
            write_space_value(key, value, stream);
        }
    }
}

static void write_space(const struct report *report, FILE *stream)
{
    char points[REPORT_FIGURE_BYTES];
    const char *text = report_text(report, "space");
    json_t *rows = json_loads(text, 0, NULL);
    if (report->points) {
        fprintf(stream, "%s points%s", report_count(points, report->points),
                json_array_size(rows) ? ": " : "");
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        fputs(i ? "; " : "", stream);
        write_space_row(json_array_get(rows, i), stream);
    }
    json_decref(rows);
}

/* -- the experiments -- */

static void write_experiments(const struct report *report, FILE *stream)
{
    char rows[REPORT_FIGURE_BYTES], planned[REPORT_FIGURE_BYTES];
    char errors[REPORT_FIGURE_BYTES];
    fprintf(stream, "%s of %s planned", text_number(rows, report->rows),
            report_count(planned, report_number(report, "planned")));
    if (report->errors) {
        fprintf(stream,
                "; %s ended in errors, and are in no rate (number %" PRId64 ": %s)",
                text_number(errors, report->errors), report->first_error_number,
                report->first_error);
    }
}

static void write_carried_out(const struct report *report, FILE *stream)
{
    char carried_out[REPORT_FIGURE_BYTES], shared[REPORT_FIGURE_BYTES];
    char known[REPORT_FIGURE_BYTES];
    fputs(text_number(carried_out, report->carried_out), stream);
    if (report->shared || report->known) {
        fprintf(stream,
                "; %s share one with others of their class, %s known without a run",
                text_number(shared, report->shared), text_number(known, report->known));
    }
    if (report->host_ms > 0) {
        fprintf(stream, "; %.3g ms of a core each",
                report->host_ms / (double)report->carried_out);
    }
}

static void write_injected(const struct report *report, FILE *stream)
{
    char figure[REPORT_FIGURE_BYTES], all[REPORT_FIGURE_BYTES];
    const char *before = ": ";
    if (!report->injected) {
        return;
    }
    fprintf(stream, "%s of %s carried out; wrong value used",
            text_number(figure, report->injected),
            text_number(all, report->carried_out));
    for (unsigned i = 0; i < REPORT_ACTIVATIONS; i++) {
        const struct report_activation *row = &report->activations[i];
        if (row->count) {
            fprintf(stream, "%s%s %s", before, row->name,
                    text_number(figure, row->count));
            before = ", ";
        }
    }
}

static void write_failures(const struct report *report, FILE *stream)
{
    for (const char *c = report->options.failures; *c; c++) {
        fputs(*c == ',' ? ", " : (const char[]){*c, '\0'}, stream);
    }
}

static void write_precision(const struct report *report, FILE *stream)
{
    const double confidence = report->options.confidence, wanted = 0.01;
    char figure[REPORT_FIGURE_BYTES];
    double margin =
        statistics_margin(report->points, report_counted(report), confidence, 0.5);
    fprintf(stream, "%.6g%% intervals by %s", 100 * confidence,
            report->options.exact ? "Clopper and Pearson (exact)" : "Wilson (score)");
    if (report_counted(report)) {
        fprintf(stream, "; any rate is known to %.*f percentage points",
                margin < wanted ? 2 : 1, 100 * margin);
    }
    if (margin > wanted) {
        fprintf(stream, "; to 1 with %s experiments",
                text_number(figure, statistics_sample_size(report->points, wanted,
                                                           confidence, 0.5)));
    }
}

void report_each_fact(const struct report *report, report_visit_fact *visit,
                      void *opaque)
{
    static const struct {
        const char *label;
        void (*write)(const struct report *report, FILE *stream);
    } facts[] = {
        {"campaign", write_campaign},       {"database", write_database},
        {"golden run", write_golden},       {"fault space", write_space},
        {"experiments", write_experiments}, {"carried out", write_carried_out},
        {"injected", write_injected},       {"failures", write_failures},
        {"precision", write_precision},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(facts); i++) {
        char *text = NULL;
        size_t bytes;
        FILE *stream = open_memstream(&text, &bytes);
        assert(stream);
        facts[i].write(report, stream);
        fclose(stream);
        if (*text) {
            visit(opaque, facts[i].label, text);
        }
        free(text);
    }
}
