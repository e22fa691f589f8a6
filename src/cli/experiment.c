#define _GNU_SOURCE /* sigabbrev_np */
#include "cli/experiment.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/experiment_host.h"
#include "cli/run.h"
#include "cli/settings.h"
#include "cpu/engines/engines.h"
#include "host/confinement/confinement.h"

enum {
    EXIT_DONE = 0,
    EXIT_PROBLEM = 1,
    EXIT_UNEXPECTED = 2,
    EXIT_UNFINISHED = 3,
    MAXIMUM_NAMES = 2,
    GRACE_S = 5, /* after the limit, for an orderly end */
    LIMIT_MAXIMUM_S = 1000000,
};

static const char usage[] =
    "Usage: faumachine experiment run FILE.lua [options]\n"
    "       faumachine experiment replay RESULTS ID [options]\n"
    "\n"
    "run carries out what a script says; replay does once more what a line of a file "
    "of\n"
    "results tells of (ID: its id or the beginning of that, or 'last'), and compares\n"
    "the final state. docs/experiments.md tells what scripts can say.\n"
    "\n"
    "  --set KEY=VALUE      what setting(\"KEY\") is in the script (run only)\n"
    "  --set-file KEY=PATH  the same, with the absolute path of a file (run only)\n"
    "  --seed N             of random() in the script (run only; default 1)\n"
    "  --fault FAULT        break this in the script's trial, as -fault does (run "
    "only)\n"
    "  --results FILE       append the result to this file, a line of JSON\n"
    "  --engine NAME        whatever the script says: jit or interpreter\n"
    "  --log FOLDER         consoles and screenshots as files\n"
    "  --limit SECONDS      of host time (default 600; 0: none)\n"
    "  --gdb DEV            wait for gdb: tcp::PORT, tcp:HOST:PORT, unix:FILE; the "
    "machine\n"
    "                       stands still at power-on, and right after each fault\n"
    "  --sandbox on|off     see faumachine(1)\n";

/* What the words say, and what belongs to the machine while there is one. */
struct course {
    struct experiment_options options;
    struct settings settings;
    const char *names[MAXIMUM_NAMES];
    int name_count;
    char faults[8192]; /* of --fault, a line each */
    bool replay, help;
    bool run_only; /* options were given that a replay has of its record */
    struct experiment_setup setup;
};

/* -- words -- */

typedef bool word_apply(struct course *course, const char *value, struct error *error);

static bool apply_set(struct course *course, const char *value, struct error *error)
{
    course->run_only = true;
    return settings_add(&course->settings, "experiment", value, error);
}

static bool apply_set_file(struct course *course, const char *value,
                           struct error *error)
{
    course->run_only = true;
    return settings_add_file(&course->settings, "experiment", value, error);
}

/* Faults of the trial: lines. */
static bool apply_fault(struct course *course, const char *value, struct error *error)
{
    size_t length = strlen(course->faults), room = sizeof(course->faults) - length;
    struct fault_spec spec;
    course->run_only = true;
    if (!fault_spec_parse(&spec, "experiment: --fault", value, error)) {
        return false;
    }
    course->options.trial.faults = course->faults;
    return (size_t)snprintf(course->faults + length, room, "%s%s", length ? "\n" : "",
                            value) < room ||
           error_set(error, "experiment: --fault: these are too many");
}

static bool apply_seed(struct course *course, const char *value, struct error *error)
{
    course->run_only = true;
    char *end;
    errno = 0;
    course->options.seed = strtoull(value, &end, 0);
    return (isdigit((unsigned char)*value) && !*end && !errno &&
            course->options.seed <= INT64_MAX) ||
           error_set(error, "experiment: --seed %s: give a number from 0 to 2^63 - 1",
                     value);
}

static bool apply_results(struct course *course, const char *value, struct error *error)
{
    (void)error;
    course->options.results = value;
    return true;
}

static bool apply_engine(struct course *course, const char *value, struct error *error)
{
    course->options.engine = value;
    return cpu_engine_find(value) ||
           error_set(error, "experiment: --engine %s: there are jit and interpreter",
                     value);
}

static bool apply_log(struct course *course, const char *value, struct error *error)
{
    (void)error;
    course->options.log_folder = value;
    return true;
}

