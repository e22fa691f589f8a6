/* The course of an experiment: what is opened before, what is told after. */
#define _GNU_SOURCE /* realpath() */
#include "experiment/experiment_internal.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "machine/inspect.h"

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool open_log(struct experiment *experiment, struct error *error)
{
    const char *folder = experiment->options->log_folder;
    if (!folder) {
        return true;
    }
    if (mkdir(folder, 0777) < 0 && errno != EEXIST) {
        return error_set_errno(error, errno, "cannot make the folder '%s'", folder);
    }
    experiment->log_path = realpath(folder, NULL);
    return experiment->log_path || error_set_errno(error, errno, "'%s'", folder);
}

/* Files that the script names are where it is. */
static bool enter_folder(struct experiment *experiment, struct error *error)
{
    char folder[4096];
    snprintf(folder, sizeof(folder), "%s", experiment->script_path);
    return chdir(dirname(folder)) == 0 ||
           error_set_errno(error, errno, "cannot change to the folder of '%s'",
                           experiment->script_path);
}

static bool begin(struct experiment *experiment, int *results, struct error *error)
{
    const struct experiment_options *options = experiment->options;
    experiment->script_path = realpath(options->script, NULL);
    if (!experiment->script_path) {
        return error_set_errno(error, errno, "cannot read the script '%s'",
                               options->script);
    }
    if (options->results) {
        *results = result_open(options->results, error);
    }
    experiment->result->values = json_object();
    result_make_id(experiment);
    return (*results >= 0 || !options->results) && open_log(experiment, error) &&
           experiment_script_hash(options->script, experiment->script_hash, error) &&
           script_create(experiment, error) && enter_folder(experiment, error);
}

/* What is known of the machine in the end. */
static void take_state(struct experiment *experiment)
{
    struct experiment_result *result = experiment->result;
    if (!experiment->started) {
        return;
    }
    result->faults = injection_reports(experiment);
    result->has_machine = true;
    result->hash = machine_hash(experiment->machine);
    result->virtual_ns = machine_now_ns(experiment->machine);
    result->instructions = machine_cpu(experiment->machine)->retired;
}

static void end(struct experiment *experiment)
{
    const struct experiment_host *host = experiment->host;
    script_destroy(experiment);
    if (experiment->machine) {
        host->ended(host->opaque, experiment->machine);
        trial_free(experiment);
        faults_destroy(experiment->faults);
        machine_destroy(experiment->machine);
    }
    console_records_free(experiment);
    for (unsigned i = 0; i < experiment->argument_count; i++) {
        free(experiment->arguments[i]);
    }
    for (unsigned i = 0; i < experiment->media_count; i++) {
        close(experiment->media[i].fd);
        free(experiment->media[i].name);
        free(experiment->media[i].file);
    }
    free(experiment->script_path);
    free(experiment->log_path);
}

bool experiment_run(const struct experiment_options *options,
                    const struct experiment_host *host,
                    struct experiment_result *result, struct error *error)
{
    struct experiment *experiment = calloc(1, sizeof(*experiment));
    int results = -1;
    *result = (struct experiment_result){.host_s = 0};
    if (!experiment) {
        return error_set(error, "out of memory");
    }
    experiment->options = options;
    experiment->host = host;
    experiment->result = result;
    experiment->random_state = options->seed;
    experiment->trial.deadline_ns = CLOCK_NEVER;
    experiment->began_s = now_s();
    bool good = begin(experiment, &results, error);
    if (good) {
        activities_run(experiment);
        take_state(experiment);
        result->host_s = now_s() - experiment->began_s;
    }
    if (good && results >= 0) {
        good = result_store(results, experiment, error);
    }
    end(experiment);
    if (results >= 0) {
        close(results);
    }
    free(experiment);
    return good;
}

void experiment_result_free(struct experiment_result *result)
{
    free(result->output);
    json_decref(result->values);
    json_decref(result->faults);
}
