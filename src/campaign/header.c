#include "campaign/header.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HEADER_KEYS = 32 };

static const char finished_key[] = "finished";

static char *json_text(const json_t *json, size_t flags)
{
    return json_dumps(json ? json : json_null(),
                      JSON_COMPACT | JSON_ENCODE_ANY | flags);
}

static json_t *settings_array(const struct campaign_options *options)
{
    json_t *settings = json_array();
    for (unsigned i = 0; i < options->setting_count; i++) {
        json_array_append_new(settings, json_string(options->settings[i]));
    }
    return settings;
}

struct header {
    struct results_key keys[HEADER_KEYS];
    char *values[HEADER_KEYS];
    unsigned count;
};

/* Takes `value`. */
static void add_key(struct header *header, const char *key, char *value)
{
    header->values[header->count] = value;
    header->keys[header->count++] = (struct results_key){key, value ? value : ""};
}

static void add_number(struct header *header, const char *key, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    add_key(header, key, strdup(text));
}

static void add_points(struct header *header, double points)
{
    char text[32];
    snprintf(text, sizeof(text), "%.0f", points);
    add_key(header, "points", strdup(text));
}

static void add_json(struct header *header, const char *key, json_t *json, size_t flags)
{
    add_key(header, key, json_text(json, flags));
    json_decref(json);
}

static void add_text_of(struct header *header, const char *key, const json_t *object,
                        const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    add_key(header, key, strdup(text ? text : ""));
}

static char *now_text(void)
{
    char text[32];
    time_t now = time(NULL);
    struct tm parts;
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    return strdup(text);
}

static char *host_name(void)
{
    char name[256] = "";
    gethostname(name, sizeof(name) - 1);
    return strdup(name);
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* What the command says. */
static void describe_order(struct header *header,
                           const struct campaign_options *options)
{
    char hash[EXPERIMENT_ID_BYTES] = "";
    struct error ignored;
    experiment_script_hash(options->script, hash, &ignored);
    add_key(header, "script_hash", strdup(hash));
    add_json(header, "settings", settings_array(options), 0);
    add_number(header, "seed", options->seed);
    add_number(header, "pruned", options->prune);
}

static void describe(struct header *header, const struct campaign_options *options,
                     const struct campaign_facts *facts)
{
    const json_t *ready = facts->ready, *golden = facts->golden;
    char *script = realpath(options->script, NULL);
    struct error ignored;
    describe_order(header, options);
    add_key(header, "version", strdup(FAUMACHINE_VERSION));
    add_key(header, "script", script ? script : strdup(options->script));
    add_key(header, "script_text", experiment_script_text(options->script, &ignored));
    add_text_of(header, "engine", ready, "engine");
    /* Tables of Lua have no order. */
    add_json(header, "space", json_incref(json_object_get(ready, "space")),
             JSON_SORT_KEYS);
    add_points(header, facts->points);
    add_number(header, "golden_from", number_of(ready, "begin"));
    add_number(header, "golden_to", number_of(golden, "instructions"));
    add_number(header, "golden_ns", number_of(golden, "virtual_ns"));
    add_text_of(header, "golden_hash", golden, "hash");
    add_text_of(header, "golden_end", golden, "end");
    add_text_of(header, "golden_output", golden, "output");
    add_json(header, "golden_values", json_incref(json_object_get(golden, "values")),
             0);
    add_number(header, "timeout_ns", facts->timeout_ns);
    add_number(header, "planned", options->experiments);
    add_number(header, "workers", options->workers);
    add_key(header, "host", host_name());
    add_key(header, "started", now_text());
}

static bool is_the_same(struct results *results, const struct results_key *key,
                        struct error *error)
{
    static const char *const same[] = {"script_hash", "settings",   "seed",
                                       "engine",      "pruned",     "golden_from",
                                       "golden_to",   "golden_hash"};
    const char *before = results_get(results, key->key);
    for (size_t i = 0; i < ARRAY_LENGTH(same); i++) {
        if (strcmp(same[i], key->key) == 0 &&
            (!before || strcmp(before, key->value) != 0)) {
            return error_set(error,
                             "%s has a campaign with %s %s, and this one has %s: give "
                             "that one's options, or another --db",
                             results_name(results), key->key,
                             before ? before : "(none)", key->value);
        }
    }
    return true;
}

/* A campaign that ends with more experiments than it had is not finished yet. */
static bool set_planned(struct results *results, uint64_t experiments,
                        struct error *error)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, experiments);
    return results_set(results, "planned", text, error) &&
           results_set(results, "finished", "", error);
}

static uint64_t planned(const struct results *results)
{
    const char *text = results_get(results, "planned");
    return text ? strtoull(text, NULL, 10) : 0;
}

static bool are_the_same(struct results *results, const struct header *header,
                         struct error *error)
{
    for (unsigned i = 0; i < header->count; i++) {
        if (!is_the_same(results, &header->keys[i], error)) {
            return false;
        }
    }
    return true;
}

/* A campaign goes on only as what it was; it may become longer. */
static bool go_on(struct results *results, const struct header *header,
                  const struct campaign_options *options, struct error *error)
{
    if (!are_the_same(results, header, error)) {
        return false;
    }
    uint64_t before = planned(results);
    if (options->experiments < before) {
        return error_set(error,
                         "%s has a campaign of %" PRIu64 " experiments, and this one "
                         "has %" PRIu64 ": a campaign may become longer, not shorter",
                         results_name(results), before, options->experiments);
    }
    return options->experiments == before ||
           set_planned(results, options->experiments, error);
}

/* Settings that are no UTF-8 would be others when they are read again. */
static bool are_texts(const struct campaign_options *options, struct error *error)
{
    for (unsigned i = 0; i < options->setting_count; i++) {
        json_t *text = json_string(options->settings[i]);
        if (!text) {
            return error_set(error, "--set %s: it is no UTF-8, and cannot be stored",
                             options->settings[i]);
        }
        json_decref(text);
    }
    return true;
}

static void free_values(struct header *header)
{
    for (unsigned i = 0; i < header->count; i++) {
        free(header->values[i]);
    }
}

bool header_store(struct results *results, const struct campaign_options *options,
                  const struct campaign_facts *facts, struct error *error)
{
    struct header header = {.count = 0};
    bool resumed = false;
    if (!are_texts(options, error)) {
        return false;
    }
    describe(&header, options, facts);
    bool good = results_begin(results, header.keys, header.count, &resumed, error) &&
                (!resumed || go_on(results, &header, options, error));
    free_values(&header);
    return good;
}

bool header_check(struct results *results, const struct campaign_options *options,
                  struct error *error)
{
    struct header header = {.count = 0};
    describe_order(&header, options);
    bool good =
        !results_get(results, "script_hash") || are_the_same(results, &header, error);
    free_values(&header);
    return good;
}

/* With shards, the one that stores the last experiment sees them all. */
bool header_finish(struct results *results, struct error *error)
{
    const char *finished = results_get(results, finished_key);
    if (finished && *finished) {
        return true;
    }
    uint64_t wanted = planned(results), done = 0;
    uint8_t *which = calloc(wanted + 1, 1);
    bool good = which ? results_done(results, which, wanted, &done, error)
                      : error_set(error, "out of memory");
    free(which);
    if (good && done == wanted) {
        char *now = now_text();
        good = results_set(results, finished_key, now, error);
        free(now);
    }
    return good;
}
