/* machine/added_devices.h: devices that a user adds by -device, named as in QEMU.
 *
 * Who wires a family of devices offers rows for them; added_devices.c lists the rows.
 * Thread: the machine's own, before it runs. */
#ifndef MACHINE_ADDED_DEVICES_H
#define MACHINE_ADDED_DEVICES_H

#include "base/properties.h"

struct machine;

struct added_device {
    const char *name;
    const char *properties; /* for messages: "iobase and iosize" */
    const char *help;       /* a few words */
    /* Takes what it knows of the properties; false with one line for the user. */
    bool (*create)(struct machine *machine, struct properties *properties,
                   struct error *error);
};

/* Of pc.c. */
extern const struct added_device isa_debug_exit_added;
/* Of watchdog.c. */
extern const struct added_device i6300esb_added;
/* Of network.c. */
extern const struct added_device e1000_added, ne2k_pci_added, virtio_net_added;
/* Of virtio.c. */
extern const struct added_device virtio_block_added, virtio_keyboard_added,
    virtio_rng_added, virtio_tablet_added;

/* The slot of a PCI card: that of the property "addr", or the first free one. */
bool added_device_take_slot(struct machine *machine, struct properties *properties,
                            unsigned *slot, struct error *error);

/* All that the configuration names, in that order. */
bool added_devices_create(struct machine *machine, struct error *error);

/* The text of "-device help", a line at a time, each ending in a newline. */
void added_devices_describe(void (*print)(void *opaque, const char *line),
                            void *opaque);

#endif
