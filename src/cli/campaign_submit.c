#define _GNU_SOURCE /* asprintf(), get_current_dir_name() */
#include "cli/campaign_submit.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "campaign/output_file.h"
#include "campaign/results.h"
#include "campaign/shards.h"
#include "cli/batch_script.h"
#include "cli/campaign_run.h"
#include "cli/run.h"
#include "cli/sbatch.h"

enum {
    EXIT_PROBLEM = 1,
    TASKS_MAXIMUM = 1000000,
    SLURM_OPTIONS_MAXIMUM = 64,
    KEPT_MAXIMUM = SLURM_OPTIONS_MAXIMUM + 16,
};

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
    struct campaign_command run;
    struct batch_script script;
    struct batch_option options[SLURM_OPTIONS_MAXIMUM];
    const char **words; /* for the tasks: options of `campaign run`… */
    char **run_words;   /* …and all that it would be given here… */
    char **own_words;   /* …and what is not its */
    int run_count, own_count;
    bool slurm, dry_run, help;
    uint64_t cpus;
    const char *logs, *output;
    char *kept[KEPT_MAXIMUM]; /* texts of all these, to be freed */
    unsigned kept_count;
    bool *left;
};

/* Takes a text that was made here. */
__attribute__((format(printf, 2, 3))) static char *make_text(struct submit *this,
                                                             const char *format, ...)
{
    char *text;
    va_list values;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    assert(length >= 0 && this->kept_count < KEPT_MAXIMUM);
    return this->kept[this->kept_count++] = text;
}

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
    if (this->script.option_count == SLURM_OPTIONS_MAXIMUM) {
        return error_set(error, "%s: at most %d options for Slurm", command,
                         SLURM_OPTIONS_MAXIMUM);
    }
    this->options[this->script.option_count++] = (struct batch_option){name, value};
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
    return add_option(this, make_text(this, "%.*s", (int)length, name),
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
                        &((struct submit *)opaque)->script.tasks, error);
}

static bool apply_array_limit(void *opaque, const char *value, struct error *error)
{
    return words_number(command, "--array-limit", value, 1, TASKS_MAXIMUM,
                        &((struct submit *)opaque)->script.array_limit, error);
}

static bool apply_cpus(void *opaque, const char *value, struct error *error)
{
    return words_number(command, "--cpus-per-task", value, 1, CAMPAIGN_WORKERS_MAXIMUM,
                        &((struct submit *)opaque)->cpus, error);
}

static bool apply_logs(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct submit *)opaque)->logs = value;
    return true;
}

static bool apply_output(void *opaque, const char *value, struct error *error)
{
    (void)error;
    ((struct submit *)opaque)->output = value;
    return true;
}

