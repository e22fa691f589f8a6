/* The database of a campaign: what is stored is there, once, whoever is killed and
 * however many write; and what is no such database is refused with one line.
 *
 * With FAUMACHINE_POSTGRES (an address that a search path can be appended to; schemas
 * t0, t1… are there) the same with PostgreSQL. */
#define _GNU_SOURCE /* asprintf(), mkdtemp() */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "campaign/results.h"

enum {
    PLANNED = 2000,
    WRITERS = 3,
    BOTH = 2,
    SAME = 20 * RESULTS_BATCH,
    CHILD_FAILED = 99
};

static char folder[] = "/tmp/faumachine-results-XXXXXX";
static unsigned databases; /* made so far */
static struct error error;

/* A database that is not there yet. To be freed. */
static char *new_name(void)
{
    const char *server = getenv("FAUMACHINE_POSTGRES");
    char *name = NULL;
    int length =
        server ? asprintf(&name, "%s&options=-csearch_path%%3Dt%u", server, databases++)
               : asprintf(&name, "%s/%u.db", folder, databases++);
    assert_true(length > 0);
    return name;
}

static struct results *open_good(const char *name, enum results_mode mode)
{
    struct results *results = results_open(name, mode, &error);
    if (!results) {
        fail_msg("%s", error.text);
    }
    return results;
}

static struct result_row make_row(int64_t number)
{
    struct result_row row;
    result_row_clear(&row);
    row.number = number;
    row.outcome = number % 2 ? "masked" : "sdc";
    return row;
}

static void add(struct results *results, int64_t number)
{
    const struct result_row row = make_row(number);
    assert_true(results_add(results, &row, &error));
}

static uint64_t count_done(struct results *results, uint8_t done[PLANNED])
{
    uint64_t count;
    assert_true(results_done(results, done, PLANNED, &count, &error));
    return count;
}

/* -- keys -- */

static void test_keys(void **state)
{
    (void)state;
    const struct results_key first[] = {{"seed", "7"}, {"script", "a.lua"}};
    const struct results_key second[] = {{"seed", "8"}, {"script", "b.lua"}};
    char *name = new_name();
    bool resumed;
    struct results *one = open_good(name, RESULTS_CREATE);
    assert_null(results_get(one, "seed"));
    struct results *other = open_good(name, RESULTS_CREATE);
    assert_true(results_begin(one, first, BOTH, &resumed, &error));
    assert_false(resumed);
    assert_string_equal(results_get(one, "seed"), "7");
    assert_true(results_begin(other, second, BOTH, &resumed, &error));
    assert_true(resumed);
    assert_string_equal(results_get(other, "script"), "a.lua");
    assert_true(results_set(other, "finished", "now \xff", &error));
    assert_true(results_set(other, "finished", "later", &error));
    results_close(one);
    results_close(other);
    one = open_good(name, RESULTS_WRITE);
    assert_string_equal(results_get(one, "finished"), "later");
    assert_string_equal(results_get(one, "schema"), "1");
    assert_null(results_get(one, "no such key"));
    results_close(one);
    free(name);
}

/* -- rows -- */

struct seen {
    int64_t numbers[PLANNED];
    unsigned count, most;
};

static bool note_number(void *opaque, const struct result_row *row)
{
    struct seen *seen = opaque;
    seen->numbers[seen->count++] = row->number;
    return seen->count < seen->most;
}

/* In order, whatever the order was in which they came; part of them; the first ones. */
static void test_order(void **state)
{
    (void)state;
    char *name = new_name();
    struct results *results = open_good(name, RESULTS_CREATE);
    for (int64_t i = 0; i < 1000; i++) {
        add(results, i * 387 % 1000);
    }
    assert_true(results_flush(results, &error));
    struct seen seen = {.most = PLANNED};
    assert_true(
        results_each(results, INT64_MIN, INT64_MAX, note_number, &seen, &error));
    assert_int_equal(seen.count, 1000);
    for (unsigned i = 0; i < seen.count; i++) {
        assert_int_equal(seen.numbers[i], i);
    }
    seen = (struct seen){.most = 3};
    assert_true(results_each(results, 500, 600, note_number, &seen, &error));
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.numbers[0], 500);
    seen = (struct seen){.most = PLANNED};
    assert_true(results_each(results, 999, 2000, note_number, &seen, &error));
    assert_int_equal(seen.count, 1);
    results_close(results);
    free(name);
}

