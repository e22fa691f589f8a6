#include "cli/batch_script.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* -- words of the shell -- */

static bool is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789/._-+=:,@%";
    return *word && !word[strspn(word, plain)];
}

/* Within quotes nothing means anything, but the quote. sbatch reads lines before any
 * shell does: no word has one of its own. */
static void write_word(const char *word, FILE *stream)
{
    if (is_plain(word)) {
        fputs(word, stream);
        return;
    }
    fputc('\'', stream);
    for (; *word; word++) {
        if (*word == '\'') {
            fputs("'\\''", stream);
        } else if (*word == '\n') {
            fputs("'\"$newline\"'", stream);
        } else {
            fputc(*word, stream);
        }
    }
    fputc('\'', stream);
}

static bool has_newline(const struct batch_script *script)
{
    const char *const names[] = {script->program, script->folder, script->script,
                                 script->database};
    bool found = false;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        found |= strchr(names[i], '\n') != NULL;
    }
    for (unsigned i = 0; i < script->word_count; i++) {
        found |= strchr(script->words[i], '\n') != NULL;
    }
    return found;
}

/* -- directives -- */

/* "1-4,7" */
static void write_tasks(const struct batch_script *script, FILE *stream)
{
    const char *comma = "";
    for (uint64_t first = 0, last; first < script->tasks; first = last + 1) {
        last = first;
        if (script->left && !script->left[first]) {
            continue;
        }
        while (last + 1 < script->tasks && (!script->left || script->left[last + 1])) {
            last++;
        }
        fprintf(stream, "%s%" PRIu64, comma, first + 1);
        if (last > first) {
            fprintf(stream, "-%" PRIu64, last + 1);
        }
        comma = ",";
    }
}

/* sbatch reads such lines itself: within quotes, a backslash takes what follows as it
 * is.
 */
static void write_option(const struct batch_option *option, FILE *stream)
{
    fprintf(stream, "#SBATCH --%s", option->name);
    if (option->value && is_plain(option->value)) {
        fprintf(stream, "=%s", option->value);
    } else if (option->value) {
        fputs("=\"", stream);
        for (const char *c = option->value; *c; c++) {
            fputs(strchr("\"\\", *c) ? "\\" : "", stream);
            fputc(*c, stream);
        }
        fputc('"', stream);
    }
    fputc('\n', stream);
}

/* Logs are in the folder where the job is submitted. What the user has given comes
 * last, and so decides. */
static void write_directives(const struct batch_script *script, FILE *stream)
{
    fprintf(stream, "#SBATCH --job-name=%s\n#SBATCH --array=", script->job);
    write_tasks(script, stream);
    if (script->array_limit) {
        fprintf(stream, "%%%" PRIu64, script->array_limit);
    }
    fputs("\n#SBATCH --ntasks=1\n#SBATCH --output=%A_%a.log\n"
          "#SBATCH --open-mode=append\n",
          stream);
    if (script->cpus) {
        fprintf(stream, "#SBATCH --cpus-per-task=%s\n", script->cpus);
    }
    if (script->requeue) {
        fputs("#SBATCH --requeue\n#SBATCH --signal=B:USR1@60\n", stream);
    }
    for (unsigned i = 0; i < script->option_count; i++) {
        write_option(&script->options[i], stream);
    }
}

/* -- commands -- */

static void write_command(const struct batch_script *script, FILE *stream)
{
    write_word(script->program, stream);
    fputs(" campaign run ", stream);
    write_word(script->script, stream);
    fputs(" \\\n    --db ", stream);
    write_word(script->database, stream);
    fprintf(stream, " --shard \"$SLURM_ARRAY_TASK_ID/%" PRIu64 "\" -j ", script->tasks);
    if (script->workers) {
        write_word(script->workers, stream);
    } else {
        fputs("\"${SLURM_CPUS_PER_TASK:-1}\"", stream);
    }
    for (unsigned i = 0; i < script->word_count; i++) {
        fputs(i ? " " : " \\\n    ", stream);
        write_word(script->words[i], stream);
    }
}

/* A signal ends `wait`, whose status is then above 128, before the campaign has ended.
 */
static void write_requeue(FILE *stream)
{
    fputs(" &\n"
          "campaign=$!\n"
          "limit=no\n"
          "trap 'kill -TERM $campaign' TERM\n"
          "trap 'limit=yes; kill -TERM $campaign' USR1 # the time limit is near\n"
          "wait $campaign\n"
          "status=$?\n"
          "while kill -0 $campaign 2>/dev/null; do\n"
          "    wait $campaign\n"
          "    status=$?\n"
          "done\n"
          "if [ $limit = yes ] && [ $status -eq 3 ]; then\n"
          "    scontrol requeue \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\" || "
          "exit 3\n"
          "    exit 0\n"
          "fi\n"
          "exit $status\n",
          stream);
}

void batch_script_write(const struct batch_script *script, FILE *stream)
{
    fputs("#!/bin/sh\n", stream);
    write_directives(script, stream);
    fputs("\n# Written by `faumachine campaign submit`: each task is a shard.\n",
          stream);
    if (has_newline(script)) {
        fputs("newline=$(printf '\\nx')\nnewline=${newline%x}\n", stream);
    }
    fputs("cd ", stream);
    write_word(script->folder, stream);
    fputs(script->requeue ? " || exit 1\n" : " || exit 1\nexec ", stream);
    write_command(script, stream);
    if (script->requeue) {
        write_requeue(stream);
    } else {
        fputc('\n', stream);
    }
}
