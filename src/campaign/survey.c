#include "campaign/survey.h"

#include "faults/spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool survey_create(struct survey *survey, struct experiment *experiment,
                   struct error *error)
{
    const json_t *rows = trial_space(experiment);
    *survey = (struct survey){.experiment = experiment};
    if (rows) {
        survey->space = space_create(rows, trial_machine(experiment), error);
    }
    return survey->space || trial_draws(experiment) ||
           (!rows && error_set(error, "the script's trial names no faults: give it "
                                      "faults = {…}, or a function"));
}

void survey_destroy(struct survey *survey)
{
    trace_free(survey->trace);
    space_destroy(survey->space);
}

/* What the script has drawn: of several faults the first one stands in the table. */
static json_t *drawn_point(char *texts, uint64_t instruction)
{
    struct fault_spec spec;
    struct error error;
    char first[1024];
    snprintf(first, sizeof(first), "%.*s", (int)strcspn(texts, "\n"), texts);
    json_t *point =
        json_pack("{s:s,s:I}", "fault", texts, "at", (json_int_t)instruction);
    if (fault_spec_parse(&spec, "fault", first, &error)) {
        json_object_set_new(point, "target",
                            json_string(fault_target_name(spec.target)));
        if (*spec.name) {
            json_object_set_new(point, "location", json_string(spec.name));
        }
    }
    free(texts);
    return point;
}

json_t *survey_point(const struct survey *survey, uint64_t seed, uint64_t number)
{
    char text[SPACE_TEXT_BYTES], location[SPACE_LOCATION_BYTES];
    struct error error;
    if (!survey->space) {
        uint64_t instruction = space_draw_instruction(survey->range, seed, number);
        char *texts = trial_draw(survey->experiment, seed, number, instruction, &error);
        return texts ? drawn_point(texts, instruction)
                     : json_pack("{s:s}", "error", error.text);
    }
    struct fault_point point = space_draw(survey->space, survey->range, seed, number);
    space_describe(survey->space, &point, text);
    space_locate(survey->space, &point, location);
    return json_pack("{s:s,s:I,s:s,s:s,s:i}", "fault", text, "at",
                     (json_int_t)point.instruction, "target",
                     space_target(survey->space, &point), "location", location, "bit",
                     (int)point.bit);
}

json_t *survey_class(const struct survey *survey, uint64_t seed, uint64_t number)
{
    static const char *const kinds[] = {
        [CLASS_READ] = "read",
        [CLASS_OVERWRITTEN] = "overwritten",
        [CLASS_UNUSED] = "unused",
        [CLASS_ALONE] = "alone",
    };
    struct fault_point point = space_draw(survey->space, survey->range, seed, number);
    struct fault_class class;
    char key[96];
    classes_find(survey->trace, &point, &class);
    const struct fault_point *name = &class.representative;
    snprintf(key, sizeof(key), "%u/%" PRIx64 "/%u/%" PRIu64, name->row, name->unit,
             name->bit, name->instruction);
    json_t *object = survey_point(survey, seed, number);
    json_object_set_new(object, "kind", json_string(kinds[class.kind]));
    json_object_set_new(object, "key", json_string(key));
    json_object_set_new(object, "points", json_integer((json_int_t) class.points));
    return object;
}