static bool apply_limit(struct course *course, const char *value, struct error *error)
{
    char *end;
    unsigned long seconds = strtoul(value, &end, 10);
    course->options.limit_s = (unsigned)seconds;
    return (isdigit((unsigned char)*value) && !*end && seconds <= LIMIT_MAXIMUM_S) ||
           error_set(error, "experiment: --limit %s: give seconds, up to %d", value,
                     LIMIT_MAXIMUM_S);
}

static bool apply_gdb(struct course *course, const char *value, struct error *error)
{
    (void)error;
    course->setup.gdb = value;
    return true;
}

static bool apply_sandbox(struct course *course, const char *value, struct error *error)
{
    return experiment_setup_sandbox(&course->setup, "experiment: --sandbox", value,
                                    error);
}

static const struct {
    const char *name;
    word_apply *apply;
} words[] = {
    {"set", apply_set},         {"set-file", apply_set_file}, {"seed", apply_seed},
    {"results", apply_results}, {"engine", apply_engine},     {"log", apply_log},
    {"fault", apply_fault},     {"limit", apply_limit},       {"gdb", apply_gdb},
    {"sandbox", apply_sandbox},
};

/* Reads one option at arguments[*index]; moves that to the last word used. */
static bool parse_option(struct course *course, int count, char *const arguments[],
                         int *index, struct error *error)
{
    const char *argument = arguments[*index];
    const char *name = argument + (argument[1] == '-' ? 2 : 1);
    size_t length = strcspn(name, "=");
    if (strcmp(name, "h") == 0 || strcmp(name, "help") == 0) {
        course->help = true;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (strlen(words[i].name) != length ||
            strncmp(words[i].name, name, length) != 0) {
            continue;
        }
        const char *value = name[length] ? name + length + 1 : NULL;
        if (!value && ++*index == count) {
            return error_set(error, "experiment: %s needs a value", argument);
        }
        return words[i].apply(course, value ? value : arguments[*index], error);
    }
    return error_set(error, "experiment: %s: unknown option; -help lists them",
                     argument);
}

static bool parse(struct course *course, int count, char *const arguments[],
                  struct error *error)
{
    if (count == 0) {
        return error_set(error, "experiment: say run or replay; 'faumachine experiment "
                                "-help' says more");
    }
    course->replay = strcmp(arguments[0], "replay") == 0;
    bool command = course->replay || strcmp(arguments[0], "run") == 0;
    if (!command && arguments[0][0] != '-') {
        return error_set(error, "experiment: there are run and replay, not '%s'",
                         arguments[0]);
    }
    for (int i = command; i < count; i++) {
        if (arguments[i][0] == '-' && arguments[i][1]) {
            if (!parse_option(course, count, arguments, &i, error)) {
                return false;
            }
        } else if (course->name_count == 1 + course->replay) {
            return error_set(error, "experiment: '%s' is one word too many",
                             arguments[i]);
        } else {
            course->names[course->name_count++] = arguments[i];
        }
    }
    if (course->help) {
        return true;
    }
    if (!command || course->name_count < 1 + course->replay) {
        return error_set(error, "experiment: give %s",
                         course->replay ? "replay a file of results and the id of one, "
                                          "or 'last'"
                                        : "run a script");
    }
    return !course->replay || !course->run_only ||
           error_set(error, "experiment: replay takes --seed and --set of the result; "
                            "leave them out");
}

/* -- its course -- */

/* A script that does not heed its limit: it is in the middle of something long. */
static void end_at_once(int number)
{
    static const char text[] =
        "faumachine: the limit of host time is over, and the script does not end\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)number, (void)ignored;
    _exit(EXIT_UNFINISHED);
}

/* -- what has come of it -- */

static void print_result(const struct course *course,
                         const struct experiment_result *result)
{
    printf("outcome        %s\n", result->outcome);
    if (result->has_machine) {
        printf("end state      %016" PRIx64 "\n", result->hash);
        printf("virtual time   %.9f s\n", (double)result->virtual_ns / NS_PER_SECOND);
        printf("instructions   %" PRIu64 "\n", result->instructions);
        printf("engine         %s\n", result->engine);
    }
    printf("seed           %" PRIu64 "\n", course->options.seed);
    printf("host time      %.3f s\n", result->host_s);
    if (course->options.results) {
        printf("result         %s\n", result->id);
    }
}

