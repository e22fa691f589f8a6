/* devices/virtio_rng.h: the virtio entropy device: fills buffers with random bytes.
 * Source: VIRTIO 1.2, section 5.4.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_VIRTIO_RNG_H
#define DEVICES_VIRTIO_RNG_H

#include "base/log.h"
#include "bus/pci.h"

struct virtio_rng; /* begins with a struct device */

/* Where the bytes come from. */
struct entropy_source {
    /* False: there are none. */
    bool (*fill)(void *opaque, uint8_t *bytes, size_t length);
    void *opaque;
};

/* Without `fill` the bytes are a function of how many were asked for before: the same
 * in every run, and no secret. */
struct virtio_rng *virtio_rng_create(struct log *log, struct pci_bus *bus,
                                     unsigned slot, struct entropy_source source);

#endif
