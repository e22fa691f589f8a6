#include "devices/internet_packet.h"

#include <string.h>

enum {
    ETHERNET_TYPE = 12,
    ETHERNET_BYTES = 14,
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,

    IPV4_BYTES = 20, /* without options */
    IPV4_TOTAL = 2,
    IPV4_IDENTIFICATION = 4,
    IPV4_FRAGMENT = 6,
    IPV4_FRAGMENT_MASK = 0x3fff, /* "more", and the offset */
    IPV4_PROTOCOL = 9,
    IPV4_CHECKSUM = 10,
    IPV4_ADDRESSES = 12,
    IPV4_ADDRESSES_BYTES = 8,

    IPV6_BYTES = 40,
    IPV6_LENGTH = 4,
    IPV6_NEXT = 6,
    IPV6_ADDRESSES = 8,
    IPV6_ADDRESSES_BYTES = 32,

    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    TCP_BYTES = 20,
    TCP_SEQUENCE = 4,
    TCP_FLAGS = 13,
    TCP_FIN = 0x01,
    TCP_PUSH = 0x08,
    TCP_CWR = 0x80,
    TCP_CHECKSUM = 16,
    UDP_BYTES = 8,
    UDP_LENGTH = 4,
    UDP_CHECKSUM = 6,
};

/* The sum of 16-bit words does not depend on how they are read but for the order of
 * its bytes, and may be folded as often as one likes: 32 bits at a time. */
uint32_t internet_sum(uint32_t sum, const uint8_t *bytes, size_t length)
{
    uint64_t total = 0;
    for (; length >= 4; bytes += 4, length -= 4) {
        uint32_t word;
        memcpy(&word, bytes, sizeof(word));
        total += word;
    }
    if (length) {
        uint32_t word = 0;
        memcpy(&word, bytes, length);
        total += word;
    }
    while (total >> 16) {
        total = (total & 0xffff) + (total >> 16);
    }
    return sum + __builtin_bswap16((uint16_t)total);
}

