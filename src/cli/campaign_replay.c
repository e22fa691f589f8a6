#include "cli/campaign_replay.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "campaign/campaign.h"
#include "campaign/results.h"
#include "cli/experiment_host.h"
#include "cli/run.h"
#include "cli/settings.h"
#include "cli/words.h"
#include "cpu/engines/engines.h"
#include "host/confinement/confinement.h"

enum {
    EXIT_DONE = 0,
    EXIT_PROBLEM = 1,
    EXIT_UNEXPECTED = 2,
    NAMES = 1,
};

static const char command[] = "campaign replay";

static const char usage[] =
    "Usage: faumachine campaign replay --db FILE NUMBER [options]\n"
    "\n"
    "Carries out experiment NUMBER of a campaign once more, from the power-on of the\n"
    "machine, and compares the end state.\n"
    "\n"
    "  --db FILE        the database; or postgresql://…\n"
    "  --log FOLDER     consoles and screenshots as files\n"
    "  --gdb DEV        wait for gdb: tcp::PORT, tcp:HOST:PORT, unix:FILE; the "
    "machine\n"
    "                   stands still at power-on, and right after the injection\n"
    "  --engine NAME    another one: jit or interpreter\n"
    "  --sandbox on|off see faumachine(1)\n";

struct command {
    const char *database, *number_text;
    uint64_t number;
    bool help;
    struct experiment_options options;
    const char *settings[SETTINGS_MAXIMUM];
    json_t *settings_json; /* owns them */
    struct experiment_setup setup;
    char *script, *fault, *outcome, *hash; /* as they were; NULL: none */
    bool found;
};

static bool apply_database(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct command *)opaque)->database = value;
    return true;
}

static bool apply_log(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct command *)opaque)->options.log_folder = value;
    return true;
}

static bool apply_gdb(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct command *)opaque)->setup.gdb = value;
    return true;
}

static bool apply_engine(void *opaque, const char *value, struct error *error)
{
    ((struct command *)opaque)->options.engine = value;
    return cpu_engine_find(value) ||
           error_set(error, "%s: --engine %s: there are jit and interpreter", command,
                     value);
}

static bool apply_sandbox(void *opaque, const char *value, struct error *error)
{
    return experiment_setup_sandbox(&((struct command *)opaque)->setup,
                                    "campaign replay: --sandbox", value, error);
}

static bool apply_help(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct command *)opaque)->help = true;
    return true;
}

static const struct word words[] = {
    {"db", false, apply_database},     {"log", false, apply_log},
    {"gdb", false, apply_gdb},         {"engine", false, apply_engine},
    {"sandbox", false, apply_sandbox}, {"help", true, apply_help},
    {"h", true, apply_help},
};

static bool parse(struct command *this, int count, char *const arguments[],
                  struct error *error)
{
    const char *names[NAMES];
    if (!words_parse(command, words, ARRAY_LENGTH(words), this, count, arguments, names,
                     NAMES, error)) {
        return false;
    }
    this->number_text = names[0];
    if (this->help) {
        return true;
    }
    if (!this->database || !this->number_text) {
        return error_set(error, "%s: give it %s", command,
                         this->database ? "the number of an experiment" : "--db FILE");
    }
    return words_number(command, "the experiment", this->number_text, 0, INT64_MAX,
                        &this->number, error);
}

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static bool take_row(void *opaque, const struct result_row *row)
{
    struct command *this = opaque;
    this->found = true;
    this->fault = copy(row->fault);
    this->outcome = copy(row->outcome);
    this->hash = copy(row->hash);
    return false;
}

static bool take_settings(struct command *this, const char *text, struct error *error)
{
    size_t i;
    json_t *setting;
    this->settings_json = json_loads(text ? text : "[]", 0, NULL);
    json_array_foreach(this->settings_json, i, setting)
    {
        const char *value = json_string_value(setting);
        if (!value || !strchr(value, '=') || i == SETTINGS_MAXIMUM) {
            return error_set(error, "%s: its settings are no KEY=VALUE",
                             this->database);
        }
        this->settings[this->options.setting_count++] = value;
    }
    return true;
}

