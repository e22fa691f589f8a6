/* devices/virtio_block.h: the virtio disk. Source: VIRTIO 1.2, section 5.2.
 *
 * All requests that the driver has made are under way at the same time. Thread: any
 * that holds the machine lock. Saved by: itself, when no request is under way. */
#ifndef DEVICES_VIRTIO_BLOCK_H
#define DEVICES_VIRTIO_BLOCK_H

#include "base/log.h"
#include "bus/block_device.h"
#include "bus/pci.h"

struct virtio_block; /* begins with a struct device */

/* `block` must outlive the device. `serial`: up to 20 characters, what the driver asks
 * for as the disk's identity. */
struct virtio_block *virtio_block_create(struct log *log, struct pci_bus *bus,
                                         unsigned slot, struct block_device *block,
                                         const char *serial);

#endif
