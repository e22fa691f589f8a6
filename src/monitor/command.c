#include "monitor/command.h"

#include "monitor/expression.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

static const struct command_table *const tables[] = {
    &commands_run,      &commands_query, &commands_memory,
    &commands_input,    &commands_media, &commands_files,
    &commands_snapshot, &commands_info,  &commands_faults,
};

enum { NAME_BYTES = 64, WORD_BYTES = 4096 };

/* One item of a specification. */
struct parameter {
    char name[NAME_BYTES];
    char kind;
    bool optional;
};

/* Takes the next one off the list; false at its end. */
static bool next_parameter(const char **list, struct parameter *parameter)
{
    const char *text = *list + strspn(*list, " ");
    const char *colon = strchr(text, ':');
    if (!colon) {
        return false;
    }
    snprintf(parameter->name, sizeof(parameter->name), "%.*s", (int)(colon - text),
             text);
    parameter->kind = colon[1];
    parameter->optional = colon[2] == '?';
    *list = colon + 2 + parameter->optional;
    return true;
}

void command_for_each(void (*each)(void *opaque, const struct command *command),
                      void *opaque)
{
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        for (size_t j = 0; j < tables[i]->count; j++) {
            each(opaque, &tables[i]->rows[j]);
        }
    }
}

struct search {
    const char *name;
    size_t length;
    const struct command *found;
};

static void compare_qmp(void *opaque, const struct command *command)
{
    struct search *search = opaque;
    if (command->name && strcmp(command->name, search->name) == 0) {
        search->found = command;
    }
}

const struct command *command_find_qmp(const char *name)
{
    struct search search = {.name = name};
    command_for_each(compare_qmp, &search);
    return search.found;
}

/* "stop|s" has two names. */
static void compare_human(void *opaque, const struct command *command)
{
    struct search *search = opaque;
    const char *names = command->human ? command->human : "";
    while (*names) {
        size_t length = strcspn(names, "|");
        if (length == search->length && strncmp(names, search->name, length) == 0) {
            search->found = command;
        }
        names += length + (names[length] == '|');
    }
}

static const struct command *find_human(const char *name, size_t length)
{
    struct search search = {.name = name, .length = length};
    command_for_each(compare_human, &search);
    return search.found;
}

bool command_fail(struct command_call *call, const char *error_class,
                  const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->error.text, sizeof(call->error.text), format, arguments);
    va_end(arguments);
    call->error_class = error_class;
    return false;
}

const char *command_string(const struct command_call *call, const char *name)
{
    return json_string_value(json_object_get(call->arguments, name));
}

int64_t command_integer(const struct command_call *call, const char *name,
                        int64_t fallback)
{
    const json_t *value = json_object_get(call->arguments, name);
    return value ? json_integer_value(value) : fallback;
}

static bool run(const struct command *command, struct command_call *call)
{
    struct machine *machine = call->monitor->machine;
    if (command->holds) {
        machine_hold(machine);
    }
    bool good = command->run(call);
    if (command->holds) {
        machine_release(machine);
    }
    return good;
}

/* -- QMP -- */

static const char *wrong_kind(const json_t *value, char kind)
{
    switch (kind) {
    case 's':
        return json_is_string(value) ? NULL : "string";
    case 'i':
        return json_is_integer(value) ? NULL : "integer";
    case 'b':
        return json_is_boolean(value) ? NULL : "boolean";
    case 'a':
        return json_is_array(value) ? NULL : "array";
    }
    return "nothing";
}

