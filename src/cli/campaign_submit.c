#include "cli/campaign_submit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run.h"
#include "cli/submission.h"

enum { EXIT_PROBLEM = 1, TASKS_MAXIMUM = 1000000 };

static const char command[] = "campaign submit";

static const char usage[] =
    "Usage: faumachine campaign submit --slurm FILE.lua --db FILE -n NUMBER --tasks T\n"
    "                                  [options]\n"
    "\n"
    "Submits a job array of Slurm whose T tasks carry out a campaign together. The "
    "same\n"
    "command submits again what is left of it. docs/campaigns.md has the rest.\n"
    "\n"
    "  --tasks T               how many tasks, each of which is a shard\n"
    "  --array-limit M         at most so many at a time\n"
    "  --cpus-per-task N       processors of a task, each of which has a worker\n"
    "  -j N                    workers of a task, if these are to be others\n"
    "  --time LIMIT            of a task, as sbatch has it: 2:00:00\n"
    "  --partition NAME        where they run\n"
    "  --requeue               a task that comes to its time limit, is preempted, or\n"
    "                          whose node fails, goes on later\n"
    "  --slurm-option NAME[=VALUE]  any other of sbatch's long options: mem=4G\n"
    "  --logs FOLDER           of the script and the logs (default: FILE.slurm)\n"
    "  --output FILE           the script (default: job.sh in there)\n"
    "  --dry-run               print the script, and do nothing\n"
    "\n"
    "Those of `campaign run`, but --shard, go to the tasks.\n";

struct submit {
    struct submission job;
    const char **words; /* for the tasks: options of `campaign run`… */
    char **run_words;   /* …and all that it would be given here… */
    char **own_words;   /* …and what is not its */
    int run_count, own_count;
    bool slurm, help;
};

/* -- options -- */

/* A word of its own in a line that sbatch reads. */
static bool is_option_name(const char *name, size_t length)
{
    return length && isalpha((unsigned char)*name) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz-") >= length;
}

static bool add_option(struct submit *this, const char *name, const char *value,
                       struct error *error)
{
    for (const char *c = value ? value : ""; *c; c++) {
        if (iscntrl((unsigned char)*c)) {
            return error_set(error, "%s: --%s %s: no line breaks and such, please",
                             command, name, value);
        }
    }
    if (this->job.script.option_count == SUBMISSION_OPTIONS_MAXIMUM) {
        return error_set(error, "%s: at most %d options for Slurm", command,
                         SUBMISSION_OPTIONS_MAXIMUM);
    }
    this->job.options[this->job.script.option_count++] =
        (struct batch_option){name, value};
    return true;
}

static bool apply_slurm_option(void *opaque, const char *value, struct error *error)
{
    struct submit *this = opaque;
    const char *name = value + (strncmp(value, "--", 2) == 0 ? 2 : 0);
    size_t length = strcspn(name, "=");
    if (!is_option_name(name, length)) {
        return error_set(error,
                         "%s: --slurm-option %s: give one of sbatch's long options, as "
                         "in --slurm-option mem=4G",
                         command, value);
    }
    if (length == 5 && strncmp(name, "array", length) == 0) {
        return error_set(error,
                         "%s: --slurm-option %s: tasks are shards; give --tasks and "
                         "--array-limit",
                         command, value);
    }
    return add_option(this, submission_text(&this->job, "%.*s", (int)length, name),
                      name[length] ? name + length + 1 : NULL, error);
}

static bool apply_time(void *opaque, const char *value, struct error *error)
{
    return add_option(opaque, "time", value, error);
}

static bool apply_partition(void *opaque, const char *value, struct error *error)
{
    return add_option(opaque, "partition", value, error);
}

static bool apply_tasks(void *opaque, const char *value, struct error *error)
{
    return words_number(command, "--tasks", value, 1, TASKS_MAXIMUM,
                        &((struct submit *)opaque)->job.script.tasks, error);
}

static bool apply_array_limit(void *opaque, const char *value, struct error *error)
{
    return words_number(command, "--array-limit", value, 1, TASKS_MAXIMUM,
                        &((struct submit *)opaque)->job.script.array_limit, error);
}

static bool apply_cpus(void *opaque, const char *value, struct error *error)
{
    return words_number(command, "--cpus-per-task", value, 1, CAMPAIGN_WORKERS_MAXIMUM,
                        &((struct submit *)opaque)->job.cpus, error);
}

static bool apply_logs(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct submit *)opaque)->job.logs = value;
    return true;
}

static bool apply_output(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct submit *)opaque)->job.output = value;
    return true;
}

static bool apply_requeue(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct submit *)opaque)->job.script.requeue = true;
    return true;
}

