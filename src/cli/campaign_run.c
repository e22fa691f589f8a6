#include "cli/campaign_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "campaign/campaign.h"
#include "cli/experiment_host.h"
#include "cli/run.h"
#include "cli/settings.h"
#include "cli/words.h"
#include "cpu/engines/engines.h"
#include "host/confinement/confinement.h"

enum { EXIT_DONE = 0, EXIT_PROBLEM = 1, EXIT_STOPPED = 3 };

static const char command[] = "campaign run";

static const char usage[] =
    "Usage: faumachine campaign run FILE.lua --db FILE -n NUMBER [options]\n"
    "\n"
    "Carries out the trial {…} of a script NUMBER times, each time with another fault\n"
    "of its fault space, and keeps what comes of it in a database. The same command\n"
    "goes on with a campaign that was interrupted. docs/campaigns.md has the rest.\n"
    "\n"
    "  -n NUMBER            how many experiments\n"
    "  --margin PERCENT     instead: as many as it takes to know any rate to that "
    "many\n"
    "                       percentage points either way, at 95 % confidence\n"
    "  --db FILE            the database; or postgresql://…\n"
    "  -j NUMBER            worker processes (default: one for each processor)\n"
    "  --seed N             of all chance (default 1)\n"
    "  --set KEY=VALUE      what setting(\"KEY\") is in the script\n"
    "  --set-file KEY=PATH  the same, with the absolute path of a file\n"
    "  --engine NAME        whatever the script says: jit or interpreter\n"
    "  --prune              of faults that come to the same carry out one (def/use)\n"
    "  --waypoints NUMBER   moments of the golden run at which experiments begin, or "
    "are\n"
    "                       known to end (0 to 32, default 32)\n"
    "  --shard K/N          every N-th experiment only, from the K-th on (1 to N)\n"
    "  --limit SECONDS      of host time for an experiment (default 600; 0: none)\n"
    "  --sandbox on|off     see faumachine(1)\n";

static bool apply_experiments(void *opaque, const char *value, struct error *error)
{
    struct campaign_command *this = opaque;
    return words_number(command, "-n", value, 1, 1000000000, &this->options.experiments,
                        error);
}

static bool apply_margin(void *opaque, const char *value, struct error *error)
{
    struct campaign_command *this = opaque;
    char *end;
    double percent = strtod(value, &end);
    this->options.margin = percent / 100;
    return (*value && (!*end || strcmp(end, "%") == 0) && percent >= 0.01 &&
            percent <= 50) ||
           error_set(error,
                     "%s: --margin %s: give percentage points from 0.01 to 50, as in "
                     "--margin 1",
                     command, value);
}

static bool apply_workers(void *opaque, const char *value, struct error *error)
{
    struct campaign_command *this = opaque;
    uint64_t number;
    bool good =
        words_number(command, "-j", value, 1, CAMPAIGN_WORKERS_MAXIMUM, &number, error);
    this->options.workers = (unsigned)number;
    return good;
}

static bool apply_database(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct campaign_command *)opaque)->options.database = value;
    return true;
}

static bool apply_seed(void *opaque, const char *value, struct error *error)
{
    struct campaign_command *this = opaque;
    return words_number(command, "--seed", value, 0, INT64_MAX, &this->options.seed,
                        error);
}

static bool apply_set(void *opaque, const char *value, struct error *error)
{
    return settings_add(&((struct campaign_command *)opaque)->settings, command, value,
                        error);
}

static bool apply_set_file(void *opaque, const char *value, struct error *error)
{
    return settings_add_file(&((struct campaign_command *)opaque)->settings, command,
                             value, error);
}

static bool apply_engine(void *opaque, const char *value, struct error *error)
{
    ((struct campaign_command *)opaque)->options.engine = value;
    return cpu_engine_find(value) ||
           error_set(error, "%s: --engine %s: there are jit and interpreter", command,
                     value);
}

static bool apply_shard(void *opaque, const char *value, struct error *error)
{
    struct campaign_command *this = opaque;
    char *end;
    unsigned long part = strtoul(value, &end, 10), parts = 0;
    if (*end == '/') {
        parts = strtoul(end + 1, &end, 10);
    }
    this->options.shard = part - 1;
    this->options.shards = parts;
    return (!*end && part >= 1 && part <= parts && parts <= 1000000) ||
           error_set(error, "%s: --shard %s: give K/N, with K from 1 to N, as in 3/16",
                     command, value);
}

