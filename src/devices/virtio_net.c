#include "devices/virtio_net.h"

#include "devices/internet_packet.h"
#include "devices/virtio_net_internal.h"

#include <string.h>

enum {
    FEATURE_CHECKSUM = 0,
    FEATURE_GUEST_CHECKSUM = 1,
    FEATURE_ADDRESS = 5,
    FEATURE_SEGMENT_TCP4 = 11,
    FEATURE_SEGMENT_TCP6 = 12,
    FEATURE_MERGED_BUFFERS = 15,
    FEATURE_STATUS = 16,
    FEATURE_COMMANDS = 17,
    FEATURE_RECEIVE_MODES = 18,
    FEATURE_MORE_RECEIVE_MODES = 20,
    FEATURE_SET_ADDRESS = 23,

    QUEUE_RECEIVE = 0,
    QUEUE_TRANSMIT = 1,
    QUEUE_COMMANDS = 2,

    CONFIG_STATUS = 6, /* behind the address */
    CONFIG_BYTES = 8,
    STATUS_LINK = 1,

    CLASS_ETHERNET = 0x020000,
    PACKET_BYTES = (64 << 10) + 256,
    TYPE_PLACE = 12, /* in a frame */
    TYPE_VLAN = 0x8100,
    ETHERNET_BYTES = 14,
    TAG_BYTES = 4,
    TCP_LENGTH_PLACE = 12, /* the header's length, in its upper four bits */

    HEADER_NEEDS_CHECKSUM = 1,
    HEADER_DATA_VALID = 2,
    SEGMENT_NONE = 0,
    SEGMENT_TCP4 = 1,
    SEGMENT_TCP6 = 4,
    SEGMENT_ECN = 0x80,
    LEGACY_HEADER_BYTES = 10, /* without the number of buffers */
};

/* Before each packet in a buffer. */
struct header {
    uint8_t flags, segment_type;
    uint16_t header_bytes, segment_bytes;
    uint16_t checksum_start, checksum_offset;
    uint16_t buffers;
};

struct virtio_net {
    struct device device;
    struct network_port port;
    uint8_t address[NETWORK_ADDRESS_BYTES];
    bool transmitting; /* guards against resume() from within */
    uint8_t packet[PACKET_BYTES];
    struct virtqueue_element elements[VIRTQUEUE_MAXIMUM]; /* of one received frame */
    /* saved */
    struct virtio virtio;
    struct virtio_net_filter filter;
    uint32_t position; /* of the payload: segments that have left before a pause */
};

static const struct state_field virtio_net_fields[] = {
    VIRTIO_STATE_FIELDS(struct virtio_net, virtio),
    STATE_FIELD(struct virtio_net, filter.all, 1),
    STATE_FIELD(struct virtio_net, filter.all_multicast, 1),
    STATE_FIELD(struct virtio_net, filter.all_unicast, 1),
    STATE_FIELD(struct virtio_net, filter.no_multicast, 1),
    STATE_FIELD(struct virtio_net, filter.no_unicast, 1),
    STATE_FIELD(struct virtio_net, filter.no_broadcast, 1),
    STATE_FIELD(struct virtio_net, filter.is_full, 1),
    STATE_FIELD(struct virtio_net, filter.unicast_count, 1),
    STATE_FIELD(struct virtio_net, filter.multicast_count, 1),
    STATE_FIELD(struct virtio_net, filter.unicast, 1),
    STATE_FIELD(struct virtio_net, filter.multicast, 1),
    STATE_FIELD(struct virtio_net, position, 1),
    STATE_END,
};

static size_t header_bytes(const struct virtio_net *card)
{
    bool is_long = card->virtio.driver_features & VIRTIO_FEATURE_VERSION_1 ||
                   virtio_has_feature(&card->virtio, FEATURE_MERGED_BUFFERS);
    return is_long ? sizeof(struct header) : LEGACY_HEADER_BYTES;
}

/* -- to the cable -- */

