/* The transmit ring: legacy, context and data descriptors (the manual's chapter 3.3 to
 * 3.5). A packet is gathered from its descriptors, and leaves when the last one is
 * there, as a frame or as segments. While the cable takes no more, the last descriptor
 * stays the head of the ring. */
#include <string.h>

#include "bus/pci_dma.h"
#include "devices/e1000_internal.h"
#include "devices/internet_packet.h"

enum {
    TCTL_ENABLE = 1 << 1,
    TCTL_PAD = 1 << 3,

    /* Of the third word of a descriptor. */
    TYPE_DATA = 1 << 20,
    COMMAND_END = 1U << 24,      /* of the packet */
    COMMAND_SEGMENT = 1U << 26,  /* data: in a segmented packet */
    COMMAND_CHECKSUM = 1U << 26, /* legacy: insert one */
    COMMAND_REPORT = 1U << 27,
    COMMAND_EXTENDED = 1U << 29,
    COMMAND_VLAN = 1U << 30,
    COMMAND_DELAY = 1U << 31,
    DATA_LENGTH = 0xfffff,
    LEGACY_LENGTH = 0xffff,
    CONTEXT_PAYLOAD = 0xfffff,
    CONTEXT_TCP = 1, /* of e1000_context.command */
    CONTEXT_IPV4 = 2,

    /* Of the fourth word. */
    STATUS_DONE = 1,
    OPTION_IP_CHECKSUM = 1 << 8,
    OPTION_TRANSPORT_CHECKSUM = 2 << 8,

    TAG_PLACE = 12, /* in a frame */
    TAG_BYTES = 4,
    CHECK_SEQUENCE_BYTES = 4,
    DELAY_UNIT_NS = 1024,
};

struct descriptor {
    uint64_t address;
    uint32_t command; /* and length */
    uint32_t status;  /* and what depends on the kind */
};

static gpa_t descriptor_address(struct e1000 *card, uint32_t index)
{
    uint64_t base = (uint64_t)*e1000_register(card, REG_TDBAH) << 32 |
                    *e1000_register(card, REG_TDBAL);
    return base + (uint64_t)index * DESCRIPTOR_BYTES;
}

static void load_context(struct e1000 *card, const struct descriptor *descriptor)
{
    uint64_t where = descriptor->address;
    card->packet.context = (struct e1000_context){
        .ip_start = (uint8_t)where,
        .ip_checksum = (uint8_t)(where >> 8),
        .ip_end = (uint16_t)(where >> 16),
        .transport_start = (uint8_t)(where >> 32),
        .transport_checksum = (uint8_t)(where >> 40),
        .transport_end = (uint16_t)(where >> 48),
        .payload_bytes = descriptor->command & CONTEXT_PAYLOAD,
        .command = (uint8_t)(descriptor->command >> 24),
        .header_bytes = (uint8_t)(descriptor->status >> 8),
        .segment_bytes = (uint16_t)(descriptor->status >> 16),
    };
}

/* -- gathering -- */

static void begin_packet(struct e1000 *card, const struct descriptor *descriptor,
                         bool extended)
{
    struct e1000_packet *packet = &card->packet;
    *packet = (struct e1000_packet){.context = packet->context, .is_begun = true};
    if (extended) {
        packet->is_segmented = descriptor->command & COMMAND_SEGMENT;
        packet->wants_ip_checksum = descriptor->status & OPTION_IP_CHECKSUM;
        packet->wants_transport_checksum =
            descriptor->status & OPTION_TRANSPORT_CHECKSUM;
    }
}

static void gather(struct e1000 *card, const struct descriptor *descriptor,
                   bool extended)
{
    struct e1000_packet *packet = &card->packet;
    uint32_t length = descriptor->command & (extended ? DATA_LENGTH : LEGACY_LENGTH);
    if (!packet->is_begun) {
        begin_packet(card, descriptor, extended);
    }
    if (length > sizeof(card->bytes) - packet->length) {
        packet->is_too_long = true;
    } else {
        pci_dma_read(&card->function, descriptor->address, card->bytes + packet->length,
                     length);
        packet->length += length;
    }
    if (!(descriptor->command & COMMAND_END)) {
        return;
    }
    packet->is_complete = true;
    packet->tag = (uint16_t)(descriptor->status >> 16);
    packet->wants_tag = (descriptor->command & COMMAND_VLAN) &&
                        (*e1000_register(card, REG_CTRL) & CTRL_VME);
    if (!extended && (descriptor->command & COMMAND_CHECKSUM)) {
        packet->checksum_place = (uint8_t)(descriptor->command >> 16);
        packet->checksum_start = (uint8_t)(descriptor->status >> 8);
    }
    if (packet->is_too_long) {
        log_guest_error(card->device.log, "e1000",
                        "a packet of more than %zu bytes to transmit",
                        sizeof(card->bytes));
    }
}

