#include "cli/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/properties.h"
#include "cli/run.h"
#include "host/storage/block.h"
#include "host/storage/image.h"

enum { MAXIMUM_NAMES = 2, EXIT_PROBLEM = 1 };

/* What the words say: options may stand anywhere. */
struct image_words {
    const char *names[MAXIMUM_NAMES];
    int name_count;
    const char *format, *base, *base_format;
    bool help;
};

typedef bool image_command(const struct image_words *words, struct error *error);

static const char usage[] =
    "Usage: faumachine image create [-f FORMAT] FILE SIZE\n"
    "       faumachine image create -b BASE [-F FORMAT] FILE [SIZE]\n"
    "       faumachine image info FILE\n"
    "       faumachine image commit FILE\n"
    "\n"
    "create makes a disk image: raw, with holes only, unless -f says otherwise; with "
    "-b\n"
    "an overlay (qcow2) that keeps what differs from BASE, which stays as it is.\n"
    "SIZE is in bytes, or with K, M, G or T. commit writes what an overlay has into "
    "its\n"
    "base. What is not raw is dealt with by qemu-img and qemu-nbd.\n";

static bool create(const struct image_words *words, struct error *error)
{
    uint64_t bytes = 0;
    const char *file = words->names[0], *size = words->names[1];
    if (size && !properties_parse_size(size, &bytes)) {
        return error_set(error,
                         "image create: %s is no size: give a number of bytes, or "
                         "one with K, M, G or T",
                         size);
    }
    if (words->base) {
        return words->format && strcmp(words->format, "qcow2") != 0
                   ? error_set(error, "image create -f %s: an overlay is qcow2",
                               words->format)
                   : image_create_overlay(file, words->base, words->base_format, bytes,
                                          error);
    }
    if (!size) {
        return error_set(error,
                         "image create %s: give its size, as in 'faumachine "
                         "image create %s 8G'",
                         file, file);
    }
    return image_create_as(file, words->format ? words->format : "raw", bytes, error);
}

static void print_size(const char *name, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double shown = (double)bytes;
    unsigned unit = 0;
    for (; shown >= 1024 && unit + 1 < ARRAY_LENGTH(units); unit++) {
        shown /= 1024;
    }
    if (unit == 0) {
        printf("%-10s %" PRIu64 " bytes\n", name, bytes);
    } else {
        printf("%-10s %.4g %s (%" PRIu64 " bytes)\n", name, shown, units[unit], bytes);
    }
}

static bool show_info(const struct image_words *words, struct error *error)
{
    struct image_info info;
    if (!image_get_info(words->names[0], &info, error)) {
        return false;
    }
    printf("%-10s %s\n", "file:", words->names[0]);
    printf("%-10s %s\n", "format:", info.format);
    print_size("size:", info.bytes);
    print_size("allocated:", info.allocated);
    if (*info.backing) {
        printf("%-10s %s\n", "backing:", info.backing);
    }
    return true;
}

static bool commit(const struct image_words *words, struct error *error)
{
    return image_commit(words->names[0], isatty(STDOUT_FILENO), error);
}

static const struct {
    const char *name;
    int minimum, maximum; /* names */
    bool formats;         /* -f, -b and -F go with it */
    image_command *run;
} commands[] = {
    {"create", 1, 2, true, create},
    {"info", 1, 1, false, show_info},
    {"commit", 1, 1, false, commit},
};

static bool parse_format(const char *option, const char *value, const char **format,
                         struct error *error)
{
    *format = value;
    return block_format_is_known(value) ||
           error_set(error, "image: %s %s: the formats are " BLOCK_FORMATS, option,
                     value);
}

/* Reads one word, or two; `*used` is how many. */
static bool parse_word(struct image_words *words, const char *word, const char *value,
                       int *used, struct error *error)
{
    const bool option = word[0] == '-' && word[1];
    *used = option ? 2 : 1;
    if (strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0 ||
        strcmp(word, "--help") == 0) {
        words->help = true;
        *used = 1;
        return true;
    }
    if (option && (strlen(word) != 2 || !strchr("fbF", word[1]))) {
        return error_set(error, "image: %s: unknown option; there are -f, -b and -F",
                         word);
    }
    if (option && !value) {
        return error_set(error, "image: %s needs a value", word);
    }
    if (option && word[1] == 'b') {
        words->base = value;
        return true;
    }
    if (option) {
        return parse_format(
            word, value, word[1] == 'f' ? &words->format : &words->base_format, error);
    }
    if (words->name_count == MAXIMUM_NAMES) {
        return error_set(error, "image: '%s' is one word too many", word);
    }
    words->names[words->name_count++] = word;
    return true;
}

static bool parse_words(struct image_words *words, int count, char *const arguments[],
                        struct error *error)
{
    int used;
    for (int i = 0; i < count; i += used) {
        const char *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (!parse_word(words, arguments[i], value, &used, error)) {
            return false;
        }
    }
    return true;
}

static bool run(size_t index, const struct image_words *words, struct error *error)
{
    const char *name = commands[index].name;
    if (words->name_count < commands[index].minimum) {
        return error_set(error, "image %s: name a file; -help says more", name);
    }
    if (words->name_count > commands[index].maximum) {
        return error_set(error, "image %s: '%s' is one word too many", name,
                         words->names[words->name_count - 1]);
    }
    if (!commands[index].formats &&
        (words->format || words->base || words->base_format)) {
        return error_set(error, "image %s: takes no options", name);
    }
    return commands[index].run(words, error);
}

static bool run_command(int count, char *const arguments[], struct error *error)
{
    struct image_words words = {.name_count = 0};
    if (!parse_words(&words, count - 1, arguments + 1, error)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (strcmp(arguments[0], commands[i].name) == 0 && !words.help) {
            return run(i, &words, error);
        }
    }
    if (words.help || strstr(arguments[0], "-h")) {
        fputs(usage, stdout);
        return true;
    }
    return error_set(error, "image %s: there are create, info and commit",
                     arguments[0]);
}

int run_image(int count, char *const arguments[])
{
    struct error error;
    bool good = count > 0 ? run_command(count, arguments, &error)
                          : error_set(&error, "image: say create, info or commit; "
                                              "'faumachine image -help' says more");
    if (!good) {
        cli_print_error(&error);
        return EXIT_PROBLEM;
    }
    return cli_flush_output();
}
