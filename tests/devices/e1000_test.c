/* The 82540EM by its registers and rings. */
#include "network_bench.h"

#include "devices/e1000.h"
#include "devices/internet_packet.h"

enum {
    CTRL = 0x0000,
    STATUS = 0x0008,
    EECD = 0x0010,
    EERD = 0x0014,
    MDIC = 0x0020,
    ICR = 0x00c0,
    ITR = 0x00c4,
    IMS = 0x00d0,
    RCTL = 0x0100,
    TCTL = 0x0400,
    RDBAL = 0x2800,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    RDTR = 0x2820,
    TDBAL = 0x3800,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    GPRC = 0x4074,
    GPTC = 0x4080,
    GOTCL = 0x4088 + 8,
    RXCSUM = 0x5000,
    MTA = 0x5200,
    TRANSMIT_RING = 0x200000,
    RECEIVE_RING = 0x210000,
    BUFFERS = 0x220000,
    PACKET = 0x300000,
    RING = 16,
    TXDW = 1,
    LSC = 4,
    RXT0 = 0x80,
    NEGOTIATION_MS = 20,
};

struct fixture {
    struct bench *bench;
    struct e1000 *card;
    struct wire wire;
};

struct descriptor {
    uint64_t address;
    uint32_t command, status;
};

static int setup(void **state)
{
    static struct fixture fixture;
    struct bench *bench = bench_create();
    fixture.bench = bench;
    fixture.card =
        e1000_create(&bench->log, &bench->clock, bench->bus, CARD_SLOT, card_address);
    wire_connect(&fixture.wire, e1000_port(fixture.card));
    ((struct device *)fixture.card)->class->reset(fixture.card);
    card_enable(bench, 0, 1);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    device_destroy((struct device *)fixture->card);
    bench_destroy(fixture->bench);
    return 0;
}

static uint32_t get(struct fixture *fixture, unsigned offset)
{
    return card_read(fixture->bench, offset, 4);
}

static void set(struct fixture *fixture, unsigned offset, uint32_t value)
{
    card_write(fixture->bench, offset, value, 4);
}

/* -- EEPROM and transceiver -- */

static uint16_t read_eeprom_by_bits(struct fixture *fixture, unsigned address)
{
    unsigned command = 6U << 6 | address, word = 0;
    set(fixture, EECD, 0x42); /* request, select */
    for (int bit = 8; bit >= 0; bit--) {
        uint32_t in = command >> bit & 1 ? 4 : 0;
        set(fixture, EECD, 0x42 | in);
        set(fixture, EECD, 0x43 | in);
    }
    for (int bit = 0; bit < 16; bit++) {
        set(fixture, EECD, 0x42);
        set(fixture, EECD, 0x43);
        word = word << 1 | (get(fixture, EECD) >> 3 & 1);
    }
    set(fixture, EECD, 0);
    return (uint16_t)word;
}

static void test_eeprom(void **state)
{
    struct fixture *fixture = *state;
    uint16_t sum = 0;
    for (unsigned i = 0; i < 64; i++) {
        uint16_t word = read_eeprom_by_bits(fixture, i);
        set(fixture, EERD, 1 | i << 8);
        assert_int_equal(get(fixture, EERD) & 0x10, 0x10);
        assert_int_equal(get(fixture, EERD) >> 16, word);
        sum = (uint16_t)(sum + word);
        if (i < 3) {
            assert_int_equal(word & 0xff, card_address[2 * i]);
            assert_int_equal(word >> 8, card_address[2 * i + 1]);
        }
    }
    assert_int_equal(sum, 0xbaba);
}

static uint32_t phy(struct fixture *fixture, uint32_t command)
{
    set(fixture, MDIC, command | 1 << 21);
    assert_true(get(fixture, MDIC) & 1 << 28);
    return get(fixture, MDIC) & 0xffff;
}