static bool apply_slurm(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct submit *)opaque)->slurm = true;
    return true;
}

static bool apply_dry_run(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct submit *)opaque)->job.dry_run = true;
    return true;
}

static bool apply_help(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct submit *)opaque)->help = true;
    return true;
}

static const struct word words[] = {
    {"slurm", true, apply_slurm},
    {"tasks", false, apply_tasks},
    {"array-limit", false, apply_array_limit},
    {"cpus-per-task", false, apply_cpus},
    {"time", false, apply_time},
    {"partition", false, apply_partition},
    {"requeue", true, apply_requeue},
    {"slurm-option", false, apply_slurm_option},
    {"logs", false, apply_logs},
    {"output", false, apply_output},
    {"dry-run", true, apply_dry_run},
    {"help", true, apply_help},
    {"h", true, apply_help},
};

/* One of `campaign run`'s, which may have a value behind it. The tasks have another -j,
 * --db and --shard. */
static bool sort_run_option(struct submit *this, const struct word *word, int count,
                            char *const arguments[], struct error *error)
{
    bool replaced = strcmp(word->name, "j") == 0 || strcmp(word->name, "db") == 0;
    if (strcmp(word->name, "shard") == 0) {
        return error_set(error, "%s: --shard is each task's own: give --tasks",
                         command);
    }
    if (strcmp(word->name, "j") == 0) {
        this->job.has_workers = true;
    }
    for (int i = 0; i < count; i++) {
        this->run_words[this->run_count++] = arguments[i];
        if (!replaced) {
            this->words[this->job.script.word_count++] = arguments[i];
        }
    }
    return true;
}

/* What is whose; what nobody knows is refused as one of ours. */
static bool sort(struct submit *this, int count, char *const arguments[],
                 struct error *error)
{
    for (int i = 0, used; i < count; i += used) {
        bool option = arguments[i][0] == '-' && arguments[i][1];
        const struct word *own =
            option ? words_find(words, ARRAY_LENGTH(words), arguments[i]) : NULL;
        const struct word *run =
            option && !own ? campaign_run_option(arguments[i]) : NULL;
        const struct word *word = own ? own : run;
        bool value = word && !word->flag && !strchr(arguments[i], '=');
        used = value && i + 1 < count ? 2 : 1;
        if (run && !sort_run_option(this, run, used, arguments + i, error)) {
            return false;
        }
        for (int k = 0; k < used && !run; k++) {
            if (option) {
                this->own_words[this->own_count++] = arguments[i + k];
            } else {
                this->run_words[this->run_count++] = arguments[i + k];
            }
        }
    }
    return true;
}

static bool parse(struct submit *this, int count, char *const arguments[],
                  struct error *error)
{
    this->words = calloc((size_t)count + 1, sizeof(*this->words));
    this->run_words = calloc((size_t)count + 1, sizeof(*this->run_words));
    this->own_words = calloc((size_t)count + 1, sizeof(*this->own_words));
    if (!this->words || !this->run_words || !this->own_words) {
        return error_set(error, "out of memory");
    }
    if (!sort(this, count, arguments, error) ||
        !words_parse(command, words, ARRAY_LENGTH(words), this, this->own_count,
                     this->own_words, NULL, 0, error)) {
        return false;
    }
    if (this->help) {
        return true;
    }
    if (!this->slurm) {
        return error_set(error, "%s: say to what: --slurm", command);
    }
    return campaign_run_parse(&this->job.run, this->run_count, this->run_words,
                              error) &&
           (this->job.script.tasks ||
            error_set(error, "%s: give it --tasks T", command)) &&
           (this->job.run.options.experiments ||
            error_set(
                error,
                "%s: give it -n NUMBER: what --margin comes to is known only when "
                "the trial has been run",
                command));
}

static int carry_out(struct submit *this)
{
    struct error error;
    this->job.script.words = this->words;
    if (!submission_carry_out(&this->job, &error)) {
        cli_print_error(&error);
        return EXIT_PROBLEM;
    }
    return cli_flush_output();
}

int run_campaign_submit(int count, char *const arguments[])
{
    struct submit *this = calloc(1, sizeof(*this));
    struct error error;
    int status = EXIT_PROBLEM;
    if (!this) {
        return EXIT_PROBLEM;
    }
    if (!parse(this, count, arguments, &error)) {
        cli_print_error(&error);
    } else if (this->help) {
        fputs(usage, stdout);
        status = cli_flush_output();
    } else {
        status = carry_out(this);
    }
    submission_free(&this->job);
    free(this->words);
    settings_free(&this->job.run.settings);
    free(this->run_words);
    free(this->own_words);
    free(this);
    return status;
}
