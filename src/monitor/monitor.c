#include "monitor/monitor_internal.h"

#include "machine/consoles.h"
#include "monitor/command.h"
#include "monitor/input_commands.h"

#include <stdlib.h>
#include <string.h>

static json_t *reason(const struct machine_event *event)
{
    return json_pack("{s:b,s:s}", "guest", event->guest, "reason", event->reason);
}

static json_t *describe_failure(const struct machine_event *event)
{
    static const char *const actions[] = {[BLOCK_ON_ERROR_REPORT] = "report",
                                          [BLOCK_ON_ERROR_IGNORE] = "ignore",
                                          [BLOCK_ON_ERROR_STOP] = "stop"};
    const struct block_failure *failure = event->failure;
    return json_pack("{s:s,s:s,s:s,s:b,s:s}", "device", event->drive, "operation",
                     failure->operation == BLOCK_READ ? "read" : "write", "action",
                     actions[failure->action], "nospace", failure->out_of_room,
                     "reason", strerror(failure->why));
}

static void on_event(void *opaque, const struct machine_event *event)
{
    struct monitor *monitor = opaque;
    switch (event->kind) {
    case MACHINE_EVENT_RESUME:
        monitor_send_event(monitor, "RESUME", NULL);
        break;
    case MACHINE_EVENT_STOP:
        monitor_send_event(monitor, "STOP", NULL);
        break;
    case MACHINE_EVENT_RESET:
        monitor_send_event(monitor, "RESET", reason(event));
        break;
    case MACHINE_EVENT_SHUTDOWN:
        monitor_send_event(monitor, "SHUTDOWN", reason(event));
        break;
    case MACHINE_EVENT_POWER_BUTTON:
        monitor_send_event(monitor, "POWERDOWN", NULL);
        break;
    case MACHINE_EVENT_TRAY_MOVED:
        monitor_send_event(monitor, "DEVICE_TRAY_MOVED",
                           json_pack("{s:s,s:b,s:s}", "device", event->drive,
                                     "tray-open", event->open, "id", event->drive));
        break;
    case MACHINE_EVENT_DISK_FAILED:
        monitor_send_event(monitor, "BLOCK_IO_ERROR", describe_failure(event));
        break;
    }
}

static bool create_sessions(struct monitor *monitor, struct error *error)
{
    const struct monitor_config *config = &monitor->config;
    for (unsigned i = 0; i < MONITOR_SESSIONS && config->qmp[i]; i++) {
        monitor->qmp[i] = qmp_session_create(monitor, config->qmp[i], error);
        if (!monitor->qmp[i]) {
            return false;
        }
    }
    for (unsigned i = 0; i < MONITOR_SESSIONS && config->human[i]; i++) {
        monitor->human[i] = human_session_create(monitor, config->human[i], error);
        if (!monitor->human[i]) {
            return false;
        }
    }
    if (config->on_console && machine_shared_console(monitor->machine)) {
        monitor->human[MONITOR_SESSIONS] = human_session_create(monitor, NULL, error);
        return monitor->human[MONITOR_SESSIONS];
    }
    return true;
}

struct monitor *monitor_create(struct machine *machine,
                               const struct monitor_config *config, struct error *error)
{
    struct monitor *monitor = calloc(1, sizeof(*monitor));
    if (!monitor) {
        error_set(error, "no memory for the monitor");
        return NULL;
    }
    json_object_seed(0); /* opens a file the first time, which later is forbidden */
    monitor->machine = machine;
    monitor->config = *config;
    timer_init(&monitor->key_timer, machine_clock(machine), input_release_keys,
               monitor);
    if ((config->opens_files && !opener_start(&monitor->opener, error)) ||
        !create_sessions(monitor, error)) {
        monitor_destroy(monitor);
        return NULL;
    }
    monitor->observer =
        (struct machine_observer){.notify = on_event, .opaque = monitor};
    machine_add_observer(machine, &monitor->observer);
    return monitor;
}

void monitor_destroy(struct monitor *monitor)
{
    if (!monitor) {
        return;
    }
    machine_remove_observer(monitor->machine, &monitor->observer);
    timer_cancel(&monitor->key_timer);
    for (unsigned i = 0; i < MONITOR_SESSIONS; i++) {
        qmp_session_destroy(monitor->qmp[i]);
    }
    for (unsigned i = 0; i <= MONITOR_SESSIONS; i++) {
        human_session_destroy(monitor->human[i]);
    }
    opener_stop(&monitor->opener);
    free(monitor);
}

void monitor_execute(struct monitor *monitor, const char *line, FILE *out)
{
    command_run_line(monitor, line, out);
}
