/* The receive ring (the manual's chapter 3.2): which frames are for us, checksums, and
 * buffers. A frame that finds no buffers waits at the other end of the cable. */
#include <string.h>

#include "bus/pci_dma.h"
#include "devices/e1000_internal.h"
#include "devices/internet_packet.h"

enum {
    RCTL_ENABLE = 1 << 1,
    RCTL_ALL_UNICAST = 1 << 3,
    RCTL_ALL_MULTICAST = 1 << 4,
    RCTL_LONG = 1 << 5,
    RCTL_THRESHOLD_SHIFT = 8, /* of RXDMT0: a half, a quarter, an eighth */
    RCTL_HASH_SHIFT = 12,
    RCTL_BROADCAST = 1 << 15,
    RCTL_SIZE_SHIFT = 16,
    RCTL_VLAN_FILTER = 1 << 18,
    RCTL_SIZE_EXTENDED = 1 << 25,
    RCTL_STRIP_CHECK_SEQUENCE = 1 << 26,
    RXCSUM_NETWORK = 1 << 8,
    RXCSUM_TRANSPORT = 1 << 9,
    ICR_SRPD = 1 << 16,

    ADDRESS_VALID_BIT = 31, /* of RAH */
    LONGEST_NORMAL = 1522 - 4,
    TAG_PLACE = 12,
    TAG_BYTES = 4,
    VLAN_MASK = 0xfff,
    CHECK_SEQUENCE_BYTES = 4,
    DELAY_UNIT_NS = 1024,

    STATUS_DONE = 0x01,
    STATUS_END = 0x02, /* of the packet */
    STATUS_NO_CHECKSUM = 0x04,
    STATUS_VLAN = 0x08,
    STATUS_TRANSPORT_SEEN = 0x20,
    STATUS_NETWORK_SEEN = 0x40,
    STATUS_INEXACT = 0x80, /* it passed by its hash only */
    ERROR_TRANSPORT = 0x20,
    ERROR_NETWORK = 0x40,
};

struct descriptor {
    uint64_t address;
    uint16_t length;
    uint16_t checksum;
    uint8_t status, errors;
    uint16_t tag;
};

/* What is known of a frame before it is stored. */
struct arrival {
    const uint8_t *frame;
    size_t bytes;
    uint8_t status, errors;
    uint16_t tag;
};

static uint32_t receive_control(const struct e1000 *card)
{
    return card->registers[REG_RCTL / 4];
}

static size_t buffer_bytes(const struct e1000 *card)
{
    uint32_t control = receive_control(card);
    size_t bytes = (size_t)2048 >> (control >> RCTL_SIZE_SHIFT & 3);
    return control & RCTL_SIZE_EXTENDED && bytes < 2048 ? bytes * 16 : bytes;
}

static uint32_t ring_count(const struct e1000 *card)
{
    return card->registers[REG_RDLEN / 4] / DESCRIPTOR_BYTES;
}

/* Buffers that the driver has given. */
static uint32_t buffers_free(const struct e1000 *card)
{
    uint32_t count = ring_count(card);
    uint32_t head = card->registers[REG_RDH / 4], tail = card->registers[REG_RDT / 4];
    if (count == 0 || head >= count || tail >= count) {
        return 0;
    }
    return tail >= head ? tail - head : count - head + tail;
}

static bool is_receiving(const struct e1000 *card)
{
    return (receive_control(card) & RCTL_ENABLE) && card->is_up &&
           pci_is_bus_master(&card->function);
}

/* Whether a frame of `bytes` finds enough buffers. */
static bool has_room(const struct e1000 *card, size_t bytes)
{
    return buffers_free(card) >=
           (bytes + CHECK_SEQUENCE_BYTES - 1) / buffer_bytes(card) + 1;
}

bool e1000_can_receive(void *opaque)
{
    const struct e1000 *card = opaque;
    return !is_receiving(card) || has_room(card, LONGEST_NORMAL);
}

/* -- filters -- */

