/* Devices by virtio that are no network cards and no disks. */
#include "devices/virtio_input.h"
#include "devices/virtio_rng.h"
#include "machine/added_devices.h"
#include "machine/machine_internal.h"

#include <errno.h>
#include <fcntl.h>
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

static bool add_input(struct machine *machine, struct properties *properties,
                      enum virtio_input_kind kind, struct error *error)
{
    unsigned slot = 0;
    properties_take(properties, "id");
    if (!added_device_take_slot(machine, properties, &slot, error)) {
        return false;
    }
    struct virtio_input *input = pc_add_device(
        machine, virtio_input_create(&machine->log, machine->pci, slot, kind));
    if (kind == VIRTIO_INPUT_KEYBOARD) {
        machine->virtio_keyboard = input;
    } else {
        machine->virtio_tablet = input;
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
