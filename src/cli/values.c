#define _GNU_SOURCE /* timegm, tm_gmtoff */
#include "cli/values.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine/machine.h"

enum {
    LONGEST_WORD = 63,
};

/* The binary exponent a size suffix stands for; -1: unknown. */
static int suffix_shift(const char *suffix)
{
    if (suffix[0] && suffix[1]) {
        return -1;
    }
    switch (toupper((unsigned char)suffix[0])) {
    case '\0':
    case 'M':
        return 20;
    case 'B':
        return 0;
    case 'K':
        return 10;
    case 'G':
        return 30;
    default:
        return -1;
    }
}

bool value_parse_memory(const char *text, uint64_t *bytes, struct error *error)
{
    const char *number = strncmp(text, "size=", 5) == 0 ? text + 5 : text;
    char *end;
    errno = 0;
    unsigned long long count = strtoull(number, &end, 10);
    int shift = suffix_shift(end);
    if (!isdigit((unsigned char)*number) || shift < 0) {
        return error_set(error, "-m %s: give a number of MiB, or one with K, M or G",
                         text);
    }
    const uint64_t mib = 1 << 20;
    bool overflow = errno == ERANGE || count > (UINT64_MAX >> shift);
    uint64_t size = overflow ? UINT64_MAX : (uint64_t)count << shift;
    if (size < MACHINE_MINIMUM_RAM_MIB * mib || size > MACHINE_MAXIMUM_RAM_MIB * mib) {
        return error_set(error, "-m %s: the machine takes from %d to %d MiB of memory",
                         text, MACHINE_MINIMUM_RAM_MIB, MACHINE_MAXIMUM_RAM_MIB);
    }
    if (size % mib != 0) {
        return error_set(error, "-m %s: memory comes in whole MiB; try -m %llu", text,
                         (unsigned long long)(size / mib + 1));
    }
    *bytes = size;
    return true;
}

/* What a suffix multiplies a count with; 0: unknown. */
static uint64_t suffix_factor(const char *suffix)
{
    if (suffix[0] && suffix[1]) {
        return 0;
    }
    switch (toupper((unsigned char)suffix[0])) {
    case '\0':
        return 1;
    case 'K':
        return 1000;
    case 'M':
        return 1000000;
    case 'G':
        return 1000000000;
    default:
        return 0;
    }
}

bool value_parse_count(const char *option, const char *text, uint64_t *count,
                       struct error *error)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    uint64_t factor = suffix_factor(end);
    if (!isdigit((unsigned char)*text) || !factor) {
        return error_set(error, "-%s %s: give a number, or one with K, M or G", option,
                         text);
    }
    if (errno == ERANGE || number > UINT64_MAX / 2 / factor) {
        return error_set(error, "-%s %s: no guest ever comes so far", option, text);
    }
    *count = number * factor;
    return true;
}

/* Reads exactly `count` digits; -1 if they are not there. */
static int take_digits(const char **text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (!isdigit((unsigned char)**text)) {
            return -1;
        }
        value = value * 10 + (**text - '0');
    }
    return value;
}

static bool take(const char **text, char wanted)
{
    if (**text != wanted) {
        return false;
    }
    (*text)++;
    return true;
}

/* YYYY-MM-DD[THH:MM:SS], a day that exists. */
static bool parse_date(const char *text, int64_t *epoch_s)
{
    struct tm date = {0};
    int year = take_digits(&text, 4);
    bool good = take(&text, '-');
    int month = good ? take_digits(&text, 2) : -1;
    good = good && take(&text, '-');
    int day = good ? take_digits(&text, 2) : -1;
    if (good && *text == 'T') {
        text++;
        date.tm_hour = take_digits(&text, 2);
        good = take(&text, ':');
        date.tm_min = good ? take_digits(&text, 2) : -1;
        good = good && take(&text, ':');
        date.tm_sec = good ? take_digits(&text, 2) : -1;
    }
    if (!good || *text || year < 0 || month < 1 || day < 1 || date.tm_hour < 0 ||
        date.tm_hour > 23 || date.tm_min < 0 || date.tm_min > 59 || date.tm_sec < 0 ||
        date.tm_sec > 59) {
        return false;
    }
    date.tm_year = year - 1900;
    date.tm_mon = month - 1;
    date.tm_mday = day;
    *epoch_s = timegm(&date);
    /* timegm() turns 31 February into 3 March. */
    return date.tm_mon == month - 1 && date.tm_mday == day;
}

bool value_parse_rtc(const char *text, int64_t *epoch_s, struct error *error)
{
    const char *base = strncmp(text, "base=", 5) == 0 ? text + 5 : "";
    time_t now = time(NULL);
    if (strcmp(base, "utc") == 0) {
        *epoch_s = now;
        return true;
    }
    if (strcmp(base, "localtime") == 0) {
        struct tm local;
        localtime_r(&now, &local);
        *epoch_s = now + local.tm_gmtoff;
        return true;
    }
    if (parse_date(base, epoch_s)) {
        return true;
    }
    return error_set(error,
                     "-rtc %s: give base=utc, base=localtime or "
                     "base=YYYY-MM-DDTHH:MM:SS",
                     text);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, one row at a time; words are cut at LONGEST_WORD. */
size_t value_edit_distance(const char *a, const char *b)
{
    size_t row[LONGEST_WORD + 1];
    size_t width = smaller(strlen(b), LONGEST_WORD);
    size_t height = smaller(strlen(a), LONGEST_WORD);
    for (size_t j = 0; j <= width; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= height; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[width];
}
