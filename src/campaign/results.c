#include "campaign/results.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "campaign/sql.h"
#include "campaign/text.h"

struct results {
    struct sql_connection *sql;
    json_t *header;                           /* texts by keys */
    char *insert;                             /* the statement */
    struct result_row pending[RESULTS_BATCH]; /* whose texts are theirs */
    unsigned pending_count;
};

static const char schema_key[] = "schema";

#define COLUMN(name, kind)                                                             \
    {                                                                                  \
#name, kind, offsetof(struct result_row, name)                                 \
    }

const struct result_column result_columns[RESULT_COLUMNS] = {
    COLUMN(number, RESULT_INTEGER),       COLUMN(outcome, RESULT_TEXT),
    COLUMN(target, RESULT_TEXT),          COLUMN(location, RESULT_TEXT),
    COLUMN(bit, RESULT_INTEGER),          COLUMN(at_instruction, RESULT_INTEGER),
    COLUMN(same_as, RESULT_INTEGER),      COLUMN(class_points, RESULT_INTEGER),
    COLUMN(injected, RESULT_INTEGER),     COLUMN(activation, RESULT_TEXT),
    COLUMN(injected_place, RESULT_TEXT),  COLUMN(activated_instruction, RESULT_INTEGER),
    COLUMN(detected, RESULT_TEXT),        COLUMN(detail, RESULT_TEXT),
    COLUMN(fault, RESULT_TEXT),           COLUMN(hash, RESULT_TEXT),
    COLUMN(values, RESULT_TEXT),          COLUMN(faults, RESULT_TEXT),
    COLUMN(output, RESULT_TEXT),          COLUMN(worker, RESULT_INTEGER),
    COLUMN(instructions, RESULT_INTEGER), COLUMN(virtual_ns, RESULT_INTEGER),
    COLUMN(host_ms, RESULT_REAL),
};

static void *member_of(struct result_row *row, unsigned column)
{
    return (char *)row + result_columns[column].offset;
}

static const void *const_member_of(const struct result_row *row, unsigned column)
{
    return (const char *)row + result_columns[column].offset;
}

void result_row_clear(struct result_row *row)
{
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        void *member = member_of(row, i);
        switch (result_columns[i].kind) {
        case RESULT_INTEGER:
            *(int64_t *)member = RESULTS_NONE;
            break;
        case RESULT_REAL:
            *(double *)member = NAN;
            break;
        case RESULT_TEXT:
            *(const char **)member = NULL;
            break;
        }
    }
}

const char *result_row_text(const struct result_row *row, unsigned column)
{
    return result_columns[column].kind == RESULT_TEXT
               ? *(const char *const *)const_member_of(row, column)
               : NULL;
}

int64_t result_row_integer(const struct result_row *row, unsigned column)
{
    return result_columns[column].kind == RESULT_INTEGER
               ? *(const int64_t *)const_member_of(row, column)
               : RESULTS_NONE;
}

double result_row_real(const struct result_row *row, unsigned column)
{
    return result_columns[column].kind == RESULT_REAL
               ? *(const double *)const_member_of(row, column)
               : NAN;
}

/* -- statements -- */

static bool run(struct results *results, const char *text, struct error *error)
{
    const struct sql_query query = {.text = text};
    return results->sql->class->run(results->sql, &query, error);
}

/* Within a transaction: it is committed if `good`, else nothing has happened. */
static bool end_transaction(struct results *results, bool good, struct error *error)
{
    struct error ignored;
    if (good && run(results, "COMMIT", error)) {
        return true;
    }
    run(results, "ROLLBACK", &ignored);
    return false;
}

static bool begin_alone(struct results *results, struct error *error)
{
    const struct sql_class *class = results->sql->class;
    if (!run(results, class->begin, error)) {
        return false;
    }
    return !class->alone || run(results, class->alone, error) ||
           end_transaction(results, false, error);
}

static const char *type_of(const struct sql_class *class, enum result_kind kind)
{
    return kind == RESULT_INTEGER ? class->integer_type
           : kind == RESULT_REAL  ? class->real_type
                                  : "TEXT";
}

/* "values" is a word of SQL, so all names are quoted. */
static char *make_text(void (*write)(const struct results *, FILE *),
                       const struct results *results)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    assert(stream);
    write(results, stream);
    fclose(stream);
    return text;
}

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

static void write_insert(const struct results *results, FILE *stream)
{
    (void)results;
    fputs("INSERT INTO experiments VALUES (", stream);
    for (unsigned i = 1; i <= RESULT_COLUMNS; i++) {
        fprintf(stream, "%s$%u", i > 1 ? ", " : "", i);
    }
    fputs(") ON CONFLICT (number) DO NOTHING", stream);
}

static void write_select(const struct results *results, FILE *stream)
{
    (void)results;
    fputs("SELECT ", stream);
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        fprintf(stream, "%s\"%s\"", i ? ", " : "", result_columns[i].name);
    }
    fputs(" FROM experiments WHERE number BETWEEN $1 AND $2 ORDER BY number", stream);
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

