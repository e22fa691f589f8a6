/* Options of monitors and debuggers. */
#include "cli/options_internal.h"

#include <stdio.h>
#include <string.h>

/* Appends to a list of MONITOR_SESSIONS. */
static bool add(const char *option, const char **list, unsigned *count,
                const char *value, struct error *error)
{
    if (*count == MONITOR_SESSIONS) {
        return error_set(error, "-%s %s: there can be %d of them", option, value,
                         MONITOR_SESSIONS);
    }
    list[(*count)++] = value;
    return true;
}

bool option_apply_monitor(struct parser *parser, const char *value, struct error *error)
{
    parser->monitor_given = true;
    return strcmp(value, "none") == 0 || add("monitor", parser->options->monitor.human,
                                             &parser->monitors, value, error);
}

bool option_apply_qmp(struct parser *parser, const char *value, struct error *error)
{
    return strcmp(value, "none") == 0 || add("qmp", parser->options->monitor.qmp,
                                             &parser->qmp_monitors, value, error);
}

bool option_apply_gdb(struct parser *parser, const char *value, struct error *error)
{
    bool good = strncmp(value, "tcp:", 4) == 0 || strncmp(value, "unix:", 5) == 0;
    parser->options->gdb = value;
    return good || strcmp(value, "none") == 0 ||
           error_set(error, "-gdb %s: write tcp::PORT, tcp:HOST:PORT or unix:PATH",
                     value);
}

bool option_apply_s(struct parser *parser, const char *value, struct error *error)
{
    (void)value;
    return option_apply_gdb(parser, "tcp::1234", error);
}

bool option_apply_start_paused(struct parser *parser, const char *value,
                               struct error *error)
{
    (void)value, (void)error;
    parser->start_paused = true;
    return true;
}

bool option_apply_incoming(struct parser *parser, const char *value,
                           struct error *error)
{
    static const char scheme[] = "file:";
    if (strcmp(value, "defer") == 0) {
        parser->incoming_deferred = true;
        return true;
    }
    if (strncmp(value, scheme, sizeof(scheme) - 1) != 0 || !value[sizeof(scheme) - 1]) {
        return error_set(error,
                         "-incoming %s: write file:PATH, or defer to name it to a "
                         "monitor (migrate-incoming)",
                         value);
    }
    parser->options->incoming = value + sizeof(scheme) - 1;
    return true;
}

bool option_apply_no_shutdown(struct parser *parser, const char *value,
                              struct error *error)
{
    (void)value, (void)error;
    parser->options->machine.no_shutdown = true;
    return true;
}

void option_finish_control(struct parser *parser)
{
    struct options *options = parser->options;
    struct monitor_config *monitor = &options->monitor;
    if (options->gdb && strcmp(options->gdb, "none") == 0) {
        options->gdb = NULL;
    }
    options->machine.start_paused = parser->start_paused || parser->incoming_deferred;
    monitor->waits_for_load = parser->incoming_deferred && !parser->start_paused;
    monitor->name = options->machine.name;
    monitor->on_console = !parser->monitor_given;
    monitor->opens_files |= parser->monitors || parser->qmp_monitors || options->gdb;
}

bool option_uses_stdio(const struct parser *parser)
{
    const struct monitor_config *monitor = &parser->options->monitor;
    for (unsigned i = 0; i < MONITOR_SESSIONS; i++) {
        if ((monitor->qmp[i] && strcmp(monitor->qmp[i], "stdio") == 0) ||
            (monitor->human[i] && strcmp(monitor->human[i], "stdio") == 0)) {
            return true;
        }
    }
    return false;
}