/* What the header and the packet say about segments; false if they contradict. */
static bool find_segments(const struct virtio_net *card, const struct header *header,
                          size_t length, struct segmentation *segmentation)
{
    const uint8_t *packet = card->packet;
    size_t network = ETHERNET_BYTES;
    size_t transport = header->checksum_start;
    if (length < ETHERNET_BYTES || transport + TCP_LENGTH_PLACE >= length) {
        return false;
    }
    if (get_be16(packet + TYPE_PLACE) == TYPE_VLAN) {
        network += TAG_BYTES;
    }
    *segmentation = (struct segmentation){
        .packet = packet,
        .length = length,
        .header_bytes = transport + (packet[transport + TCP_LENGTH_PLACE] >> 4) * 4U,
        .payload_maximum = header->segment_bytes,
        .network = network,
        .transport = transport,
        .is_ipv6 = (header->segment_type & ~SEGMENT_ECN) == SEGMENT_TCP6,
        .is_tcp = true,
    };
    return segmentation_is_sound(segmentation) &&
           segmentation->header_bytes + segmentation->payload_maximum <=
               NETWORK_MAXIMUM_BYTES;
}

/* False: the cable takes no more now. */
static bool send_segments(struct virtio_net *card, const struct segmentation *whole)
{
    uint8_t frame[NETWORK_MAXIMUM_BYTES];
    size_t payload = whole->length - whole->header_bytes;
    while (card->position < payload) {
        if (!network_can_send(&card->port)) {
            return false;
        }
        size_t bytes = segmentation_make(whole, card->position, frame);
        if (!network_send(&card->port, frame, bytes)) {
            return false;
        }
        card->position += (uint32_t)whole->payload_maximum;
    }
    card->position = 0;
    return true;
}

static void insert_checksum(struct virtio_net *card, const struct header *header,
                            size_t length)
{
    size_t start = header->checksum_start;
    size_t place = start + header->checksum_offset;
    if ((header->flags & HEADER_NEEDS_CHECKSUM) && start < length &&
        place + 2 <= length) {
        uint16_t checksum =
            internet_checksum(internet_sum(0, card->packet + start, length - start));
        /* A UDP checksum of zero would be none. */
        put_be16(card->packet + place, checksum ? checksum : 0xffff);
    }
}

/* False: not now. What makes no sense is lost. */
static bool send_element(struct virtio_net *card, const struct virtqueue *queue,
                         const struct virtqueue_element *element)
{
    struct header header = {.flags = 0};
    size_t before = header_bytes(card);
    if (element->readable_bytes <= before ||
        element->readable_bytes - before > sizeof(card->packet)) {
        return true;
    }
    size_t length = (size_t)element->readable_bytes - before;
    virtqueue_read(queue, element, 0, &header, before);
    virtqueue_read(queue, element, before, card->packet, length);
    if (header.segment_type != SEGMENT_NONE) {
        struct segmentation segmentation;
        return !find_segments(card, &header, length, &segmentation) ||
               send_segments(card, &segmentation);
    }
    insert_checksum(card, &header, length);
    return network_send(&card->port, card->packet, length);
}

static void transmit(struct virtio_net *card)
{
    struct virtqueue *queue = &card->virtio.queues[QUEUE_TRANSMIT];
    struct virtqueue_element *element = &card->elements[0];
    if (card->transmitting) {
        return;
    }
    card->transmitting = true;
    for (unsigned i = 0; i < VIRTQUEUE_MAXIMUM && network_can_send(&card->port) &&
                         virtqueue_pop(queue, element);
         i++) {
        if (!send_element(card, queue, element)) {
            virtqueue_unpop(queue);
            break;
        }
        virtqueue_push(queue, element, 0);
    }
    card->transmitting = false;
}

static void resume(void *opaque)
{
    struct virtio_net *card = opaque;
    if (virtio_is_running(&card->virtio)) {
        transmit(card);
        virtio_notify_driver(&card->virtio, QUEUE_TRANSMIT);
    }
}

/* -- from the cable -- */

