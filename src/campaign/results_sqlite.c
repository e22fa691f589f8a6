/* Results in a file, by SQLite.
 *
 * The journal is a rollback journal: between two transactions the campaign is one file,
 * which can be copied, and locks work on network file systems that have POSIX locks (a
 * write-ahead log needs memory shared by all). Each transaction is on the disk when it
 * ends. */
#include "campaign/sql.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

enum { MOST_BYTES = 64 << 20 }; /* of a text or a statement */

struct sqlite {
    struct sql_connection connection;
    sqlite3 *database;
    sqlite3_stmt *statement; /* the last one */
};

static bool fail(const struct sqlite *sqlite, struct error *error)
{
    const char *name = sqlite->connection.name;
    switch (sqlite3_errcode(sqlite->database)) {
    case SQLITE_NOTADB:
        return error_set(error, "'%s' is no SQLite database", name);
    case SQLITE_CORRUPT:
        return error_set(error, "'%s' is damaged: %s", name,
                         sqlite3_errmsg(sqlite->database));
    case SQLITE_BUSY:
        return error_set(error,
                         "'%s' has been locked by another process for %d s: try again "
                         "when that has ended",
                         name, RESULTS_PATIENCE_MS / 1000);
    case SQLITE_READONLY:
        return error_set(error, "'%s' or its folder cannot be written to", name);
    case SQLITE_FULL:
        return error_set(error, "'%s' cannot grow: the disk is full", name);
    default:
        return error_set(error, "'%s': %s", name, sqlite3_errmsg(sqlite->database));
    }
}

static bool bind(struct sqlite *sqlite, unsigned index, const struct sql_value *value)
{
    sqlite3_stmt *statement = sqlite->statement;
    int at = (int)index + 1, code;
    if (value->is_null) {
        code = sqlite3_bind_null(statement, at);
    } else if (value->kind == SQL_INTEGER) {
        code = sqlite3_bind_int64(statement, at, value->integer);
    } else if (value->kind == SQL_REAL) {
        code = sqlite3_bind_double(statement, at, value->real);
    } else {
        code = sqlite3_bind_text(statement, at, value->text, -1, SQLITE_STATIC);
    }
    return code == SQLITE_OK;
}

/* What is executed again and again is compiled once. */
static bool prepare(struct sqlite *sqlite, const char *text)
{
    if (sqlite->statement && strcmp(sqlite3_sql(sqlite->statement), text) == 0) {
        return true;
    }
    sqlite3_finalize(sqlite->statement);
    sqlite->statement = NULL;
    return sqlite3_prepare_v2(sqlite->database, text, -1, &sqlite->statement, NULL) ==
           SQLITE_OK;
}

static bool take_row(struct sqlite *sqlite, const struct sql_query *query,
                     struct sql_value *values)
{
    for (unsigned i = 0; i < query->column_count; i++) {
        sqlite3_stmt *statement = sqlite->statement;
        struct sql_value *value = &values[i];
        value->kind = query->kinds[i];
        value->is_null = sqlite3_column_type(statement, (int)i) == SQLITE_NULL;
        if (value->kind == SQL_INTEGER) {
            value->integer = sqlite3_column_int64(statement, (int)i);
        } else if (value->kind == SQL_REAL) {
            value->real = sqlite3_column_double(statement, (int)i);
        } else {
            value->text = (const char *)sqlite3_column_text(statement, (int)i);
            value->is_null = !value->text;
        }
    }
    return query->row(query->opaque, values);
}

static bool sqlite_run(struct sql_connection *connection, const struct sql_query *query,
                       struct error *error)
{
    struct sqlite *sqlite = CONTAINER_OF(connection, struct sqlite, connection);
    struct sql_value values[RESULT_COLUMNS];
    bool good = prepare(sqlite, query->text);
    for (unsigned i = 0; good && i < query->parameter_count; i++) {
        good = bind(sqlite, i, &query->parameters[i]);
    }
    int code = SQLITE_ERROR;
    while (good && (code = sqlite3_step(sqlite->statement)) == SQLITE_ROW) {
        if (!query->row || !take_row(sqlite, query, values)) {
            code = SQLITE_DONE;
            break;
        }
    }
    good = code == SQLITE_DONE;
    if (!good) {
        fail(sqlite, error);
    }
    if (sqlite->statement) {
        sqlite3_reset(sqlite->statement);
        sqlite3_clear_bindings(sqlite->statement);
    }
    return good;
}

static void sqlite_close(struct sql_connection *connection)
{
    struct sqlite *sqlite = CONTAINER_OF(connection, struct sqlite, connection);
    sqlite3_finalize(sqlite->statement);
    sqlite3_close(sqlite->database);
    free(connection->name);
    free(sqlite);
}

static const struct sql_class sqlite_class = {
    .integer_type = "INTEGER",
    .real_type = "REAL",
    .tables = "SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' "
              "ESCAPE '\\'",
    .begin = "BEGIN IMMEDIATE",
    .run = sqlite_run,
    .close = sqlite_close,
};

/* SQLite would wait for the other end of a FIFO, and say little of the rest. */
static bool check_file(const char *path, bool create, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return (create && errno == ENOENT) ||
               error_set_errno(error, errno, "cannot open '%s'", path);
    }
    if (S_ISDIR(status.st_mode)) {
        return error_set(error, "'%s' is a folder: name a file", path);
    }
    return S_ISREG(status.st_mode) || error_set(error, "'%s' is no file", path);
}

/* Somebody else may have made the file: its schema is not trusted with anything. */
static void distrust(sqlite3 *database)
{
    sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    /* A name of no column is a mistake, not a text. */
    sqlite3_db_config(database, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_limit(database, SQLITE_LIMIT_LENGTH, MOST_BYTES);
}

struct sql_connection *sql_open_sqlite(const char *path, enum results_mode mode,
                                       struct error *error)
{
    bool create = mode == RESULTS_CREATE;
    if (!check_file(path, create, error)) {
        return NULL;
    }
    struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
    if (!sqlite) {
        error_set(error, "no memory for '%s'", path);
        return NULL;
    }
    sqlite->connection.class = &sqlite_class;
    sqlite->connection.name = strdup(path);
    /* Who only reads may have to end what a killed process has left half done. */
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    bool good =
        sqlite3_open_v2(path, &sqlite->database, flags, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(sqlite->database, RESULTS_PATIENCE_MS) == SQLITE_OK;
    if (!good) {
        fail(sqlite, error);
        sqlite_close(&sqlite->connection);
        return NULL;
    }
    distrust(sqlite->database);
    if (mode != RESULTS_READ && sqlite3_db_readonly(sqlite->database, "main") == 1) {
        error_set(error, "'%s' cannot be written to", path);
        sqlite_close(&sqlite->connection);
        return NULL;
    }
    return &sqlite->connection;
}
