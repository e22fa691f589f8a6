/* What options say by "name,key=value,…". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/properties.h"

static struct properties properties;
static struct error error;

static void parse(const char *text)
{
    assert_true(properties_parse(&properties, "-x", text, &error));
}

static void refused(bool result, const char *mentioned)
{
    assert_false(result);
    if (!strstr(error.text, mentioned)) {
        fail_msg("\"%s\" does not mention \"%s\"", error.text, mentioned);
    }
}

static void test_words(void **state)
{
    (void)state;
    parse("user,id=n0,restrict,name=a,,b=c,");
    assert_string_equal(properties.name, "user");
    assert_int_equal(properties.count, 3);
    assert_string_equal(properties_take(&properties, "id"), "n0");
    assert_string_equal(properties_take(&properties, "restrict"), "on");
    assert_string_equal(properties_take(&properties, "name"), "a,b=c");
    assert_null(properties_take(&properties, "user"));
    assert_true(properties_finish(&properties, "", &error));
    parse("file=a,if=ide");
    assert_string_equal(properties.name, "");
    assert_int_equal(properties.count, 2);
    parse("");
    assert_string_equal(properties.name, "");
    assert_int_equal(properties.count, 0);
    parse(",,");
    assert_string_equal(properties.name, ",");
}

static void test_refused(void **state)
{
    (void)state;
    char text[4 * PROPERTIES_TEXT_BYTES] = "x";
    refused(properties_parse(&properties, "-x", "a,b=1,b=2", &error),
            "b is given twice");
    for (unsigned i = 0; i <= PROPERTIES_MAXIMUM; i++) {
        snprintf(text + strlen(text), 8, ",k%u", i);
    }
    refused(properties_parse(&properties, "-x", text, &error), "more than 32");
    memset(text, 'a', PROPERTIES_TEXT_BYTES);
    text[PROPERTIES_TEXT_BYTES] = '\0';
    refused(properties_parse(&properties, "-x", text, &error), "1023 characters");
    parse("disk,fiel=a");
    assert_null(properties_take(&properties, "file"));
    refused(properties_finish(&properties, "file and if", &error),
            "-x disk: no property fiel; there are file and if");
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t value = 7;
    parse("n,a=0x10,b=-1,c=5x,d=,e=99999999999999999999,f=20");
    assert_true(properties_take_number(&properties, "z", 0, 5, &value, &error));
    assert_int_equal(value, 7);
    assert_true(properties_take_number(&properties, "a", 0, 16, &value, &error));
    assert_int_equal(value, 16);
    for (const char *key = "b\0c\0d\0e\0f\0"; *key; key += 2) {
        refused(properties_take_number(&properties, key, 1, 19, &value, &error),
                "from 1 to 19");
    }
    assert_int_equal(value, 16);
}

static void test_sizes(void **state)
{
    (void)state;
    uint64_t value = 7;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"s=0", 0},
        {"s=1440K", 1474560},
        {"s=1k", 1024},
        {"s=3M", 3 << 20},
        {"s=16777215T", 0xffffffULL << 40},
        {"s=1G", 1 << 30},
    };
    static const char *const bad[] = {"s=",   "s=K",  "s=1KB",      "s=1X",
                                      "s=-1", "s=1 ", "s=99999999T"};
    for (unsigned i = 0; i < ARRAY_LENGTH(good); i++) {
        parse(good[i].text);
        assert_true(properties_take_size(&properties, "s", &value, &error));
        assert_int_equal(value, good[i].bytes);
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++) {
        parse(bad[i]);
        refused(properties_take_size(&properties, "s", &value, &error), "K, M, G or T");
    }
}

static void test_switches(void **state)
{
    (void)state;
    bool value = false;
    parse("s,a,b=off,c=yes");
    assert_true(properties_take_switch(&properties, "a", &value, &error));
    assert_true(value);
    assert_true(properties_take_switch(&properties, "z", &value, &error));
    assert_true(value);
    assert_true(properties_take_switch(&properties, "b", &value, &error));
    assert_false(value);
    refused(properties_take_switch(&properties, "c", &value, &error), "on or off");
}

static void test_repeated(void **state)
{
    struct properties properties;
    struct error error;
    assert_true(
        properties_parse_repeated(&properties, "-x", "n,a=1,b=2,a=3", "a", &error));
    assert_string_equal(properties_take_next(&properties, "a"), "1");
    assert_false(properties_finish(&properties, "a and b", &error));
    assert_string_equal(properties_take_next(&properties, "a"), "3");
    assert_null(properties_take_next(&properties, "a"));
    assert_string_equal(properties_take(&properties, "b"), "2");
    assert_true(properties_finish(&properties, "a and b", &error));
    assert_false(properties_parse_repeated(&properties, "-x", "b=1,b=2", "a", &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_switches), cmocka_unit_test(test_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
