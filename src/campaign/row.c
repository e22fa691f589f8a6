#include "campaign/row.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL if it is absent or empty. */
static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : NULL;
}

static int64_t integer_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : RESULTS_NONE;
}

static char *json_text(const json_t *json)
{
    return json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
}

/* Of the first fault: there is mostly one. */
static void fill_injection(struct row *row, const json_t *faults)
{
    const json_t *fault = json_array_get(faults, 0);
    const json_t *injected = json_object_get(fault, "injected");
    const char *symbol = text_of(injected, "symbol");
    if (json_is_object(injected)) {
        snprintf(row->place, sizeof(row->place), "%08" PRIx64 "%s%s%s",
                 (uint64_t)integer_of(injected, "eip"), symbol ? " (" : "",
                 symbol ? symbol : "", symbol ? ")" : "");
        row->row.injected_place = row->place;
    }
    row->row.injected = integer_of(fault, "injections");
    row->row.activation = text_of(fault, "activation");
    row->row.activated_instruction =
        integer_of(json_object_get(fault, "activated"), "instructions");
    row->row.detected = text_of(json_object_get(fault, "detected"), "exception");
}

static void fill_point(struct result_row *row, const json_t *point)
{
    row->fault = text_of(point, "fault");
    row->target = text_of(point, "target");
    row->location = text_of(point, "location");
    row->bit = integer_of(point, "bit");
    row->at_instruction = integer_of(point, "at");
    row->class_points = integer_of(point, "points");
}

void row_fill_point(struct row *row, uint64_t number, const json_t *point)
{
    const char *kind = text_of(point, "kind");
    *row = (struct row){.values = NULL};
    result_row_clear(&row->row);
    row->row.number = (int64_t)number;
    fill_point(&row->row, point);
    row->row.activation = strcmp(kind, "overwritten") == 0 ? "overwritten"
                          : strcmp(kind, "unused") == 0    ? "no"
                                                           : NULL;
}

void row_fill(struct row *row, const json_t *message, unsigned worker)
{
    const json_t *result = json_object_get(message, "result");
    *row = (struct row){.values = json_text(json_object_get(result, "values")),
                        .faults = json_text(json_object_get(result, "faults"))};
    result_row_clear(&row->row);
    row->row.number = integer_of(message, "number");
    fill_point(&row->row, json_object_get(message, "point"));
    fill_injection(row, json_object_get(result, "faults"));
    row->row.detail = text_of(result, "detail");
    row->row.hash = text_of(result, "hash");
    row->row.output = json_string_value(json_object_get(result, "output"));
    row->row.values = row->values;
    row->row.faults = row->faults;
    row->row.instructions = integer_of(result, "instructions");
    row->row.virtual_ns = integer_of(result, "virtual_ns");
    row->row.host_ms = json_real_value(json_object_get(result, "host_ms"));
    row->row.worker = worker;
}

void row_free(struct row *row)
{
    free(row->values);
    free(row->faults);
}