/* -- what is flushed is there, and stays as it is -- */

static void test_resume(void **state)
{
    (void)state;
    uint8_t done[PLANNED];
    char *name = new_name();
    struct results *results = open_good(name, RESULTS_CREATE);
    for (int64_t i = 0; i < 10; i++) {
        add(results, 3 * i);
    }
    assert_int_equal(count_done(results, done), 0); /* not yet */
    assert_true(results_flush(results, &error));
    assert_true(results_flush(results, &error));
    add(results, 1); /* is lost */
    results_close(results);
    results = open_good(name, RESULTS_CREATE);
    assert_int_equal(count_done(results, done), 10);
    for (unsigned i = 0; i < PLANNED; i++) {
        assert_int_equal(done[i], i % 3 == 0 && i < 30);
    }
    struct result_row again = make_row(3);
    again.outcome = "hang";
    assert_true(results_add(results, &again, &error));
    add(results, PLANNED + 5);
    assert_true(results_flush(results, &error));
    assert_int_equal(count_done(results, done), 10);
    results_close(results);
    free(name);
}

static bool check_first(void *opaque, const struct result_row *row)
{
    *(bool *)opaque = strcmp(row->outcome, "masked") == 0;
    return false;
}

static void test_first_stays(void **state)
{
    (void)state;
    char *name = new_name();
    struct results *results = open_good(name, RESULTS_CREATE);
    struct result_row row = make_row(1);
    bool same = false;
    assert_true(results_add(results, &row, &error));
    row.outcome = "crash";
    assert_true(results_add(results, &row, &error));
    assert_true(results_flush(results, &error));
    assert_true(results_each(results, 1, 1, check_first, &same, &error));
    assert_true(same);
    results_close(results);
    free(name);
}

static void test_batches(void **state)
{
    (void)state;
    uint8_t done[PLANNED];
    char *name = new_name();
    struct results *results = open_good(name, RESULTS_CREATE);
    for (int64_t i = 0; i < RESULTS_BATCH + 10; i++) {
        add(results, i);
    }
    assert_int_equal(count_done(results, done), RESULTS_BATCH);
    results_close(results);
    free(name);
}

/* Each column has a value of its own. */
static struct result_row make_full(void)
{
    return (struct result_row){
        .number = INT64_MAX,
        .outcome = "o",
        .target = "t",
        .location = "",
        .bit = 31,
        .at_instruction = 1234567890123,
        .same_as = -1,
        .class_points = 0,
        .injected = 1,
        .activation = "yes",
        .injected_place = "main+0x12",
        .activated_instruction = 5,
        .detected = "#PF",
        .detail = "line 1\nline \"2\"; DROP TABLE experiments; --",
        .fault = "target=ram,address=0x1",
        .hash = "0123456789abcdef",
        .values = "{\"a\": 1}",
        .faults = "[]",
        .output = "\xc3\xa4 \xff\xc0 $1 ' \x1b",
        .worker = INT64_MIN + 1,
        .instructions = 7,
        .virtual_ns = 8,
        .host_ms = 0.1,
    };
}

static bool check_full(void *opaque, const struct result_row *row)
{
    struct result_row wanted = make_full();
    wanted.output = "\xc3\xa4 \xef\xbf\xbd\xef\xbf\xbd $1 ' \x1b";
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        assert_int_equal(result_row_integer(row, i), result_row_integer(&wanted, i));
        if (result_columns[i].kind == RESULT_TEXT) {
            assert_string_equal(result_row_text(row, i), result_row_text(&wanted, i));
        }
    }
    assert_true(row->host_ms == wanted.host_ms);
    ++*(unsigned *)opaque;
    return true;
}

static bool check_empty(void *opaque, const struct result_row *row)
{
    struct result_row wanted = make_row(2);
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        assert_int_equal(result_row_integer(row, i), result_row_integer(&wanted, i));
        assert_true(i == 1 || !result_row_text(row, i));
    }
    assert_string_equal(row->outcome, "sdc");
    assert_true(isnan(row->host_ms));
    ++*(unsigned *)opaque;
    return true;
}

