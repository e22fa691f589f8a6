/* Keys and pointers. */
#include "machine/user_input.h"
#include "monitor/command.h"
#include "monitor/input_commands.h"
#include "monitor/keys.h"

#include <stdlib.h>
#include <string.h>

enum { HOLD_MS = 100, NS_PER_MS = 1000000 };

static const struct input_sink *input_of(struct monitor *monitor)
{
    return machine_input(monitor->machine);
}

void input_release_keys(void *opaque)
{
    struct monitor *monitor = opaque;
    const struct input_sink *input = input_of(monitor);
    while (monitor->held_key_count > 0) {
        input->key(input->opaque, monitor->held_keys[--monitor->held_key_count], false);
    }
}

/* Presses them in this order, and releases them some time later in the other one. */
static void stroke(struct monitor *monitor, const uint16_t *keys, unsigned count,
                   int64_t hold_ms)
{
    const struct input_sink *input = input_of(monitor);
    struct clock *clock = machine_clock(monitor->machine);
    timer_cancel(&monitor->key_timer);
    input_release_keys(monitor);
    for (unsigned i = 0; i < count; i++) {
        input->key(input->opaque, keys[i], true);
        monitor->held_keys[monitor->held_key_count++] = keys[i];
    }
    timer_set_ns(&monitor->key_timer,
                 clock_now_ns(clock) + (uint64_t)hold_ms * NS_PER_MS);
}

/* A KeyValue: {"type": "qcode", "data": "a"} or {"type": "number", "data": 30}. False
 * with an error; a key that no keyboard has is 0. `where`: what to call it. */
static bool read_key(struct command_call *call, const json_t *value, const char *where,
                     uint16_t *key)
{
    const json_t *type = json_object_get(value, "type");
    const json_t *data = json_object_get(value, "data");
    if (!json_is_object(value)) {
        return command_fail(call, NULL,
                            "Invalid parameter type for '%s', expected: object", where);
    }
    if (!type || !data) {
        return command_fail(call, NULL, "Parameter '%s.%s' is missing", where,
                            type ? "data" : "type");
    }
    const char *name = json_is_string(type) ? json_string_value(type) : "";
    if (strcmp(name, "number") == 0 && json_is_integer(data)) {
        *key = key_by_number(json_integer_value(data));
        return true;
    }
    if (strcmp(name, "number") == 0) {
        return command_fail(call, NULL,
                            "Invalid parameter type for '%s.data', expected: integer",
                            where);
    }
    if (strcmp(name, "qcode") != 0) {
        return command_fail(call, NULL, "Parameter 'type' does not accept value '%s'",
                            name);
    }
    const char *code = json_is_string(data) ? json_string_value(data) : "";
    *key = key_by_name(code, strlen(code));
    return *key || strcmp(code, "unmapped") == 0 ||
           command_fail(call, NULL, "Parameter 'data' does not accept value '%s'",
                        code);
}

static bool send_key(struct command_call *call)
{
    const json_t *list = json_object_get(call->arguments, "keys");
    int64_t hold_ms = command_integer(call, "hold-time", HOLD_MS);
    uint16_t keys[MONITOR_HELD_KEYS];
    unsigned count = 0;
    json_t *value;
    size_t i;
    json_array_foreach(list, i, value)
    {
        char where[32];
        uint16_t key;
        snprintf(where, sizeof(where), "keys[%zu]", i);
        if (!read_key(call, value, where, &key)) {
            return false;
        }
        if (key && count < MONITOR_HELD_KEYS) {
            keys[count++] = key;
        }
    }
    stroke(call->monitor, keys, count,
           hold_ms > 0 && hold_ms < 60000 ? hold_ms : HOLD_MS);
    return true;
}

/* "ctrl-alt-f1", as people type it; "<" and numbers, too. */
static bool type_keys(struct command_call *call)
{
    const char *text = command_string(call, "keys");
    int64_t hold_ms = command_integer(call, "hold", HOLD_MS);
    uint16_t keys[MONITOR_HELD_KEYS];
    unsigned count = 0;
    while (*text) {
        size_t length = strcspn(text, "-");
        length += length == 0; /* the key "-" itself is called "minus" */
        uint16_t key = key_by_name(text, length);
        if (length == 1 && *text == '<') {
            key = key_by_name("less", 4);
        } else if (!key && strncmp(text, "0x", 2) == 0) {
            key = key_by_number(strtol(text, NULL, 16));
        }
        if (!key) {
            fprintf(call->out, "invalid parameter: %.*s\n", (int)length, text);
            return true;
        }
        if (count < MONITOR_HELD_KEYS) {
            keys[count++] = key;
        }
        text += length + (text[length] == '-');
    }
    stroke(call->monitor, keys, count,
           hold_ms > 0 && hold_ms < 60000 ? hold_ms : HOLD_MS);
    return true;
}

