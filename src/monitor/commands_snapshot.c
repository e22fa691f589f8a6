/* Saving a machine to a file, and loading one: QEMU's commands for migration, with
 * addresses "file:PATH". */
#include "machine/control.h"
#include "machine/snapshot.h"
#include "monitor/command.h"

#include <string.h>
#include <unistd.h>

/* The file that an address names; NULL, with an error, if it is of another kind. */
static const char *find_path(struct command_call *call)
{
    static const char scheme[] = "file:";
    const char *uri = command_string(call, "uri");
    if (strncmp(uri, scheme, sizeof(scheme) - 1) != 0 || !uri[sizeof(scheme) - 1]) {
        command_fail(call, NULL, "unknown migration protocol: %s; use file:PATH", uri);
        return NULL;
    }
    return uri + sizeof(scheme) - 1;
}

/* What is there in that name stays until all of the new one is on the disk. */
static bool save(struct command_call *call, const char *path)
{
    struct monitor *monitor = call->monitor;
    int fd = opener_open(&monitor->opener, path, OPENER_REPLACE_WHOLE, &call->error);
    if (fd < 0) {
        return false;
    }
    bool saved = snapshot_save(monitor->machine, fd, path, &call->error);
    close(fd);
    if (!saved) {
        opener_drop(&monitor->opener);
        return false;
    }
    return opener_keep(&monitor->opener, path, &call->error);
}

/* As with QEMU the machine stands still after that; but if it cannot be saved. */
static bool migrate(struct command_call *call)
{
    struct monitor *monitor = call->monitor;
    const char *path = find_path(call);
    bool ran = machine_state(monitor->machine) == MACHINE_RUNNING;
    if (!path) {
        return false;
    }
    machine_pause(monitor->machine);
    monitor->migration = save(call, path) ? MIGRATION_COMPLETED : MIGRATION_FAILED;
    if (monitor->migration == MIGRATION_FAILED && ran) {
        struct error ignored;
        machine_continue(monitor->machine, &ignored);
    }
    return monitor->migration == MIGRATION_COMPLETED;
}

/* The machine goes on as it did before, with another state, unless -incoming defer had
 * it wait for that. */
static bool migrate_incoming(struct command_call *call)
{
    struct monitor *monitor = call->monitor;
    const char *path = find_path(call);
    int fd = path ? opener_open(&monitor->opener, path, OPENER_READ, &call->error) : -1;
    if (fd < 0) {
        return false;
    }
    bool loaded = snapshot_load(monitor->machine, fd, path, &call->error);
    close(fd);
    if (loaded && monitor->config.waits_for_load) {
        monitor->config.waits_for_load = false;
        return machine_continue(monitor->machine, &call->error);
    }
    return loaded;
}

static bool query_migrate(struct command_call *call)
{
    static const char *const names[] = {
        [MIGRATION_COMPLETED] = "completed", [MIGRATION_FAILED] = "failed"};
    enum monitor_migration migration = call->monitor->migration;
    if (migration != MIGRATION_NONE) {
        call->result = json_pack("{s:s}", "status", names[migration]);
    }
    return true;
}

static void print_migrate(struct command_call *call)
{
    const char *status = json_string_value(json_object_get(call->result, "status"));
    if (status) {
        fprintf(call->out, "Migration status: %s\n", status);
    }
}

static const struct command rows[] = {
    {"migrate", NULL, "uri:s blk:b? inc:b? detach:b?", "", "", .run = migrate},
    {NULL, "migrate", "uri:s", "file:path", "save the machine to a file, and pause it",
     .run = migrate},
    {"migrate-incoming", "migrate_incoming", "uri:s", "file:path",
     "load a machine that was saved", true, migrate_incoming, NULL},
    {"query-migrate", "info migrate", "", "", "whether the machine has been saved",
     .run = query_migrate, .print = print_migrate},
};

const struct command_table commands_snapshot = {rows, ARRAY_LENGTH(rows)};