static bool note_key(void *opaque, const struct sql_value *values)
{
    struct results *results = opaque;
    if (!values[0].is_null && !values[1].is_null) {
        json_object_set_new_nocheck(results->header, values[0].text,
                                    json_string_nocheck(values[1].text));
    }
    return true;
}

static bool read_header(struct results *results, struct error *error)
{
    static const enum sql_kind kinds[] = {SQL_TEXT, SQL_TEXT};
    const struct sql_query query = {.text = "SELECT key, value FROM campaign",
                                    .kinds = kinds,
                                    .column_count = ARRAY_LENGTH(kinds),
                                    .row = note_key,
                                    .opaque = results};
    json_object_clear(results->header);
    return results->sql->class->run(results->sql, &query, error);
}

static bool store_key(struct results *results, const char *key, const char *value,
                      struct error *error)
{
    char *clean = text_make_utf8(value);
    const struct sql_value parameters[] = {{.kind = SQL_TEXT, .text = key},
                                           {.kind = SQL_TEXT, .text = clean}};
    const struct sql_query query = {
        .text = "INSERT INTO campaign VALUES ($1, $2) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        .parameters = parameters,
        .parameter_count = ARRAY_LENGTH(parameters)};
    bool good = results->sql->class->run(results->sql, &query, error);
    free(clean);
    return good;
}

static bool make_tables(struct results *results, struct error *error)
{
    char version[16];
    char *table = make_text(write_table, results);
    snprintf(version, sizeof(version), "%d", RESULTS_SCHEMA);
    bool good = run(results, "CREATE TABLE campaign (key TEXT PRIMARY KEY, value TEXT)",
                    error) &&
                run(results, table, error) &&
                store_key(results, schema_key, version, error);
    free(table);
    return good;
}

/* Two processes may find it empty at the same time; one of them makes the tables. */
static bool create(struct results *results, struct error *error)
{
    struct contents contents;
    if (!begin_alone(results, error)) {
        return false;
    }
    bool good = look(results, &contents, error);
    if (good && !contents.campaign && !contents.experiments && !contents.others) {
        good = make_tables(results, error);
    }
    return end_transaction(results, good, error);
}

static bool check(struct results *results, const struct contents *contents,
                  struct error *error)
{
    const char *name = results->sql->name;
    if (!contents->campaign && !contents->experiments && !contents->others) {
        return error_set(error, "'%s' is empty: no campaign has begun in it", name);
    }
    if (!contents->campaign || !contents->experiments) {
        return error_set(
            error, "'%s' is a database, but not of a campaign: give another one", name);
    }
    if (!read_header(results, error)) {
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

static bool is_postgres(const char *name)
{
    return strncmp(name, "postgresql://", 13) == 0 ||
           strncmp(name, "postgres://", 11) == 0;
}

struct results *results_open(const char *name, enum results_mode mode,
                             struct error *error)
{
    struct sql_connection *sql = is_postgres(name) ? sql_open_postgres(name, error)
                                                   : sql_open_sqlite(name, mode, error);
    if (!sql) {
        return NULL;
    }
    struct contents contents;
    struct results *results = calloc(1, sizeof(*results));
    assert(results);
    results->sql = sql;
    results->header = json_object();
    results->insert = make_text(write_insert, results);
    bool good = look(results, &contents, error);
    if (good && mode == RESULTS_CREATE && !contents.campaign && !contents.experiments &&
        !contents.others) {
        good = create(results, error) && look(results, &contents, error);
    }
    if (!good || !check(results, &contents, error)) {
        results_close(results);
        return NULL;
    }
    return results;
}

static void drop_pending(struct results *results)
{
    for (unsigned i = 0; i < results->pending_count; i++) {
        for (unsigned column = 0; column < RESULT_COLUMNS; column++) {
            free((char *)result_row_text(&results->pending[i], column));
        }
    }
    results->pending_count = 0;
}

void results_close(struct results *results)
{
    if (results) {
        drop_pending(results);
        results->sql->class->close(results->sql);
        json_decref(results->header);
        free(results->insert);
        free(results);
    }
}

const char *results_name(const struct results *results)
{
    return results->sql->name;
}

/* -- keys -- */

bool results_begin(struct results *results, const struct results_key *keys,
                   unsigned count, bool *resumed, struct error *error)
{
    if (!begin_alone(results, error)) {
        return false;
    }
    bool good = read_header(results, error);
    *resumed = good && json_object_size(results->header) > 1;
    for (unsigned i = 0; good && !*resumed && i < count; i++) {
        good = store_key(results, keys[i].key, keys[i].value, error);
    }
    return end_transaction(results, good, error) && read_header(results, error);
}

bool results_set(struct results *results, const char *key, const char *value,
                 struct error *error)
{
    if (!store_key(results, key, value, error)) {
        return false;
    }
    json_object_set_new_nocheck(results->header, key, json_string_nocheck(value));
    return true;
}

const char *results_get(const struct results *results, const char *key)
{
    return json_string_value(json_object_get(results->header, key));
}

/* -- experiments -- */

struct done {
    uint8_t *done;
    uint64_t planned, count;
};

static bool note_done(void *opaque, const struct sql_value *values)
{
    struct done *done = opaque;
    uint64_t number = (uint64_t)values[0].integer;
    if (!values[0].is_null && number < done->planned && !done->done[number]) {
        done->done[number] = 1;
        done->count++;
    }
    return true;
}

bool results_done(struct results *results, uint8_t *done, uint64_t planned,
                  uint64_t *count, struct error *error)
{
    static const enum sql_kind kind = SQL_INTEGER;
    struct done found = {.done = done, .planned = planned};
    const struct sql_query query = {.text = "SELECT number FROM experiments",
                                    .kinds = &kind,
                                    .column_count = 1,
                                    .row = note_done,
                                    .opaque = &found};
    memset(done, 0, planned);
    bool good = results->sql->class->run(results->sql, &query, error);
    *count = found.count;
    return good;
}

bool results_add(struct results *results, const struct result_row *row,
                 struct error *error)
{
    if (results->pending_count == RESULTS_BATCH && !results_flush(results, error)) {
        return false;
    }
    struct result_row *copy = &results->pending[results->pending_count++];
    *copy = *row;
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        const char *text = result_row_text(row, i);
        if (text) {
            *(char **)member_of(copy, i) = text_make_utf8(text);
        }
    }
    return results->pending_count < RESULTS_BATCH || results_flush(results, error);
}

static bool store_row(struct results *results, const struct result_row *row,
                      struct error *error)
{
    struct sql_value values[RESULT_COLUMNS];
    const struct sql_query query = {.text = results->insert,
                                    .parameters = values,
                                    .parameter_count = RESULT_COLUMNS};
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        struct sql_value *value = &values[i];
        switch (result_columns[i].kind) {
        case RESULT_INTEGER:
            *value = (struct sql_value){.kind = SQL_INTEGER,
                                        .integer = result_row_integer(row, i)};
            value->is_null = value->integer == RESULTS_NONE;
            break;
        case RESULT_REAL:
            *value =
                (struct sql_value){.kind = SQL_REAL, .real = result_row_real(row, i)};
            value->is_null = isnan(value->real);
            break;
        case RESULT_TEXT:
            *value =
                (struct sql_value){.kind = SQL_TEXT, .text = result_row_text(row, i)};
            value->is_null = !value->text;
            break;
        }
    }
    return results->sql->class->run(results->sql, &query, error);
}