/* -- input-send-event -- */

static bool missing(struct command_call *call, const char *name)
{
    return command_fail(call, NULL, "Parameter '%s' is missing", name);
}

static bool read_down(struct command_call *call, const json_t *data, bool *down)
{
    const json_t *value = json_object_get(data, "down");
    *down = json_is_true(value);
    return json_is_boolean(value) || missing(call, "down");
}

static bool send_button(struct command_call *call, const json_t *data, bool act)
{
    const struct input_sink *input = input_of(call->monitor);
    const char *name = json_string_value(json_object_get(data, "button"));
    bool down;
    if (!read_down(call, data, &down)) {
        return false;
    }
    if (!name) {
        return missing(call, "button");
    }
    int clicks = wheel_by_name(name);
    uint16_t code = button_by_name(name);
    if (!clicks && !code && strncmp(name, "wheel-", 6) != 0) {
        return command_fail(call, NULL, "Parameter 'button' does not accept value '%s'",
                            name);
    }
    if (act && clicks && down) {
        input->move(input->opaque, 0, 0, clicks);
    } else if (act && code) {
        input->button(input->opaque, code, down);
    }
    return true;
}

static bool send_movement(struct command_call *call, const json_t *data, bool absolute,
                          bool act)
{
    const struct input_sink *input = input_of(call->monitor);
    const char *axis = json_string_value(json_object_get(data, "axis"));
    const json_t *value = json_object_get(data, "value");
    if (!axis || !json_is_integer(value)) {
        return missing(call, axis ? "value" : "axis");
    }
    if (strcmp(axis, "x") != 0 && strcmp(axis, "y") != 0) {
        return command_fail(call, NULL, "Parameter 'axis' does not accept value '%s'",
                            axis);
    }
    bool is_x = *axis == 'x';
    json_int_t number = json_integer_value(value);
    struct monitor *monitor = call->monitor;
    if (!act) {
        return true;
    }
    if (!absolute) {
        int distance = number > 4096 ? 4096 : number < -4096 ? -4096 : (int)number;
        input->move(input->opaque, is_x ? distance : 0, is_x ? 0 : distance, 0);
        return true;
    }
    number = number < 0 ? 0 : number;
    monitor->pointer[!is_x] =
        number > INPUT_POSITION_MAXIMUM ? INPUT_POSITION_MAXIMUM : (unsigned)number;
    if (input->has_position(input->opaque)) {
        input->position(input->opaque, monitor->pointer[0], monitor->pointer[1]);
    }
    return true;
}

static bool send_key_event(struct command_call *call, const json_t *data, bool act)
{
    const struct input_sink *input = input_of(call->monitor);
    const json_t *value = json_object_get(data, "key");
    uint16_t key;
    bool down;
    if (!value) {
        return missing(call, "key");
    }
    if (!read_down(call, data, &down) || !read_key(call, value, "key", &key)) {
        return false;
    }
    if (act && key) {
        input->key(input->opaque, key, down);
    }
    return true;
}

static bool send_one(struct command_call *call, const json_t *event, bool act)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    const json_t *data = json_object_get(event, "data");
    if (!type || !json_is_object(data)) {
        return missing(call, type ? "data" : "type");
    }
    if (strcmp(type, "key") == 0) {
        return send_key_event(call, data, act);
    }
    if (strcmp(type, "btn") == 0) {
        return send_button(call, data, act);
    }
    if (strcmp(type, "rel") == 0 || strcmp(type, "abs") == 0) {
        return send_movement(call, data, *type == 'a', act);
    }
    return command_fail(call, NULL, "Parameter 'type' does not accept value '%s'",
                        type);
}

/* All of the events, or, if one of them is wrong, none. */
static bool send_events(struct command_call *call)
{
    const json_t *list = json_object_get(call->arguments, "events");
    json_t *event;
    size_t i;
    for (unsigned act = 0; act < 2; act++) {
        json_array_foreach(list, i, event)
        {
            if (!send_one(call, event, act)) {
                return false;
            }
        }
    }
    return true;
}

static const struct command rows[] = {
    {"send-key", NULL, "keys:a hold-time:i?", "", "", .run = send_key},
    {"input-send-event", NULL, "device:s? head:i? events:a", "", "",
     .run = send_events},
    {NULL, "sendkey", "keys:s hold:e?", "keys [hold_ms]",
     "press keys: sendkey ctrl-alt-f1", .run = type_keys},
};

const struct command_table commands_input = {rows, ARRAY_LENGTH(rows)};