static void test_phy_and_link(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(phy(fixture, 2 << 26 | 2 << 16), 0x0141);
    assert_int_equal(phy(fixture, 2 << 26 | 3 << 16), 0x0c20);
    assert_true(get(fixture, STATUS) & 2);
    set(fixture, IMS, LSC);
    phy(fixture, 1 << 26 | 0x1340); /* negotiate anew */
    assert_false(get(fixture, STATUS) & 2);
    assert_true(get(fixture, ICR) & LSC);
    assert_false(card_interrupts(fixture->bench));
    clock_step_ns(&fixture->bench->clock, NEGOTIATION_MS * 1000000);
    assert_true(get(fixture, STATUS) & 2);
    assert_true(card_interrupts(fixture->bench));
    assert_true(phy(fixture, 2 << 26 | 1 << 16) & 4);
    network_set_link(&fixture->wire.port, false);
    assert_false(get(fixture, STATUS) & 2);
    clock_step_ns(&fixture->bench->clock, NS_PER_SECOND);
    assert_false(get(fixture, STATUS) & 2);
    set(fixture, MDIC, 2 << 26 | 2 << 21); /* no such transceiver */
    assert_true(get(fixture, MDIC) & 1 << 30);
}

/* -- transmitting -- */

static void start_transmitter(struct fixture *fixture)
{
    set(fixture, TDBAL, TRANSMIT_RING);
    set(fixture, TDLEN, RING * 16);
    set(fixture, TCTL, 2 | 8);
}

static void put(struct fixture *fixture, unsigned index, uint64_t address,
                uint32_t command, uint32_t status)
{
    const struct descriptor descriptor = {address, command, status};
    memory_write(&fixture->bench->memory, TRANSMIT_RING + 16 * index, &descriptor,
                 sizeof(descriptor));
}

static bool is_done(struct fixture *fixture, gpa_t ring, unsigned index)
{
    return memory_read32(&fixture->bench->memory, ring + 16 * index + 12) & 1;
}

static void test_transmit(void **state)
{
    struct fixture *fixture = *state;
    uint8_t frame[100];
    make_frame(frame, sizeof(frame), card_address);
    memory_write(&fixture->bench->memory, PACKET, frame, sizeof(frame));
    set(fixture, IMS, TXDW);
    start_transmitter(fixture);
    /* Two descriptors make a frame; the third is a short one, filled up. */
    put(fixture, 0, PACKET, 40, 0);
    put(fixture, 1, PACKET + 40, 0x0b000000 | 60, 0);
    put(fixture, 2, PACKET, 0x01000000 | 20, 0);
    set(fixture, TDT, 3);
    assert_int_equal(fixture->wire.count, 2);
    assert_int_equal(fixture->wire.bytes[0], 100);
    assert_memory_equal(fixture->wire.frames[0], frame, 100);
    assert_int_equal(fixture->wire.bytes[1], 60);
    assert_int_equal(fixture->wire.frames[1][20], 0);
    assert_false(is_done(fixture, TRANSMIT_RING, 0));
    assert_true(is_done(fixture, TRANSMIT_RING, 1));
    assert_int_equal(get(fixture, TDH), 3);
    assert_true(card_interrupts(fixture->bench));
    assert_true(get(fixture, ICR) & TXDW);
    assert_false(card_interrupts(fixture->bench));
    assert_int_equal(get(fixture, GPTC), 2);
    assert_int_equal(get(fixture, GPTC), 0);
    assert_int_equal(get(fixture, GOTCL), 104 + 64);
}

/* The cable is full in the middle of a packet; the card waits, and can be saved. */
static void test_transmit_waits(void **state)
{
    struct fixture *fixture = *state;
    struct state_buffer saved = {0};
    struct error error;
    uint8_t frame[100];
    make_frame(frame, sizeof(frame), card_address);
    memory_write(&fixture->bench->memory, PACKET, frame, sizeof(frame));
    start_transmitter(fixture);
    fixture->wire.is_full = true;
    put(fixture, 0, PACKET, 40, 0);
    put(fixture, 1, PACKET + 40, 0x09000000 | 60, 0);
    set(fixture, TDT, 2);
    assert_int_equal(get(fixture, TDH), 1);
    assert_false(is_done(fixture, TRANSMIT_RING, 1));
    device_save((struct device *)fixture->card, &saved);
    ((struct device *)fixture->card)->class->reset(fixture->card);
    assert_true(device_load((struct device *)fixture->card, &saved, &error));
    state_buffer_free(&saved);
    fixture->wire.is_full = false;
    network_resume(&fixture->wire.port);
    assert_int_equal(fixture->wire.count, 1);
    assert_memory_equal(fixture->wire.frames[0], frame, 100);
    assert_true(is_done(fixture, TRANSMIT_RING, 1));
    assert_int_equal(get(fixture, TDH), 2);
}

