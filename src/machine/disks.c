/* Drives of the IDE controller meet the host's images. */
#include "machine/machine_internal.h"

#include <stdio.h>

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

void disk_name(const struct machine *machine, unsigned unit, char *name, size_t bytes)
{
    if (machine->virtio_disks & 1U << unit) {
        snprintf(name, bytes, "virtio%u", unit);
    } else {
        snprintf(name, bytes, "ide%u-hd%u", unit / 2, unit % 2);
    }
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
