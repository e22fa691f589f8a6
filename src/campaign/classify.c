#include "campaign/classify.h"

#include "base/types.h"

#include <string.h>

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static bool is_same(const json_t *golden, const json_t *result, const char *key)
{
    return json_equal(json_object_get(golden, key), json_object_get(result, key));
}

/* Whether this holds for all faults; there is at least one. */
static bool all_faults(const json_t *result, bool (*holds)(const json_t *fault))
{
    size_t i;
    json_t *fault, *faults = json_object_get(result, "faults");
    json_array_foreach(faults, i, fault)
    {
        if (!holds(fault)) {
            return false;
        }
    }
    return json_array_size(faults) > 0;
}

static bool did_not_come(const json_t *fault)
{
    return json_integer_value(json_object_get(fault, "injections")) == 0;
}

static bool was_not_used(const json_t *fault)
{
    const char *activation = text(fault, "activation");
    return did_not_come(fault) || strcmp(activation, "no") == 0 ||
           strcmp(activation, "overwritten") == 0;
}

const char *classify(const json_t *golden, const json_t *result)
{
    const char *outcome = text(result, "outcome"), *end = text(result, "end");
    bool as_golden_ended = is_same(golden, result, "end");
    if (json_is_true(json_object_get(result, "by_script"))) {
        return outcome;
    }
    if (strcmp(outcome, "timeout") != 0 && strcmp(outcome, "failed") != 0 &&
        strcmp(outcome, "ok") != 0) {
        return "error";
    }
    if (*end && !as_golden_ended) {
        return "crash";
    }
    if (strcmp(outcome, "timeout") == 0) {
        return "hang";
    }
    if (strcmp(outcome, "failed") == 0 || !as_golden_ended ||
        !is_same(golden, result, "output_hash") || !is_same(golden, result, "values")) {
        return "sdc";
    }
    return all_faults(result, did_not_come)   ? "not-injected"
           : all_faults(result, was_not_used) ? "not-activated"
                                              : "masked";
}