/* Ethernet, IPv4 and TCP headers, then payload; checksums are for the card to do. */
static size_t make_tcp(uint8_t *packet, size_t payload)
{
    static const uint8_t headers[] = {
        0x52, 0x55, 0, 0,  0,  1, 0x52, 0x54, 0,  0x12, 0x34, 0x56,
        8,    0,                                                 /* Ethernet */
        0x45, 0,    0, 0,  0,  7, 0x40, 0,    64, 6,    0,    0, /* IPv4 */
        10,   0,    2, 15, 10, 0, 2,    2,                       /* addresses */
        0,    80,   4, 0,  0,  0, 0x10, 0,    0,  0,    0,    0,
        0x50, 0x19, /* TCP */
        1,    0,    0, 0,  0,  0,
    };
    memcpy(packet, headers, sizeof(headers));
    for (size_t i = 0; i < payload; i++) {
        packet[sizeof(headers) + i] = (uint8_t)(i * 7);
    }
    return sizeof(headers) + payload;
}

static void put_context(struct fixture *fixture, unsigned index, uint32_t payload,
                        uint32_t command, uint16_t segment)
{
    uint64_t where = 14 | 24 << 8 | 33 << 16 | 34ULL << 32 | 50ULL << 40;
    put(fixture, index, where, payload | (command | 0x20) << 24,
        54 << 8 | (uint32_t)segment << 16);
}

static void test_segmentation(void **state)
{
    struct fixture *fixture = *state;
    uint8_t packet[4096];
    size_t length = make_tcp(packet, 2500);
    memory_write(&fixture->bench->memory, PACKET, packet, length);
    start_transmitter(fixture);
    put_context(fixture, 0, 2500, 7, 1000); /* TSE, IPv4, TCP */
    put(fixture, 1, PACKET, (uint32_t)length | 0x2d100000, 0x300);
    set(fixture, TDT, 2);
    assert_int_equal(fixture->wire.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *frame = fixture->wire.frames[i];
        size_t part = i < 2 ? 1000 : 500;
        assert_int_equal(fixture->wire.bytes[i], 54 + part);
        assert_int_equal(get_be16(frame + 16), 40 + part);
        assert_int_equal(get_be16(frame + 18), 7 + i);
        assert_int_equal(get_be32(frame + 38), 0x1000 + 1000 * i);
        assert_int_equal(frame[47], i < 2 ? 0x10 : 0x19); /* FIN, PSH at the end */
        assert_memory_equal(frame + 54, packet + 54 + 1000 * i, part);
        assert_int_equal(internet_verify(frame, fixture->wire.bytes[i]),
                         INTERNET_NETWORK_SEEN | INTERNET_TRANSPORT_SEEN);
    }
    assert_true(is_done(fixture, TRANSMIT_RING, 1));
}

static void test_checksums(void **state)
{
    struct fixture *fixture = *state;
    uint8_t packet[256];
    size_t length = make_tcp(packet, 101);
    put_be16(packet + 16, (uint16_t)(length - 14));
    /* The driver leaves the sum of the pseudo header. */
    uint32_t pseudo = internet_sum(6 + 20 + 101, packet + 26, 8);
    put_be16(packet + 50, (uint16_t)~internet_checksum(pseudo));
    memory_write(&fixture->bench->memory, PACKET, packet, length);
    start_transmitter(fixture);
    put_context(fixture, 0, 0, 3, 0);
    put(fixture, 1, PACKET, (uint32_t)length | 0x2b100000, 0x300);
    set(fixture, TDT, 2);
    assert_int_equal(fixture->wire.count, 1);
    assert_int_equal(internet_verify(fixture->wire.frames[0], length),
                     INTERNET_NETWORK_SEEN | INTERNET_TRANSPORT_SEEN);
}

static void test_tag_is_inserted(void **state)
{
    struct fixture *fixture = *state;
    uint8_t frame[100];
    make_frame(frame, sizeof(frame), card_address);
    memory_write(&fixture->bench->memory, PACKET, frame, sizeof(frame));
    set(fixture, CTRL, 1 << 30);
    start_transmitter(fixture);
    put(fixture, 0, PACKET, 0x49000000 | 100, 0x2345 << 16);
    set(fixture, TDT, 1);
    assert_int_equal(fixture->wire.bytes[0], 104);
    assert_int_equal(get_be32(fixture->wire.frames[0] + 12), 0x81002345);
    assert_memory_equal(fixture->wire.frames[0] + 16, frame + 12, 88);
}

/* -- receiving -- */

