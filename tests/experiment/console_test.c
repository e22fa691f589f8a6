/* What consoles have said: looking for text and lines in the last of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "experiment/experiment_internal.h"

/* Nobody waits, so the machine is not asked for. */
static int set_up(void **state)
{
    struct experiment *experiment = calloc(1, sizeof(*experiment));
    experiment->consoles[0].bytes = malloc(CONSOLE_RECORD_BYTES);
    *state = experiment;
    return 0;
}

static int tear_down(void **state)
{
    struct experiment *experiment = *state;
    console_records_free(experiment);
    free(experiment);
    return 0;
}

static void say(struct experiment *experiment, const char *text)
{
    for (; *text; text++) {
        console_heard(experiment, 0, (uint8_t)*text);
    }
}

static void say_much(struct experiment *experiment, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        console_heard(experiment, 0, '.');
    }
}

static bool find(struct experiment *experiment, uint64_t *cursor, const char *text)
{
    return console_find(&experiment->consoles[0], cursor, text, strlen(text));
}

static void test_find(void **state)
{
    struct experiment *experiment = *state;
    uint64_t cursor = 0;
    say(experiment, "one two\r\none ");
    assert_false(find(experiment, &cursor, "three"));
    assert_int_equal(cursor, 0);
    assert_true(find(experiment, &cursor, "one"));
    assert_int_equal(cursor, 3);
    assert_true(find(experiment, &cursor, "two\none"));
    assert_false(find(experiment, &cursor, "one"));
    say(experiment, "on");
    assert_false(find(experiment, &cursor, "one"));
    say(experiment, "e");
    assert_true(find(experiment, &cursor, "one"));
    assert_int_equal(cursor, experiment->consoles[0].total);
}

static void test_old_text_is_gone(void **state)
{
    struct experiment *experiment = *state;
    uint64_t cursor = 0;
    say(experiment, "needle");
    say_much(experiment, CONSOLE_RECORD_BYTES - 6);
    assert_true(find(experiment, &cursor, "needle"));
    cursor = 0;
    say_much(experiment, 1);
    assert_false(find(experiment, &cursor, "needle"));
    assert_true(find(experiment, &cursor, "eedle"));
    /* Across the end of the ring. */
    say_much(experiment, CONSOLE_RECORD_BYTES - 4);
    say(experiment, "needle");
    assert_true(find(experiment, &cursor, "needle"));
}

static void test_lines(void **state)
{
    struct experiment *experiment = *state;
    const struct console_record *record = &experiment->consoles[0];
    uint64_t cursor = 0;
    char line[8];
    say(experiment, "first\r\n\nlonger than that\nnot yet");
    assert_int_equal(console_take_line(record, &cursor, line, sizeof(line)), 5);
    assert_memory_equal(line, "first", 5);
    assert_int_equal(console_take_line(record, &cursor, line, sizeof(line)), 0);
    assert_int_equal(console_take_line(record, &cursor, line, sizeof(line)), 8);
    assert_memory_equal(line, "longer t", 8);
    uint64_t before = cursor;
    assert_int_equal(console_take_line(record, &cursor, line, sizeof(line)), -1);
    assert_int_equal(cursor, before);
}

static void test_tail(void **state)
{
    struct experiment *experiment = *state;
    const struct console_record *record = &experiment->consoles[0];
    char text[4096];
    console_tail(record, text, sizeof(text));
    assert_string_equal(text, "");
    say(experiment, "only\033[1m\177");
    console_tail(record, text, sizeof(text));
    assert_string_equal(text, "only\\x1b[1m\\x7f");
    for (char c = 'a'; c <= 'o'; c++) {
        const char line[] = {'\n', c, '\0'};
        say(experiment, line);
    }
    say(experiment, "\n");
    console_tail(record, text, sizeof(text));
    assert_string_equal(text, "f\ng\nh\ni\nj\nk\nl\nm\nn\no\n");
    say_much(experiment, 5000);
    console_tail(record, text, sizeof(text));
    assert_int_equal(strlen(text), 1000);
    console_tail(record, text, 10);
    assert_true(strlen(text) < 10);
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"1 ns", 1},     {"1.5s", 1500000000},
                {"0 s", 0},      {"2 min", 120000000000},
                {"0.1 us", 100}, {"20 ms", 20000000}};
    static const char *const bad[] = {"",     "1",     "s",       "-1 s",  "1 h",
                                      "1 s ", "nan s", "1e300 s", "inf s", " 1 s"};
    uint64_t ns;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        assert_true(script_parse_duration(good[i].text, &ns));
        assert_int_equal(ns, good[i].ns);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        assert_false(script_parse_duration(bad[i], &ns));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_text_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tail, set_up, tear_down),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