/* -- leaving -- */

/* Sums from `start` to `end` inclusive (0: to the end of the packet), and stores. */
static void insert_checksum(struct e1000 *card, unsigned start, unsigned place,
                            unsigned end)
{
    struct e1000_packet *packet = &card->packet;
    uint32_t limit = end && end < packet->length ? end + 1U : packet->length;
    if (start < limit && place + 2U <= packet->length) {
        put_be16(card->bytes + place, internet_checksum(internet_sum(
                                          0, card->bytes + start, limit - start)));
    }
}

/* Once, when the packet is complete. */
static void insert_checksums(struct e1000 *card)
{
    struct e1000_packet *packet = &card->packet;
    const struct e1000_context *context = &packet->context;
    if (packet->checksum_place) {
        insert_checksum(card, packet->checksum_start, packet->checksum_place, 0);
    }
    if (packet->is_segmented) {
        return; /* each segment has its own */
    }
    if (packet->wants_transport_checksum) {
        insert_checksum(card, context->transport_start, context->transport_checksum,
                        context->transport_end);
    }
    if (packet->wants_ip_checksum) {
        insert_checksum(card, context->ip_start, context->ip_checksum, context->ip_end);
    }
}

static void count_frame(struct e1000 *card, const uint8_t *frame, size_t bytes)
{
    uint32_t octets = (uint32_t)bytes + CHECK_SEQUENCE_BYTES;
    e1000_count_size(card, REG_PTC64, octets);
    e1000_count(card, REG_TPT, 1);
    e1000_count(card, REG_GPTC, 1);
    e1000_count_octets(card, REG_TOTL, octets);
    e1000_count_octets(card, REG_GOTCL, octets);
    if (network_is_broadcast(frame)) {
        e1000_count(card, REG_BPTC, 1);
    } else if (network_is_multicast(frame)) {
        e1000_count(card, REG_MPTC, 1);
    }
}

/* Sends one frame; `frame` has room behind it for a tag. False: not now. */
static bool send_frame(struct e1000 *card, uint8_t *frame, size_t bytes)
{
    const struct e1000_packet *packet = &card->packet;
    if (!network_can_send(&card->port)) {
        return false;
    }
    if (packet->wants_tag && bytes >= TAG_PLACE) {
        memmove(frame + TAG_PLACE + TAG_BYTES, frame + TAG_PLACE, bytes - TAG_PLACE);
        put_be16(frame + TAG_PLACE, (uint16_t)*e1000_register(card, REG_VET));
        put_be16(frame + TAG_PLACE + 2, packet->tag);
        bytes += TAG_BYTES;
    }
    if (bytes < NETWORK_MINIMUM_BYTES && (*e1000_register(card, REG_TCTL) & TCTL_PAD)) {
        memset(frame + bytes, 0, NETWORK_MINIMUM_BYTES - bytes);
        bytes = NETWORK_MINIMUM_BYTES;
    }
    if (!network_send(&card->port, frame, bytes)) {
        return false;
    }
    if (bytes >= NETWORK_ADDRESS_BYTES) {
        count_frame(card, frame, bytes);
    }
    return true;
}

/* False: some are left. */
static bool send_segments(struct e1000 *card)
{
    struct e1000_packet *packet = &card->packet;
    const struct e1000_context *context = &packet->context;
    uint8_t frame[NETWORK_MAXIMUM_BYTES + TAG_BYTES];
    const struct segmentation segmentation = {
        .packet = card->bytes,
        .length = packet->length,
        .header_bytes = context->header_bytes,
        .payload_maximum = context->segment_bytes,
        .network = context->ip_start,
        .transport = context->transport_start,
        .is_ipv6 = !(context->command & CONTEXT_IPV4),
        .is_tcp = context->command & CONTEXT_TCP,
    };
    if (!segmentation_is_sound(&segmentation) ||
        segmentation.header_bytes + segmentation.payload_maximum >
            NETWORK_MAXIMUM_BYTES) {
        log_guest_error(card->device.log, "e1000",
                        "a packet that cannot be segmented as its context says");
        return true;
    }
    uint32_t payload = packet->length - context->header_bytes;
    while (packet->position < payload) {
        /* Made again if it has to wait, which is rare. */
        size_t bytes = segmentation_make(&segmentation, packet->position, frame);
        if (!send_frame(card, frame, bytes)) {
            return false;
        }
        packet->position += context->segment_bytes;
    }
    packet->position = 0;
    e1000_count(card, REG_TSCTC, 1);
    return true;
}

