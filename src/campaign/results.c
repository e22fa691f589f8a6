#define _GNU_SOURCE /* open_memstream() */
#include "campaign/results_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "campaign/text.h"

/* -- statements -- */

bool results_run(struct results *results, const char *text, struct error *error)
{
    const struct sql_query query = {.text = text};
    return results->sql->class->run(results->sql, &query, error);
}

bool results_end_transaction(struct results *results, bool good, struct error *error)
{
    struct error ignored;
    if (good && results_run(results, "COMMIT", error)) {
        return true;
    }
    results_run(results, "ROLLBACK", &ignored);
    return false;
}

bool results_begin_alone(struct results *results, struct error *error)
{
    const struct sql_class *class = results->sql->class;
    if (!results_run(results, class->begin, error)) {
        return false;
    }
    return !class->alone || results_run(results, class->alone, error) ||
           results_end_transaction(results, false, error);
}

char *results_make_text(void (*write)(const struct results *, FILE *),
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
    fprintf(stream,
            " FROM experiments WHERE number BETWEEN $1 AND $2 ORDER BY number LIMIT %d",
            RESULTS_BATCH);
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

bool results_read_header(struct results *results, struct error *error)
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

bool results_store_key(struct results *results, const char *key, const char *value,
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

bool results_is_file(const char *name)
{
    return strncmp(name, "postgresql://", 13) != 0 &&
           strncmp(name, "postgres://", 11) != 0;
}

struct results *results_open(const char *name, enum results_mode mode,
                             struct error *error)
{
    struct sql_connection *sql = results_is_file(name)
                                     ? sql_open_sqlite(name, mode, error)
                                     : sql_open_postgres(name, error);
    if (!sql) {
        return NULL;
    }
    struct results *results = calloc(1, sizeof(*results));
    assert(results);
    results->sql = sql;
    results->header = json_object();
    results->insert = results_make_text(write_insert, results);
    results->select = results_make_text(write_select, results);
    if (!results_open_schema(results, mode == RESULTS_CREATE, error)) {
        results_close(results);
        return NULL;
    }
    return results;
}

/* A copy whose texts are its own, and are UTF-8. */
static void copy_row(struct result_row *copy, const struct result_row *row)
{
    *copy = *row;
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        const char *text = result_row_text(row, i);
        if (text) {
            *(char **)result_row_member(copy, i) = text_make_utf8(text);
        }
    }
}

static void free_rows(struct result_row *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        for (unsigned column = 0; column < RESULT_COLUMNS; column++) {
            free((char *)result_row_text(&rows[i], column));
        }
    }
}

void results_close(struct results *results)
{
    if (results) {
        free_rows(results->pending, results->pending_count);
        results->sql->class->close(results->sql);
        json_decref(results->header);
        free(results->insert);
        free(results->select);
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
    if (!results_begin_alone(results, error)) {
        return false;
    }
    bool good = results_read_header(results, error);
    *resumed = good && json_object_size(results->header) > 1;
    for (unsigned i = 0; good && !*resumed && i < count; i++) {
        good = results_store_key(results, keys[i].key, keys[i].value, error);
    }
    return results_end_transaction(results, good, error) &&
           results_read_header(results, error);
}

bool results_set(struct results *results, const char *key, const char *value,
                 struct error *error)
{
    if (!results_store_key(results, key, value, error)) {
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

/* They are stored in the order of their numbers: of two processes that have the same
 * ones, neither waits for a row of the other while that waits for one of its own. */
static struct result_row *add_pending(struct results *results, int64_t number)
{
    struct result_row *row = &results->pending[results->pending_count++];
    for (; row > results->pending && row[-1].number > number; row--) {
        *row = row[-1];
    }
    return row;
}

bool results_add(struct results *results, const struct result_row *row,
                 struct error *error)
{
    if (results->pending_count == RESULTS_BATCH && !results_flush(results, error)) {
        return false;
    }
    copy_row(add_pending(results, row->number), row);
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
    if (!results_run(results, results->sql->class->begin, error)) {
        return false;
    }
    bool good = true;
    for (unsigned i = 0; good && i < results->pending_count; i++) {
        good = store_row(results, &results->pending[i], error);
    }
    if (!results_end_transaction(results, good, error)) {
        return false;
    }
    free_rows(results->pending, results->pending_count);
    results->pending_count = 0;
    return true;
}

struct page {
    struct result_row rows[RESULTS_BATCH];
    unsigned count;
};

static bool take_row(void *opaque, const struct sql_value *values)
{
    struct page *page = opaque;
    struct result_row row;
    result_row_clear(&row);
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        void *member = result_row_member(&row, i);
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
    copy_row(&page->rows[page->count++], &row);
    return page->count < RESULTS_BATCH;
}

static bool read_page(struct results *results, int64_t first, int64_t last,
                      struct page *page, struct error *error)
{
    static const enum sql_kind kind_of[] = {
        [RESULT_INTEGER] = SQL_INTEGER,
        [RESULT_REAL] = SQL_REAL,
        [RESULT_TEXT] = SQL_TEXT,
    };
    enum sql_kind kinds[RESULT_COLUMNS];
    const struct sql_value range[] = {{.kind = SQL_INTEGER, .integer = first},
                                      {.kind = SQL_INTEGER, .integer = last}};
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        kinds[i] = kind_of[result_columns[i].kind];
    }
    const struct sql_query query = {.text = results->select,
                                    .parameters = range,
                                    .parameter_count = ARRAY_LENGTH(range),
                                    .kinds = kinds,
                                    .column_count = RESULT_COLUMNS,
                                    .row = take_row,
                                    .opaque = page};
    page->count = 0;
    return results->sql->class->run(results->sql, &query, error);
}

/* Page by page: no lock is held while a visitor waits for whoever reads its output. */
bool results_each(struct results *results, int64_t first, int64_t last,
                  results_visit *visit, void *opaque, struct error *error)
{
    struct page *page = malloc(sizeof(*page));
    bool good, more;
    assert(page);
    do {
        good = read_page(results, first, last, page, error);
        more = good && page->count == RESULTS_BATCH;
        for (unsigned i = 0; good && i < page->count; i++) {
            first = page->rows[i].number;
            if (!visit(opaque, &page->rows[i])) {
                more = false;
                break;
            }
        }
        free_rows(page->rows, page->count);
        more = more && first < last;
        first += more;
    } while (more);
    free(page);
    return good;
}