static bool can_receive(void *opaque)
{
    struct virtio_net *card = opaque;
    return !virtio_is_running(&card->virtio) ||
           virtqueue_has_more(&card->virtio.queues[QUEUE_RECEIVE]) ||
           card->virtio.queues[QUEUE_RECEIVE].broken;
}

/* Takes buffers until they hold `bytes`; returns how many. With merged buffers that may
 * be several, else one. 0: there are too few, and none is taken. */
static unsigned take_buffers(struct virtio_net *card, size_t bytes)
{
    struct virtqueue *queue = &card->virtio.queues[QUEUE_RECEIVE];
    bool merges = virtio_has_feature(&card->virtio, FEATURE_MERGED_BUFFERS);
    uint64_t room = 0;
    unsigned count = 0;
    while (room < bytes && count < VIRTQUEUE_MAXIMUM && (merges || count == 0) &&
           virtqueue_pop(queue, &card->elements[count])) {
        room += card->elements[count++].writable_bytes;
    }
    if (room >= bytes || (!merges && count == 1)) {
        return count;
    }
    while (count > 0) {
        virtqueue_unpop(queue);
        count--;
    }
    return 0;
}

/* The header and the frame, into buffers that were taken. */
static void store(struct virtio_net *card, unsigned count, struct header *header,
                  const uint8_t *frame, size_t bytes)
{
    struct virtqueue *queue = &card->virtio.queues[QUEUE_RECEIVE];
    size_t before = header_bytes(card), done = 0;
    header->buffers = (uint16_t)count;
    for (unsigned i = 0; i < count; i++) {
        const struct virtqueue_element *element = &card->elements[i];
        size_t written = 0;
        if (i == 0) {
            written = virtqueue_write(queue, element, 0, header, before);
        }
        size_t part =
            virtqueue_write(queue, element, written, frame + done, bytes - done);
        done += part;
        virtqueue_fill(queue, element, (uint32_t)(written + part), (uint16_t)i);
    }
    virtqueue_flush(queue, (uint16_t)count);
}

static bool receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct virtio_net *card = opaque;
    struct header header = {.flags = 0};
    if (!virtio_is_running(&card->virtio) ||
        !virtio_net_filter_passes(&card->filter, card->virtio.config, frame)) {
        return true;
    }
    if (!can_receive(card)) {
        return false;
    }
    unsigned count = take_buffers(card, header_bytes(card) + bytes);
    if (count == 0) {
        virtio_notify_driver(&card->virtio, QUEUE_RECEIVE);
        /* Broken: lost. Else it waits for more. */
        return card->virtio.queues[QUEUE_RECEIVE].broken;
    }
    if (virtio_has_feature(&card->virtio, FEATURE_GUEST_CHECKSUM)) {
        unsigned verdict = internet_verify(frame, bytes);
        if ((verdict & INTERNET_TRANSPORT_SEEN) &&
            !(verdict & (INTERNET_TRANSPORT_WRONG | INTERNET_NETWORK_WRONG))) {
            header.flags = HEADER_DATA_VALID;
        }
    }
    store(card, count, &header, frame, bytes);
    virtio_notify_driver(&card->virtio, QUEUE_RECEIVE);
    return true;
}

static void show_link(struct virtio_net *card)
{
    card->virtio.config[CONFIG_STATUS] =
        network_link_is_up(&card->port) ? STATUS_LINK : 0;
}

static void link_changed(void *opaque)
{
    struct virtio_net *card = opaque;
    show_link(card);
    virtio_config_changed(&card->virtio);
    resume(card); /* what waited is lost with the link */
}

static const struct network_port_ops network_ops = {
    .receive = receive,
    .can_receive = can_receive,
    .resume = resume,
    .link_changed = link_changed,
};

/* -- the device -- */

static void carry_out_commands(struct virtio_net *card)
{
    struct virtqueue *queue = &card->virtio.queues[QUEUE_COMMANDS];
    struct virtqueue_element *element = &card->elements[0];
    for (unsigned i = 0; i < VIRTQUEUE_MAXIMUM && virtqueue_pop(queue, element); i++) {
        uint8_t status = virtio_net_filter_command(&card->filter, card->virtio.config,
                                                   queue, element);
        size_t written = virtqueue_write(queue, element, 0, &status, sizeof(status));
        virtqueue_push(queue, element, (uint32_t)written);
    }
}

