/* Commits transactions to a database, and checks which of them are there.
 *
 *   writer write FILE COUNT SYNCHRONOUS JOURNAL    "committed N" after each
 *   writer check FILE                              "rows N", and "intact" or what is
 * wrong
 *
 * A transaction adds an account's number to a log and to the account: a row is
 * inserted, another updated. Row N of the log says what it has to say by N alone. */
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACCOUNTS = 16, NOTE_BYTES = 200 };

static sqlite3 *database;

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

static void fail(const char *what)
{
    say("broken: %s: %s", what, database ? sqlite3_errmsg(database) : "no memory");
    exit(1);
}

static void execute(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *statement = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (!statement ||
        sqlite3_exec(database, statement, NULL, NULL, NULL) != SQLITE_OK) {
        fail(statement ? statement : "sqlite3_vmprintf");
    }
    sqlite3_free(statement);
}

/* The first column of the first row. */
static long long number_of(const char *query)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(database, query, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        fail(query);
    }
    long long number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* What row `number` says. */
static void make_note(char *note, int number)
{
    for (int i = 0; i < NOTE_BYTES; i++) {
        note[i] = (char)('a' + (number * 7 + i * (1 + number % 5)) % 26);
    }
    note[NOTE_BYTES] = '\0';
}

static void write_transactions(int count, const char *synchronous, const char *journal)
{
    char note[NOTE_BYTES + 1];
    execute("PRAGMA journal_mode=%s", journal);
    execute("PRAGMA synchronous=%s", synchronous);
    for (int number = 1; number <= count; number++) {
        make_note(note, number);
        execute("BEGIN");
        execute("INSERT INTO log VALUES (%d, %d, '%s')", number, number % ACCOUNTS,
                note);
        execute("UPDATE account SET sum = sum + %d WHERE number = %d", number,
                number % ACCOUNTS);
        execute("COMMIT");
        say("committed %d", number);
    }
}

static void create(void)
{
    execute(
        "CREATE TABLE IF NOT EXISTS log (number INTEGER PRIMARY KEY, account INTEGER,"
        " note TEXT)");
    execute(
        "CREATE TABLE IF NOT EXISTS account (number INTEGER PRIMARY KEY, sum INTEGER)");
    for (int i = 0; i < ACCOUNTS; i++) {
        execute("INSERT OR IGNORE INTO account VALUES (%d, 0)", i);
    }
}

static void check_notes(void)
{
    sqlite3_stmt *statement;
    const char *query = "SELECT number, note FROM log ORDER BY number";
    char note[NOTE_BYTES + 1];
    int status, expected = 0;
    if (sqlite3_prepare_v2(database, query, -1, &statement, NULL) != SQLITE_OK) {
        fail(query);
    }
    while ((status = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *found = (const char *)sqlite3_column_text(statement, 1);
        make_note(note, ++expected);
        if (sqlite3_column_int(statement, 0) != expected || !found ||
            strcmp(found, note) != 0) {
            say("broken: row %d is wrong", expected);
            exit(1);
        }
    }
    if (status != SQLITE_DONE) {
        fail(query);
    }
    sqlite3_finalize(statement);
}

static int is_ok(void *opaque, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(int *)opaque = strcmp(values[0], "ok") == 0;
    return 0;
}

static void check(void)
{
    int ok = 0;
    if (sqlite3_exec(database, "PRAGMA integrity_check(1)", is_ok, &ok, NULL) !=
        SQLITE_OK) {
        fail("integrity_check");
    }
    if (!ok) {
        say("broken: the integrity check fails");
        exit(1);
    }
    check_notes();
    long long rows = number_of("SELECT count(*) FROM log");
    if (number_of("SELECT coalesce(sum(sum), 0) FROM account") !=
        rows * (rows + 1) / 2) {
        say("broken: accounts and log differ");
        exit(1);
    }
    say("rows %lld", rows);
}

int main(int count, char **arguments)
{
    const char *what = count > 2 ? arguments[1] : "";
    if (strcmp(what, "write") != 0 && strcmp(what, "check") != 0 &&
        strcmp(what, "create") != 0) {
        fputs("usage: writer create|check FILE, writer write FILE COUNT SYNC JOURNAL\n",
              stderr);
        return 2;
    }
    if (sqlite3_open(arguments[2], &database) != SQLITE_OK) {
        fail(arguments[2]);
    }
    if (strcmp(what, "create") == 0) {
        create();
    } else if (strcmp(what, "check") == 0) {
        check();
    } else if (count == 6) {
        write_transactions(atoi(arguments[3]), arguments[4], arguments[5]);
    }
    sqlite3_close(database);
    return 0;
}
