/* devices/virtio_internal.h: between the state of a virtio device (virtio.c) and the
 * two ways to it over PCI (virtio_pci.c). */
#ifndef DEVICES_VIRTIO_INTERNAL_H
#define DEVICES_VIRTIO_INTERNAL_H

#include "devices/virtio.h"

uint64_t virtio_offered_features(const struct virtio *virtio);
void virtio_set_features(struct virtio *virtio, uint64_t features);
/* 0 resets. */
void virtio_set_status(struct virtio *virtio, uint8_t status);
/* NULL if the driver has selected none. */
struct virtqueue *virtio_selected_queue(struct virtio *virtio);
/* Reading it makes it zero. */
uint8_t virtio_take_isr(struct virtio *virtio);
void virtio_notify(struct virtio *virtio, unsigned queue);
uint32_t virtio_config_read(const struct virtio *virtio, uint64_t offset,
                            unsigned width);
void virtio_config_write(struct virtio *virtio, uint64_t offset, uint32_t value,
                         unsigned width);

/* Fills in the function, its BARs and capabilities, and adds it. */
void virtio_add_to_bus(struct virtio *virtio, struct pci_bus *bus, unsigned slot);

#endif
