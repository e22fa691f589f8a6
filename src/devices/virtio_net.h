/* devices/virtio_net.h: the virtio network card.
 *
 * One pair of queues, and one for commands (receive filters, the address). It computes
 * checksums and cuts TCP packets up for the driver, and tells it which received packets
 * it has verified. Source: VIRTIO 1.2, section 5.1.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_VIRTIO_NET_H
#define DEVICES_VIRTIO_NET_H

#include "base/log.h"
#include "bus/network.h"
#include "bus/pci.h"

struct virtio_net; /* begins with a struct device */

struct virtio_net *virtio_net_create(struct log *log, struct pci_bus *bus,
                                     unsigned slot, const uint8_t *address);

/* The card's end of the cable. */
struct network_port *virtio_net_port(struct virtio_net *card);

#endif