/* False: the packet has not left yet. */
static bool send_packet(struct e1000 *card)
{
    struct e1000_packet *packet = &card->packet;
    if (packet->is_too_long || packet->length == 0) {
        return true;
    }
    if (packet->is_segmented) {
        return send_segments(card);
    }
    uint8_t frame[NETWORK_MAXIMUM_BYTES + TAG_BYTES];
    if (packet->length > NETWORK_MAXIMUM_BYTES) {
        return true;
    }
    memcpy(frame, card->bytes, packet->length);
    return send_frame(card, frame, packet->length);
}

/* -- the ring -- */

/* TXDW, at once or when the delays have passed that the driver asks for. */
static void report(struct e1000 *card, uint32_t command)
{
    uint64_t delay_ns = *e1000_register(card, REG_TIDV) * (uint64_t)DELAY_UNIT_NS;
    uint64_t longest_ns = *e1000_register(card, REG_TADV) * (uint64_t)DELAY_UNIT_NS;
    if (!(command & COMMAND_DELAY) || delay_ns == 0) {
        e1000_raise(card, ICR_TXDW);
        return;
    }
    uint64_t now_ns = clock_now_ns(card->clock);
    if (card->transmit_deadline_ns == NO_DEADLINE) {
        card->transmit_latest_ns = longest_ns ? now_ns + longest_ns : CLOCK_NEVER - 1;
    }
    uint64_t deadline_ns = now_ns + delay_ns;
    card->transmit_deadline_ns =
        deadline_ns < card->transmit_latest_ns ? deadline_ns : card->transmit_latest_ns;
    timer_set_ns(&card->transmit_timer, card->transmit_deadline_ns);
}

/* False: the descriptor cannot be finished now. */
static bool carry_out(struct e1000 *card, const struct descriptor *descriptor)
{
    struct e1000_packet *packet = &card->packet;
    bool extended = descriptor->command & COMMAND_EXTENDED;
    if (!packet->is_complete && extended && !(descriptor->command & TYPE_DATA)) {
        load_context(card, descriptor);
        return true;
    }
    if (!packet->is_complete) {
        gather(card, descriptor, extended);
        if (packet->is_complete && !packet->is_too_long) {
            insert_checksums(card);
        }
    }
    if (packet->is_complete) {
        if (!send_packet(card)) {
            return false;
        }
        *packet = (struct e1000_packet){.context = packet->context};
    }
    return true;
}

static void write_back(struct e1000 *card, gpa_t address,
                       const struct descriptor *descriptor)
{
    if (descriptor->command & COMMAND_REPORT) {
        uint8_t status = (uint8_t)(descriptor->status | STATUS_DONE);
        pci_dma_write(&card->function, address + offsetof(struct descriptor, status),
                      &status, sizeof(status));
        report(card, descriptor->command);
    }
}

static bool may_transmit(struct e1000 *card)
{
    return (*e1000_register(card, REG_TCTL) & TCTL_ENABLE) &&
           pci_is_bus_master(&card->function) &&
           *e1000_register(card, REG_TDH) != *e1000_register(card, REG_TDT);
}

void e1000_transmit(struct e1000 *card)
{
    uint32_t *head = e1000_register(card, REG_TDH);
    uint32_t count = *e1000_register(card, REG_TDLEN) / DESCRIPTOR_BYTES;
    if (card->transmitting || count == 0 || !may_transmit(card)) {
        return;
    }
    card->transmitting = true;
    /* A tail outside the ring is never reached: once around is enough. */
    for (uint32_t i = 0; i < count && may_transmit(card); i++) {
        struct descriptor descriptor;
        *head = *head < count ? *head : 0;
        gpa_t address = descriptor_address(card, *head);
        pci_dma_read(&card->function, address, &descriptor, sizeof(descriptor));
        if (!carry_out(card, &descriptor)) {
            break;
        }
        write_back(card, address, &descriptor);
        *head = *head + 1 < count ? *head + 1 : 0;
    }
    card->transmitting = false;
    if (*head == *e1000_register(card, REG_TDT)) {
        e1000_raise(card, ICR_TXQE);
    }
}

void e1000_resume(void *opaque)
{
    e1000_transmit(opaque);
}
