/* The RTL8029 and the DP8390 in it, by its ports. */
#include "network_bench.h"

#include "devices/ne2k_pci.h"

enum {
    DATA = CARD_PORTS + 0x10,
    RESET = CARD_PORTS + 0x18,
    RING_START = 0x4c,
    RING_STOP = 0x60,
    TRANSMIT_PAGE = 0x40,
    RECEIVED = 1,
    TRANSMITTED = 2,
    REMOTE_DONE = 0x40,
    RESET_SEEN = 0x80,
    PAGE_1 = 0x40,
};

struct fixture {
    struct bench *bench;
    struct ne2k_pci *card;
    struct wire wire;
};

static uint8_t get(struct fixture *fixture, unsigned offset)
{
    return in8(fixture->bench, (uint16_t)(CARD_PORTS + offset));
}

static void set(struct fixture *fixture, unsigned offset, uint8_t value)
{
    out8(fixture->bench, (uint16_t)(CARD_PORTS + offset), value);
}

/* As a driver does, but for the command that starts it. */
static void prepare(struct fixture *fixture)
{
    set(fixture, 0, 0x21);
    set(fixture, 14, 0x49); /* words, no loopback */
    set(fixture, 12, 0x04); /* broadcasts */
    set(fixture, 13, 0);
    set(fixture, 1, RING_START);
    set(fixture, 2, RING_STOP);
    set(fixture, 3, RING_START);
    set(fixture, 4, TRANSMIT_PAGE);
    set(fixture, 7, 0xff);
    set(fixture, 15, RECEIVED | TRANSMITTED);
    set(fixture, 0, PAGE_1 | 0x21);
    for (unsigned i = 0; i < NETWORK_ADDRESS_BYTES; i++) {
        set(fixture, 1 + i, card_address[i]);
    }
    set(fixture, 7, RING_START + 1);
    set(fixture, 0, 0x21);
}

