#include "faults/spec_internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const event_names[FAULT_EVENTS] = {
    [FAULT_NOW] = "now",       [FAULT_INSTRUCTION] = "instruction",
    [FAULT_TIME] = "time",     [FAULT_EXECUTE] = "execute",
    [FAULT_READ] = "read",     [FAULT_WRITE] = "write",
    [FAULT_ACCESS] = "access", [FAULT_IN] = "in",
    [FAULT_OUT] = "out",       [FAULT_INTERRUPT] = "interrupt",
    [FAULT_TEXT] = "text",     [FAULT_SCREEN] = "screen",
    [FAULT_SYMBOL] = "symbol",
};

static bool is_text(enum fault_event event)
{
    return event == FAULT_TEXT || event == FAULT_SCREEN || event == FAULT_SYMBOL;
}

static bool parse_number(const char *text, uint64_t *number, const char **end)
{
    char *rest;
    errno = 0;
    *number = strtoull(text, &rest, 0);
    *end = rest;
    return isdigit((unsigned char)*text) && errno == 0;
}

static bool parse_time(const char *text, uint64_t *ns)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"", 1}, {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    const char *end;
    uint64_t number;
    if (!parse_number(text, &number, &end)) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(units); i++) {
        if (strcmp(units[i].unit, end) == 0 && number <= UINT64_MAX / units[i].ns) {
            *ns = number * units[i].ns;
            return true;
        }
    }
    return false;
}

bool fault_take_time(struct properties *properties, const char *key, uint64_t *ns,
                     struct error *error)
{
    const char *text = properties_take(properties, key);
    return !text || parse_time(text, ns) ||
           error_set(error, "%s: %s=%s: give a time, as 5ms (ns, us, ms or s)",
                     properties->option, key, text);
}

static uint64_t highest(enum fault_event event)
{
    switch (event) {
    case FAULT_IN:
    case FAULT_OUT:
        return UINT16_MAX;
    case FAULT_INTERRUPT:
        return UINT8_MAX;
    case FAULT_EXECUTE:
    case FAULT_READ:
    case FAULT_WRITE:
    case FAULT_ACCESS:
        return UINT32_MAX;
    default:
        return UINT64_MAX - 1;
    }
}

static bool take_event(struct properties *properties, struct fault_trigger *trigger,
                       struct error *error)
{
    const char *text = properties_take(properties, "when"), *end;
    if (!text) {
        return true;
    }
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    unsigned event = 0;
    while (event < FAULT_EVENTS && (strlen(event_names[event]) != length ||
                                    strncmp(event_names[event], text, length) != 0)) {
        event++;
    }
    trigger->event = (enum fault_event)event;
    const char *value = colon ? colon + 1 : "";
    bool good = event < FAULT_EVENTS;
    if (event == FAULT_NOW) {
        good = !colon;
    } else if (event == FAULT_TIME) {
        good = parse_time(value, &trigger->at);
    } else if (good && is_text(trigger->event)) {
        good = *value && strlen(value) < sizeof(trigger->text);
        snprintf(trigger->text, sizeof(trigger->text), "%s", value);
    } else if (good) {
        good = parse_number(value, &trigger->at, &end) && !*end &&
               trigger->at <= highest(trigger->event);
    }
    return good || error_set(error,
                             "%s: when=%s: it can be now, instruction:N, time:TIME, "
                             "execute:ADDRESS, read:, write: or access:ADDRESS, in: or "
                             "out:PORT, interrupt:VECTOR, symbol:NAME+OFFSET, text: or "
                             "screen:TEXT (up to %d letters)",
                             properties->option, text, FAULT_TEXT_BYTES - 1);
}

static bool is_memory(enum fault_event event)
{
    return event == FAULT_READ || event == FAULT_WRITE || event == FAULT_ACCESS;
}

static bool take_space(struct properties *properties, struct fault_trigger *trigger,
                       struct error *error)
{
    const char *space = properties_take(properties, "space");
    trigger->physical = space && strcmp(space, "physical") == 0;
    return !space || trigger->physical || strcmp(space, "linear") == 0 ||
           error_set(error, "%s: space=%s: it can be linear or physical",
                     properties->option, space);
}

