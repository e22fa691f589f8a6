/* monitor/command.h: commands, those of QMP and those of people in one table.
 *
 * Arguments are a JSON object, whoever gives the command: QMP's are checked against
 * the row's specification, a line's words are made such an object by it. The
 * specification is a list "name:kind", separated by spaces, with '?' behind those that
 * may be missing:
 *
 *   s string, i integer, b boolean, a array; and for people only:
 *   e expression (an integer), l rest of the line (a string),
 *   f "/FORMAT": gives the integers count, size (bytes; 0: not said) and format (a
 *     character's code)
 *
 * Thread: any that holds the machine lock. */
#ifndef MONITOR_COMMAND_H
#define MONITOR_COMMAND_H

#include "base/error.h"
#include "base/types.h"
#include "monitor/monitor_internal.h"

#include <jansson.h>

/* One execution of a command. */
struct command_call {
    struct monitor *monitor;
    const json_t *arguments;
    json_t *result;          /* of the command; NULL: an empty object */
    FILE *out;               /* people's screen; NULL: QMP calls */
    const char *error_class; /* NULL: GenericError */
    struct error error;
};

struct command {
    const char *name;       /* in QMP; NULL: for people only */
    const char *human;      /* "stop|s", "info status"; NULL: for programs only */
    const char *arguments;  /* the specification */
    const char *parameters; /* for help */
    const char *help;
    /* Holds the CPU meanwhile: the command looks at it. */
    bool holds;
    bool (*run)(struct command_call *call); /* false: see `error` */
    /* What people see of the result; NULL: nothing. */
    void (*print)(struct command_call *call);
};

struct command_table {
    const struct command *rows;
    size_t count;
};

extern const struct command_table commands_run, commands_query, commands_memory,
    commands_input, commands_media, commands_files, commands_info, commands_snapshot,
    commands_faults;

/* Calls `each` for every command. */
void command_for_each(void (*each)(void *opaque, const struct command *command),
                      void *opaque);
const struct command *command_find_qmp(const char *name);

/* Checks the arguments, which may be NULL, and executes it. On success `call->result`
 * belongs to the caller, and is not NULL. */
bool command_run_qmp(const struct command *command, struct command_call *call);
/* Executes a line that somebody typed; errors are printed, too. */
void command_run_line(struct monitor *monitor, const char *line, FILE *out);

/* Error classes of QMP. */
bool command_fail(struct command_call *call, const char *error_class,
                  const char *format, ...) __attribute__((format(printf, 3, 4)));
#define COMMAND_NOT_FOUND "CommandNotFound"
#define COMMAND_DEVICE_NOT_FOUND "DeviceNotFound"

/* Arguments that have been checked; the second is for those that may be missing. */
const char *command_string(const struct command_call *call, const char *name);
int64_t command_integer(const struct command_call *call, const char *name,
                        int64_t fallback);

#endif
