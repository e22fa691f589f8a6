/* Results in PostgreSQL, by libpq: for campaigns of many machines. */
#include "campaign/sql.h"

#ifdef FAUMACHINE_POSTGRES

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

enum { NUMBER_BYTES = 32 };

struct postgres {
    struct sql_connection connection;
    PGconn *server;
    bool connected; /* it was, at least */
};

/* What is no answer of the server, or that it is about to end (class 57 of PostgreSQL's
 * Appendix A, Error Codes). `answer` may be NULL. */
static bool has_gone(const struct postgres *postgres, const PGresult *answer)
{
    const char *code = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    return postgres->connected &&
           (code ? strncmp(code, "57P", 3) == 0
                 : answer || PQstatus(postgres->server) == CONNECTION_BAD);
}

/* What the server says may be several lines. */
static bool fail(const struct postgres *postgres, const PGresult *answer,
                 struct error *error)
{
    const char *name = postgres->connection.name;
    const char *text = PQerrorMessage(postgres->server);
    if (has_gone(postgres, answer)) {
        return error_set(error,
                         "'%s': the server has gone (%.*s); what was stored is kept: "
                         "give the same command again when it is back",
                         name, (int)strcspn(text, "\n"), text);
    }
    error_set(error, "'%s': %s", name, text);
    size_t length = strlen(error->text);
    while (length && isspace((unsigned char)error->text[length - 1])) {
        error->text[--length] = '\0';
    }
    for (char *c = error->text; *c; c++) {
        *c = iscntrl((unsigned char)*c) ? ' ' : *c;
    }
    return false;
}

static void take_row(const PGresult *answer, const struct sql_query *query,
                     struct sql_value *values)
{
    for (unsigned i = 0; i < query->column_count; i++) {
        struct sql_value *value = &values[i];
        const char *text = PQgetvalue(answer, 0, (int)i);
        value->kind = query->kinds[i];
        value->is_null = PQgetisnull(answer, 0, (int)i);
        if (value->kind == SQL_INTEGER) {
            value->integer = strtoll(text, NULL, 10);
        } else if (value->kind == SQL_REAL) {
            value->real = strtod(text, NULL);
        } else {
            value->text = text;
        }
    }
}

static bool send(struct postgres *postgres, const struct sql_query *query)
{
    const char *texts[RESULT_COLUMNS];
    char numbers[RESULT_COLUMNS][NUMBER_BYTES];
    for (unsigned i = 0; i < query->parameter_count; i++) {
        const struct sql_value *value = &query->parameters[i];
        texts[i] = numbers[i];
        if (value->is_null) {
            texts[i] = NULL;
        } else if (value->kind == SQL_INTEGER) {
            snprintf(numbers[i], NUMBER_BYTES, "%" PRId64, value->integer);
        } else if (value->kind == SQL_REAL) {
            snprintf(numbers[i], NUMBER_BYTES, "%.17g", value->real);
        } else {
            texts[i] = value->text;
        }
    }
    return PQsendQueryParams(postgres->server, query->text, (int)query->parameter_count,
                             NULL, texts, NULL, NULL, 0) &&
           PQsetSingleRowMode(postgres->server);
}

static bool postgres_run(struct sql_connection *connection,
                         const struct sql_query *query, struct error *error)
{
    struct postgres *postgres = CONTAINER_OF(connection, struct postgres, connection);
    struct sql_value values[RESULT_COLUMNS];
    if (!send(postgres, query)) {
        return fail(postgres, NULL, error);
    }
    bool good = true, more = query->row;
    for (PGresult *answer; (answer = PQgetResult(postgres->server)); PQclear(answer)) {
        switch (PQresultStatus(answer)) {
        case PGRES_SINGLE_TUPLE:
            if (more && (unsigned)PQnfields(answer) >= query->column_count) {
                take_row(answer, query, values);
                more = query->row(query->opaque, values);
            }
            break;
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
            break;
        default:
            good = fail(postgres, answer, error);
        }
    }
    return good;
}