static void start_receiver(struct fixture *fixture, uint32_t control)
{
    set(fixture, RDBAL, RECEIVE_RING);
    set(fixture, RDLEN, RING * 16);
    for (unsigned i = 0; i < RING; i++) {
        const struct descriptor descriptor = {BUFFERS + 2048 * i, 0, 0};
        memory_write(&fixture->bench->memory, RECEIVE_RING + 16 * i, &descriptor,
                     sizeof(descriptor));
    }
    set(fixture, RDH, 0);
    set(fixture, RDT, RING - 1);
    set(fixture, RCTL, 2 | control);
}

static bool send(struct fixture *fixture, size_t bytes, const uint8_t *address)
{
    uint8_t frame[2048];
    make_frame(frame, bytes, address);
    return network_send(&fixture->wire.port, frame, bytes);
}

static void test_receive(void **state)
{
    struct fixture *fixture = *state;
    uint8_t expected[100], found[100];
    set(fixture, IMS, RXT0);
    assert_true(send(fixture, 100, card_address)); /* lost: switched off */
    start_receiver(fixture, 0);
    assert_true(send(fixture, 100, card_address));
    make_frame(expected, sizeof(expected), card_address);
    memory_read(&fixture->bench->memory, BUFFERS, found, sizeof(found));
    assert_memory_equal(found, expected, sizeof(found));
    uint32_t length = memory_read32(&fixture->bench->memory, RECEIVE_RING + 8);
    assert_int_equal(length & 0xffff, 104); /* with the check sequence */
    assert_int_equal(memory_read32(&fixture->bench->memory, RECEIVE_RING + 12) & 3, 3);
    assert_int_equal(get(fixture, RDH), 1);
    assert_true(card_interrupts(fixture->bench));
    assert_int_equal(get(fixture, GPRC), 1);
}

static void test_filters(void **state)
{
    static const uint8_t other[] = {0x52, 0x54, 0, 1, 2, 3};
    static const uint8_t group[] = {1, 0, 0x5e, 0, 0, 0xfb};
    static const uint8_t all[] = {255, 255, 255, 255, 255, 255};
    static const struct {
        const uint8_t *address;
        uint32_t control;
        bool hash, passes;
    } rows[] = {
        {other, 0, false, false},
        {other, 1 << 3, false, true},
        {group, 0, false, false},
        {group, 1 << 4, false, true},
        {group, 0, true, true},
        {all, 0, false, false},
        {all, 1 << 15, false, true},
        {card_address, 0, false, true},
        {card_address, 1 << 18, false, true},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        unsigned hash = (group[4] | group[5] << 8) >> 4 & 0xfff;
        set(fixture, MTA + hash / 32 * 4, rows[i].hash ? 1U << hash % 32 : 0);
        start_receiver(fixture, rows[i].control);
        assert_true(send(fixture, 64, rows[i].address));
        assert_int_equal(get(fixture, RDH), rows[i].passes);
    }
}

/* Buffers of 256 bytes; then there are none left, and then there are again. */
static void test_receive_waits(void **state)
{
    struct fixture *fixture = *state;
    start_receiver(fixture, 3 << 16 | 1 << 26);
    assert_true(send(fixture, 1500, card_address));
    assert_int_equal(get(fixture, RDH), 6);
    assert_int_equal(memory_read32(&fixture->bench->memory, RECEIVE_RING + 12) & 3, 1);
    assert_int_equal(
        memory_read32(&fixture->bench->memory, RECEIVE_RING + 16 * 5 + 12) & 3, 3);
    assert_int_equal(memory_read32(&fixture->bench->memory, RECEIVE_RING + 16 * 5 + 8) &
                         0xffff,
                     1500 - 5 * 256);
    assert_true(send(fixture, 1500, card_address));
    assert_false(send(fixture, 1500, card_address));
    assert_false(network_can_send(&fixture->wire.port));
    unsigned resumes = fixture->wire.resumes;
    set(fixture, RDT, 8);
    assert_int_equal(fixture->wire.resumes, resumes + 1);
    assert_true(send(fixture, 1500, card_address));
}

