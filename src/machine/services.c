/* What monitors ask of drives and the display. */
#include "machine/services.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine/display.h"
#include "machine/machine_internal.h"

/* Disks first; `*index` is left for the others. */
static bool describe_disk(struct machine *machine, unsigned *index,
                          struct drive_state *drive)
{
    for (unsigned unit = 0; unit < MACHINE_DISKS; unit++) {
        if (!machine->disks[unit] || (*index)-- > 0) {
            continue;
        }
        const struct block_device *device = block_device_of(machine->disks[unit]);
        disks_get_name(machine, unit, drive->name, sizeof(drive->name));
        drive->status = machine->disk_watches[unit].status;
        drive->file = device->name;
        drive->read_only = device->read_only;
        drive->bytes = device->sectors * BLOCK_SECTOR_BYTES;
        return true;
    }
    return false;
}

static bool describe_drive(struct machine *machine, unsigned index,
                           struct drive_state *drive)
{
    struct machine_medium medium;
    if (describe_disk(machine, &index, drive)) {
        return true;
    }
    if (!machine_media_describe(machine, index, &medium)) {
        return false;
    }
    snprintf(drive->name, sizeof(drive->name), "%s", medium.drive);
    drive->file = medium.file;
    drive->removable = true;
    drive->locked = medium.locked;
    drive->tray_open = medium.tray_open;
    drive->read_only = medium.write_protected || !medium.floppy;
    drive->bytes = medium.bytes;
    return true;
}

static bool insert(struct machine *machine, const char *name, int fd, const char *file,
                   bool read_only, struct error *error)
{
    /* A temporary file for -snapshot cannot be made any more. */
    struct block_backend *backend = block_open_descriptor(
        fd, file, read_only || machine->config.snapshot, machine->block_engine, error);
    if (!backend) {
        return false;
    }
    if (machine_media_eject(machine, name, false, error) &&
        machine_media_insert(machine, name, backend, error)) {
        return true;
    }
    struct error ignored;
    block_close(backend, &ignored);
    return false;
}

static void tray_moved(void *opaque, const char *drive, bool open)
{
    const struct machine_event event = {
        .kind = MACHINE_EVENT_TRAY_MOVED, .drive = drive, .open = open};
    machine_notify_event(opaque, &event);
}

void services_offer(struct machine *machine)
{
    const struct media_listener listener = {.tray_moved = tray_moved,
                                            .opaque = machine};
    machine_media_listen(machine, &listener);
    machine->services = (struct machine_services){
        .screenshot = displays_write_picture,
        .drive = describe_drive,
        .eject = machine_media_eject,
        .insert = insert,
    };
}

const struct machine_services *machine_services(const struct machine *machine)
{
    return &machine->services;
}