static void test_columns(void **state)
{
    (void)state;
    char *name = new_name();
    unsigned visits = 0;
    struct results *results = open_good(name, RESULTS_CREATE);
    const struct result_row full = make_full();
    assert_true(results_add(results, &full, &error));
    add(results, 2);
    assert_true(results_flush(results, &error));
    assert_true(
        results_each(results, INT64_MAX, INT64_MAX, check_full, &visits, &error));
    assert_true(results_each(results, 2, 2, check_empty, &visits, &error));
    assert_int_equal(visits, BOTH);
    results_close(results);
    free(name);
}

/* -- many processes -- */

/* In a process of its own: no checks of cmocka. */
static void write_share(const char *name, int64_t writer)
{
    const struct results_key key = {"script", "a.lua"};
    bool resumed, good;
    struct results *results = results_open(name, RESULTS_CREATE, &error);
    good = results && results_begin(results, &key, 1, &resumed, &error);
    for (int64_t i = 0; good && i < 120; i++) {
        struct result_row row = make_row(i * WRITERS + writer);
        good = results_add(results, &row, &error) &&
               (i % 20 != 19 || results_flush(results, &error));
    }
    results_close(results);
    if (!good) {
        fprintf(stderr, "writer %d: %s\n", (int)writer, error.text);
    }
    _exit(good ? 0 : CHILD_FAILED);
}

static void test_writers(void **state)
{
    (void)state;
    uint8_t done[PLANNED];
    int status;
    char *name = new_name();
    for (int64_t i = 0; i < WRITERS; i++) {
        if (fork() == 0) {
            write_share(name, i);
        }
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    struct results *results = open_good(name, RESULTS_READ);
    assert_int_equal(count_done(results, done), WRITERS * 120);
    results_close(results);
    free(name);
}

/* In a process of its own: all batches, each from one end or from the other. */
static void write_same(const char *name, bool downwards)
{
    struct results *results = results_open(name, RESULTS_CREATE, &error);
    bool good = results;
    for (int64_t first = 0; good && first < SAME; first += RESULTS_BATCH) {
        for (int64_t i = 0; good && i < RESULTS_BATCH; i++) {
            struct result_row row =
                make_row(first + (downwards ? RESULTS_BATCH - 1 - i : i));
            good = results_add(results, &row, &error);
        }
    }
    results_close(results);
    if (!good) {
        fprintf(stderr, "%s: %s\n", downwards ? "downwards" : "upwards", error.text);
    }
    _exit(good ? 0 : CHILD_FAILED);
}

/* One that was given up for dead, and the one that took its place: they do not end up
 * waiting for each other. */
static void test_same_rows(void **state)
{
    (void)state;
    uint8_t done[SAME];
    int status;
    uint64_t count;
    char *name = new_name();
    for (unsigned i = 0; i < BOTH; i++) {
        if (fork() == 0) {
            write_same(name, i);
        }
    }
    for (unsigned i = 0; i < BOTH; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    struct results *results = open_good(name, RESULTS_READ);
    assert_true(results_done(results, done, SAME, &count, &error));
    assert_int_equal(count, SAME);
    results_close(results);
    free(name);
}

static void write_on(const char *name, int pipe_end)
{
    struct results *results = results_open(name, RESULTS_CREATE, &error);
    for (int64_t i = 0; results; i++) {
        struct result_row row = make_row(i);
        if (!results_add(results, &row, &error) ||
            (i % RESULTS_BATCH == RESULTS_BATCH - 1 && write(pipe_end, "", 1) != 1)) {
            break;
        }
    }
    _exit(CHILD_FAILED);
}

/* Killed anywhere: there are whole batches, at least those that it has told of, and
 * another one goes on. */
static void test_kill(void **state)
{
    (void)state;
    uint8_t *done = malloc(1 << 20);
    char *name = new_name();
    for (unsigned round = 1; round <= 4; round++) {
        int ends[2], status;
        char byte;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            write_on(name, ends[1]);
        }
        for (unsigned i = 0; i < round; i++) {
            assert_int_equal(read(ends[0], &byte, 1), 1);
        }
        usleep(round * 700);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        close(ends[0]);
        close(ends[1]);
        struct results *results = open_good(name, RESULTS_READ);
        uint64_t count;
        assert_true(results_done(results, done, 1 << 20, &count, &error));
        assert_int_equal(count % RESULTS_BATCH, 0);
        assert_true(count >= (uint64_t)round * RESULTS_BATCH);
        results_close(results);
    }
    free(name);
    free(done);
}

static bool write_meanwhile(void *opaque, const struct result_row *row)
{
    struct results *other = open_good(opaque, RESULTS_WRITE);
    add(other, PLANNED + row->number);
    assert_true(results_flush(other, &error));
    results_close(other);
    return row->number < 2;
}

/* Who reads slowly, as into a pager, keeps nobody from writing. */
static void test_slow_reader(void **state)
{
    (void)state;
    char *name = new_name();
    struct seen seen = {.most = PLANNED};
    struct results *results = open_good(name, RESULTS_CREATE);
    for (int64_t i = 0; i < 1000; i++) {
        add(results, i);
    }
    assert_true(results_flush(results, &error));
    assert_true(results_each(results, 0, PLANNED, write_meanwhile, name, &error));
    assert_true(results_each(results, PLANNED, INT64_MAX, note_number, &seen, &error));
    assert_int_equal(seen.count, 3);
    results_close(results);
    free(name);
}

/* -- what is no such database -- */

static void refused(const char *name, enum results_mode mode, const char *mentioned)
{
    struct results *results = results_open(name, mode, &error);
    assert_null(results);
    if (!strstr(error.text, mentioned) || strchr(error.text, '\n')) {
        fail_msg("\"%s\" does not mention \"%s\"", error.text, mentioned);
    }
}

static void write_file(const char *name, const char *text, size_t bytes)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
}

