/* campaign/results.h: the database of a campaign: what it is, and a row for each of its
 * experiments. docs/campaigns.md has the schema.
 *
 * It is an SQLite file, or, by "postgresql://…", a database of PostgreSQL. Rows come in
 * batches, each within a transaction: whoever is killed leaves complete batches. Any
 * number of processes may read and write at a time; who has to wait does so for at most
 * RESULTS_PATIENCE_MS.
 * Thread: one at a time. */
#ifndef CAMPAIGN_RESULTS_H
#define CAMPAIGN_RESULTS_H

#include "base/error.h"
#include "base/types.h"

#include <math.h>

enum {
    RESULTS_SCHEMA = 1, /* the version that this program reads and writes */
    RESULTS_BATCH = 256,
    RESULTS_PATIENCE_MS = 60000,
};

/* Absent (NULL) are: texts that are NULL, integers that are this, reals that are NAN.
 */
#define RESULTS_NONE INT64_MIN

/* An experiment. In the order of the columns, in the database and in CSV files. */
struct result_row {
    int64_t number;                /* from 0 on */
    const char *outcome;           /* its class; never absent */
    const char *target, *location; /* "ram", "0x100123" */
    int64_t bit, at_instruction;
    int64_t same_as;      /* absent: carried out; its own number: known without a run;
                           * else the one of its class that was carried out */
    int64_t class_points; /* points of the fault space that the class has */
    int64_t injected;     /* how often the fault has come */
    const char *activation, *injected_place;
    int64_t activated_instruction;
    const char *detected, *detail;
    const char *fault; /* its whole text, as -fault takes it */
    const char *hash, *values, *faults, *output;
    int64_t worker, instructions, virtual_ns;
    double host_ms;
};

enum result_kind { RESULT_INTEGER, RESULT_REAL, RESULT_TEXT };

struct result_column {
    const char *name;
    enum result_kind kind;
    size_t offset; /* in struct result_row: of an int64_t, a double or a const char * */
};

enum { RESULT_COLUMNS = 23 };
extern const struct result_column result_columns[RESULT_COLUMNS];

/* Everything absent. */
void result_row_clear(struct result_row *row);
/* What a column has; absent if it is of another kind. */
const char *result_row_text(const struct result_row *row, unsigned column);
int64_t result_row_integer(const struct result_row *row, unsigned column);
double result_row_real(const struct result_row *row, unsigned column);

struct results;

enum results_mode {
    RESULTS_READ,
    RESULTS_WRITE,  /* it has to be there */
    RESULTS_CREATE, /* or is made */
};

/* Whether that is the name of a file. */
bool results_is_file(const char *name);

/* `name`: a file or a "postgresql://…". What is no database of a campaign, or of
 * another version, is refused, and is not changed. */
struct results *results_open(const char *name, enum results_mode mode,
                             struct error *error);
/* Rows that have not been flushed are lost. */
void results_close(struct results *results);

/* Its name without a password, for messages and pages. */
const char *results_name(const struct results *results);

/* -- what the campaign is: keys with texts -- */

struct results_key {
    const char *key, *value;
};

/* Begins a campaign: stores these keys, unless another process, or a run before this,
 * has done so. Then *resumed is true, and its keys are there to be compared. */
bool results_begin(struct results *results, const struct results_key *keys,
                   unsigned count, bool *resumed, struct error *error);
bool results_set(struct results *results, const char *key, const char *value,
                 struct error *error);
/* As it was at the opening, results_begin() or results_set(); NULL: there is none.
 * There until one of these is called again, or the database closed. */
const char *results_get(const struct results *results, const char *key);

/* -- experiments -- */

/* done[n] = 1 for each experiment n < planned that there is; *count: how many. */
bool results_done(struct results *results, uint8_t *done, uint64_t planned,
                  uint64_t *count, struct error *error);

/* Takes a copy, and stores it with the next flush: at the latest with the
 * RESULTS_BATCHth. Texts that are no UTF-8 are made so. An experiment that is there
 * already stays as it is. */
bool results_add(struct results *results, const struct result_row *row,
                 struct error *error);
/* Stores what has been added, all or nothing. After a failure it may be tried again. */
bool results_flush(struct results *results, struct error *error);

/* The row is there until this returns. False: it wants no more. */
typedef bool results_visit(void *opaque, const struct result_row *row);

/* Visits experiments `first` to `last` in the order of their numbers. */
bool results_each(struct results *results, int64_t first, int64_t last,
                  results_visit *visit, void *opaque, struct error *error);

#endif