static void test_received_checksums(void **state)
{
    struct fixture *fixture = *state;
    uint8_t packet[256];
    size_t length = make_tcp(packet, 50);
    struct segmentation segmentation = {packet, length, 54, 1000, 14, 34, false, true};
    uint8_t frame[256];
    assert_int_equal(segmentation_make(&segmentation, 0, frame), length);
    start_receiver(fixture, 0);
    set(fixture, RXCSUM, 0x300);
    assert_true(network_send(&fixture->wire.port, frame, length));
    memcpy(frame, card_address, sizeof(card_address));
    assert_true(network_send(&fixture->wire.port, frame, length));
    uint32_t status = memory_read32(&fixture->bench->memory, RECEIVE_RING + 12);
    assert_int_equal(status & 0xffff, 0x63);
    frame[60] ^= 1;
    assert_true(network_send(&fixture->wire.port, frame, length));
    status = memory_read32(&fixture->bench->memory, RECEIVE_RING + 16 + 12);
    assert_int_equal(status & 0xffff, 0x2063);
}

static void test_tag_is_taken_off(void **state)
{
    struct fixture *fixture = *state;
    uint8_t frame[104], found[100];
    make_frame(frame, sizeof(frame), card_address);
    put_be32(frame + 12, 0x81002345);
    set(fixture, CTRL, 1 << 30);
    start_receiver(fixture, 0);
    assert_true(network_send(&fixture->wire.port, frame, sizeof(frame)));
    memory_read(&fixture->bench->memory, BUFFERS, found, sizeof(found));
    assert_memory_equal(found + 12, frame + 16, 88);
    uint32_t status = memory_read32(&fixture->bench->memory, RECEIVE_RING + 12);
    assert_int_equal(status & 8, 8);
    assert_int_equal(status >> 16, 0x2345);
}

/* -- moderation -- */

static void test_interrupts_are_held_back(void **state)
{
    struct fixture *fixture = *state;
    struct clock *clock = &fixture->bench->clock;
    start_receiver(fixture, 0);
    set(fixture, IMS, RXT0);
    set(fixture, ITR, 1000); /* of 256 ns */
    send(fixture, 64, card_address);
    assert_true(card_interrupts(fixture->bench));
    get(fixture, ICR);
    send(fixture, 64, card_address);
    assert_false(card_interrupts(fixture->bench));
    clock_step_ns(clock, 255999);
    assert_false(card_interrupts(fixture->bench));
    clock_step_ns(clock, 1);
    assert_true(card_interrupts(fixture->bench));
    get(fixture, ICR);
    set(fixture, ITR, 0);
    clock_step_ns(clock, NS_PER_SECOND);
    set(fixture, RDTR, 100); /* of 1024 ns, after the last frame */
    send(fixture, 64, card_address);
    clock_step_ns(clock, 100000);
    send(fixture, 64, card_address);
    clock_step_ns(clock, 100000);
    assert_false(card_interrupts(fixture->bench));
    clock_step_ns(clock, 2400);
    assert_true(card_interrupts(fixture->bench));
}

/* Reset by the driver: as after power-on, and the address is there again. */
static void test_reset(void **state)
{
    struct fixture *fixture = *state;
    start_receiver(fixture, 0);
    set(fixture, 0x5400, 0);
    set(fixture, CTRL, 1 << 26);
    assert_int_equal(get(fixture, RCTL), 0);
    assert_int_equal(get(fixture, RDLEN), 0);
    assert_int_equal(get(fixture, 0x5400), 0x12005452);
    assert_int_equal(get(fixture, 0x5404), 0x80005634);
}

/* By ports: an index and a window. */
static void test_ports(void **state)
{
    struct fixture *fixture = *state;
    struct port_space *ports = &fixture->bench->ports;
    port_write(ports, CARD_PORTS, 0x5400, 4);
    assert_int_equal(port_read(ports, CARD_PORTS + 4, 4), 0x12005452);
    port_write(ports, CARD_PORTS, 0x1fffffff, 4);
    assert_int_equal(port_read(ports, CARD_PORTS + 4, 4), 0);
    port_write(ports, CARD_PORTS + 4, 1, 4);
}

#define CARD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CARD_TEST(test_eeprom),
        CARD_TEST(test_phy_and_link),
        CARD_TEST(test_transmit),
        CARD_TEST(test_transmit_waits),
        CARD_TEST(test_segmentation),
        CARD_TEST(test_checksums),
        CARD_TEST(test_tag_is_inserted),
        CARD_TEST(test_receive),
        CARD_TEST(test_filters),
        CARD_TEST(test_receive_waits),
        CARD_TEST(test_received_checksums),
        CARD_TEST(test_tag_is_taken_off),
        CARD_TEST(test_interrupts_are_held_back),
        CARD_TEST(test_reset),
        CARD_TEST(test_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
