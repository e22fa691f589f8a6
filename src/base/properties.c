#include "base/properties.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Ends the item at `text` in place, and undoubles its commas. Returns the next one, or
 * NULL. */
static char *end_item(char *text)
{
    char *to = text;
    for (; *text && (*text != ',' || text[1] == ','); text++) {
        *to++ = *text;
        text += *text == ',';
    }
    char *next = *text ? text + 1 : NULL;
    *to = '\0';
    return next;
}

static bool add(struct properties *properties, char *item, struct error *error)
{
    char *equals = strchr(item, '=');
    if (equals) {
        *equals = '\0';
    }
    bool repeated = properties->repeated && strcmp(item, properties->repeated) == 0;
    for (unsigned i = 0; i < properties->count && !repeated; i++) {
        if (strcmp(properties->items[i].key, item) == 0) {
            return error_set(error, "%s: %s is given twice", properties->option, item);
        }
    }
    if (properties->count == PROPERTIES_MAXIMUM) {
        return error_set(error, "%s: more than %d properties", properties->option,
                         PROPERTIES_MAXIMUM);
    }
    properties->items[properties->count++] =
        (struct property){.key = item, .value = equals ? equals + 1 : "on"};
    return true;
}

bool properties_parse(struct properties *properties, const char *option,
                      const char *text, struct error *error)
{
    return properties_parse_repeated(properties, option, text, NULL, error);
}

bool properties_parse_repeated(struct properties *properties, const char *option,
                               const char *text, const char *repeated,
                               struct error *error)
{
    size_t length = strlen(text);
    properties->option = option;
    properties->repeated = repeated;
    properties->name = "";
    properties->count = 0;
    if (length >= sizeof(properties->text)) {
        return error_set(error, "%s: more than %d characters", option,
                         PROPERTIES_TEXT_BYTES - 1);
    }
    memcpy(properties->text, text, length + 1);
    char *item = properties->text, *next = end_item(item);
    if (!strchr(item, '=')) {
        properties->name = item;
        item = next;
        next = item ? end_item(item) : NULL;
    }
    while (item) {
        if (*item && !add(properties, item, error)) {
            return false;
        }
        item = next;
        next = item ? end_item(item) : NULL;
    }
    return true;
}

const char *properties_take(struct properties *properties, const char *key)
{
    for (unsigned i = 0; i < properties->count; i++) {
        struct property *property = &properties->items[i];
        if (strcmp(property->key, key) == 0) {
            property->taken = true;
            return property->value;
        }
    }
    return NULL;
}

const char *properties_take_next(struct properties *properties, const char *key)
{
    for (unsigned i = 0; i < properties->count; i++) {
        struct property *property = &properties->items[i];
        if (!property->taken && strcmp(property->key, key) == 0) {
            property->taken = true;
            return property->value;
        }
    }
    return NULL;
}

static bool parse_number(const char *text, char **end, uint64_t *number)
{
    errno = 0;
    *number = strtoull(text, end, 0);
    return isdigit((unsigned char)*text) && errno == 0;
}

bool properties_take_number(struct properties *properties, const char *key,
                            uint64_t minimum, uint64_t maximum, uint64_t *value,
                            struct error *error)
{
    const char *text = properties_take(properties, key);
    uint64_t number;
    char *end;
    if (!text) {
        return true;
    }
    if (!parse_number(text, &end, &number) || *end || number < minimum ||
        number > maximum) {
        return error_set(error, "%s: %s=%s: give a number from %" PRIu64 " to %" PRIu64,
                         properties->option, key, text, minimum, maximum);
    }
    *value = number;
    return true;
}

bool properties_parse_size(const char *text, uint64_t *bytes)
{
    static const char suffixes[] = "KMGT";
    uint64_t number;
    char *end;
    bool good = parse_number(text, &end, &number);
    const char *suffix =
        good && *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
    unsigned shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
    if (!good || (*end && (!suffix || end[1])) || number > UINT64_MAX >> shift) {
        return false;
    }
    *bytes = number << shift;
    return true;
}

bool properties_take_size(struct properties *properties, const char *key,
                          uint64_t *value, struct error *error)
{
    const char *text = properties_take(properties, key);
    return !text || properties_parse_size(text, value) ||
           error_set(error,
                     "%s: %s=%s: give a number of bytes, or one with K, M, G or T",
                     properties->option, key, text);
}

bool properties_take_switch(struct properties *properties, const char *key, bool *value,
                            struct error *error)
{
    const char *text = properties_take(properties, key);
    if (!text) {
        return true;
    }
    *value = strcmp(text, "on") == 0;
    return *value || strcmp(text, "off") == 0 ||
           error_set(error, "%s: %s=%s: it can be on or off", properties->option, key,
                     text);
}

bool properties_finish(const struct properties *properties, const char *known,
                       struct error *error)
{
    for (unsigned i = 0; i < properties->count; i++) {
        if (!properties->items[i].taken) {
            return error_set(error, "%s %s: no property %s; there are %s",
                             properties->option, properties->name,
                             properties->items[i].key, known);
        }
    }
    return true;
}
