/* devices/virtio_net_internal.h: between the two directions of the card
 * (virtio_net.c) and the commands to it (virtio_net_filter.c). */
#ifndef DEVICES_VIRTIO_NET_INTERNAL_H
#define DEVICES_VIRTIO_NET_INTERNAL_H

#include "devices/virtio.h"
#include "devices/virtio_net.h"

enum { VIRTIO_NET_ADDRESSES = 64 };

/* Which frames the driver wants. */
struct virtio_net_filter {
    bool all, all_multicast, all_unicast, no_multicast, no_unicast, no_broadcast;
    bool is_full; /* the driver has named more multicast addresses than there is room */
    uint8_t unicast_count, multicast_count;
    uint8_t unicast[VIRTIO_NET_ADDRESSES][NETWORK_ADDRESS_BYTES];
    uint8_t multicast[VIRTIO_NET_ADDRESSES][NETWORK_ADDRESS_BYTES];
};

/* As after a reset: everything, until the driver says what it wants. */
void virtio_net_filter_reset(struct virtio_net_filter *filter);
bool virtio_net_filter_passes(const struct virtio_net_filter *filter,
                              const uint8_t *address, const uint8_t *frame);
/* Carries out a command; `address` is the card's. Returns its status byte. */
uint8_t virtio_net_filter_command(struct virtio_net_filter *filter, uint8_t *address,
                                  const struct virtqueue *queue,
                                  const struct virtqueue_element *element);

#endif
