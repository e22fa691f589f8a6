#include "cli/campaign_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "campaign/campaign.h"
#include "cli/experiment_host.h"
#include "cli/run.h"
#include "cli/words.h"
#include "cpu/engines/engines.h"
#include "host/confinement/confinement.h"

enum { EXIT_DONE = 0, EXIT_PROBLEM = 1, EXIT_STOPPED = 3, MAXIMUM_SETTINGS = 64 };

static const char command[] = "campaign run";

static const char usage[] =
    "Usage: faumachine campaign run FILE.lua --db FILE -n NUMBER [options]\n"
    "\n"
    "Carries out the trial {…} of a script NUMBER times, each time with another fault\n"
    "of its fault space, and keeps what comes of it in a database. The same command\n"
    "goes on with a campaign that was interrupted. docs/campaigns.md has the rest.\n"
    "\n"
    "  -n NUMBER            how many experiments\n"
    "  --db FILE            the database; or postgresql://…\n"
    "  -j NUMBER            worker processes (default: one for each processor)\n"
    "  --seed N             of all chance (default 1)\n"
    "  --set KEY=VALUE      what setting(\"KEY\") is in the script\n"
    "  --engine NAME        whatever the script says: jit or interpreter\n"
    "  --prune              of faults that come to the same carry out one (def/use)\n"
    "  --waypoints NUMBER   moments of the golden run at which experiments begin, or "
    "are\n"
    "                       known to end (0 to 32, default 32)\n"
    "  --shard K/N          every N-th experiment only, from the K-th on (1 to N)\n"
    "  --limit SECONDS      of host time for an experiment (default 600; 0: none)\n"
    "  --sandbox on|off     see faumachine(1)\n";

struct command {
    struct campaign_options options;
    const char *settings[MAXIMUM_SETTINGS];
    struct experiment_setup setup;
    const char *name;
    bool help;
};

static bool apply_experiments(void *opaque, const char *value, struct error *error)
{
    struct command *this = opaque;
    return words_number(command, "-n", value, 1, 1000000000, &this->options.experiments,
                        error);
}

static bool apply_workers(void *opaque, const char *value, struct error *error)
{
    struct command *this = opaque;
    uint64_t number;
    bool good =
        words_number(command, "-j", value, 1, CAMPAIGN_WORKERS_MAXIMUM, &number, error);
    this->options.workers = (unsigned)number;
    return good;
}

static bool apply_database(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct command *)opaque)->options.database = value;
    return true;
}

static bool apply_seed(void *opaque, const char *value, struct error *error)
{
    struct command *this = opaque;
    return words_number(command, "--seed", value, 0, INT64_MAX, &this->options.seed,
                        error);
}

static bool apply_set(void *opaque, const char *value, struct error *error)
{
    struct command *this = opaque;
    if (*value == '=' || !strchr(value, '=')) {
        return error_set(error, "%s: --set %s: give KEY=VALUE", command, value);
    }
    if (this->options.setting_count == MAXIMUM_SETTINGS) {
        return error_set(error, "%s: --set: at most %d", command, MAXIMUM_SETTINGS);
    }
    this->settings[this->options.setting_count++] = value;
    return true;
}

static bool apply_engine(void *opaque, const char *value, struct error *error)
{
    ((struct command *)opaque)->options.engine = value;
    return cpu_engine_find(value) ||
           error_set(error, "%s: --engine %s: there are jit and interpreter", command,
                     value);
}

static bool apply_shard(void *opaque, const char *value, struct error *error)
{
    struct command *this = opaque;
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
    struct command *this = opaque;
    uint64_t number;
    bool good = words_number(command, "--limit", value, 0, 1000000, &number, error);
    this->options.limit_s = (unsigned)number;
    return good;
}

static bool apply_sandbox(void *opaque, const char *value, struct error *error)
{
    struct command *this = opaque;
    return experiment_setup_sandbox(&this->setup, "campaign run: --sandbox", value,
                                    error);
}

static bool apply_prune(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct command *)opaque)->options.prune = true;
    return true;
}

static bool apply_waypoints(void *opaque, const char *value, struct error *error)
{
    struct command *this = opaque;
    uint64_t number;
    bool good =
        words_number(command, "--waypoints", value, 0, TRIAL_WAYPOINTS, &number, error);
    this->options.waypoints = (unsigned)number;
    return good;
}

static bool apply_help(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct command *)opaque)->help = true;
    return true;
}

static const struct word words[] = {
    {"n", false, apply_experiments},
    {"j", false, apply_workers},
    {"db", false, apply_database},
    {"seed", false, apply_seed},
    {"set", false, apply_set},
    {"engine", false, apply_engine},
    {"shard", false, apply_shard},
    {"limit", false, apply_limit},
    {"prune", true, apply_prune},
    {"sandbox", false, apply_sandbox},
    {"waypoints", false, apply_waypoints},
    {"help", true, apply_help},
    {"h", true, apply_help},
};

static bool parse(struct command *this, int count, char *const arguments[],
                  struct error *error)
{
    if (!words_parse(command, words, ARRAY_LENGTH(words), this, count, arguments,
                     &this->name, 1, error)) {
        return false;
    }
    if (this->help) {
        return true;
    }
    const char *missing = !this->name                  ? "a script"
                          : !this->options.database    ? "--db FILE"
                          : !this->options.experiments ? "-n NUMBER"
                                                       : NULL;
    return !missing || error_set(error, "%s: give it %s", command, missing);
}

/* In a worker's process. */
static bool experiment(void *opaque, const struct experiment_options *options,
                       void (*conduct)(void *opaque, struct experiment *experiment),
                       void *conductor, struct experiment_result *result,
                       struct error *error)
{
    struct command *this = opaque;
    return experiment_setup_run(&this->setup, options, conduct, conductor, result,
                                error);
}

static int run(struct command *this, struct error *error)
{
    const struct campaign_host host = {.experiment = experiment, .opaque = this};
    this->options.script = this->name;
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
    struct command *this = calloc(1, sizeof(*this));
    struct error error;
    int status = EXIT_PROBLEM;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (!this) {
        return EXIT_PROBLEM;
    }
    this->options = (struct campaign_options){
        .settings = this->settings,
        .seed = 1,
        .workers = processors > 0 && processors < CAMPAIGN_WORKERS_MAXIMUM
                       ? (unsigned)processors
                       : 1,
        .shards = 1,
        .waypoints = TRIAL_WAYPOINTS,
        .limit_s = CAMPAIGN_LIMIT_S,
    };
    this->setup.sandbox = CONFINEMENT_POSSIBLE;
    if (!parse(this, count, arguments, &error)) {
        cli_print_error(&error);
    } else if (this->help) {
        fputs(usage, stdout);
        status = cli_flush_output();
    } else {
        status = run(this, &error);
    }
    free(this);
    return status;
}