static bool apply_requeue(void *opaque, const char *value, struct error *error)
{
    (void)value, (void)error;
    ((struct submit *)opaque)->script.requeue = true;
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
    ((struct submit *)opaque)->dry_run = true;
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
        this->script.workers = ""; /* to be filled in */
    }
    for (int i = 0; i < count; i++) {
        this->run_words[this->run_count++] = arguments[i];
        if (!replaced) {
            this->words[this->script.word_count++] = arguments[i];
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
    return campaign_run_parse(&this->run, this->run_count, this->run_words, error) &&
           (this->script.tasks || error_set(error, "%s: give it --tasks T", command)) &&
           (this->run.options.experiments ||
            error_set(
                error,
                "%s: give it -n NUMBER: what --margin comes to is known only when "
                "the trial has been run",
                command));
}

/* -- names -- */

/* As the user has come here: where links lead may be another place on other machines.
 */
static const char *absolute(struct submit *this, const char *name)
{
    return *name == '/' ? name : make_text(this, "%s/%s", this->script.folder, name);
}

static const char *find_program(struct submit *this, struct error *error)
{
    char *program = realpath("/proc/self/exe", NULL);
    if (!program) {
        error_set_errno(error, errno, "%s: cannot find this program", command);
        return NULL;
    }
    const char *name = make_text(this, "%s", program);
    free(program);
    return name;
}

/* Of experiments/sort-tmr/experiment.lua, "sort-tmr"; of sort.lua, "sort". */
static const char *job_name(struct submit *this, const char *script)
{
    static const char suffix[] = ".lua", common[] = "/experiment.lua";
    size_t end = strlen(script), length = strlen(common);
    if (end > length && strcmp(script + end - length, common) == 0) {
        end -= length;
    } else if (end > strlen(suffix) &&
               strcmp(script + end - strlen(suffix), suffix) == 0) {
        end -= strlen(suffix);
    }
    size_t begin = end;
    while (begin && script[begin - 1] != '/') {
        begin--;
    }
    char *name = make_text(this, "%.*s", (int)(end - begin), script + begin);
    for (char *c = name; *c; c++) {
        *c = isalnum((unsigned char)*c) || strchr(".-_", *c) ? *c : '_';
    }
    return *name ? name : "campaign";
}

static bool name_all(struct submit *this, struct error *error)
{
    struct campaign_options *options = &this->run.options;
    struct batch_script *script = &this->script;
    char ignored[EXPERIMENT_ID_BYTES];
    char *folder = get_current_dir_name();
    if (!folder) {
        return error_set_errno(error, errno, "%s: this folder has no name", command);
    }
    script->folder = make_text(this, "%s", folder);
    free(folder);
    script->script = absolute(this, options->script);
    script->job = job_name(this, script->script);
    script->database = options->database;
    if (results_is_file(options->database)) {
        script->database = absolute(this, options->database);
        this->logs =
            this->logs ? this->logs : make_text(this, "%s.slurm", script->database);
    }
    this->logs = this->logs ? this->logs : make_text(this, "%s.slurm", script->job);
    this->logs = absolute(this, this->logs);
    this->output = this->output ? absolute(this, this->output)
                                : make_text(this, "%s/job.sh", this->logs);
    script->program = find_program(this, error);
    return script->program && experiment_script_hash(script->script, ignored, error);
}

static void number_all(struct submit *this)
{
    struct batch_script *script = &this->script;
    if (script->workers) {
        script->workers = make_text(this, "%u", this->run.options.workers);
        script->cpus = script->workers;
    }
    if (this->cpus) {
        script->cpus = make_text(this, "%" PRIu64, this->cpus);
    }
    script->options = this->options;
    script->words = this->words;
}

/* -- submitting -- */

/* It may have a password in it. */
static bool write_script(const struct submit *this, struct error *error)
{
    struct output_file file;
    mode_t mask = umask(S_IRWXG | S_IRWXO);
    bool good = output_file_open(&file, this->output, error);
    umask(mask);
    if (good) {
        batch_script_write(&this->script, file.stream);
        good = output_file_close(&file, true, error);
    }
    return good;
}

static bool make_folder(const char *name, struct error *error)
{
    return mkdir(name, 0777) == 0 || errno == EEXIST ||
           error_set_errno(error, errno, "cannot make the folder '%s'", name);
}

/* Finds out early what each task would find out later. */
static bool look(struct submit *this, uint64_t *wanted, struct error *error)
{
    uint64_t stored, tasks = this->script.tasks;
    this->left = calloc(tasks, sizeof(*this->left));
    if (!this->left) {
        return error_set(error, "out of memory: give it fewer tasks");
    }
    if (!shards_look(&this->run.options, tasks, this->left, &stored, error)) {
        return false;
    }
    *wanted = 0;
    for (uint64_t k = 0; k < tasks; k++) {
        *wanted += this->left[k];
    }
    this->script.left = this->left;
    return true;
}

static bool submit(struct submit *this, struct error *error)
{
    uint64_t wanted = 0;
    if (!look(this, &wanted, error)) {
        return false;
    }
    if (!wanted) {
        fprintf(stderr, "faumachine: all experiments are done: nothing to submit\n");
        return true;
    }
    if (!make_folder(this->logs, error) || !write_script(this, error) ||
        !sbatch_submit(this->output, this->logs, error)) {
        return false;
    }
    struct error note;
    error_set(&note, "%" PRIu64 " of %" PRIu64 " tasks; logs in %s", wanted,
              this->script.tasks, this->logs);
    cli_print_error(&note); /* as one line */
    return true;
}

static int carry_out(struct submit *this)
{
    struct error error;
    if (!name_all(this, &error)) {
        cli_print_error(&error);
        return EXIT_PROBLEM;
    }
    number_all(this);
    if (this->dry_run) {
        batch_script_write(&this->script, stdout);
        return cli_flush_output();
    }
    if (!submit(this, &error)) {
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
    while (this->kept_count) {
        free(this->kept[--this->kept_count]);
    }
    free(this->left);
    free(this->words);
    settings_free(&this->run.settings);
    free(this->run_words);
    free(this->own_words);
    free(this);
    return status;
}