uint16_t internet_checksum(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

/* The sum over what TCP and UDP cover beside their own bytes. */
static uint32_t pseudo_header(const uint8_t *network, bool is_ipv6, unsigned protocol,
                              size_t length)
{
    uint32_t sum =
        is_ipv6 ? internet_sum(0, network + IPV6_ADDRESSES, IPV6_ADDRESSES_BYTES)
                : internet_sum(0, network + IPV4_ADDRESSES, IPV4_ADDRESSES_BYTES);
    return sum + protocol + (uint32_t)(length >> 16) + (uint32_t)(length & 0xffff);
}

/* -- sending -- */

bool segmentation_is_sound(const struct segmentation *segmentation)
{
    size_t network_bytes = segmentation->is_ipv6 ? IPV6_BYTES : IPV4_BYTES;
    size_t transport_bytes = segmentation->is_tcp ? TCP_BYTES : UDP_BYTES;
    return segmentation->payload_maximum > 0 &&
           segmentation->network + network_bytes <= segmentation->transport &&
           segmentation->transport + transport_bytes <= segmentation->header_bytes &&
           segmentation->header_bytes <= segmentation->length;
}

static void finish_network(const struct segmentation *segmentation, uint8_t *frame,
                           size_t bytes, unsigned number)
{
    uint8_t *network = frame + segmentation->network;
    size_t network_bytes = segmentation->transport - segmentation->network;
    size_t length = bytes - segmentation->network;
    if (segmentation->is_ipv6) {
        put_be16(network + IPV6_LENGTH, (uint16_t)(length - IPV6_BYTES));
        return;
    }
    put_be16(network + IPV4_TOTAL, (uint16_t)length);
    put_be16(network + IPV4_IDENTIFICATION,
             (uint16_t)(get_be16(network + IPV4_IDENTIFICATION) + number));
    put_be16(network + IPV4_CHECKSUM, 0);
    put_be16(network + IPV4_CHECKSUM,
             internet_checksum(internet_sum(0, network, network_bytes)));
}

static void finish_transport(const struct segmentation *segmentation, uint8_t *frame,
                             size_t bytes, size_t position, bool is_last)
{
    uint8_t *transport = frame + segmentation->transport;
    size_t length = bytes - segmentation->transport;
    unsigned protocol = segmentation->is_tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
    uint8_t *checksum = transport + UDP_CHECKSUM;
    if (segmentation->is_tcp) {
        checksum = transport + TCP_CHECKSUM;
        put_be32(transport + TCP_SEQUENCE,
                 get_be32(transport + TCP_SEQUENCE) + (uint32_t)position);
        if (!is_last) {
            transport[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PUSH);
        }
        if (position > 0) {
            transport[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
        }
    } else {
        put_be16(transport + UDP_LENGTH, (uint16_t)length);
    }
    put_be16(checksum, 0);
    uint32_t sum = pseudo_header(frame + segmentation->network, segmentation->is_ipv6,
                                 protocol, length);
    put_be16(checksum, internet_checksum(internet_sum(sum, transport, length)));
}

size_t segmentation_make(const struct segmentation *segmentation, size_t position,
                         uint8_t *frame)
{
    size_t left = segmentation->length - segmentation->header_bytes - position;
    size_t part =
        left < segmentation->payload_maximum ? left : segmentation->payload_maximum;
    size_t bytes = segmentation->header_bytes + part;
    memcpy(frame, segmentation->packet, segmentation->header_bytes);
    memcpy(frame + segmentation->header_bytes,
           segmentation->packet + segmentation->header_bytes + position, part);
    finish_network(segmentation, frame, bytes,
                   (unsigned)(position / segmentation->payload_maximum));
    finish_transport(segmentation, frame, bytes, position, part == left);
    return bytes;
}

/* -- receiving -- */

static unsigned verify_transport(const uint8_t *network, bool is_ipv6,
                                 unsigned protocol, const uint8_t *transport,
                                 size_t length)
{
    bool is_udp = protocol == PROTOCOL_UDP;
    if ((!is_udp && protocol != PROTOCOL_TCP) ||
        length < (is_udp ? UDP_BYTES : TCP_BYTES) ||
        (is_udp && get_be16(transport + UDP_CHECKSUM) == 0)) {
        return INTERNET_NONE;
    }
    uint32_t sum = pseudo_header(network, is_ipv6, protocol, length);
    return INTERNET_TRANSPORT_SEEN |
           (internet_checksum(internet_sum(sum, transport, length))
                ? INTERNET_TRANSPORT_WRONG
                : 0);
}

static unsigned verify_ipv4(const uint8_t *network, size_t length)
{
    size_t header_bytes = (network[0] & 15U) * 4;
    size_t total = get_be16(network + IPV4_TOTAL);
    if (network[0] >> 4 != 4 || header_bytes < IPV4_BYTES || header_bytes > total ||
        total > length) {
        return INTERNET_NONE;
    }
    if (internet_checksum(internet_sum(0, network, header_bytes))) {
        return INTERNET_NETWORK_SEEN | INTERNET_NETWORK_WRONG;
    }
    if (get_be16(network + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK) {
        return INTERNET_NETWORK_SEEN;
    }
    return INTERNET_NETWORK_SEEN |
           verify_transport(network, false, network[IPV4_PROTOCOL],
                            network + header_bytes, total - header_bytes);
}

/* Without extension headers. */
static unsigned verify_ipv6(const uint8_t *network, size_t length)
{
    size_t payload = get_be16(network + IPV6_LENGTH);
    if (network[0] >> 4 != 6 || payload > length - IPV6_BYTES) {
        return INTERNET_NONE;
    }
    return verify_transport(network, true, network[IPV6_NEXT], network + IPV6_BYTES,
                            payload);
}

unsigned internet_verify(const uint8_t *frame, size_t length)
{
    if (length < ETHERNET_BYTES) {
        return INTERNET_NONE;
    }
    unsigned type = get_be16(frame + ETHERNET_TYPE);
    length -= ETHERNET_BYTES;
    if (type == TYPE_IPV4 && length >= IPV4_BYTES) {
        return verify_ipv4(frame + ETHERNET_BYTES, length);
    }
    if (type == TYPE_IPV6 && length >= IPV6_BYTES) {
        return verify_ipv6(frame + ETHERNET_BYTES, length);
    }
    return INTERNET_NONE;
}