static uint64_t number_of(const struct results *results, const char *key)
{
    const char *text = results_get(results, key);
    return text ? strtoull(text, NULL, 10) : 0;
}

/* What the database says of the campaign, and of the experiment. */
static bool look_up(struct command *this, struct results *results, struct error *error)
{
    const char *script = results_get(results, "script");
    const char *hash = results_get(results, "script_hash");
    const char *engine = results_get(results, "engine");
    char now[EXPERIMENT_ID_BYTES];
    int64_t number = (int64_t)this->number;
    if (!script) {
        return error_set(error, "%s: it does not say which script it was",
                         this->database);
    }
    this->script = strdup(script);
    this->options.script = this->script;
    this->options.seed = number_of(results, "seed");
    if (!this->options.engine && engine) {
        const struct cpu_engine *found = cpu_engine_find(engine);
        this->options.engine = found ? found->name : NULL;
    }
    if (!results_each(results, number, number, take_row, this, error) ||
        !take_settings(this, results_get(results, "settings"), error) ||
        !experiment_script_hash(script, now, error)) {
        return false;
    }
    if (!this->found || !this->fault) {
        return error_set(error, "%s has no experiment %" PRIu64 " that can be replayed",
                         this->database, this->number);
    }
    if (hash && strcmp(hash, now) != 0) {
        fprintf(stderr, "faumachine: %s has changed since\n", script);
    }
    this->options.trial = (struct trial_order){
        .seed = campaign_trial_seed(this->options.seed, this->number),
        .faults = this->fault,
        .timeout_ns = number_of(results, "timeout_ns"),
    };
    return true;
}

static int report(const struct command *this, const struct experiment_result *result)
{
    struct error error;
    if (!result->has_trial) {
        error_set(&error, "%s: it does not come to its trial {…} any more%s%s",
                  this->script, *result->detail ? ": " : "", result->detail);
        cli_print_error(&error);
        return EXIT_PROBLEM;
    }
    char hash[EXPERIMENT_ID_BYTES];
    snprintf(hash, sizeof(hash), "%016" PRIx64, result->trial_hash);
    if (*result->detail) {
        experiment_print_text(stdout, result->detail);
    }
    printf("experiment     %" PRIu64 ": %s\n", this->number, this->outcome);
    printf("fault          %s\n", this->fault);
    printf("script says    %s\n", result->outcome);
    printf("end state      %s\n", hash);
    if (!this->hash) {
        printf("replay         it was not carried out: nothing to compare with\n");
        return EXIT_DONE;
    }
    bool same = strcmp(hash, this->hash) == 0;
    printf("replay         %s\n", same ? "the same end state" : "DIFFERENT");
    if (!same) {
        printf("  before       %s\n", this->hash);
    }
    return same ? EXIT_DONE : EXIT_UNEXPECTED;
}

static int replay(struct command *this, struct error *error)
{
    struct experiment_result *result = calloc(1, sizeof(*result));
    struct results *results = results_open(this->database, RESULTS_READ, error);
    bool good = result && results && look_up(this, results, error);
    int status = EXIT_PROBLEM;
    results_close(results);
    if (good) {
        this->options.start_paused = this->setup.gdb != NULL;
        good = experiment_setup_run(&this->setup, &this->options, NULL, NULL, result,
                                    error);
    }
    if (good) {
        status = report(this, result);
    } else {
        cli_print_error(error);
    }
    if (result) {
        experiment_result_free(result);
    }
    free(result);
    return status;
}

int run_campaign_replay(int count, char *const arguments[])
{
    struct command *this = calloc(1, sizeof(*this));
    struct error error;
    int status = EXIT_PROBLEM;
    if (!this) {
        return EXIT_PROBLEM;
    }
    this->options = (struct experiment_options){.settings = this->settings};
    this->setup.sandbox = CONFINEMENT_POSSIBLE;
    if (!parse(this, count, arguments, &error)) {
        cli_print_error(&error);
    } else if (this->help) {
        fputs(usage, stdout);
        status = cli_flush_output();
    } else {
        status = replay(this, &error);
    }
    json_decref(this->settings_json);
    free(this->script);
    free(this->fault);
    free(this->outcome);
    free(this->hash);
    free(this);
    return status;
}
