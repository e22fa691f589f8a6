/* Text that shall stay text, in each of the languages in which it is written. */
#define _GNU_SOURCE /* open_memstream() */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "campaign/text.h"

typedef void text_writer(FILE *stream, const char *text);

static void written(text_writer *writer, const char *text, const char *wanted)
{
    char *result = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&result, &bytes);
    writer(stream, text);
    fclose(stream);
    assert_string_equal(result, wanted);
    free(result);
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"", ""},
        {"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
         "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xff", "\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},                                 /* cut off */
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* likewise */
        {"\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* too long for "<" */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xf4\x90\x80\x80",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* beyond U+10FFFF */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char *clean = text_make_utf8(rows[i].text);
        assert_string_equal(clean, rows[i].wanted);
        free(clean);
    }
}

static void test_plain(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned width;
        const char *wanted;
    } rows[] = {
        {"\x1b[2J\x7f\n\xc2\x9b", 20, "?[2J???"},
        {"\xff-", 20, "\xef\xbf\xbd-"},
        {"abcdef", 6, "abcdef"},
        {"abcdefg", 6, "abcde…"},
        {"äöü", 3, "äöü"},
        {"äöüß", 3, "äö…"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char *plain = text_shorten(rows[i].text, rows[i].width);
        assert_string_equal(plain, rows[i].wanted);
        free(plain);
    }
}

static void test_html(void **state)
{
    (void)state;
    written(text_write_html, "<a href=\"x\">'&amp;",
            "&#60;a href=&#34;x&#34;&#62;&#39;"
            "&#38;amp;");
    written(text_write_html, "a\n\tb\x01\xff", "a\n\tb\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_json(void **state)
{
    (void)state;
    written(text_write_json, NULL, "null");
    written(text_write_json, "</script><!--", "\"\\u003c/script\\u003e\\u003c!--\"");
    written(text_write_json, "\"\\\n\x1b\x7f&",
            "\"\\u0022\\u005c\\u000a\\u001b\\u007f\\u0026\"");
    written(text_write_json, "\xe2\x80\xa8\xe2\x80\xa9\xff\xc3\xa4",
            "\"\\u2028\\u2029\xef\xbf\xbd\xc3\xa4\"");
}

static void test_csv(void **state)
{
    (void)state;
    written(text_write_csv, NULL, "");
    written(text_write_csv, "", "\"\"");
    written(text_write_csv, "plain; text", "plain; text");
    written(text_write_csv, "a,b", "\"a,b\"");
    written(text_write_csv, "a \"b\"", "\"a \"\"b\"\"\"");
    written(text_write_csv, "a\nb\r", "\"a\nb\r\"");
    written(text_write_csv, "\xff", "\xef\xbf\xbd");
}

static void test_words(void **state)
{
    (void)state;
    written(text_write_shell, "/tmp/a-b_1.db", "/tmp/a-b_1.db");
    written(text_write_shell, "", "''");
    written(text_write_shell, "a b", "'a b'");
    written(text_write_shell, "it's;$(x)", "'it'\\''s;$(x)'");
    written(text_write_url, "ram 0x1\"<", "ram%200x1%22%3c");
    written(text_write_url, "\xc3\xa4-._~", "%c3%a4-._~");
}

static void test_numbers(void **state)
{
    (void)state;
    char text[TEXT_NUMBER_BYTES];
    assert_string_equal(text_number(text, 0), "0");
    assert_string_equal(text_number(text, 999), "999");
    assert_string_equal(text_number(text, 1000), "1,000");
    assert_string_equal(text_number(text, UINT64_MAX), "18,446,744,073,709,551,615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),    cmocka_unit_test(test_plain),
        cmocka_unit_test(test_html),    cmocka_unit_test(test_json),
        cmocka_unit_test(test_csv),     cmocka_unit_test(test_words),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
