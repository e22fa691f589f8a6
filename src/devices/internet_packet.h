/* devices/internet_packet.h: what network cards do to IP packets on behalf of a driver:
 * checksums, and cutting long TCP and UDP packets up into frames.
 *
 * Source: RFC 1071 (checksums), RFC 791, 793, 768, 8200. Thread: any, no state. */
#ifndef DEVICES_INTERNET_PACKET_H
#define DEVICES_INTERNET_PACKET_H

#include "base/types.h"

/* Adds big-endian words to a ones' complement sum; an odd last byte is a high one. */
uint32_t internet_sum(uint32_t sum, const uint8_t *bytes, size_t length);
/* What goes into the packet: the sum's complement, folded to 16 bits. */
uint16_t internet_checksum(uint32_t sum);

/* A packet with headers for one frame, and more payload than fits one. Offsets are from
 * its first byte. */
struct segmentation {
    const uint8_t *packet;
    size_t length;
    size_t header_bytes;       /* of all headers, which each frame repeats */
    size_t payload_maximum;    /* in a frame */
    size_t network, transport; /* where the IP and the TCP or UDP header begin */
    bool is_ipv6, is_tcp;
};

/* Whether the headers lie within each other as they should; others are not cut up. */
bool segmentation_is_sound(const struct segmentation *segmentation);
/* Makes the frame whose payload begins `position` bytes behind the headers, and returns
 * its length: lengths, identification, sequence number, flags and checksums are the
 * frame's own. `frame` has room for the headers and `payload_maximum`. */
size_t segmentation_make(const struct segmentation *segmentation, size_t position,
                         uint8_t *frame);

/* What a receiver found in a frame. */
enum internet_verdict {
    INTERNET_NONE = 0,
    INTERNET_NETWORK_SEEN = 1, /* an IPv4 header whose checksum was looked at */
    INTERNET_NETWORK_WRONG = 2,
    INTERNET_TRANSPORT_SEEN = 4, /* likewise, TCP or UDP; not of a fragment */
    INTERNET_TRANSPORT_WRONG = 8,
};

/* Checks an Ethernet frame, without a VLAN tag. */
unsigned internet_verify(const uint8_t *frame, size_t length);

static inline uint16_t get_be16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void put_be16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline uint32_t get_be32(const uint8_t *bytes)
{
    return (uint32_t)get_be16(bytes) << 16 | get_be16(bytes + 2);
}

static inline void put_be32(uint8_t *bytes, uint32_t value)
{
    put_be16(bytes, (uint16_t)(value >> 16));
    put_be16(bytes + 2, (uint16_t)value);
}

#endif