bool results_flush(struct results *results, struct error *error)
{
    if (!results->pending_count) {
        return true;
    }
    if (!run(results, results->sql->class->begin, error)) {
        return false;
    }
    bool good = true;
    for (unsigned i = 0; good && i < results->pending_count; i++) {
        good = store_row(results, &results->pending[i], error);
    }
    if (!end_transaction(results, good, error)) {
        return false;
    }
    drop_pending(results);
    return true;
}

struct visitor {
    results_visit *visit;
    void *opaque;
};

static bool take_row(void *opaque, const struct sql_value *values)
{
    const struct visitor *visitor = opaque;
    struct result_row row;
    result_row_clear(&row);
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        void *member = member_of(&row, i);
        if (values[i].is_null) {
            continue;
        }
        switch (result_columns[i].kind) {
        case RESULT_INTEGER:
            *(int64_t *)member = values[i].integer;
            break;
        case RESULT_REAL:
            *(double *)member = values[i].real;
            break;
        case RESULT_TEXT:
            *(const char **)member = values[i].text;
            break;
        }
    }
    row.outcome = row.outcome ? row.outcome : "";
    return visitor->visit(visitor->opaque, &row);
}

bool results_each(struct results *results, int64_t first, int64_t last,
                  results_visit *visit, void *opaque, struct error *error)
{
    static const enum sql_kind kind_of[] = {
        [RESULT_INTEGER] = SQL_INTEGER,
        [RESULT_REAL] = SQL_REAL,
        [RESULT_TEXT] = SQL_TEXT,
    };
    enum sql_kind kinds[RESULT_COLUMNS];
    struct visitor visitor = {.visit = visit, .opaque = opaque};
    const struct sql_value range[] = {{.kind = SQL_INTEGER, .integer = first},
                                      {.kind = SQL_INTEGER, .integer = last}};
    char *select = make_text(write_select, results);
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        kinds[i] = kind_of[result_columns[i].kind];
    }
    const struct sql_query query = {.text = select,
                                    .parameters = range,
                                    .parameter_count = ARRAY_LENGTH(range),
                                    .kinds = kinds,
                                    .column_count = RESULT_COLUMNS,
                                    .row = take_row,
                                    .opaque = &visitor};
    bool good = results->sql->class->run(results->sql, &query, error);
    free(select);
    return good;
}
