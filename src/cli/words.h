/* cli/words.h: options of the commands beside `run`: "--name value" or "--name=value",
 * with one dash or two. */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include "base/error.h"
#include "base/types.h"

struct word {
    const char *name;
    bool flag; /* has no value; apply() gets NULL */
    bool (*apply)(void *opaque, const char *value, struct error *error);
};

/* The row of an option as it was given, "--name" or "--name=value". NULL: none. */
const struct word *words_find(const struct word *words, size_t word_count,
                              const char *argument);

/* Reads all arguments: options are applied, and `names` filled with the other words;
 * NULL: there are less. */
bool words_parse(const char *command, const struct word *words, size_t word_count,
                 void *opaque, int count, char *const arguments[], const char **names,
                 unsigned name_count, struct error *error);

/* A number in `text`, from `least` to `most`; `option`: for the error. */
bool words_number(const char *command, const char *option, const char *text,
                  uint64_t least, uint64_t most, uint64_t *number, struct error *error);

#endif
