#include "cli/words.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *name_in(const char *argument)
{
    return argument + (argument[1] == '-' ? 2 : 1);
}

const struct word *words_find(const struct word *words, size_t word_count,
                              const char *argument)
{
    const char *name = name_in(argument);
    size_t length = strcspn(name, "=");
    for (size_t i = 0; i < word_count; i++) {
        if (strlen(words[i].name) == length &&
            strncmp(words[i].name, name, length) == 0) {
            return &words[i];
        }
    }
    return NULL;
}

/* Applies the option at arguments[*index], and moves that to the last word it used. */
static bool apply(const char *command, const struct word *words, size_t word_count,
                  void *opaque, int count, char *const arguments[], int *index,
                  struct error *error)
{
    const char *argument = arguments[*index];
    const struct word *word = words_find(words, word_count, argument);
    const char *equals = strchr(argument, '=');
    const char *value = equals ? equals + 1 : NULL;
    if (!word) {
        return error_set(error, "%s: %s: unknown option; -help lists them", command,
                         argument);
    }
    if (word->flag) {
        return value ? error_set(error, "%s: %s has no value", command, argument)
                     : word->apply(opaque, NULL, error);
    }
    if (!value && ++*index == count) {
        return error_set(error, "%s: %s needs a value", command, argument);
    }
    return word->apply(opaque, value ? value : arguments[*index], error);
}

bool words_parse(const char *command, const struct word *words, size_t word_count,
                 void *opaque, int count, char *const arguments[], const char **names,
                 unsigned name_count, struct error *error)
{
    unsigned found = 0;
    for (unsigned i = 0; i < name_count; i++) {
        names[i] = NULL;
    }
    for (int i = 0; i < count; i++) {
        if (arguments[i][0] == '-' && arguments[i][1]) { /* "-" alone is a name */
            if (!apply(command, words, word_count, opaque, count, arguments, &i,
                       error)) {
                return false;
            }
        } else if (found == name_count) {
            return error_set(error, "%s: '%s' is one word too many", command,
                             arguments[i]);
        } else {
            names[found++] = arguments[i];
        }
    }
    return true;
}

bool words_number(const char *command, const char *option, const char *text,
                  uint64_t least, uint64_t most, uint64_t *number, struct error *error)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 0);
    return (isdigit((unsigned char)*text) && !*end && !errno && *number >= least &&
            *number <= most) ||
           error_set(error, "%s: %s %s: give a number from %" PRIu64 " to %" PRIu64,
                     command, option, text, least, most);
}
