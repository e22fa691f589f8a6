#define _GNU_SOURCE /* open_memstream() */
#include "campaign/text.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

unsigned text_character(const char *text)
{
    /* RFC 3629, section 4: the first byte tells how many follow, and what the second
     * one may be, so that nothing is written longer than it has to be. */
    static const struct {
        uint8_t first, last, second_first, second_last, bytes;
    } rows[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const uint8_t *bytes = (const uint8_t *)text;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (bytes[0] < rows[i].first || bytes[0] > rows[i].last) {
            continue;
        }
        for (unsigned k = 1; k < rows[i].bytes; k++) {
            uint8_t first = k == 1 ? rows[i].second_first : 0x80;
            uint8_t last = k == 1 ? rows[i].second_last : 0xbf;
            if (bytes[k] < first || bytes[k] > last) {
                return 0;
            }
        }
        return rows[i].bytes;
    }
    return 0;
}

char *text_make_utf8(const char *text)
{
    const size_t most = strlen(replacement) * strlen(text) + 1;
    char *clean = malloc(most), *to = clean;
    assert(clean);
    while (*text) {
        unsigned bytes = text_character(text);
        memcpy(to, bytes ? text : replacement, bytes ? bytes : strlen(replacement));
        to += bytes ? bytes : strlen(replacement);
        text += bytes ? bytes : 1;
    }
    *to = '\0';
    return clean;
}

/* C0, DEL and C1: what a terminal may take for a command. */
static bool is_control(const char *text)
{
    uint8_t first = (uint8_t)text[0];
    return first < 0x20 || first == 0x7f || (first == 0xc2 && (uint8_t)text[1] < 0xa0);
}

void text_write_plain(FILE *stream, const char *text, unsigned width)
{
    unsigned written = 0;
    while (*text) {
        unsigned bytes = text_character(text);
        if (written + 1 >= width && text[bytes ? bytes : 1]) {
            fputs("…", stream);
            return;
        }
        if (!bytes) {
            fputs(replacement, stream);
        } else if (is_control(text)) {
            fputc('?', stream);
        } else {
            fwrite(text, 1, bytes, stream);
        }
        text += bytes ? bytes : 1;
        written++;
    }
}

char *text_shorten(const char *text, unsigned width)
{
    char *part = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&part, &bytes);
    assert(stream);
    text_write_plain(stream, text, width);
    fclose(stream);
    return part;
}

void text_write_html(FILE *stream, const char *text)
{
    while (*text) {
        unsigned bytes = text_character(text);
        if (!bytes || (is_control(text) && !strchr("\n\t", *text))) {
            fputs(replacement, stream);
        } else if (strchr("<>&\"'", *text)) {
            fprintf(stream, "&#%d;", *text);
        } else {
            fwrite(text, 1, bytes, stream);
        }
        text += bytes ? bytes : 1;
    }
}

void text_write_json(FILE *stream, const char *text)
{
    if (!text) {
        fputs("null", stream);
        return;
    }
    fputc('"', stream);
    while (*text) {
        unsigned bytes = text_character(text);
        if (!bytes) {
            fputs(replacement, stream);
        } else if (bytes == 1 &&
                   (iscntrl((unsigned char)*text) || strchr("<>&\"\\", *text))) {
            fprintf(stream, "\\u%04x", *text);
        } else if (strncmp(text, "\xe2\x80\xa8", 3) == 0 ||
                   strncmp(text, "\xe2\x80\xa9", 3) == 0) {
            fprintf(stream, "\\u20%02x", (uint8_t)text[2] & 0x3f);
        } else {
            fwrite(text, 1, bytes, stream);
        }
        text += bytes ? bytes : 1;
    }
    fputc('"', stream);
}

void text_write_csv(FILE *stream, const char *text)
{
    if (!text) {
        return;
    }
    bool plain = *text && !strpbrk(text, ",\"\r\n");
    fputs(plain ? "" : "\"", stream);
    while (*text) {
        unsigned bytes = text_character(text);
        fputs(*text == '"' ? "\"" : "", stream);
        fwrite(bytes ? text : replacement, 1, bytes ? bytes : strlen(replacement),
               stream);
        text += bytes ? bytes : 1;
    }
    fputs(plain ? "" : "\"", stream);
}

void text_write_shell(FILE *stream, const char *text)
{
    static const char harmless[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "0123456789_-+=./:,@%";
    if (*text && !text[strspn(text, harmless)]) {
        fputs(text, stream);
        return;
    }
    fputc('\'', stream);
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", stream);
        } else {
            fputc(*text, stream);
        }
    }
    fputc('\'', stream);
}

void text_write_url(FILE *stream, const char *text)
{
    for (; *text; text++) {
        bool harmless = isalnum((unsigned char)*text) || strchr("-._~", *text);
        fprintf(stream, harmless ? "%c" : "%%%02x", (unsigned char)*text);
    }
}

const char *text_number(char text[TEXT_NUMBER_BYTES], uint64_t number)
{
    char digits[TEXT_NUMBER_BYTES];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    char *to = text;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}