static void notify(void *opaque, unsigned queue)
{
    struct virtio_net *card = opaque;
    switch (queue) {
    case QUEUE_RECEIVE:
        network_resume(&card->port);
        break;
    case QUEUE_TRANSMIT:
        transmit(card);
        break;
    default:
        carry_out_commands(card);
        break;
    }
}

static void reset_card(void *opaque)
{
    struct virtio_net *card = opaque;
    virtio_net_filter_reset(&card->filter);
    memcpy(card->virtio.config, card->address, sizeof(card->address));
    show_link(card);
    card->position = 0;
}

static const struct virtio_class virtio_net_class = {
    .name = "virtio-net",
    .type = VIRTIO_TYPE_NET,
    .class_code = CLASS_ETHERNET,
    .features = 1ULL << FEATURE_CHECKSUM | 1ULL << FEATURE_GUEST_CHECKSUM |
                1ULL << FEATURE_ADDRESS | 1ULL << FEATURE_SEGMENT_TCP4 |
                1ULL << FEATURE_SEGMENT_TCP6 | 1ULL << FEATURE_MERGED_BUFFERS |
                1ULL << FEATURE_STATUS | 1ULL << FEATURE_COMMANDS |
                1ULL << FEATURE_RECEIVE_MODES | 1ULL << FEATURE_MORE_RECEIVE_MODES |
                1ULL << FEATURE_SET_ADDRESS,
    .queue_count = 3,
    .queue_sizes = {256, 256, 64},
    .config_bytes = CONFIG_BYTES,
    .notify = notify,
    .reset = reset_card,
};

static void virtio_net_reset(void *device)
{
    struct virtio_net *card = device;
    virtio_power_on(&card->virtio);
}

static void virtio_net_reset_lines(void *device)
{
    struct virtio_net *card = device;
    virtio_reset_lines(&card->virtio);
}

static bool virtio_net_loaded(void *device, struct error *error)
{
    struct virtio_net *card = device;
    if (card->filter.unicast_count > VIRTIO_NET_ADDRESSES ||
        card->filter.multicast_count > VIRTIO_NET_ADDRESSES) {
        return error_set(error, "virtio-net: too many addresses in the saved state");
    }
    return virtio_loaded(&card->virtio, error);
}

static void virtio_net_save_more(const void *device, struct state_buffer *buffer)
{
    const struct virtio_net *card = device;
    virtio_save_queues(&card->virtio, buffer);
}

static bool virtio_net_load_more(void *device, struct state_buffer *buffer,
                                 struct error *error)
{
    struct virtio_net *card = device;
    return virtio_load_queues(&card->virtio, buffer, error);
}

static void virtio_net_destroy(void *device)
{
    struct virtio_net *card = device;
    network_disconnect(&card->port);
}

static const struct device_class virtio_net_device_class = {
    .name = "virtio-net",
    .version = 1,
    .size = sizeof(struct virtio_net),
    .fields = virtio_net_fields,
    .reset = virtio_net_reset,
    .reset_lines = virtio_net_reset_lines,
    .loaded = virtio_net_loaded,
    .save_more = virtio_net_save_more,
    .load_more = virtio_net_load_more,
    .destroy = virtio_net_destroy,
};

struct virtio_net *virtio_net_create(struct log *log, struct pci_bus *bus,
                                     unsigned slot, const uint8_t *address)
{
    struct virtio_net *card = device_allocate(&virtio_net_device_class, log);
    card->port = (struct network_port){.ops = &network_ops, .opaque = card};
    memcpy(card->address, address, sizeof(card->address));
    virtio_init(&card->virtio, &virtio_net_class, card, log, bus, slot);
    virtio_net_reset(card);
    return card;
}

struct network_port *virtio_net_port(struct virtio_net *card)
{
    return &card->port;
}
