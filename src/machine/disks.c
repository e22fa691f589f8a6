/* Disks meet the host's images, and what is done when the host fails them. */
#include "machine/machine_internal.h"

#include <stdio.h>
#include <string.h>

/* A run that is to be the same twice has its answers at once. */
static bool answers_at_once(const struct machine *machine)
{
    return machine->config.clock == CLOCK_KIND_COUNTED;
}

struct block_backend *disks_open_image(struct machine *machine,
                                       const struct block_options *image,
                                       struct error *error)
{
    struct block_options options = *image;
    options.raw_only = machine->config.raw_disks_only;
    options.snapshot |= machine->config.snapshot && !options.read_only;
    return block_open(&options, machine->block_engine,
                      answers_at_once(machine) ? NULL : machine->loop, error);
}

/* -- failures of the host -- */

void disks_get_name(const struct machine *machine, unsigned unit, char *name,
                    size_t bytes)
{
    if (machine->virtio_disks & 1U << unit) {
        snprintf(name, bytes, "virtio%u", unit);
    } else {
        snprintf(name, bytes, "ide%u-hd%u", unit / 2, unit % 2);
    }
}

/* What is reported or ignored is the guest's business, or nobody's. What stops the
 * machine is told once, though more requests may fail until it stands. */
static void disk_failed(void *opaque, const struct block_failure *failure)
{
    struct machine_disk_watch *watch = opaque;
    struct machine *machine = watch->machine;
    char name[MEDIA_NAME_BYTES];
    disks_get_name(machine, watch->unit, name, sizeof(name));
    const struct machine_event event = {
        .kind = MACHINE_EVENT_DISK_FAILED, .drive = name, .failure = failure};
    machine_notify_event(machine, &event);
    if (failure->action != BLOCK_ON_ERROR_STOP) {
        return;
    }
    if (watch->status == DISK_GOOD) {
        log_warning(&machine->log,
                    "disk %s: cannot %s %s: %s; the machine waits: %s, then type "
                    "'cont' in a monitor",
                    name, failure->operation == BLOCK_READ ? "read" : "write",
                    block_device_of(machine->disks[watch->unit])->name,
                    strerror(failure->why),
                    failure->out_of_room ? "make room" : "see to it");
    }
    watch->status = failure->out_of_room ? DISK_OUT_OF_ROOM : DISK_FAILED;
    machine->disk_failed = true;
    machine_wake_cpu(machine);
}

static void watch_disk(struct machine *machine, unsigned unit)
{
    struct machine_disk_watch *watch = &machine->disk_watches[unit];
    const struct block_listener listener = {.failed = disk_failed, .opaque = watch};
    *watch = (struct machine_disk_watch){.machine = machine, .unit = unit};
    block_listen(machine->disks[unit], &listener);
}

static void for_all(struct machine *machine, void (*act)(struct block_backend *backend))
{
    for (unsigned unit = 0; unit < MACHINE_DISKS; unit++) {
        if (machine->disks[unit]) {
            machine->disk_watches[unit].status = DISK_GOOD;
            act(machine->disks[unit]);
        }
    }
}

void disks_retry(struct machine *machine)
{
    for_all(machine, block_retry);
}

void disks_give_up(struct machine *machine)
{
    for_all(machine, block_give_up);
}

/* Drives may go on with their commands, in vain. */
static void end(struct block_backend *backend)
{
    block_listen(backend, NULL);
    block_give_up(backend);
}

void disks_end(struct machine *machine)
{
    for_all(machine, end);
    disks_settle(machine);
}

/* -- opening and closing -- */

bool disks_open(struct machine *machine, struct error *error)
{
    machine->block_engine = block_engine_create();
    for (unsigned unit = 0; unit < MACHINE_DISKS; unit++) {
        const struct machine_drive *drive = &machine->config.drives[unit];
        if (!drive->image.file || drive->media != MACHINE_MEDIA_DISK) {
            continue;
        }
        machine->disks[unit] = disks_open_image(machine, &drive->image, error);
        if (!machine->disks[unit]) {
            return false;
        }
        watch_disk(machine, unit);
        if (drive->bus == MACHINE_BUS_IDE) {
            piix3_ide_attach(machine->ide, unit, block_device_of(machine->disks[unit]));
        }
    }
    return true;
}

/* Or drives that disks may come into. */
static bool has_disks(const struct machine *machine)
{
    bool any = machine->media.count > 0;
    for (unsigned i = 0; i < MACHINE_DISKS; i++) {
        any |= machine->disks[i] != NULL;
    }
    return any;
}

bool disks_start(struct machine *machine, struct error *error)
{
    return answers_at_once(machine) || !has_disks(machine) ||
           block_engine_start(machine->block_engine, machine->config.disk_engine,
                              machine->loop, error);
}

void disks_settle(struct machine *machine)
{
    for (unsigned i = 0; i < MACHINE_DISKS; i++) {
        if (machine->disks[i]) {
            block_settle(machine->disks[i]);
        }
    }
    media_settle(machine);
}

void disks_close(struct machine *machine)
{
    for (unsigned i = 0; i < MACHINE_DISKS; i++) {
        struct error error;
        if (!block_close(machine->disks[i], &error)) {
            log_warning(&machine->log, "%s", error.text);
        }
    }
    block_engine_destroy(machine->block_engine);
}
