/* experiment/experiment.h: one experiment: a Lua script describes a machine, drives it
 * in virtual time, and judges what it does. docs/experiments.md is its manual.
 *
 * Time is counted (CLOCK_KIND_COUNTED): what happens depends on the script, its
 * settings, its seed and the files it names, and on nothing else.
 * Thread: one, which becomes the machine's. Saved by: nobody. */
#ifndef EXPERIMENT_EXPERIMENT_H
#define EXPERIMENT_EXPERIMENT_H

#include "base/error.h"
#include "faults/faults.h"
#include "machine/machine.h"

#include <jansson.h>

enum {
    EXPERIMENT_ID_BYTES = 17,
    EXPERIMENT_OUTCOME_BYTES = 64,
    EXPERIMENT_DETAIL_BYTES = 8192,
    EXPERIMENT_OUTPUT_BYTES = 4096,
    EXPERIMENT_END_BYTES = 16,
    EXPERIMENT_LIMIT_S = 600, /* of host time, unless it is told otherwise */
};

struct experiment;

/* One run of what a script repeats: trial {…}. */
struct trial_order {
    uint64_t seed;       /* of what its faults leave to chance */
    const char *faults;  /* texts, a line each; NULL: none */
    uint64_t timeout_ns; /* virtual; 0: none but those of the script's waits */
};

struct experiment_options {
    const char *script;          /* a file */
    const char *const *settings; /* "KEY=VALUE" */
    unsigned setting_count;
    uint64_t seed;
    const char *engine;       /* NULL: as the script says */
    const char *log_folder;   /* made if it is not there; NULL: nothing is logged */
    const char *results;      /* a file to append to; or NULL */
    unsigned limit_s;         /* of host time; 0: none */
    bool start_paused;        /* for a debugger */
    struct trial_order trial; /* if it is carried out just once */
};

/* What an experiment needs of who runs it. */
struct experiment_host {
    /* Reads options as the command line has them. Strings point into the arguments, or
     * belong to the callee. */
    bool (*configure)(void *opaque, int count, char *const arguments[],
                      struct machine_config *config, struct faults_config *faults,
                      struct error *error);
    /* Everything is open: powers the machine on, and gives up what is not needed. */
    bool (*start)(void *opaque, struct machine *machine, struct error *error);
    /* A fault has just come, and the next instruction is not begun; lock held. NULL:
     * nobody looks. */
    void (*injected)(void *opaque, struct machine *machine);
    /* The machine does not run any more, and is about to be destroyed. */
    void (*ended)(void *opaque, struct machine *machine);
    /* The script has come to its trial, which this repeats as it likes (trial.h); then
     * the experiment is over. NULL: it is carried out once, by options->trial. */
    void (*conduct)(void *opaque, struct experiment *experiment);
    /* A line that the script wants to be seen. NULL: nobody looks. */
    void (*print)(void *opaque, const char *line);
    void *opaque;
};

struct experiment_result {
    char id[EXPERIMENT_ID_BYTES];
    /* What the script says, or: "ok" (it has come to its end), "failed" (not as
     * expected), "timeout" (waited in vain), "error" (a mistake in the script, or the
     * host's), "limit" (of host time), "stopped" (by the user). */
    char outcome[EXPERIMENT_OUTCOME_BYTES];
    bool by_script; /* it has called outcome() */
    char detail[EXPERIMENT_DETAIL_BYTES];
    bool has_machine; /* there was one: what follows means something */
    uint64_t hash;    /* of the machine in the end: machine_hash() */
    uint64_t virtual_ns, instructions;
    char end[EXPERIMENT_END_BYTES]; /* how the machine has ended; empty: it has not */
    bool has_trial;                 /* the trial has been run: what follows is of it */
    uint64_t trial_hash;  /* its end state, as far as it differs from its beginning */
    uint64_t output_hash; /* of what all consoles have said in it */
    char *output;         /* the last of that, EXPERIMENT_OUTPUT_BYTES at most */
    char engine[16];
    double host_s;
    json_t *values; /* what the script has recorded: an object */
    json_t *faults; /* what is to tell of each: an array */
};

/* Runs it to its end; that is a result, too, if it is a bad one. False, with one line
 * for the user, only if it could not begin, or the result not be stored. */
bool experiment_run(const struct experiment_options *options,
                    const struct experiment_host *host,
                    struct experiment_result *result, struct error *error);
void experiment_result_free(struct experiment_result *result);

/* An experiment as a file of results tells of it. */
struct experiment_record {
    json_t *json; /* owns what the others point to */
    const char *script, *script_hash, *hash, *engine, *outcome;
    const char *trial_faults; /* NULL: none */
    const char **settings;
    unsigned setting_count;
    uint64_t seed;
};

/* Finds the experiment whose id begins with `id` ("last": the last one). */
bool experiment_record_find(const char *file, const char *id,
                            struct experiment_record *record, struct error *error);
void experiment_record_free(struct experiment_record *record);

/* The text of a script, to be freed; NULL if it cannot be read. */
char *experiment_script_text(const char *file, struct error *error);
/* Hash of a script as records have it; false if it cannot be read. */
bool experiment_script_hash(const char *file, char text[EXPERIMENT_ID_BYTES],
                            struct error *error);

#endif