static bool take_process(struct properties *properties, struct fault_trigger *trigger,
                         struct error *error)
{
    const char *name = properties_take(properties, "process");
    if (name && (!*name || strlen(name) >= sizeof(trigger->process))) {
        return error_set(error,
                         "%s: process=%s: give 1 to %d letters, as ps shows them",
                         properties->option, name, FAULT_PROCESS_BYTES - 1);
    }
    snprintf(trigger->process, sizeof(trigger->process), "%s", name ? name : "");
    return true;
}

/* Which keys go with which events. */
static bool check_keys(struct properties *properties,
                       const struct fault_trigger *trigger, struct error *error)
{
    const enum fault_event event = trigger->event;
    bool memory = is_memory(event);
    bool port = event == FAULT_IN || event == FAULT_OUT;
    bool code = event == FAULT_EXECUTE || event == FAULT_SYMBOL;
    bool by_cpu = memory || port || code || event == FAULT_INTERRUPT;
    const char *const of_cpu =
        "execute:, symbol:, read:, write:, access:, in:, out: and interrupt:";
    const struct {
        const char *key;
        bool fits;
        const char *with;
    } rules[] = {
        {"count", by_cpu || event == FAULT_TEXT || event == FAULT_SCREEN,
         "all but now, instruction: and time:"},
        {"cr3", by_cpu, of_cpu},
        {"process", by_cpu, of_cpu},
        {"length", memory || port, "read:, write:, access:, in: and out:"},
        {"space", memory, "read:, write: and access:"},
        {"equals", memory || port, "read:, write:, access:, in: and out:"},
        {"serial", event == FAULT_TEXT, "text:"},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(rules); i++) {
        if (properties_take(properties, rules[i].key) && !rules[i].fits) {
            return error_set(error, "%s: %s= goes with when=%s", properties->option,
                             rules[i].key, rules[i].with);
        }
    }
    return true;
}

bool fault_take_when(struct properties *properties, struct fault_trigger *trigger,
                     struct error *error)
{
    uint64_t cr3 = 0, line = 0;
    *trigger = (struct fault_trigger){.count = 1, .length = 1};
    if (!take_event(properties, trigger, error) ||
        !check_keys(properties, trigger, error) ||
        !take_process(properties, trigger, error)) {
        return false;
    }
    trigger->has_cr3 = properties_take(properties, "cr3");
    trigger->has_equals = properties_take(properties, "equals");
    if (!take_space(properties, trigger, error) ||
        !properties_take_number(properties, "count", 1, UINT64_MAX, &trigger->count,
                                error) ||
        !properties_take_number(properties, "cr3", 0, UINT32_MAX, &cr3, error) ||
        !properties_take_number(properties, "length", 1, PAGE_BYTES, &trigger->length,
                                error) ||
        !properties_take_number(properties, "equals", 0, UINT32_MAX, &trigger->equals,
                                error)) {
        return false;
    }
    trigger->cr3 = (uint32_t)cr3;
    if (trigger->event == FAULT_TEXT &&
        !properties_take_number(properties, "serial", 0, 3, &line, error)) {
        return false;
    }
    trigger->line = (unsigned)line;
    return true;
}

void fault_trigger_describe(const struct fault_trigger *trigger, char *text,
                            size_t bytes)
{
    bool named = trigger->event == FAULT_EXECUTE && *trigger->text;
    const enum fault_event event = named ? FAULT_SYMBOL : trigger->event;
    const char *name = event_names[event];
    switch (event) {
    case FAULT_NOW:
        snprintf(text, bytes, "%s", name);
        break;
    case FAULT_INSTRUCTION:
    case FAULT_TIME:
        snprintf(text, bytes, "%s:%" PRIu64, name, trigger->at);
        break;
    case FAULT_TEXT:
    case FAULT_SCREEN:
    case FAULT_SYMBOL:
        snprintf(text, bytes, "%s:%s", name, trigger->text);
        break;
    default:
        snprintf(text, bytes, "%s:0x%" PRIx64, name, trigger->at);
        break;
    }
}
