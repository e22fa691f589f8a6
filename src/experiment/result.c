/* Results, a JSON object on a line of its own for each experiment: files of them can be
 * appended to by many, and read by anything. */
#define _GNU_SOURCE /* O_CLOEXEC, getline() */
#include "experiment/experiment_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int result_open(const char *file, struct error *error)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot append to '%s'", file);
    }
    return fd;
}

/* No two experiments have the same, though they may be the same experiment. */
void result_make_id(struct experiment *experiment)
{
    struct timespec now;
    uint64_t parts[4];
    clock_gettime(CLOCK_REALTIME, &now);
    parts[0] = (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
    parts[1] = (uint64_t)getpid();
    parts[2] = experiment->options->seed;
    parts[3] = (uintptr_t)experiment;
    snprintf(experiment->result->id, EXPERIMENT_ID_BYTES, "%012" PRIx64,
             state_hash_bytes(0, parts, sizeof(parts)) >> 16);
}

static void set_hash(json_t *json, const char *key, uint64_t hash)
{
    char text[20];
    snprintf(text, sizeof(text), "%016" PRIx64, hash);
    json_object_set_new(json, key, json_string(text));
}

/* Text that may be no UTF-8. */
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

static json_t *settings_of(const struct experiment_options *options)
{
    json_t *settings = json_array();
    for (unsigned i = 0; i < options->setting_count; i++) {
        json_array_append_new(settings, text_of(options->settings[i]));
    }
    return settings;
}

bool result_store(int fd, const struct experiment *experiment, struct error *error)
{
    const struct experiment_result *result = experiment->result;
    const struct experiment_options *options = experiment->options;
    json_t *json = json_object();
    json_object_set_new(json, "id", json_string(result->id));
    json_object_set_new(json, "outcome", text_of(result->outcome));
    json_object_set_new(json, "detail", text_of(result->detail));
    json_object_set_new(json, "script", text_of(experiment->script_path));
    json_object_set_new(json, "script_hash", json_string(experiment->script_hash));
    json_object_set_new(json, "settings", settings_of(options));
    json_object_set_new(json, "seed", json_integer((json_int_t)options->seed));
    if (options->trial.faults) {
        json_object_set_new(json, "trial_faults", text_of(options->trial.faults));
    }
    if (result->has_machine) {
        json_object_set_new(json, "engine", json_string(result->engine));
        set_hash(json, "hash", result->hash);
        json_object_set_new(json, "virtual_ns",
                            json_integer((json_int_t)result->virtual_ns));
        json_object_set_new(json, "instructions",
                            json_integer((json_int_t)result->instructions));
    }
    json_object_set(json, "values", result->values);
    if (result->faults) {
        json_object_set(json, "faults", result->faults);
    }
    json_object_set_new(json, "version", json_string(FAUMACHINE_VERSION));
    json_object_set_new(json, "host_s", json_real(result->host_s));
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(json);
    size_t length = strlen(text);
    text[length] = '\n'; /* in one piece: others may append, too */
    bool good = write(fd, text, length + 1) == (ssize_t)length + 1;
    free(text);
    return good ||
           error_set_errno(error, errno, "cannot write to '%s'", options->results);
}

/* -- reading -- */

static bool take_record(struct experiment_record *record, const char *file,
                        struct error *error)
{
    json_t *json = record->json;
    json_int_t seed;
    const char *id;
    json_t *settings;
    record->hash = record->engine = record->trial_faults = NULL;
    if (json_unpack(json, "{s:s,s:s,s:s,s:s,s:I,s:o,s?s,s?s,s?s}", "id", &id, "outcome",
                    &record->outcome, "script", &record->script, "script_hash",
                    &record->script_hash, "seed", &seed, "settings", &settings, "hash",
                    &record->hash, "engine", &record->engine, "trial_faults",
                    &record->trial_faults) != 0) {
        return error_set(error, "'%s': a line is no result of an experiment", file);
    }
    record->seed = (uint64_t)seed;
    size_t count = json_array_size(settings);
    record->settings = calloc(count + 1, sizeof(*record->settings));
    for (size_t i = 0; i < count; i++) {
        const char *setting = json_string_value(json_array_get(settings, i));
        if (!setting || !strchr(setting, '=')) {
            return error_set(error, "'%s': settings of '%s' are no KEY=VALUE", file,
                             id);
        }
        record->settings[record->setting_count++] = setting;
    }
    return true;
}

/* Whether the line is a result that is asked for. */
static bool is_wanted(const json_t *json, const char *id)
{
    const char *text = json_string_value(json_object_get(json, "id"));
    return text && (strcmp(id, "last") == 0 || strncmp(text, id, strlen(id)) == 0);
}

bool experiment_record_find(const char *file, const char *id,
                            struct experiment_record *record, struct error *error)
{
    *record = (struct experiment_record){.json = NULL};
    FILE *stream = fopen(file, "re");
    char *line = NULL;
    size_t bytes = 0;
    unsigned found = 0;
    if (!stream) {
        return error_set_errno(error, errno, "cannot read '%s'", file);
    }
    while (getline(&line, &bytes, stream) > 0) {
        json_t *json = json_loads(line, 0, NULL);
        if (is_wanted(json, id)) {
            json_decref(record->json);
            record->json = json_incref(json);
            found++;
        }
        json_decref(json);
    }
    free(line);
    fclose(stream);
    if (!found) {
        return error_set(error, "'%s' has no experiment '%s'", file, id);
    }
    if (found > 1 && strcmp(id, "last") != 0) {
        return error_set(error, "'%s' has %u experiments that begin with '%s'", file,
                         found, id);
    }
    return take_record(record, file, error);
}

void experiment_record_free(struct experiment_record *record)
{
    json_decref(record->json);
    free(record->settings);
}
