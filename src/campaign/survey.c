#include "campaign/survey.h"

#include "faults/random.h"
#include "faults/spec.h"

#include <stdlib.h>
#include <string.h>

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
        json_object_set_new(point, "target", json_string(fault_target_name(spec.target)));
        if (*spec.name) {
            json_object_set_new(point, "location", json_string(spec.name));
        }
    }
    free(texts);
    return point;
}

json_t *survey_point(struct experiment *experiment, uint64_t seed, uint64_t number,
                     uint64_t end)
{
    struct fault_random random = {.state = seed};
    struct error error;
    uint64_t begin = trial_begin(experiment);
    random.state = random_next(&random) + number;
    uint64_t instruction = begin + random_below(&random, end > begin ? end - begin : 1);
    if (trial_draws(experiment)) {
        char *texts = trial_draw(experiment, seed, number, instruction, &error);
        return texts ? drawn_point(texts, instruction)
                     : json_pack("{s:s}", "error", error.text);
    }
    return json_pack("{s:s}", "error",
                     "the script's trial says no faults: give it faults = {…}, or a "
                     "function");
}