static bool is_parameter(const struct command *command, const char *name)
{
    const char *list = command->arguments;
    struct parameter parameter;
    while (next_parameter(&list, &parameter)) {
        if (strcmp(parameter.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool check(const struct command *command, struct command_call *call)
{
    const char *list = command->arguments, *name;
    struct parameter parameter;
    json_t *value;
    while (next_parameter(&list, &parameter)) {
        value = json_object_get(call->arguments, parameter.name);
        if (!value && !parameter.optional) {
            return command_fail(call, NULL, "Parameter '%s' is missing",
                                parameter.name);
        }
        const char *expected = value ? wrong_kind(value, parameter.kind) : NULL;
        if (expected) {
            return command_fail(call, NULL,
                                "Invalid parameter type for '%s', expected: %s",
                                parameter.name, expected);
        }
    }
    json_object_foreach((json_t *)call->arguments, name, value)
    {
        if (!is_parameter(command, name)) {
            return command_fail(call, NULL, "Parameter '%s' is unexpected", name);
        }
    }
    return true;
}

bool command_run_qmp(const struct command *command, struct command_call *call)
{
    if (!check(command, call) || !run(command, call)) {
        json_decref(call->result);
        call->result = NULL;
        return false;
    }
    if (!call->result) {
        call->result = json_object();
    }
    return true;
}

/* -- Lines -- */

/* Takes a word, perhaps in quotation marks, off the line; false: there is none. */
static bool take_word(const char **line, char *word)
{
    const char *p = *line + strspn(*line, " \t");
    size_t length = 0;
    bool quoted = *p == '"';
    if (!*p) {
        return false;
    }
    p += quoted;
    while (*p && (quoted ? *p != '"' : !isspace((unsigned char)*p)) &&
           length < WORD_BYTES - 1) {
        p += quoted && *p == '\\' && p[1];
        word[length++] = *p++;
    }
    word[length] = '\0';
    *line = p + (quoted && *p == '"');
    return true;
}

/* "/4xw": how often, how, how large; the last two as before if they are left out. */
static void take_format(struct monitor *monitor, const char **line, json_t *arguments)
{
    int64_t count = 1;
    const char *p = *line + strspn(*line, " \t");
    if (*p == '/') {
        p++;
        if (isdigit((unsigned char)*p)) {
            count = 0;
        }
        for (; isdigit((unsigned char)*p); p++) {
            count = count < 1 << 20 ? count * 10 + (*p - '0') : count;
        }
        for (; isalpha((unsigned char)*p); p++) {
            static const char sizes[] = "bhwg";
            const char *found = strchr(sizes, *p);
            if (found) {
                monitor->last_size = 1 << (found - sizes);
            } else {
                monitor->last_format = *p;
            }
        }
        *line = p;
    }
    json_object_set_new(arguments, "count", json_integer(count));
    json_object_set_new(arguments, "size", json_integer(monitor->last_size));
    json_object_set_new(arguments, "format", json_integer(monitor->last_format));
}

static bool take_expression(struct command_call *call, const char **line,
                            json_t **value)
{
    int64_t number;
    if (!expression_evaluate(call->monitor->machine, line, &number, &call->error)) {
        return false;
    }
    *value = json_integer(number);
    return true;
}

static bool take_text(struct command_call *call, const struct parameter *parameter,
                      const char **line, json_t **value)
{
    char word[WORD_BYTES];
    if (parameter->kind == 'l') {
        *line += strspn(*line, " \t");
        *value = json_stringn_nocheck(*line, strlen(*line));
        *line += strlen(*line);
        return true;
    }
    if (!take_word(line, word)) {
        return command_fail(call, NULL, "%s: string expected", parameter->name);
    }
    *value = json_string(word);
    return *value || command_fail(call, NULL, "invalid UTF-8");
}

/* The words of a line as the specification has them. */
static bool take_arguments(const struct command *command, struct command_call *call,
                           const char *line, json_t *arguments)
{
    const char *list = command->arguments;
    struct parameter parameter;
    while (next_parameter(&list, &parameter)) {
        json_t *value = NULL;
        if (parameter.kind == 'f') {
            take_format(call->monitor, &line, arguments);
            continue;
        }
        if (parameter.optional && !line[strspn(line, " \t")]) {
            continue;
        }
        bool number = parameter.kind == 'e' || parameter.kind == 'i';
        if (parameter.kind == 'b') {
            /* "-f" and the like: there or not */
            const char *p = line + strspn(line, " \t");
            if (p[0] == '-' && p[1] == parameter.name[0] &&
                (!p[2] || isspace((unsigned char)p[2]))) {
                line = p + 2;
                value = json_true();
            }
        } else if (number ? !take_expression(call, &line, &value)
                          : !take_text(call, &parameter, &line, &value)) {
            return false;
        }
        if (value) {
            json_object_set_new(arguments, parameter.name, value);
        }
    }
    return !line[strspn(line, " \t")] ||
           command_fail(call, NULL, "extraneous characters at the end of line");
}

/* `name`: what has been typed for the command. */
static void print_error(const struct command_call *call, const char *name,
                        size_t length, bool of_arguments)
{
    bool extra = strncmp(call->error.text, "extraneous", 10) == 0;
    if (!of_arguments) {
        fprintf(call->out, "Error: %s\n", call->error.text);
        return;
    }
    fprintf(call->out, "%.*s%s%s\nTry \"help %.*s\" for more information\n",
            extra ? (int)length : 0, name, extra ? ": " : "", call->error.text,
            (int)length, name);
}

/* `line` begins with the `length` characters that name the command. */
static void run_human(const struct command *command, struct monitor *monitor,
                      const char *line, size_t length, FILE *out)
{
    json_t *arguments = json_object();
    struct command_call call = {.monitor = monitor, .arguments = arguments, .out = out};
    bool holds = strpbrk(command->arguments, "e");
    if (holds) {
        machine_hold(monitor->machine); /* registers are in expressions */
    }
    if (!take_arguments(command, &call, line + length, arguments)) {
        print_error(&call, line, length, true);
    } else if (!run(command, &call)) {
        print_error(&call, line, length, false);
    } else if (command->print) {
        command->print(&call);
    }
    if (holds) {
        machine_release(monitor->machine);
    }
    json_decref(call.result);
    json_decref(arguments);
}

void command_run_line(struct monitor *monitor, const char *line, FILE *out)
{
    const char *start = line + strspn(line, " \t");
    /* "p/x 1" and "x/4w 0" need no space */
    size_t length = strcspn(start, " \t/");
    if (length == 0) {
        return;
    }
    size_t named = length;
    const struct command *command = find_human(start, length);
    const char *second = start + length + strspn(start + length, " \t");
    size_t second_length = strcspn(second, " \t");
    bool info = length == 4 && strncmp(start, "info", 4) == 0;
    if (info && second_length) {
        char name[NAME_BYTES];
        snprintf(name, sizeof(name), "info %.*s", (int)second_length, second);
        command = find_human(name, strlen(name));
        named = (size_t)(second - start) + second_length;
    }
    if (!command) {
        fprintf(out, "unknown command: '%.*s%s%.*s'\n", (int)length, start,
                info ? " " : "", info ? (int)second_length : 0, second);
        return;
    }
    run_human(command, monitor, start, named, out);
}
