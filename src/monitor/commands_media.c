/* Drives and what is in them. */
#include "machine/services.h"
#include "monitor/command.h"

#include <inttypes.h>
#include <string.h>

static const struct machine_services *services_of(const struct command_call *call)
{
    return machine_services(call->monitor->machine);
}

static bool next_drive(const struct command_call *call, unsigned index,
                       struct drive_state *drive)
{
    const struct machine_services *services = services_of(call);
    *drive = (struct drive_state){.file = NULL};
    return services->drive && services->drive(call->monitor->machine, index, drive);
}

static const char *status_name(const struct drive_state *drive)
{
    static const char *const names[] = {
        [DISK_GOOD] = "ok", [DISK_FAILED] = "failed", [DISK_OUT_OF_ROOM] = "nospace"};
    return names[drive->status];
}

static json_t *describe_medium(const struct drive_state *drive)
{
    return json_pack("{s:{s:I,s:s,s:s},s:b,s:s,s:s}", "image", "virtual-size",
                     (json_int_t)drive->bytes, "filename", drive->file, "format", "raw",
                     "ro", drive->read_only, "drv", "raw", "file", drive->file);
}

static bool query_block(struct command_call *call)
{
    struct drive_state drive;
    call->result = json_array();
    for (unsigned i = 0; next_drive(call, i, &drive); i++) {
        json_t *entry =
            json_pack("{s:s,s:s,s:b,s:b}", "io-status", status_name(&drive), "device",
                      drive.name, "locked", drive.locked, "removable", drive.removable);
        if (drive.file) {
            json_object_set_new(entry, "inserted", describe_medium(&drive));
        }
        if (drive.removable) {
            json_object_set_new(entry, "tray_open", json_boolean(drive.tray_open));
        }
        json_object_set_new(entry, "type", json_string("unknown"));
        json_array_append_new(call->result, entry);
    }
    return true;
}

static void print_block(struct command_call *call)
{
    struct drive_state drive;
    for (unsigned i = 0; next_drive(call, i, &drive); i++) {
        fprintf(call->out, "%s%s: %s%s%s\n", i ? "\n" : "", drive.name,
                drive.file ? drive.file : "[not inserted]", drive.file ? " (raw" : "",
                !drive.file       ? ""
                : drive.read_only ? ", read-only)"
                                  : ")");
        if (drive.status != DISK_GOOD) {
            fprintf(call->out, "    I/O status:       %s\n", status_name(&drive));
        }
        if (drive.removable) {
            fprintf(call->out, "    Removable device: %slocked, tray %s\n",
                    drive.locked ? "" : "not ", drive.tray_open ? "open" : "closed");
        }
    }
}

/* The drive that the call names by `device`, or `id`; one that has no tray is none. */
static bool find_drive(struct command_call *call, struct drive_state *drive)
{
    const char *device = command_string(call, "device");
    const char *id = command_string(call, "id");
    if (!device == !id) {
        return command_fail(call, NULL, "Need exactly one of 'device' and 'id'");
    }
    const char *name = device ? device : id;
    for (unsigned i = 0; next_drive(call, i, drive); i++) {
        if (strcmp(drive->name, name) == 0) {
            return drive->removable ||
                   command_fail(call, NULL, "Device '%s' is not removable", name);
        }
    }
    return command_fail(call, COMMAND_DEVICE_NOT_FOUND, "Device '%s' not found", name);
}

static bool eject(struct command_call *call)
{
    bool force = json_is_true(json_object_get(call->arguments, "force"));
    struct machine *machine = call->monitor->machine;
    struct drive_state drive;
    return find_drive(call, &drive) &&
           services_of(call)->eject(machine, drive.name, force, &call->error);
}

/* Opens the file as `mode` says, and puts it into the drive. */
static bool insert(struct command_call *call, const char *file, const char *mode)
{
    struct monitor *monitor = call->monitor;
    struct drive_state drive;
    if (mode && strcmp(mode, "retain") != 0 && strcmp(mode, "read-only") != 0 &&
        strcmp(mode, "read-write") != 0) {
        return command_fail(
            call, NULL, "Parameter 'read-only-mode' does not accept value '%s'", mode);
    }
    if (!find_drive(call, &drive)) {
        return false;
    }
    bool read_only = mode && strcmp(mode, "retain") != 0
                         ? strcmp(mode, "read-only") == 0
                         : drive.read_only;
    int fd = opener_open(&monitor->opener, file,
                         read_only ? OPENER_READ : OPENER_READ_WRITE, &call->error);
    return fd >= 0 && services_of(call)->insert(monitor->machine, drive.name, fd, file,
                                                read_only, &call->error);
}

static bool change_medium(struct command_call *call)
{
    const char *format = command_string(call, "format");
    if (format && strcmp(format, "raw") != 0) {
        return command_fail(call, NULL, "Unknown driver '%s'", format);
    }
    return insert(call, command_string(call, "filename"),
                  command_string(call, "read-only-mode"));
}

static bool change(struct command_call *call)
{
    return insert(call, command_string(call, "filename"),
                  command_string(call, "read-only-mode"));
}

static const struct command rows[] = {
    {"query-block", "info block", "", "", "drives and what is in them",
     .run = query_block, .print = print_block},
    {"eject", NULL, "device:s? id:s? force:b?", "", "", .run = eject},
    {NULL, "eject", "force:b? device:s", "[-f] device",
     "take a medium out (-f: though the guest has locked it)", .run = eject},
    {"blockdev-change-medium", NULL,
     "device:s? id:s? filename:s format:s? force:b? read-only-mode:s?", "", "",
     .run = change_medium},
    {NULL, "change", "device:s filename:s format:s? read-only-mode:s?",
     "device file [raw [read-only-mode]]", "put another medium in", .run = change},
};

const struct command_table commands_media = {rows, ARRAY_LENGTH(rows)};