static int setup(void **state)
{
    static struct fixture fixture;
    struct bench *bench = bench_create();
    fixture.bench = bench;
    fixture.card = ne2k_pci_create(&bench->log, bench->bus, CARD_SLOT, card_address);
    wire_connect(&fixture.wire, ne2k_pci_port(fixture.card));
    card_enable(bench, 1, 0);
    prepare(&fixture);
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

static void set_remote(struct fixture *fixture, uint16_t address, uint16_t bytes,
                       uint8_t command)
{
    set(fixture, 8, (uint8_t)address);
    set(fixture, 9, (uint8_t)(address >> 8));
    set(fixture, 10, (uint8_t)bytes);
    set(fixture, 11, (uint8_t)(bytes >> 8));
    set(fixture, 0, command);
}

static void test_prom(void **state)
{
    struct fixture *fixture = *state;
    set_remote(fixture, 0, 32, 0x0a);
    for (unsigned i = 0; i < NETWORK_ADDRESS_BYTES; i++) {
        assert_int_equal(in8(fixture->bench, DATA), card_address[i]);
    }
    for (unsigned i = NETWORK_ADDRESS_BYTES; i < 16; i++) {
        assert_int_equal(in8(fixture->bench, DATA), i < 14 ? 0 : 0x57);
    }
    assert_true(get(fixture, 7) & REMOTE_DONE);
    assert_int_equal(get(fixture, 10), 'P'); /* what tells an RTL8029 */
    assert_int_equal(get(fixture, 11), 'C');
}

static void test_remote_dma(void **state)
{
    struct fixture *fixture = *state;
    struct port_space *ports = &fixture->bench->ports;
    set_remote(fixture, 0x4000, 8, 0x12);
    port_write(ports, DATA, 0x2211, 2);
    port_write(ports, DATA, 0x66554433, 4);
    assert_false(get(fixture, 7) & REMOTE_DONE);
    port_write(ports, DATA, 0x8877, 2);
    assert_true(get(fixture, 7) & REMOTE_DONE);
    port_write(ports, DATA, 0xffff, 2); /* too late */
    set_remote(fixture, 0x4000, 8, 0x0a);
    assert_int_equal(port_read(ports, DATA, 4), 0x44332211);
    assert_int_equal(port_read(ports, DATA, 4), 0x88776655);
    assert_int_equal(port_read(ports, DATA, 4), 0xffffffff);
    set_remote(fixture, 0x4008, 2, 0x0a);
    assert_int_equal(port_read(ports, DATA, 2), 0);
}

static void write_frame(struct fixture *fixture, const uint8_t *frame, size_t bytes)
{
    set_remote(fixture, TRANSMIT_PAGE << 8, (uint16_t)bytes, 0x12);
    for (size_t i = 0; i < bytes; i += 2) {
        port_write(&fixture->bench->ports, DATA, frame[i] | frame[i + 1] << 8, 2);
    }
    set(fixture, 5, (uint8_t)bytes);
    set(fixture, 6, (uint8_t)(bytes >> 8));
}

static void test_transmit(void **state)
{
    struct fixture *fixture = *state;
    uint8_t frame[300];
    make_frame(frame, sizeof(frame), card_address);
    write_frame(fixture, frame, sizeof(frame));
    set(fixture, 0, 0x26);
    assert_int_equal(fixture->wire.count, 1);
    assert_int_equal(fixture->wire.bytes[0], sizeof(frame));
    assert_memory_equal(fixture->wire.frames[0], frame, sizeof(frame));
    assert_int_equal(get(fixture, 0) & 4, 0);
    assert_int_equal(get(fixture, 4) & 1, 1);
    assert_true(card_interrupts(fixture->bench));
    set(fixture, 7, TRANSMITTED);
    assert_false(card_interrupts(fixture->bench));
    /* The cable is full: it goes on transmitting. */
    fixture->wire.is_full = true;
    set(fixture, 0, 0x26);
    assert_int_equal(get(fixture, 0) & 4, 4);
    assert_false(card_interrupts(fixture->bench));
    fixture->wire.is_full = false;
    network_resume(&fixture->wire.port);
    assert_int_equal(fixture->wire.count, 2);
    assert_true(card_interrupts(fixture->bench));
}

static bool send(struct fixture *fixture, size_t bytes, const uint8_t *address)
{
    uint8_t frame[2048];
    make_frame(frame, bytes, address);
    return network_send(&fixture->wire.port, frame, bytes);
}

static uint8_t current(struct fixture *fixture)
{
    set(fixture, 0, PAGE_1 | 0x22);
    uint8_t page = get(fixture, 7);
    set(fixture, 0, 0x22);
    return page;
}

static void test_receive(void **state)
{
    struct fixture *fixture = *state;
    struct port_space *ports = &fixture->bench->ports;
    assert_true(send(fixture, 100, card_address)); /* lost: stopped */
    set(fixture, 0, 0x22);
    assert_int_equal(current(fixture), RING_START + 1);
    assert_true(send(fixture, 100, card_address));
    assert_int_equal(current(fixture), RING_START + 2);
    assert_true(card_interrupts(fixture->bench));
    set_remote(fixture, (RING_START + 1) << 8, 104, 0x0a);
    assert_int_equal(port_read(ports, DATA, 4), 104 << 16 | (RING_START + 2) << 8 | 1);
    uint8_t expected[100];
    make_frame(expected, sizeof(expected), card_address);
    for (unsigned i = 0; i < sizeof(expected); i += 2) {
        assert_int_equal(port_read(ports, DATA, 2), expected[i] | expected[i + 1] << 8);
    }
}

/* Frames of six pages each in a ring of 20: the fourth finds no room, until the driver
 * has read one; then the ring goes round. */
static void test_ring(void **state)
{
    struct fixture *fixture = *state;
    struct port_space *ports = &fixture->bench->ports;
    set(fixture, 0, 0x22);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(send(fixture, 1500, card_address));
    }
    assert_false(network_can_send(&fixture->wire.port));
    assert_false(send(fixture, 1500, card_address));
    /* What is in the ring is not forgotten while nothing else can come. */
    set(fixture, 7, 1);
    assert_int_equal(port_read(ports, CARD_PORTS + 7, 1) & 1, 1);
    unsigned resumes = fixture->wire.resumes;
    set(fixture, 3, RING_START + 12);
    set(fixture, 7, 1);
    assert_int_equal(port_read(ports, CARD_PORTS + 7, 1) & 1, 0);
    assert_int_equal(fixture->wire.resumes, resumes + 1);
    assert_true(send(fixture, 1500, card_address));
    assert_int_equal(current(fixture), RING_START + 5);
    set_remote(fixture, (RING_START + 19) << 8, 0x200, 0x0a);
    assert_int_equal(port_read(ports, DATA, 4), 1504 << 16 | (RING_START + 5) << 8 | 1);
    for (unsigned i = 4; i < 0x100; i += 2) {
        port_read(ports, DATA, 2);
    }
    /* The frame's byte 252 is the first in the first page. */
    assert_int_equal(port_read(ports, DATA, 2), 252 | 253 << 8);
}

static void test_filters(void **state)
{
    static const uint8_t other[] = {0x52, 0x54, 0, 1, 2, 3};
    static const uint8_t group[] = {1, 0, 0x5e, 0, 0, 1};
    static const uint8_t all[] = {255, 255, 255, 255, 255, 255};
    static const struct {
        const uint8_t *address;
        uint8_t control;
        bool hash, passes;
    } rows[] = {
        {other, 0, false, false},
        {other, 0x10, false, true},
        {group, 8, false, false},
        {group, 8, true, true},
        {group, 0, true, false},
        {all, 0, false, false},
        {all, 4, false, true},
        {card_address, 0, false, true},
        {card_address, 0x20, false, false},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        set(fixture, 0, 0x22);
        set(fixture, 12, rows[i].control);
        set(fixture, 0, PAGE_1 | 0x22);
        for (unsigned j = 0; j < 8; j++) {
            set(fixture, 8 + j, rows[i].hash ? 0xff : 0);
        }
        uint8_t before = current(fixture);
        assert_true(send(fixture, 64, rows[i].address));
        assert_int_equal(current(fixture), before + rows[i].passes);
    }
}

static void test_reset_port(void **state)
{
    struct fixture *fixture = *state;
    set(fixture, 0, 0x22);
    assert_false(get(fixture, 7) & RESET_SEEN);
    in8(fixture->bench, RESET);
    assert_true(get(fixture, 7) & RESET_SEEN);
    assert_int_equal(get(fixture, 0), 0x21);
}

#define CARD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CARD_TEST(test_prom),       CARD_TEST(test_remote_dma),
        CARD_TEST(test_transmit),   CARD_TEST(test_receive),
        CARD_TEST(test_ring),       CARD_TEST(test_filters),
        CARD_TEST(test_reset_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
