/* campaign/results_internal.h: the parts of results.h: its own connection, its schema,
 * and its rows. */
#ifndef CAMPAIGN_RESULTS_INTERNAL_H
#define CAMPAIGN_RESULTS_INTERNAL_H

#include "campaign/results.h"
#include "campaign/sql.h"

#include <stdio.h>

#include <jansson.h>

struct results {
    struct sql_connection *sql;
    json_t *header;                           /* texts by keys */
    char *insert, *select;                    /* statements */
    struct result_row pending[RESULTS_BATCH]; /* whose texts are theirs */
    unsigned pending_count;
};

/* A statement without parameters and answer. */
bool results_run(struct results *results, const char *text, struct error *error);

/* Begins a transaction that is alone: what it has read stays so until its end. */
bool results_begin_alone(struct results *results, struct error *error);
/* Commits it if `good`, else nothing has happened. */
bool results_end_transaction(struct results *results, bool good, struct error *error);

bool results_read_header(struct results *results, struct error *error);
bool results_store_key(struct results *results, const char *key, const char *value,
                       struct error *error);

/* Finds out that the database is a campaign's, and reads its header; one that is empty
 * is made so if `create`. */
bool results_open_schema(struct results *results, bool create, struct error *error);

/* What `write` writes; to be freed. */
char *results_make_text(void (*write)(const struct results *, FILE *),
                        const struct results *results);

/* Of an int64_t, a double or a const char *. */
void *result_row_member(struct result_row *row, unsigned column);

#endif
