/* base/properties.h: what an option says by "name,key=value,switch,…", as QEMU's do.
 *
 * A comma in a value is written twice. A key without '=' is the same as "key=on". Who
 * knows a key takes it; properties_finish() then complains about those that nobody
 * took, so that a misspelt one is never ignored.
 * Thread: any. */
#ifndef BASE_PROPERTIES_H
#define BASE_PROPERTIES_H

#include "base/error.h"
#include "base/types.h"

enum { PROPERTIES_MAXIMUM = 32, PROPERTIES_TEXT_BYTES = 1024 };

struct property {
    const char *key, *value;
    bool taken;
};

struct properties {
    const char *option;   /* for messages, with its dash: "-device" */
    const char *repeated; /* the key that may be there more than once, or NULL */
    const char *name;     /* the first word, if it has no '='; else "" */
    unsigned count;
    struct property items[PROPERTIES_MAXIMUM];
    char text[PROPERTIES_TEXT_BYTES];
};

/* Takes the text apart. Fails if it is too long, or a key is there twice. `option` must
 * outlive it; `properties` may not be copied. */
bool properties_parse(struct properties *properties, const char *option,
                      const char *text, struct error *error);
/* Likewise, but for the key `repeated`. */
bool properties_parse_repeated(struct properties *properties, const char *option,
                               const char *text, const char *repeated,
                               struct error *error);

/* The value, or NULL if it is not given; lives as long as `properties`. */
const char *properties_take(struct properties *properties, const char *key);
/* The next value that was not taken yet, or NULL: of a key that is repeated. */
const char *properties_take_next(struct properties *properties, const char *key);

/* These leave `*value` alone if the key is not given. Numbers are decimal, 0x… or 0…;
 * sizes are bytes, or with K, M, G, T (powers of 1024). */
bool properties_take_number(struct properties *properties, const char *key,
                            uint64_t minimum, uint64_t maximum, uint64_t *value,
                            struct error *error);
bool properties_take_size(struct properties *properties, const char *key,
                          uint64_t *value, struct error *error);
/* on or off */
bool properties_take_switch(struct properties *properties, const char *key, bool *value,
                            struct error *error);

/* A size as above, wherever it stands; false if it is none. */
bool properties_parse_size(const char *text, uint64_t *bytes);

/* False if there is a key that was not taken. `known`: those that exist, for the
 * message. */
bool properties_finish(const struct properties *properties, const char *known,
                       struct error *error);

#endif
