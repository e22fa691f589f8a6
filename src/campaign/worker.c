#include "campaign/worker.h"

#include "campaign/message.h"
#include "campaign/survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What guests and scripts say may be no UTF-8, and then no text of JSON. */
static json_t *text_of(const char *text)
{
    json_t *json = json_string(text);
    if (!json) {
        char *clean = strdup(text);
        for (char *c = clean; *c; c++) {
            *c = *c & 0x80 ? '?' : *c;
        }
        json = json_string(clean);
        free(clean);
    }
    return json;
}

static json_t *hash_of(uint64_t hash)
{
    char text[20];
    snprintf(text, sizeof(text), "%016" PRIx64, hash);
    return json_string(text);
}

static json_t *result_object(const struct experiment_result *result, double host_ms)
{
    return json_pack("{s:o,s:b,s:o,s:o,s:s,s:o,s:o,s:I,s:I,s:O,s:O,s:f}", "outcome",
                     text_of(result->outcome), "by_script", result->by_script, "detail",
                     text_of(result->detail), "hash", hash_of(result->trial_hash),
                     "end", result->end, "output_hash", hash_of(result->output_hash),
                     "output", text_of(result->output ? result->output : ""),
                     "instructions", (json_int_t)result->instructions, "virtual_ns",
                     (json_int_t)result->virtual_ns, "values", result->values, "faults",
                     result->faults, "host_ms", host_ms);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Who wants the result itself. */
typedef void use_result(void *opaque, const struct experiment_result *result);

static json_t *carry_out(struct experiment *experiment, const struct trial_order *order,
                         use_result *use, void *opaque)
{
    struct experiment_result *result = malloc(sizeof(*result));
    if (!result) {
        return json_null();
    }
    double begin_ms = now_ms();
    trial_run(experiment, order, result);
    json_t *object = result_object(result, now_ms() - begin_ms);
    if (use) {
        use(opaque, result);
    }
    experiment_result_free(result);
    free(result);
    return object;
}

static uint64_t number_of(const json_t *message, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(message, key));
}

static void note_look(void *opaque, gpa_t address, uint64_t bytes)
{
    trace_note_look(opaque, address, bytes);
}

static void lay_waypoints(void *opaque, const struct experiment_result *golden)
{
    const struct worker *worker = opaque;
    trial_lay_waypoints(worker->survey.experiment, worker->waypoints, golden);
}

/* Where the golden run leads is where faults may come. */
static json_t *answer_golden(struct worker *worker, const json_t *message)
{
    struct survey *survey = &worker->survey;
    const struct trial_order order = {.seed = 0};
    json_t *result = carry_out(survey->experiment, &order, lay_waypoints, worker);
    survey->range = (struct instruction_range){trial_begin(survey->experiment),
                                               number_of(result, "instructions")};
    double points = survey->space ? space_points(survey->space, survey->range) : 0;
    return json_pack("{s:o,s:f}", "golden", result, "points", points);
}

/* The golden run once more, for the accesses around the points that have a number below
 * `total`. */
static bool trace_golden(struct survey *survey, uint64_t seed, uint64_t total,
                         struct error *error)
{
    const struct trial_order order = {.seed = 0};
    survey->trace = trace_start(trial_machine(survey->experiment), survey->space,
                                TRACE_MOST_BYTES, error);
    for (uint64_t number = 0; survey->trace && number < total; number++) {
        struct fault_point point =
            space_draw(survey->space, survey->range, seed, number);
        trace_want(survey->trace, &point);
    }
    if (!survey->trace) {
        return false;
    }
    trial_listen_to_looks(survey->experiment, note_look, survey->trace);
    json_decref(carry_out(survey->experiment, &order, NULL, NULL));
    trial_listen_to_looks(survey->experiment, NULL, NULL);
    if (!trace_stop(survey->trace, error)) {
        return false;
    }
    const struct instruction_range range = trace_range(survey->trace);
    return (range.from == survey->range.from && range.to == survey->range.to) ||
           error_set(error, "the golden run has come to another end with a trace");
}

