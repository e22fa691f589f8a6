/* JSON values out of a stream, however it is cut up, and whatever is between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "monitor/json_stream.h"

/* What has come, each in a line; problems begin with '!'. */
struct fixture {
    struct json_stream stream;
    char seen[4096];
};

static void received(void *opaque, json_t *value, const char *problem)
{
    struct fixture *f = opaque;
    if (!value) {
        strcat(strcat(strcat(f->seen, "!"), problem), "\n");
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    strcat(strcat(f->seen, text), "\n");
    free(text);
    json_decref(value);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->stream.received = received;
    f->stream.opaque = f;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    json_stream_free(&f->stream);
    free(f);
    return 0;
}

/* All at once, and byte by byte. */
static void check(struct fixture *f, const char *text, const char *expected)
{
    f->seen[0] = '\0';
    json_stream_feed(&f->stream, (const uint8_t *)text, strlen(text));
    assert_string_equal(f->seen, expected);
    f->seen[0] = '\0';
    for (const char *p = text; *p; p++) {
        json_stream_feed(&f->stream, (const uint8_t *)p, 1);
    }
    assert_string_equal(f->seen, expected);
}

static void takes_values_apart(void **state)
{
    check(*state, "{}[1]{\"a\":\"}{\"} 5 \"x\" true\n",
          "{}\n[1]\n{\"a\":\"}{\"}\n5\n\"x\"\ntrue\n");
    check(*state, "{\n \"a\" :\r\n[ 1,\t2 ] }", "{\"a\":[1,2]}\n");
    check(*state, "{\"a\":\"\\\"\\\\\"}", "{\"a\":\"\\\"\\\\\"}\n");
}

static void takes_single_quotes(void **state)
{
    check(*state, "{'a': 'b\"c', \"d'\": 'it\\'s'}",
          "{\"a\":\"b\\\"c\",\"d'\":\"it's\"}\n");
}

static void recovers_from_nonsense(void **state)
{
    check(*state, "nonsense\n{}",
          "!JSON parse error, invalid keyword 'nonsense'\n{}\n");
    check(*state, "]\n{}", "!JSON parse error, expecting value\n{}\n");
    check(*state, "{\"a\":1,\"a\":2}{}", "!JSON parse error, duplicate key\n{}\n");
    check(*state, "{\"a\n{}", "!JSON parse error, invalid character in a string\n{}\n");
}

static void refuses_bad_utf8(void **state)
{
    struct fixture *f = *state;
    const char *text = "{\"a\":\"\xff\xfe\"}{}";
    json_stream_feed(&f->stream, (const uint8_t *)text, strlen(text));
    assert_memory_equal(f->seen, "!JSON parse error, ", 19);
    assert_string_equal(strchr(f->seen, '\n'), "\n{}\n");
}

static void feed_many(struct fixture *f, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        json_stream_feed(&f->stream, (const uint8_t *)text, strlen(text));
    }
}

static void has_limits(void **state)
{
    struct fixture *f = *state;
    feed_many(f, "[", JSON_STREAM_DEPTH);
    feed_many(f, "]", JSON_STREAM_DEPTH);
    assert_null(strchr(f->seen, '!'));
    f->seen[0] = '\0';
    feed_many(f, "[{\"a\":", 1000000);
    assert_string_equal(f->seen, "!JSON nesting depth limit exceeded\n");
    f->seen[0] = '\0';
    feed_many(f, "\n\"", 1);
    feed_many(f, "0123456789abcdef", (2 * JSON_STREAM_BYTES) / 16);
    assert_string_equal(f->seen, "!JSON token size limit exceeded\n");
    f->seen[0] = '\0';
    feed_many(f, "\n{}", 1);
    assert_string_equal(f->seen, "{}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_values_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_single_quotes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(recovers_from_nonsense, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_utf8, set_up, tear_down),
        cmocka_unit_test_setup_teardown(has_limits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
