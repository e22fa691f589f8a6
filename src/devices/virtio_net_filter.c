#include "devices/virtio_net_internal.h"

#include <string.h>

enum {
    CLASS_RECEIVE = 0,
    RECEIVE_COMMANDS = 6, /* as the members of the filter follow each other */
    CLASS_ADDRESS = 1,
    ADDRESS_TABLES = 0,
    ADDRESS_SET = 1,
    STATUS_GOOD = 0,
    STATUS_BAD = 1,
    COMMAND_BYTES = 2, /* class and command */
};

void virtio_net_filter_reset(struct virtio_net_filter *filter)
{
    *filter = (struct virtio_net_filter){.all = true};
}

static bool is_listed(const uint8_t (*list)[NETWORK_ADDRESS_BYTES], unsigned count,
                      const uint8_t *address)
{
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(list[i], address, NETWORK_ADDRESS_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

bool virtio_net_filter_passes(const struct virtio_net_filter *filter,
                              const uint8_t *address, const uint8_t *frame)
{
    if (filter->all) {
        return true;
    }
    if (network_is_broadcast(frame)) {
        return !filter->no_broadcast;
    }
    if (network_is_multicast(frame)) {
        return !filter->no_multicast &&
               (filter->all_multicast || filter->is_full ||
                is_listed(filter->multicast, filter->multicast_count, frame));
    }
    return !filter->no_unicast &&
           (filter->all_unicast || memcmp(frame, address, NETWORK_ADDRESS_BYTES) == 0 ||
            is_listed(filter->unicast, filter->unicast_count, frame));
}

static uint8_t switch_one(struct virtio_net_filter *filter, unsigned command, bool on)
{
    bool *const switches[RECEIVE_COMMANDS] = {
        &filter->all,          &filter->all_multicast, &filter->all_unicast,
        &filter->no_multicast, &filter->no_unicast,    &filter->no_broadcast,
    };
    if (command >= RECEIVE_COMMANDS) {
        return STATUS_BAD;
    }
    *switches[command] = on;
    return STATUS_GOOD;
}

/* Reads a table: how many addresses, and these. Returns where it ends; 0: it is not
 * well formed. `*count` is what there is room for. */
static uint64_t read_table(const struct virtqueue *queue,
                           const struct virtqueue_element *element, uint64_t at,
                           uint8_t (*list)[NETWORK_ADDRESS_BYTES], uint8_t *count,
                           bool *is_full)
{
    uint32_t entries;
    if (virtqueue_read(queue, element, at, &entries, sizeof(entries)) !=
        sizeof(entries)) {
        return 0;
    }
    at += sizeof(entries);
    uint64_t end = at + (uint64_t)entries * NETWORK_ADDRESS_BYTES;
    if (end > element->readable_bytes) {
        return 0;
    }
    *is_full = entries > VIRTIO_NET_ADDRESSES;
    *count = *is_full ? 0 : (uint8_t)entries;
    virtqueue_read(queue, element, at, list, *count * (size_t)NETWORK_ADDRESS_BYTES);
    return end;
}

static uint8_t set_tables(struct virtio_net_filter *filter,
                          const struct virtqueue *queue,
                          const struct virtqueue_element *element)
{
    bool unicast_full;
    uint64_t at = read_table(queue, element, COMMAND_BYTES, filter->unicast,
                             &filter->unicast_count, &unicast_full);
    if (at == 0 || read_table(queue, element, at, filter->multicast,
                              &filter->multicast_count, &filter->is_full) == 0) {
        return STATUS_BAD;
    }
    filter->all_unicast |= unicast_full;
    return STATUS_GOOD;
}

uint8_t virtio_net_filter_command(struct virtio_net_filter *filter, uint8_t *address,
                                  const struct virtqueue *queue,
                                  const struct virtqueue_element *element)
{
    uint8_t command[COMMAND_BYTES], value[NETWORK_ADDRESS_BYTES] = {0};
    if (virtqueue_read(queue, element, 0, command, sizeof(command)) !=
        sizeof(command)) {
        return STATUS_BAD;
    }
    size_t length = virtqueue_read(queue, element, COMMAND_BYTES, value, sizeof(value));
    if (command[0] == CLASS_RECEIVE && length >= 1) {
        return switch_one(filter, command[1], value[0] != 0);
    }
    if (command[0] == CLASS_ADDRESS && command[1] == ADDRESS_TABLES) {
        return set_tables(filter, queue, element);
    }
    if (command[0] == CLASS_ADDRESS && command[1] == ADDRESS_SET &&
        length == sizeof(value)) {
        memcpy(address, value, sizeof(value));
        return STATUS_GOOD;
    }
    return STATUS_BAD;
}
