/* The tables of a campaign: how they are made, and how they are recognised. */
#define _GNU_SOURCE /* open_memstream() */
#include "campaign/results_internal.h"

#include <stdlib.h>
#include <string.h>

static const char schema_key[] = "schema";

static const char *type_of(const struct sql_class *class, enum result_kind kind)
{
    return kind == RESULT_INTEGER ? class->integer_type
           : kind == RESULT_REAL  ? class->real_type
                                  : "TEXT";
}

/* "values" is a word of SQL: all names of columns are quoted. */
static void write_table(const struct results *results, FILE *stream)
{
    fputs("CREATE TABLE experiments (", stream);
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        fprintf(stream, "%s\"%s\" %s%s", i ? ", " : "", result_columns[i].name,
                type_of(results->sql->class, result_columns[i].kind),
                i == 0   ? " PRIMARY KEY"
                : i == 1 ? " NOT NULL"
                         : "");
    }
    fputs(")", stream);
}

static bool make_tables(struct results *results, struct error *error)
{
    char version[16];
    char *table = results_make_text(write_table, results);
    snprintf(version, sizeof(version), "%d", RESULTS_SCHEMA);
    bool good =
        results_run(results, "CREATE TABLE campaign (key TEXT PRIMARY KEY, value TEXT)",
                    error) &&
        results_run(results, table, error) &&
        results_store_key(results, schema_key, version, error);
    free(table);
    return good;
}

/* -- is it ours -- */

struct contents {
    bool campaign, experiments, others;
};

static bool note_table(void *opaque, const struct sql_value *values)
{
    struct contents *contents = opaque;
    const char *name = values[0].is_null ? "" : values[0].text;
    bool table = !values[1].is_null && strcmp(values[1].text, "table") == 0;
    if (table && strcmp(name, "campaign") == 0) {
        contents->campaign = true;
    } else if (table && strcmp(name, "experiments") == 0) {
        contents->experiments = true;
    } else {
        contents->others = true;
    }
    return true;
}

static bool look(struct results *results, struct contents *contents,
                 struct error *error)
{
    static const enum sql_kind kinds[] = {SQL_TEXT, SQL_TEXT};
    const struct sql_query query = {.text = results->sql->class->tables,
                                    .kinds = kinds,
                                    .column_count = ARRAY_LENGTH(kinds),
                                    .row = note_table,
                                    .opaque = contents};
    *contents = (struct contents){0};
    return results->sql->class->run(results->sql, &query, error);
}

static bool is_empty(const struct contents *contents)
{
    return !contents->campaign && !contents->experiments && !contents->others;
}

/* Two processes may find it empty at the same time; one of them makes the tables. */
static bool make_campaign(struct results *results, struct error *error)
{
    struct contents contents;
    if (!results_begin_alone(results, error)) {
        return false;
    }
    bool good = look(results, &contents, error);
    if (good && is_empty(&contents)) {
        good = make_tables(results, error);
    }
    return results_end_transaction(results, good, error);
}

static bool check(struct results *results, const struct contents *contents,
                  struct error *error)
{
    const char *name = results->sql->name;
    if (is_empty(contents)) {
        return error_set(error, "'%s' is empty: no campaign has begun in it", name);
    }
    if (!contents->campaign || !contents->experiments) {
        return error_set(
            error, "'%s' is a database, but not of a campaign: give another one", name);
    }
    if (!results_read_header(results, error)) {
        return false;
    }
    const char *version = results_get(results, schema_key);
    if (!version) {
        return error_set(error,
                         "'%s' is a database, but not of a campaign: it has no "
                         "version of the schema",
                         name);
    }
    return atoi(version) == RESULTS_SCHEMA ||
           error_set(error,
                     "'%s' has version %.20s of the schema, and this faumachine reads "
                     "version %d: use the one that has made it",
                     name, version, RESULTS_SCHEMA);
}

bool results_open_schema(struct results *results, bool create, struct error *error)
{
    struct contents contents;
    bool good = look(results, &contents, error);
    if (good && create && is_empty(&contents)) {
        good = make_campaign(results, error) && look(results, &contents, error);
    }
    return good && check(results, &contents, error);
}