static int status_of(const struct experiment_result *result)
{
    static const struct {
        const char *outcome;
        int status;
    } rows[] = {
        {"error", EXIT_PROBLEM},      {"failed", EXIT_UNEXPECTED},
        {"timeout", EXIT_UNEXPECTED}, {"limit", EXIT_UNFINISHED},
        {"stopped", EXIT_UNFINISHED},
    };
    for (size_t i = 0; !result->by_script && i < ARRAY_LENGTH(rows); i++) {
        if (strcmp(result->outcome, rows[i].outcome) == 0) {
            return rows[i].status;
        }
    }
    return EXIT_DONE;
}

static int compare(const struct experiment_record *record,
                   const struct experiment_result *result)
{
    char hash[20];
    snprintf(hash, sizeof(hash), "%016" PRIx64, result->hash);
    bool same_state = !record->hash == !result->has_machine &&
                      (!record->hash || strcmp(hash, record->hash) == 0);
    bool same = same_state && strcmp(record->outcome, result->outcome) == 0;
    printf("replay         %s\n", same ? "the same state and outcome" : "DIFFERENT");
    if (!same) {
        printf("  before       %s, %s\n  now          %s, %s\n", record->outcome,
               record->hash ? record->hash : "no machine", result->outcome,
               result->has_machine ? hash : "no machine");
    }
    return same ? EXIT_DONE : EXIT_UNEXPECTED;
}

static bool carry_out(struct course *course, struct experiment_result *result,
                      struct error *error)
{
    course->options.start_paused = course->setup.gdb != NULL;
    if (course->setup.gdb) {
        course->options.limit_s = 0; /* the user takes as long as it takes */
    }
    if (course->options.limit_s) {
        signal(SIGALRM, end_at_once);
        alarm(course->options.limit_s + GRACE_S);
    }
    return experiment_setup_run(&course->setup, &course->options, NULL, NULL, result,
                                error);
}

static int run(struct course *course, struct error *error)
{
    struct experiment_result result;
    int status = EXIT_PROBLEM;
    course->options.script = course->names[0];
    course->options.settings = course->settings.values;
    course->options.setting_count = course->settings.count;
    if (carry_out(course, &result, error)) {
        if (course->options.trial.faults && !result.has_trial) {
            fprintf(stderr, "faumachine: --fault: the script has not come to a trial "
                            "{…}, so nothing was broken\n");
        }
        if (*result.detail) {
            experiment_print_text(result.by_script ? stdout : stderr, result.detail);
        }
        print_result(course, &result);
        status = status_of(&result);
    } else {
        cli_print_error(error);
    }
    experiment_result_free(&result);
    return status;
}

static int replay(struct course *course, struct error *error)
{
    struct experiment_record record;
    struct experiment_result result = {.values = NULL};
    char hash[EXPERIMENT_ID_BYTES];
    bool good =
        experiment_record_find(course->names[0], course->names[1], &record, error) &&
        experiment_script_hash(record.script, hash, error);
    int status = EXIT_PROBLEM;
    if (good) {
        course->options.script = record.script;
        course->options.settings = record.settings;
        course->options.setting_count = record.setting_count;
        course->options.seed = record.seed;
        course->options.trial.faults = record.trial_faults;
        if (!course->options.engine) {
            course->options.engine = record.engine;
        }
        if (strcmp(hash, record.script_hash) != 0) {
            fprintf(stderr, "faumachine: %s has changed since\n", record.script);
        }
        good = carry_out(course, &result, error);
    }
    if (good) {
        if (*result.detail) {
            experiment_print_text(stdout, result.detail);
        }
        print_result(course, &result);
        status = compare(&record, &result);
    } else {
        cli_print_error(error);
    }
    experiment_result_free(&result);
    experiment_record_free(&record);
    return status;
}

int run_experiment(int count, char *const arguments[])
{
    /* Too large for some stacks. */
    struct course *course = calloc(1, sizeof(*course));
    struct error error;
    int status = EXIT_PROBLEM;
    if (!course) {
        return EXIT_PROBLEM;
    }
    course->options =
        (struct experiment_options){.seed = 1, .limit_s = EXPERIMENT_LIMIT_S};
    course->setup.sandbox = CONFINEMENT_POSSIBLE;
    if (!parse(course, count, arguments, &error)) {
        cli_print_error(&error);
    } else if (course->help) {
        fputs(usage, stdout);
        status = cli_flush_output();
    } else {
        status = course->replay ? replay(course, &error) : run(course, &error);
        status = cli_flush_output() ? EXIT_PROBLEM : status;
    }
    settings_free(&course->settings);
    free(course);
    return status;
}
