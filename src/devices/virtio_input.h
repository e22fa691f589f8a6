/* devices/virtio_input.h: keyboards and pointers by virtio: events as Linux's input
 * devices have them. The pointer is a tablet, which knows positions. Source:
 * VIRTIO 1.2, section 5.8. LEDs that the driver sets are not shown anywhere. Thread:
 * any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_VIRTIO_INPUT_H
#define DEVICES_VIRTIO_INPUT_H

#include "base/log.h"
#include "bus/input.h"
#include "bus/pci.h"

struct virtio_input; /* begins with a struct device */

enum virtio_input_kind { VIRTIO_INPUT_KEYBOARD, VIRTIO_INPUT_TABLET };

struct virtio_input *virtio_input_create(struct log *log, struct pci_bus *bus,
                                         unsigned slot, enum virtio_input_kind kind);

/* Whether the guest has a driver for it, at the moment. */
bool virtio_input_is_driven(const struct virtio_input *input);

/* What the user does goes there. A keyboard takes keys only, a tablet all else. */
struct input_sink virtio_input_sink(struct virtio_input *input);

#endif