static json_t *answer_survey(struct worker *worker, const json_t *message)
{
    struct survey *survey = &worker->survey;
    uint64_t first = number_of(message, "first"), count = number_of(message, "count");
    uint64_t seed = number_of(message, "campaign_seed");
    struct error error;
    if (!survey->trace &&
        !trace_golden(survey, seed, number_of(message, "total"), &error)) {
        return json_pack("{s:s}", "failed", error.text);
    }
    json_t *classes = json_array();
    for (uint64_t number = first; number < first + count; number++) {
        json_array_append_new(classes, survey_class(survey, seed, number));
    }
    return json_pack("{s:o}", "survey", classes);
}

/* What could not be carried out, as a result. */
static json_t *refusal(const char *why)
{
    return json_pack("{s:s,s:b,s:s,s:s}", "outcome", "error", "by_script", false,
                     "detail", why, "end", "");
}

static json_t *answer_run(struct worker *worker, const json_t *message)
{
    uint64_t number = number_of(message, "number");
    json_t *point =
        survey_point(&worker->survey, number_of(message, "campaign_seed"), number);
    const struct trial_order order = {
        .seed = number_of(message, "seed"),
        .faults = json_string_value(json_object_get(point, "fault")),
        .timeout_ns = number_of(message, "timeout_ns"),
    };
    const char *why = json_string_value(json_object_get(point, "error"));
    return json_pack("{s:I,s:o,s:o}", "number", (json_int_t)number, "result",
                     why ? refusal(why)
                         : carry_out(worker->survey.experiment, &order, NULL, NULL),
                     "point", point);
}

static json_t *answer_point(struct worker *worker, const json_t *message)
{
    uint64_t number = number_of(message, "number");
    return json_pack(
        "{s:I,s:o}", "number", (json_int_t)number, "point",
        survey_point(&worker->survey, number_of(message, "campaign_seed"), number));
}

static const struct {
    const char *name;
    json_t *(*answer)(struct worker *worker, const json_t *message);
} orders[] = {
    {"golden", answer_golden},
    {"survey", answer_survey},
    {"run", answer_run},
    {"point", answer_point},
};

static json_t *answer(struct worker *worker, const json_t *message)
{
    const char *name = json_string_value(json_object_get(message, "do"));
    for (size_t i = 0; name && i < ARRAY_LENGTH(orders); i++) {
        if (strcmp(orders[i].name, name) == 0) {
            return orders[i].answer(worker, message);
        }
    }
    return json_pack("{s:s}", "failed", "an order that is not known");
}

static json_t *description(const struct experiment *experiment)
{
    const json_t *space = trial_space(experiment);
    return json_pack("{s:{s:I,s:I,s:I,s:O?,s:b,s:s}}", "ready", "begin",
                     (json_int_t)trial_begin(experiment), "begin_ns",
                     (json_int_t)trial_begin_ns(experiment), "timeout_ns",
                     (json_int_t)trial_timeout_ns(experiment), "space", space, "draws",
                     trial_draws(experiment), "engine", trial_engine(experiment));
}

void worker_conduct(void *opaque, struct experiment *experiment)
{
    struct worker *worker = opaque;
    json_t *message = NULL;
    struct error error;
    worker->came_to_trial = true;
    if (!survey_create(&worker->survey, experiment, &error)) {
        worker_fail(worker, error.text);
        return;
    }
    bool good = message_send(worker->fd, description(experiment));
    while (good && (message = message_receive(worker->fd))) {
        good = message_send(worker->fd, answer(worker, message));
        json_decref(message);
    }
    survey_destroy(&worker->survey);
}

void worker_fail(struct worker *worker, const char *why)
{
    message_send(worker->fd, json_pack("{s:o}", "failed", text_of(why)));
}