static bool has_exact_address(const struct e1000 *card, const uint8_t *frame)
{
    for (unsigned i = 0; i < ADDRESSES; i++) {
        const uint32_t *pair = &card->registers[REG_RAL / 4 + 2 * i];
        if (pair[1] >> ADDRESS_VALID_BIT &&
            memcmp(frame, pair, NETWORK_ADDRESS_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* Twelve bits of the address's end choose a bit of the table. */
static bool passes_hash(const struct e1000 *card, const uint8_t *frame)
{
    static const uint8_t shifts[] = {4, 3, 2, 0};
    unsigned shift = shifts[receive_control(card) >> RCTL_HASH_SHIFT & 3];
    unsigned hash = (unsigned)(frame[4] | frame[5] << 8) >> shift & 0xfff;
    return card->registers[REG_MTA / 4 + (hash >> 5)] >> (hash & 31) & 1;
}

static bool passes_vlan(const struct e1000 *card, const struct arrival *arrival)
{
    if (!(receive_control(card) & RCTL_VLAN_FILTER) || arrival->bytes < TAG_PLACE + 4 ||
        get_be16(arrival->frame + TAG_PLACE) != card->registers[REG_VET / 4]) {
        return true;
    }
    unsigned vlan = get_be16(arrival->frame + TAG_PLACE + 2) & VLAN_MASK;
    return card->registers[REG_VFTA / 4 + (vlan >> 5)] >> (vlan & 31) & 1;
}

static bool is_for_us(const struct e1000 *card, struct arrival *arrival)
{
    const uint8_t *frame = arrival->frame;
    uint32_t control = receive_control(card);
    if (!passes_vlan(card, arrival)) {
        return false;
    }
    if (has_exact_address(card, frame)) {
        return true;
    }
    if (network_is_broadcast(frame)) {
        return control & RCTL_BROADCAST;
    }
    if (!network_is_multicast(frame)) {
        return control & RCTL_ALL_UNICAST;
    }
    if (control & RCTL_ALL_MULTICAST) {
        return true;
    }
    arrival->status |= STATUS_INEXACT;
    return passes_hash(card, frame);
}

/* -- storing -- */

static void check(const struct e1000 *card, struct arrival *arrival)
{
    uint32_t wanted = card->registers[REG_RXCSUM / 4];
    unsigned verdict = internet_verify(arrival->frame, arrival->bytes);
    if ((wanted & RXCSUM_NETWORK) && (verdict & INTERNET_NETWORK_SEEN)) {
        arrival->status |= STATUS_NETWORK_SEEN;
        arrival->errors |= verdict & INTERNET_NETWORK_WRONG ? ERROR_NETWORK : 0;
    }
    if ((wanted & RXCSUM_TRANSPORT) && (verdict & INTERNET_TRANSPORT_SEEN)) {
        arrival->status |= STATUS_TRANSPORT_SEEN;
        arrival->errors |= verdict & INTERNET_TRANSPORT_WRONG ? ERROR_TRANSPORT : 0;
    }
    if (!(arrival->status & (STATUS_NETWORK_SEEN | STATUS_TRANSPORT_SEEN))) {
        arrival->status |= STATUS_NO_CHECKSUM;
    }
}

static void count_frame(struct e1000 *card, const struct arrival *arrival)
{
    uint32_t octets = (uint32_t)arrival->bytes + CHECK_SEQUENCE_BYTES;
    e1000_count_size(card, REG_PRC64, octets);
    e1000_count(card, REG_GPRC, 1);
    e1000_count_octets(card, REG_GORCL, octets);
    if (network_is_broadcast(arrival->frame)) {
        e1000_count(card, REG_BPRC, 1);
    } else if (network_is_multicast(arrival->frame)) {
        e1000_count(card, REG_MPRC, 1);
    }
}

/* Puts the frame into as many buffers as it needs; they are there. */
static void store(struct e1000 *card, const struct arrival *arrival)
{
    uint64_t base =
        (uint64_t)card->registers[REG_RDBAH / 4] << 32 | card->registers[REG_RDBAL / 4];
    uint32_t *head = e1000_register(card, REG_RDH);
    uint32_t count = ring_count(card);
    size_t room = buffer_bytes(card);
    for (size_t done = 0; done < arrival->bytes;) {
        gpa_t place = base + (uint64_t)*head * DESCRIPTOR_BYTES;
        struct descriptor descriptor;
        size_t part = arrival->bytes - done;
        part = part < room ? part : room;
        pci_dma_read(&card->function, place, &descriptor, sizeof(descriptor));
        if (descriptor.address) {
            pci_dma_write(&card->function, descriptor.address, arrival->frame + done,
                          part);
        }
        done += part;
        descriptor.length = (uint16_t)part;
        descriptor.checksum = 0;
        descriptor.status = STATUS_DONE;
        descriptor.errors = 0;
        descriptor.tag = arrival->tag;
        if (done == arrival->bytes) {
            descriptor.status |= STATUS_END | arrival->status;
            descriptor.errors = arrival->errors;
        }
        pci_dma_write(&card->function, place, &descriptor, sizeof(descriptor));
        *head = *head + 1 < count ? *head + 1 : 0;
    }
}

/* RXT0, at once or when the delays have passed that the driver asks for. */
static void report(struct e1000 *card, size_t bytes)
{
    uint64_t delay_ns = *e1000_register(card, REG_RDTR) * (uint64_t)DELAY_UNIT_NS;
    uint64_t longest_ns = *e1000_register(card, REG_RADV) * (uint64_t)DELAY_UNIT_NS;
    uint32_t causes = 0;
    unsigned shift = 1 + (receive_control(card) >> RCTL_THRESHOLD_SHIFT & 3);
    if (buffers_free(card) <= ring_count(card) >> shift) {
        causes |= ICR_RXDMT0;
    }
    if (bytes <= *e1000_register(card, REG_RSRPD)) {
        causes |= ICR_SRPD;
    }
    if (delay_ns == 0) {
        e1000_raise(card, causes | ICR_RXT0);
        return;
    }
    uint64_t now_ns = clock_now_ns(card->clock);
    if (card->receive_deadline_ns == NO_DEADLINE) {
        card->receive_latest_ns = longest_ns ? now_ns + longest_ns : CLOCK_NEVER - 1;
    }
    uint64_t deadline_ns = now_ns + delay_ns;
    card->receive_deadline_ns =
        deadline_ns < card->receive_latest_ns ? deadline_ns : card->receive_latest_ns;
    timer_set_ns(&card->receive_timer, card->receive_deadline_ns);
    e1000_raise(card, causes);
}

/* The tag goes to the descriptor. */
static void take_tag_off(const struct e1000 *card, struct arrival *arrival,
                         uint8_t *bytes)
{
    if (!(card->registers[REG_CTRL / 4] & CTRL_VME) ||
        get_be16(bytes + TAG_PLACE) != card->registers[REG_VET / 4]) {
        return;
    }
    arrival->tag = get_be16(bytes + TAG_PLACE + 2);
    arrival->status |= STATUS_VLAN;
    memmove(bytes + TAG_PLACE, bytes + TAG_PLACE + TAG_BYTES,
            arrival->bytes - TAG_PLACE - TAG_BYTES);
    arrival->bytes -= TAG_BYTES;
}

static void receive(struct e1000 *card, const uint8_t *frame, size_t bytes)
{
    uint8_t copy[NETWORK_MAXIMUM_BYTES + CHECK_SEQUENCE_BYTES];
    struct arrival arrival = {.frame = frame, .bytes = bytes};
    e1000_count(card, REG_TPR, 1);
    e1000_count_octets(card, REG_TORL, (uint32_t)bytes + CHECK_SEQUENCE_BYTES);
    if (bytes > LONGEST_NORMAL && !(receive_control(card) & RCTL_LONG)) {
        e1000_count(card, REG_ROC, 1);
        return;
    }
    if (!is_for_us(card, &arrival)) {
        return;
    }
    memcpy(copy, frame, bytes);
    if (bytes < NETWORK_MINIMUM_BYTES) {
        memset(copy + bytes, 0, NETWORK_MINIMUM_BYTES - bytes);
        arrival.bytes = NETWORK_MINIMUM_BYTES;
    }
    arrival.frame = copy;
    take_tag_off(card, &arrival, copy);
    check(card, &arrival);
    count_frame(card, &arrival);
    if (!(receive_control(card) & RCTL_STRIP_CHECK_SEQUENCE)) {
        /* Nobody looks at it: the card has. */
        memset(copy + arrival.bytes, 0, CHECK_SEQUENCE_BYTES);
        arrival.bytes += CHECK_SEQUENCE_BYTES;
    }
    store(card, &arrival);
    report(card, bytes);
}

bool e1000_receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct e1000 *card = opaque;
    if (!is_receiving(card) || bytes / buffer_bytes(card) + 2 > ring_count(card)) {
        return true; /* and lost: it would never fit */
    }
    if (!has_room(card, bytes)) {
        e1000_count(card, REG_RNBC, 1);
        return false;
    }
    receive(card, frame, bytes);
    return true;
}

void e1000_buffers_added(struct e1000 *card)
{
    if (e1000_can_receive(card)) {
        network_resume(&card->port);
    }
}
