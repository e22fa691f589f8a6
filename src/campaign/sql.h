/* campaign/sql.h: one connection to a database that speaks SQL.
 *
 * As little as results.c needs, so that a kind of database is one short file.
 * Statements are those that SQLite (3.24) and PostgreSQL (9.5) both understand;
 * parameters are $1, $2… in the order in which they appear. Thread: one at a time. */
#ifndef CAMPAIGN_SQL_H
#define CAMPAIGN_SQL_H

#include "base/error.h"
#include "base/types.h"
#include "campaign/results.h"

enum sql_kind { SQL_INTEGER, SQL_REAL, SQL_TEXT };

struct sql_value {
    enum sql_kind kind;
    bool is_null;
    union {
        int64_t integer;
        double real;
        const char *text; /* UTF-8 */
    };
};

/* A row of an answer; its texts are there until this returns. False: no more of them.
 */
typedef bool sql_row(void *opaque, const struct sql_value *values);

struct sql_query {
    const char *text;
    const struct sql_value *parameters;
    unsigned parameter_count;
    const enum sql_kind *kinds; /* of the answer's columns; others are converted */
    unsigned column_count;
    sql_row *row; /* NULL: there are none, or nobody wants them */
    void *opaque;
};

struct sql_connection {
    const struct sql_class *class;
    char *name; /* for messages: without passwords */
};

struct sql_class {
    const char *integer_type, *real_type; /* of 64 bits */
    const char *tables; /* a query: name and type ("table") of what there is */
    const char *begin;  /* begins a transaction that writes */
    const char
        *alone; /* within that: others wait until its end; NULL: they do anyway */
    bool (*run)(struct sql_connection *connection, const struct sql_query *query,
                struct error *error);
    void (*close)(struct sql_connection *connection);
};

/* A file. What is found in there may be hostile. NULL with one line if it cannot be
 * opened. */
struct sql_connection *sql_open_sqlite(const char *path, enum results_mode mode,
                                       struct error *error);

/* "postgresql://…", as libpq understands it. */
struct sql_connection *sql_open_postgres(const char *address, struct error *error);

#endif
