/* campaign/row.h: from what a worker tells to a row of the database. Thread: any. */
#ifndef CAMPAIGN_ROW_H
#define CAMPAIGN_ROW_H

#include "campaign/results.h"

#include <jansson.h>

struct row {
    struct result_row row; /* its texts belong to the message, or: */
    char *values, *faults;
    char place[80];
};

/* Of {"number", "point", "result"}; all but the outcome. */
void row_fill(struct row *row, const json_t *message, unsigned worker);
/* Of one that is not carried out: {"fault", …, "kind", "points"}. */
void row_fill_point(struct row *row, uint64_t number, const json_t *point);
void row_free(struct row *row);

#endif