static void execute(const char *name, const char *statements)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(name, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, statements, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

static char *make_database(void)
{
    char *name = new_name();
    struct results *results = open_good(name, RESULTS_CREATE);
    for (int64_t i = 0; i < 1000; i++) {
        add(results, i);
    }
    assert_true(results_flush(results, &error));
    results_close(results);
    return name;
}

static void test_no_files(void **state)
{
    (void)state;
    char *name = new_name();
    refused(name, RESULTS_READ, "No such file");
    refused(name, RESULTS_WRITE, "No such file");
    refused(folder, RESULTS_CREATE, "is a folder");
    refused("/no/folder/a.db", RESULTS_CREATE, "unable to open");
    refused("/dev/null", RESULTS_CREATE, "is no file");
    assert_int_equal(mkfifo(name, 0600), 0);
    refused(name, RESULTS_READ, "is no file"); /* at once */
    refused("postgresql://x:secret@/?host=/nowhere&password=secret", RESULTS_READ, "");
    assert_null(strstr(error.text, "secret"));
    free(name);
}

static void test_foreign_files(void **state)
{
    (void)state;
    static const char text[] = "number,outcome\n1,sdc\n";
    char head[4096] = "SQLite format 3";
    static const char *const foreign[] = {
        "CREATE TABLE notes (text)",
        "CREATE TABLE campaign (key TEXT PRIMARY KEY, value TEXT)",
        "CREATE TABLE campaign (key, value); CREATE TABLE experiments (number)",
        "CREATE TABLE campaign (key, value); "
        "CREATE VIEW experiments AS SELECT 1 AS number",
    };
    char *name = new_name();
    write_file(name, "", 0);
    refused(name, RESULTS_READ, "no campaign has begun");
    write_file(name, text, sizeof(text) - 1);
    refused(name, RESULTS_READ, "is no SQLite database");
    refused(name, RESULTS_CREATE, "is no SQLite database");
    memset(head + 16, 0xa5, sizeof(head) - 16);
    write_file(name, head, sizeof(head));
    refused(name, RESULTS_CREATE, name);
    for (size_t i = 0; i < ARRAY_LENGTH(foreign); i++) {
        unlink(name);
        execute(name, foreign[i]);
        refused(name, RESULTS_READ, "not of a campaign");
        refused(name, RESULTS_CREATE, "not of a campaign");
    }
    free(name);
}

static void test_other_versions(void **state)
{
    (void)state;
    char *name = make_database();
    execute(name, "UPDATE campaign SET value = '2' WHERE key = 'schema'");
    refused(name, RESULTS_READ, "has version 2 of the schema");
    refused(name, RESULTS_CREATE, "has version 2 of the schema");
    execute(name, "UPDATE campaign SET value = '1' WHERE key = 'schema';"
                  "ALTER TABLE experiments RENAME COLUMN hash TO digest");
    struct results *results = open_good(name, RESULTS_READ);
    struct seen seen = {.most = 1};
    assert_false(results_each(results, 0, 0, note_number, &seen, &error));
    assert_non_null(strstr(error.text, "hash"));
    results_close(results);
    free(name);
}

/* Pages of nonsense, and a file that is too short: a line, wherever it is noticed. */
static void test_damaged(void **state)
{
    (void)state;
    enum { PAGE = 4096 };
    char *name = make_database();
    struct stat status;
    struct seen seen = {.most = PLANNED};
    assert_int_equal(stat(name, &status), 0);
    FILE *file = fopen(name, "r+");
    for (long at = 3 * PAGE; at < status.st_size; at += PAGE) {
        fseek(file, at, SEEK_SET);
        fputs("\xff\xff\xff\xff", file);
    }
    fclose(file);
    struct results *results = open_good(name, RESULTS_READ);
    assert_false(results_each(results, 0, PLANNED, note_number, &seen, &error));
    assert_non_null(strstr(error.text, "is damaged"));
    results_close(results);
    assert_int_equal(truncate(name, PAGE + PAGE / 2), 0);
    results = results_open(name, RESULTS_READ, &error);
    seen.count = 0;
    assert_false(results &&
                 results_each(results, 0, PLANNED, note_number, &seen, &error));
    assert_non_null(strstr(error.text, "is damaged"));
    results_close(results);
    free(name);
}

static void write_too_much(const char *name)
{
    const struct rlimit limit = {64 << 10, 64 << 10};
    bool good = true;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    struct results *results = results_open(name, RESULTS_CREATE, &error);
    for (int64_t i = 0; results && good && i < 100000; i++) {
        struct result_row row = make_row(i);
        good = results_add(results, &row, &error);
    }
    _exit(results && !good && strstr(error.text, name) ? 0 : CHILD_FAILED);
}

/* No more fits on the disk: what has been stored is there. */
static void test_full(void **state)
{
    (void)state;
    uint8_t *done = malloc(100000);
    uint64_t count;
    int status;
    char *name = new_name();
    if (fork() == 0) {
        write_too_much(name);
    }
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    struct results *results = open_good(name, RESULTS_READ);
    assert_true(results_done(results, done, 100000, &count, &error));
    assert_true(count > 0 && count % RESULTS_BATCH == 0);
    results_close(results);
    free(name);
    free(done);
}

static void use_read_only(const char *name)
{
    struct seen seen = {.most = PLANNED};
    enum { NOBODY = 65534 };
    if (getuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) {
        _exit(CHILD_FAILED);
    }
    struct results *results = results_open(name, RESULTS_READ, &error);
    bool good = results &&
                results_each(results, 0, PLANNED, note_number, &seen, &error) &&
                seen.count == 1000;
    results_close(results);
    good = good && !results_open(name, RESULTS_WRITE, &error) &&
           strstr(error.text, "cannot be written");
    _exit(good ? 0 : CHILD_FAILED);
}

static void test_read_only(void **state)
{
    (void)state;
    int status;
    char *name = make_database();
    chmod(folder, 0555);
    chmod(name, 0444);
    if (fork() == 0) {
        use_read_only(name);
    }
    assert_true(wait(&status) > 0);
    chmod(folder, 0700);
    assert_int_equal(status, 0);
    free(name);
}

/* -- where they are -- */

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest everywhere[] = {
        cmocka_unit_test(test_keys),        cmocka_unit_test(test_order),
        cmocka_unit_test(test_resume),      cmocka_unit_test(test_first_stays),
        cmocka_unit_test(test_batches),     cmocka_unit_test(test_columns),
        cmocka_unit_test(test_writers),     cmocka_unit_test(test_same_rows),
        cmocka_unit_test(test_slow_reader), cmocka_unit_test(test_kill),
    };
    const struct CMUnitTest files[] = {
        cmocka_unit_test(test_no_files),       cmocka_unit_test(test_foreign_files),
        cmocka_unit_test(test_other_versions), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_full),           cmocka_unit_test(test_read_only),
    };
    int failed = cmocka_run_group_tests(everywhere, make_folder, remove_folder);
    if (!getenv("FAUMACHINE_POSTGRES")) {
        strcpy(folder + strlen(folder) - 6, "XXXXXX");
        failed += cmocka_run_group_tests(files, make_folder, remove_folder);
    }
    return failed;
}