static bool apply_limit(void *opaque, const char *value, struct error *error)
{
    struct campaign_command *this = opaque;
    uint64_t number;
    bool good = words_number(command, "--limit", value, 0, 1000000, &number, error);
    this->options.limit_s = (unsigned)number;
    return good;
}

static bool apply_sandbox(void *opaque, const char *value, struct error *error)
{
    struct campaign_command *this = opaque;
    return experiment_setup_sandbox(&this->setup, "campaign run: --sandbox", value,
                                    error);
}

static bool apply_prune(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct campaign_command *)opaque)->options.prune = true;
    return true;
}

static bool apply_waypoints(void *opaque, const char *value, struct error *error)
{
    struct campaign_command *this = opaque;
    uint64_t number;
    bool good =
        words_number(command, "--waypoints", value, 0, TRIAL_WAYPOINTS, &number, error);
    this->options.waypoints = (unsigned)number;
    return good;
}

static bool apply_help(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct campaign_command *)opaque)->help = true;
    return true;
}

static const struct word words[] = {
    {"n", false, apply_experiments},
    {"margin", false, apply_margin},
    {"j", false, apply_workers},
    {"db", false, apply_database},
    {"seed", false, apply_seed},
    {"set", false, apply_set},
    {"set-file", false, apply_set_file},
    {"engine", false, apply_engine},
    {"shard", false, apply_shard},
    {"limit", false, apply_limit},
    {"prune", true, apply_prune},
    {"sandbox", false, apply_sandbox},
    {"waypoints", false, apply_waypoints},
    {"help", true, apply_help},
    {"h", true, apply_help},
};

const struct word *campaign_run_option(const char *argument)
{
    return words_find(words, ARRAY_LENGTH(words), argument);
}

bool campaign_run_parse(struct campaign_command *this, int count,
                        char *const arguments[], struct error *error)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    this->options = (struct campaign_options){
        .seed = 1,
        .workers = processors > 0 && processors < CAMPAIGN_WORKERS_MAXIMUM
                       ? (unsigned)processors
                       : 1,
        .shards = 1,
        .waypoints = TRIAL_WAYPOINTS,
        .limit_s = CAMPAIGN_LIMIT_S,
    };
    this->setup.sandbox = CONFINEMENT_POSSIBLE;
    if (!words_parse(command, words, ARRAY_LENGTH(words), this, count, arguments,
                     &this->options.script, 1, error)) {
        return false;
    }
    if (this->help) {
        return true;
    }
    struct campaign_options *options = &this->options;
    options->settings = this->settings.values;
    options->setting_count = this->settings.count;
    bool has_number = options->experiments, has_margin = options->margin > 0;
    const char *missing = !options->script             ? "a script"
                          : !options->database         ? "--db FILE"
                          : !has_number && !has_margin ? "-n NUMBER or --margin PERCENT"
                                                       : NULL;
    if (has_number && has_margin) {
        return error_set(error, "%s: give it -n or --margin, not both", command);
    }
    return !missing || error_set(error, "%s: give it %s", command, missing);
}

/* In a worker's process. */
static bool experiment(void *opaque, const struct experiment_options *options,
                       void (*conduct)(void *opaque, struct experiment *experiment),
                       void *conductor, struct experiment_result *result,
                       struct error *error)
{
    struct campaign_command *this = opaque;
    return experiment_setup_run(&this->setup, options, conduct, conductor, result,
                                error);
}

static int run(struct campaign_command *this, struct error *error)
{
    const struct campaign_host host = {.experiment = experiment, .opaque = this};
    switch (campaign_run(&this->options, &host, error)) {
    case CAMPAIGN_DONE:
        break;
    case CAMPAIGN_STOPPED:
        fprintf(stderr,
                "faumachine: stopped; what is done is kept in %s, and the same command "
                "goes on with it\n",
                this->options.database);
        return EXIT_STOPPED;
    case CAMPAIGN_FAILED:
        cli_print_error(error);
        return EXIT_PROBLEM;
    }
    return EXIT_DONE;
}

int run_campaign_run(int count, char *const arguments[])
{
    struct campaign_command *this = calloc(1, sizeof(*this));
    struct error error;
    int status = EXIT_PROBLEM;
    if (!this) {
        return EXIT_PROBLEM;
    }
    if (!campaign_run_parse(this, count, arguments, &error)) {
        cli_print_error(&error);
    } else if (this->help) {
        fputs(usage, stdout);
        status = cli_flush_output();
    } else {
        status = run(this, &error);
    }
    settings_free(&this->settings);
    free(this);
    return status;
}
