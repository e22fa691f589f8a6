#define _GNU_SOURCE /* get_current_dir_name(), vasprintf() */
#include "cli/submission.h"

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
#include "cli/run.h"
#include "cli/sbatch.h"

char *submission_text(struct submission *this, const char *format, ...)
{
    char *text;
    va_list values;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    assert(length >= 0 && this->kept_count < SUBMISSION_TEXTS_MAXIMUM);
    return this->kept[this->kept_count++] = text;
}

/* -- names -- */

/* As the user has come here: where links lead may be another place on other machines.
 */
static const char *absolute(struct submission *this, const char *name)
{
    return *name == '/' ? name
                        : submission_text(this, "%s/%s", this->script.folder, name);
}

static const char *find_program(struct submission *this, struct error *error)
{
    char *program = realpath("/proc/self/exe", NULL);
    if (!program) {
        error_set_errno(error, errno, "cannot find this program");
        return NULL;
    }
    const char *name = submission_text(this, "%s", program);
    free(program);
    return name;
}

/* Of experiments/sort-tmr/experiment.lua, "sort-tmr"; of sort.lua, "sort". */
static const char *job_name(struct submission *this, const char *script)
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
    char *name = submission_text(this, "%.*s", (int)(end - begin), script + begin);
    for (char *c = name; *c; c++) {
        *c = isalnum((unsigned char)*c) || strchr(".-_", *c) ? *c : '_';
    }
    return *name ? name : "campaign";
}

static bool name_all(struct submission *this, struct error *error)
{
    struct campaign_options *options = &this->run.options;
    struct batch_script *script = &this->script;
    char ignored[EXPERIMENT_ID_BYTES];
    char *folder = get_current_dir_name();
    if (!folder) {
        return error_set_errno(error, errno, "this folder has no name");
    }
    script->folder = submission_text(this, "%s", folder);
    free(folder);
    script->script = absolute(this, options->script);
    script->job = job_name(this, script->script);
    script->database = options->database;
    if (results_is_file(options->database)) {
        script->database = absolute(this, options->database);
        this->logs = this->logs ? this->logs
                                : submission_text(this, "%s.slurm", script->database);
    }
    this->logs =
        this->logs ? this->logs : submission_text(this, "%s.slurm", script->job);
    this->logs = absolute(this, this->logs);
    this->output = this->output ? absolute(this, this->output)
                                : submission_text(this, "%s/job.sh", this->logs);
    script->program = find_program(this, error);
    return script->program && experiment_script_hash(script->script, ignored, error);
}

static void number_all(struct submission *this)
{
    struct batch_script *script = &this->script;
    if (this->has_workers) {
        script->workers = submission_text(this, "%u", this->run.options.workers);
        script->cpus = script->workers;
    }
    if (this->cpus) {
        script->cpus = submission_text(this, "%" PRIu64, this->cpus);
    }
    script->options = this->options;
}

/* -- submitting -- */

/* It may have a password in it. */
static bool write_script(const struct submission *this, struct error *error)
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
static bool look(struct submission *this, uint64_t *wanted, struct error *error)
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

static bool submit(struct submission *this, struct error *error)
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

bool submission_carry_out(struct submission *this, struct error *error)
{
    if (!name_all(this, error)) {
        return false;
    }
    number_all(this);
    if (this->dry_run) {
        batch_script_write(&this->script, stdout);
        return true;
    }
    return submit(this, error);
}

void submission_free(struct submission *this)
{
    while (this->kept_count) {
        free(this->kept[--this->kept_count]);
    }
    free(this->left);
}
