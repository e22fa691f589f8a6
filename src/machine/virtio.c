/* Devices by virtio, but for network cards. */
#include "devices/virtio_block.h"
#include "devices/virtio_input.h"
#include "devices/virtio_rng.h"
#include "machine/added_devices.h"
#include "machine/machine_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* By a descriptor that is opened now: a confined machine has no getrandom(). */
static bool fill_from_host(void *opaque, uint8_t *bytes, size_t length)
{
    const struct machine *machine = opaque;
    while (length) {
        ssize_t part = read(machine->random_fd, bytes, length);
        if (part <= 0) {
            return false;
        }
        bytes += part;
        length -= (size_t)part;
    }
    return true;
}

static bool add_rng(struct machine *machine, struct properties *properties,
                    struct error *error)
{
    struct entropy_source source = {.fill = NULL};
    unsigned slot = 0;
    properties_take(properties, "id");
    if (!added_device_take_slot(machine, properties, &slot, error)) {
        return false;
    }
    if (machine->config.clock != CLOCK_KIND_COUNTED) {
        source = (struct entropy_source){.fill = fill_from_host, .opaque = machine};
        if (machine->random_fd < 0) {
            machine->random_fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
        }
        if (machine->random_fd < 0) {
            return error_set_errno(error, errno, "cannot open /dev/urandom");
        }
    }
    pc_add_device(machine,
                  virtio_rng_create(&machine->log, machine->pci, slot, source));
    return true;
}

/* The number of a drive by its -drive id=, or by its place, "hda" to "hdd";
 * MACHINE_DISKS if it is none, or has no image. */
static unsigned find_drive(const struct machine *machine, const char *name)
{
    unsigned unit = MACHINE_DISKS;
    for (unsigned i = 0; name && i < MACHINE_DISKS; i++) {
        const char *id = machine->config.drives[i].id;
        if (id && strcmp(id, name) == 0 && machine->disks[i]) {
            return i;
        }
    }
    if (name && strncmp(name, "hd", 2) == 0 && name[2] >= 'a' && name[2] <= 'd' &&
        !name[3]) {
        unit = (unsigned)(name[2] - 'a');
    }
    return unit < MACHINE_DISKS && machine->disks[unit] ? unit : MACHINE_DISKS;
}

static void attach_disk(struct machine *machine, unsigned unit, unsigned slot,
                        const char *serial)
{
    machine->virtio_disks |= 1U << unit;
    pc_add_device(machine,
                  virtio_block_create(&machine->log, machine->pci, slot,
                                      block_device_of(machine->disks[unit]), serial));
}

bool virtio_disks_create(struct machine *machine, struct error *error)
{
    for (unsigned unit = 0; unit < MACHINE_DISKS; unit++) {
        const struct machine_drive *drive = &machine->config.drives[unit];
        int slot = pc_free_slot(machine);
        if (drive->bus != MACHINE_BUS_VIRTIO) {
            continue;
        }
        if (slot < 0) {
            return error_set(error,
                             "-drive if=virtio: all slots of the PCI bus are taken");
        }
        attach_disk(machine, unit, (unsigned)slot, drive->id ? drive->id : "");
    }
    return true;
}

/* The drive leaves the IDE controller for this device. */
static bool add_disk(struct machine *machine, struct properties *properties,
                     struct error *error)
{
    unsigned slot = 0;
    const char *name = properties_take(properties, "drive");
    const char *serial = properties_take(properties, "serial");
    unsigned unit = find_drive(machine, name);
    properties_take(properties, "id");
    if (unit == MACHINE_DISKS || (machine->virtio_disks & 1U << unit)) {
        return error_set(error,
                         "-device virtio-blk-pci: drive=%s: give the id of a -drive, "
                         "or hda, hdb, hdc or hdd, one with an image, and once",
                         name ? name : "");
    }
    if (!added_device_take_slot(machine, properties, &slot, error)) {
        return false;
    }
    piix3_ide_attach(machine->ide, unit, NULL);
    attach_disk(machine, unit, slot, serial ? serial : name);
    return true;
}

static bool add_input(struct machine *machine, struct properties *properties,
                      enum virtio_input_kind kind, struct error *error)
{
    bool is_tablet = kind == VIRTIO_INPUT_TABLET;
    struct virtio_input **place =
        is_tablet ? &machine->virtio_tablet : &machine->virtio_keyboard;
    unsigned slot = 0;
    properties_take(properties, "id");
    if (*place) {
        return error_set(error, "-device %s: there is one already", properties->name);
    }
    if (!added_device_take_slot(machine, properties, &slot, error)) {
        return false;
    }
    *place = pc_add_device(
        machine, virtio_input_create(&machine->log, machine->pci, slot, kind));
    if (is_tablet) {
        const struct input_sink pointer = virtio_input_sink(*place);
        user_input_add_pointer(machine, &pointer);
    }
    return true;
}

static bool add_keyboard(struct machine *machine, struct properties *properties,
                         struct error *error)
{
    return add_input(machine, properties, VIRTIO_INPUT_KEYBOARD, error);
}

static bool add_tablet(struct machine *machine, struct properties *properties,
                       struct error *error)
{
    return add_input(machine, properties, VIRTIO_INPUT_TABLET, error);
}

const struct added_device virtio_block_added = {
    .name = "virtio-blk-pci",
    .properties = "id, drive, serial and addr",
    .help = "disk, virtio: drive=hdb takes that of -hdb, or by -drive id=",
    .create = add_disk,
};

const struct added_device virtio_rng_added = {
    .name = "virtio-rng-pci",
    .properties = "id and addr",
    .help = "source of random numbers, virtio",
    .create = add_rng,
};

const struct added_device virtio_keyboard_added = {
    .name = "virtio-keyboard-pci",
    .properties = "id and addr",
    .help = "keyboard, virtio",
    .create = add_keyboard,
};

const struct added_device virtio_tablet_added = {
    .name = "virtio-tablet-pci",
    .properties = "id and addr",
    .help = "pointer that knows positions, virtio",
    .create = add_tablet,
};