/* Warnings that nobody has asked for; errors come by themselves. */
static void ignore_notice(void *opaque, const char *text)
{
    (void)opaque, (void)text;
}

static void postgres_close(struct sql_connection *connection)
{
    struct postgres *postgres = CONTAINER_OF(connection, struct postgres, connection);
    PQfinish(postgres->server);
    free(connection->name);
    free(postgres);
}

static const struct sql_class postgres_class = {
    .integer_type = "BIGINT",
    .real_type = "DOUBLE PRECISION",
    .tables =
        "SELECT c.relname::text, CASE c.relkind WHEN 'r' THEN 'table' ELSE 'other' "
        "END FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'v', 'm', 'f', "
        "'p')",
    /* What others have stored while this one waited is to be seen, too. */
    .begin = "BEGIN ISOLATION LEVEL READ COMMITTED",
    .alone = "SELECT pg_advisory_xact_lock(1178686829)", /* "FAUm" */
    .run = postgres_run,
    .close = postgres_close,
};

/* The address without its password, which may stand in two places. */
static char *name_of(const char *address)
{
    char *name = strdup(address);
    char *user = name ? strstr(name, "://") : NULL;
    if (!user) {
        return name;
    }
    user += 3;
    size_t authority = strcspn(user, "/?");
    char *at = memchr(user, '@', authority);
    char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;
    if (colon) {
        memmove(colon, at, strlen(at) + 1);
    }
    for (char *word; (word = strstr(name, "password="));) {
        size_t length = strcspn(word, "&");
        length += word[length] == '&';
        memmove(word, word + length, strlen(word + length) + 1);
    }
    size_t length = strlen(name);
    if (length && strchr("?&", name[length - 1])) {
        name[length - 1] = '\0';
    }
    return name;
}

/* A machine or a network that is off says nothing: the patience is limited, unless the
 * address has limits of its own. */
static PGconn *connect_to(const char *address)
{
    static const char *const keys[] = {
        "connect_timeout",  "keepalives_idle", "keepalives_interval",
        "tcp_user_timeout", "dbname",          NULL};
    char seconds[NUMBER_BYTES], milliseconds[NUMBER_BYTES];
    snprintf(seconds, sizeof(seconds), "%d", RESULTS_PATIENCE_MS / 1000);
    snprintf(milliseconds, sizeof(milliseconds), "%d", RESULTS_PATIENCE_MS);
    const char *const values[] = {seconds, seconds, "10", milliseconds, address, NULL};
    return PQconnectdbParams(keys, values, true);
}

struct sql_connection *sql_open_postgres(const char *address, struct error *error)
{
    struct postgres *postgres = calloc(1, sizeof(*postgres));
    if (!postgres) {
        error_set(error, "no memory for a connection");
        return NULL;
    }
    char patience[NUMBER_BYTES];
    snprintf(patience, sizeof(patience), "%d", RESULTS_PATIENCE_MS);
    postgres->connection.class = &postgres_class;
    postgres->connection.name = name_of(address);
    postgres->server = connect_to(address);
    PQsetNoticeProcessor(postgres->server, ignore_notice, NULL);
    const struct sql_value value = {.kind = SQL_TEXT, .text = patience};
    const struct sql_query query = {.text =
                                        "SELECT set_config('lock_timeout', $1, false)",
                                    .parameters = &value,
                                    .parameter_count = 1};
    bool good = PQstatus(postgres->server) == CONNECTION_OK &&
                PQsetClientEncoding(postgres->server, "UTF8") == 0;
    if (!good) {
        fail(postgres, NULL, error);
    }
    postgres->connected = good;
    if (!good || !postgres_run(&postgres->connection, &query, error)) {
        postgres_close(&postgres->connection);
        return NULL;
    }
    return &postgres->connection;
}

#else

struct sql_connection *sql_open_postgres(const char *address, struct error *error)
{
    (void)address;
    error_set(error, "postgresql://: this faumachine was built without PostgreSQL; "
                     "install libpq-dev and build it again, or name a file");
    return NULL;
}

#endif
