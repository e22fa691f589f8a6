/* cli/batch_script.h: the script of a job array of Slurm whose tasks are the shards of
 * a campaign. Thread: any. */
#ifndef CLI_BATCH_SCRIPT_H
#define CLI_BATCH_SCRIPT_H

#include "base/types.h"

#include <stdio.h>

struct batch_option {
    const char *name, *value; /* of sbatch: --NAME=VALUE; value NULL: --NAME */
};

/* All names of files are absolute, and may have any characters in them. */
struct batch_script {
    const char *job; /* its name: letters, digits, dots, dashes, underscores */
    const char *program, *folder, *script, *database;
    const char *const *words; /* more of `campaign run` */
    unsigned word_count;
    const char *workers; /* of a task; NULL: one for each of its processors */
    const char *cpus;    /* processors of a task; NULL: as sbatch does */
    uint64_t tasks;
    const bool *left;     /* which of them are to be carried out; NULL: all */
    uint64_t array_limit; /* so many at a time; 0: any number */
    bool requeue;         /* after a node's failure, preemption, or the time limit */
    const struct batch_option *options; /* values have no control characters */
    unsigned option_count;
};

void batch_script_write(const struct batch_script *script, FILE *stream);

#endif
