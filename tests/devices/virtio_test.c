/* Virtio's transport and queues, and the devices on them, as drivers see them. */
#include "network_bench.h"

#include "devices/internet_packet.h"
#include "devices/virtio_block.h"
#include "devices/virtio_input.h"
#include "devices/virtio_net.h"
#include "devices/virtio_rng.h"

#include <linux/input-event-codes.h>

enum {
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    STATUS = 20,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_ENABLE = 28,
    QUEUE_TABLES = 32,
    ISR = 0x1000,
    CONFIG = 0x2000,
    NOTIFY = 0x3000,
    FEATURES_OK = 8,
    READY = 15,
    NEEDS_RESET = 0x40,
    NEXT = 1,
    WRITE = 2,
    INDIRECT = 4,
    SIZE = 8,
    TABLES = 0x200000, /* a page for each queue's tables */
    AVAILABLE = 0x400,
    USED = 0x800,
    BUFFERS = 0x300000,
    SECTORS = 64,
    EVENT_INDEX_BIT = 29,
};

struct fixture {
    struct bench *bench;
    struct device *device;
    struct wire wire;
    struct memory_disk disk;
};

static uint32_t get(struct fixture *fixture, unsigned offset, unsigned width)
{
    return card_read(fixture->bench, offset, width);
}

static void set(struct fixture *fixture, unsigned offset, uint32_t value,
                unsigned width)
{
    card_write(fixture->bench, offset, value, width);
}

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.bench = bench_create()};
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    device_destroy(fixture->device);
    memory_disk_destroy(&fixture->disk);
    bench_destroy(fixture->bench);
    return 0;
}

/* Through all steps of a driver's beginning. `features`: of the lower half. */
static void begin(struct fixture *fixture, uint32_t features, unsigned queues)
{
    config_write(fixture->bench, CARD_SLOT, 0, PCI_BAR0 + 16, CARD_MEMORY, 4);
    config_write(fixture->bench, CARD_SLOT, 0, PCI_COMMAND, 7, 2);
    set(fixture, STATUS, 0, 1);
    set(fixture, STATUS, 3, 1);
    set(fixture, DRIVER_FEATURE_SELECT, 0, 4);
    set(fixture, DRIVER_FEATURE, features, 4);
    set(fixture, DRIVER_FEATURE_SELECT, 1, 4);
    set(fixture, DRIVER_FEATURE, 1, 4);
    set(fixture, STATUS, 3 | FEATURES_OK, 1);
    assert_int_equal(get(fixture, STATUS, 1), 3 | FEATURES_OK);
    for (unsigned i = 0; i < queues; i++) {
        set(fixture, QUEUE_SELECT, i, 2);
        assert_true(get(fixture, QUEUE_SIZE, 2) >= SIZE);
        set(fixture, QUEUE_SIZE, SIZE, 2);
        for (unsigned table = 0; table < 3; table++) {
            set(fixture, QUEUE_TABLES + 8 * table,
                TABLES + i * PAGE_BYTES + table * AVAILABLE, 4);
        }
        set(fixture, QUEUE_ENABLE, 1, 2);
    }
    set(fixture, STATUS, READY, 1);
}

static void put(struct fixture *fixture, unsigned queue, unsigned index, gpa_t address,
                uint32_t bytes, uint16_t flags, uint16_t next)
{
    const struct {
        uint64_t address;
        uint32_t bytes;
        uint16_t flags, next;
    } descriptor = {address, bytes, flags, next};
    memory_write(&fixture->bench->memory, TABLES + queue * PAGE_BYTES + 16 * index,
                 &descriptor, sizeof(descriptor));
}

static uint16_t read16(struct fixture *fixture, gpa_t address)
{
    uint16_t value;
    memory_read(&fixture->bench->memory, address, &value, sizeof(value));
    return value;
}

static void write16(struct fixture *fixture, gpa_t address, uint16_t value)
{
    memory_write(&fixture->bench->memory, address, &value, sizeof(value));
}

/* Offers the chain that begins with `head`, and notifies. */
static void offer(struct fixture *fixture, unsigned queue, uint16_t head)
{
    gpa_t available = TABLES + queue * PAGE_BYTES + AVAILABLE;
    uint16_t index = read16(fixture, available + 2);
    write16(fixture, available + 4 + 2 * (index % SIZE), head);
    write16(fixture, available + 2, (uint16_t)(index + 1));
    set(fixture, NOTIFY + 4 * queue, queue, 2);
}

static uint16_t used_index(struct fixture *fixture, unsigned queue)
{
    return read16(fixture, TABLES + queue * PAGE_BYTES + USED + 2);
}

/* Bytes that were written for the element that was given back as `number`. */
static uint32_t used_bytes(struct fixture *fixture, unsigned queue, unsigned number)
{
    return memory_read32(&fixture->bench->memory,
                         TABLES + queue * PAGE_BYTES + USED + 8 + 8 * (number % SIZE));
}

static bool no_entropy(void *opaque, uint8_t *bytes, size_t length)
{
    return false;
}

static void plug_rng(struct fixture *fixture, bool has_source)
{
    const struct entropy_source source = {.fill = has_source ? no_entropy : NULL};
    fixture->device = (struct device *)virtio_rng_create(
        &fixture->bench->log, fixture->bench->bus, CARD_SLOT, source);
}

/* -- the transport -- */

static void test_negotiation(void **state)
{
    struct fixture *fixture = *state;
    plug_rng(fixture, false);
    begin(fixture, 0, 1);
    set(fixture, STATUS, 0, 1);
    assert_int_equal(get(fixture, STATUS, 1), 0);
    set(fixture, QUEUE_SELECT, 0, 2);
    assert_int_equal(get(fixture, QUEUE_ENABLE, 2), 0);
    set(fixture, DEVICE_FEATURE_SELECT, 1, 4);
    assert_int_equal(get(fixture, DEVICE_FEATURE, 4), 1);
    set(fixture, DEVICE_FEATURE_SELECT, 2, 4);
    assert_int_equal(get(fixture, DEVICE_FEATURE, 4), 0);
    /* A feature that is not there is refused. */
    set(fixture, DRIVER_FEATURE_SELECT, 0, 4);
    set(fixture, DRIVER_FEATURE, 1 << 7, 4);
    set(fixture, STATUS, 3 | FEATURES_OK, 1);
    assert_int_equal(get(fixture, STATUS, 1), 3);
    /* Neither is there a second queue, or a size that is no power of two. */
    set(fixture, QUEUE_SELECT, 1, 2);
    assert_int_equal(get(fixture, QUEUE_SIZE, 2), 0);
    set(fixture, QUEUE_SELECT, 0, 2);
    uint32_t size = get(fixture, QUEUE_SIZE, 2);
    set(fixture, QUEUE_SIZE, 3, 2);
    set(fixture, QUEUE_SIZE, 2 * size, 2);
    assert_int_equal(get(fixture, QUEUE_SIZE, 2), size);
}

static void test_capabilities(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    unsigned kinds = 0, window = 0;
    plug_rng(fixture, false);
    begin(fixture, 0, 1);
    assert_int_equal(config_read(bench, CARD_SLOT, 0, 0, 4), 0x10051af4);
    assert_true(config_read(bench, CARD_SLOT, 0, PCI_STATUS, 2) & 0x10);
    for (unsigned at = config_read(bench, CARD_SLOT, 0, 0x34, 1); at;
         at = config_read(bench, CARD_SLOT, 0, at + 1, 1)) {
        assert_int_equal(config_read(bench, CARD_SLOT, 0, at, 1), 9);
        unsigned kind = config_read(bench, CARD_SLOT, 0, at + 3, 1);
        kinds |= 1U << kind;
        window = kind == 5 ? at : window;
    }
    assert_int_equal(kinds, 0x3e);
    /* The status register, through the window. */
    config_write(bench, CARD_SLOT, 0, window + 4, 4, 1);
    config_write(bench, CARD_SLOT, 0, window + 8, STATUS, 4);
    config_write(bench, CARD_SLOT, 0, window + 12, 1, 4);
    assert_int_equal(config_read(bench, CARD_SLOT, 0, window + 16, 1), READY);
    config_write(bench, CARD_SLOT, 0, window + 16, 0, 1);
    assert_int_equal(get(fixture, STATUS, 1), 0);
}

static void test_queue(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[64], zeros[64] = {0};
    plug_rng(fixture, false);
    begin(fixture, 0, 1);
    put(fixture, 0, 3, BUFFERS, 16, WRITE | NEXT, 5);
    put(fixture, 0, 5, BUFFERS + 32, 32, WRITE, 0);
    offer(fixture, 0, 3);
    assert_int_equal(used_index(fixture, 0), 1);
    assert_int_equal(used_bytes(fixture, 0, 0), 48);
    memory_read(&fixture->bench->memory, BUFFERS, bytes, sizeof(bytes));
    assert_memory_not_equal(bytes, zeros, 16);
    assert_memory_equal(bytes + 16, zeros, 16);
    assert_memory_not_equal(bytes + 32, zeros, 32);
    assert_true(card_interrupts(fixture->bench));
    assert_int_equal(get(fixture, ISR, 1), 1);
    assert_int_equal(get(fixture, ISR, 1), 0);
    assert_false(card_interrupts(fixture->bench));
    /* The driver does not want to hear of it. */
    write16(fixture, TABLES + AVAILABLE, 1);
    offer(fixture, 0, 3);
    assert_int_equal(used_index(fixture, 0), 2);
    assert_false(card_interrupts(fixture->bench));
    /* No bus master: nothing happens. */
    config_write(fixture->bench, CARD_SLOT, 0, PCI_COMMAND, 2, 2);
    offer(fixture, 0, 3);
    assert_int_equal(used_index(fixture, 0), 2);
}

static void test_indirect(void **state)
{
    struct fixture *fixture = *state;
    plug_rng(fixture, false);
    begin(fixture, 1 << 28, 1);
    /* The table is where another queue's would be. */
    put(fixture, 1, 0, BUFFERS, 8, WRITE | NEXT, 1);
    put(fixture, 1, 1, BUFFERS + 8, 8, WRITE, 0);
    put(fixture, 0, 0, TABLES + PAGE_BYTES, 32, INDIRECT, 0);
    offer(fixture, 0, 0);
    assert_int_equal(used_bytes(fixture, 0, 0), 16);
}

static void test_event_index(void **state)
{
    struct fixture *fixture = *state;
    plug_rng(fixture, false);
    begin(fixture, 1U << EVENT_INDEX_BIT, 1);
    put(fixture, 0, 0, BUFFERS, 8, WRITE, 0);
    write16(fixture, TABLES + AVAILABLE + 4 + 2 * SIZE, 1); /* after the second */
    offer(fixture, 0, 0);
    assert_false(card_interrupts(fixture->bench));
    offer(fixture, 0, 0);
    assert_true(card_interrupts(fixture->bench));
    /* The device asks for word of the third. */
    assert_int_equal(read16(fixture, TABLES + USED + 4 + 8 * SIZE), 2);
}

/* Chains that no sane driver makes break the queue, and nothing else. */
static void test_hostile_chains(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t bytes;
        uint16_t flags, next, head;
    } rows[] = {
        {BUFFERS, 8, WRITE | NEXT, 0, 0},    /* a loop */
        {BUFFERS, 8, WRITE | NEXT, 100, 0},  /* out of the table */
        {BUFFERS, 8, WRITE, 0, 9},           /* so is the head */
        {TABLES, 32, INDIRECT | NEXT, 1, 0}, /* goes on behind a table */
        {TABLES, 33, INDIRECT, 0, 0},        /* half a descriptor */
        {TABLES, 0, INDIRECT, 0, 0},         /* none */
        {TABLES, 16 * SIZE, INDIRECT, 0, 0}, /* leads to itself */
        {0xf000000000, 160, INDIRECT, 0, 0}, /* a table of ones */
    };
    struct fixture *fixture = *state;
    plug_rng(fixture, false);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        memset(fixture->bench->ram.host + TABLES, 0, PAGE_BYTES);
        begin(fixture, 0, 1);
        put(fixture, 0, 0, rows[i].address, rows[i].bytes, rows[i].flags, rows[i].next);
        offer(fixture, 0, rows[i].head);
        assert_int_equal(used_index(fixture, 0), 0);
        assert_int_equal(get(fixture, STATUS, 1), READY | NEEDS_RESET);
        assert_int_equal(get(fixture, ISR, 1), 3);
    }
    /* An index that runs away. */
    memset(fixture->bench->ram.host + TABLES, 0, PAGE_BYTES);
    begin(fixture, 0, 1);
    write16(fixture, TABLES + AVAILABLE + 2, SIZE);
    offer(fixture, 0, 0);
    assert_int_equal(get(fixture, STATUS, 1), READY | NEEDS_RESET);
}

static void test_legacy(void **state)
{
    struct fixture *fixture = *state;
    struct port_space *ports = &fixture->bench->ports;
    plug_rng(fixture, false);
    card_enable(fixture->bench, 4, 0);
    port_write(ports, CARD_PORTS + 18, 3, 1);
    uint32_t size = port_read(ports, CARD_PORTS + 12, 2);
    port_write(ports, CARD_PORTS + 8, TABLES / PAGE_BYTES, 4);
    assert_int_equal(port_read(ports, CARD_PORTS + 8, 4), TABLES / PAGE_BYTES);
    port_write(ports, CARD_PORTS + 18, 7, 1);
    put(fixture, 0, 0, BUFFERS, 8, WRITE, 0);
    gpa_t available = TABLES + 16 * size;
    gpa_t used = (available + 6 + 2 * size + 4095) & ~4095ULL;
    write16(fixture, available + 2, 1);
    port_write(ports, CARD_PORTS + 16, 0, 2);
    assert_int_equal(read16(fixture, used + 2), 1);
    assert_int_equal(memory_read32(&fixture->bench->memory, used + 8), 8);
    assert_int_equal(port_read(ports, CARD_PORTS + 19, 1), 1);
}

/* -- devices -- */

static void test_entropy(void **state)
{
    struct fixture *fixture = *state;
    plug_rng(fixture, true);
    begin(fixture, 0, 1);
    put(fixture, 0, 0, BUFFERS, 8, WRITE, 0);
    offer(fixture, 0, 0);
    assert_int_equal(used_bytes(fixture, 0, 0), 0); /* the source has none */
}

static void plug_net(struct fixture *fixture)
{
    struct virtio_net *card = virtio_net_create(
        &fixture->bench->log, fixture->bench->bus, CARD_SLOT, card_address);
    fixture->device = (struct device *)card;
    wire_connect(&fixture->wire, virtio_net_port(card));
}

static void test_net_transmit(void **state)
{
    struct fixture *fixture = *state;
    uint8_t frame[100];
    make_frame(frame, sizeof(frame), card_address);
    plug_net(fixture);
    begin(fixture, 0, 2);
    assert_int_equal(get(fixture, CONFIG, 4), 0x12005452);
    memory_write(&fixture->bench->memory, BUFFERS + 12, frame, sizeof(frame));
    put(fixture, 1, 0, BUFFERS, 12 + sizeof(frame), 0, 0);
    offer(fixture, 1, 0);
    assert_int_equal(fixture->wire.count, 1);
    assert_memory_equal(fixture->wire.frames[0], frame, sizeof(frame));
    fixture->wire.is_full = true;
    offer(fixture, 1, 0);
    assert_int_equal(used_index(fixture, 1), 1);
    fixture->wire.is_full = false;
    network_resume(&fixture->wire.port);
    assert_int_equal(used_index(fixture, 1), 2);
    assert_int_equal(fixture->wire.count, 2);
}

static void test_net_receive(void **state)
{
    struct fixture *fixture = *state;
    uint8_t frame[100], found[100];
    make_frame(frame, sizeof(frame), card_address);
    plug_net(fixture);
    begin(fixture, 1 << 15, 2); /* buffers are merged */
    assert_false(network_can_send(&fixture->wire.port));
    put(fixture, 0, 0, BUFFERS, 64, WRITE, 0);
    offer(fixture, 0, 0);
    assert_false(network_send(&fixture->wire.port, frame, sizeof(frame)));
    put(fixture, 0, 1, BUFFERS + 64, 64, WRITE, 0);
    offer(fixture, 0, 1);
    assert_true(network_send(&fixture->wire.port, frame, sizeof(frame)));
    assert_int_equal(used_index(fixture, 0), 2);
    assert_int_equal(used_bytes(fixture, 0, 0), 64);
    assert_int_equal(used_bytes(fixture, 0, 1), 48);
    assert_int_equal(read16(fixture, BUFFERS + 10), 2); /* how many buffers */
    memory_read(&fixture->bench->memory, BUFFERS + 12, found, sizeof(found));
    assert_memory_equal(found, frame, sizeof(frame));
    assert_true(card_interrupts(fixture->bench));
}

/* The driver's commands: it wants frames to itself only. */
static void test_net_filter(void **state)
{
    static const uint8_t other[] = {0x52, 0x54, 0, 1, 2, 3};
    static const uint8_t not_all[] = {0, 0, 0};
    struct fixture *fixture = *state;
    uint8_t frame[64];
    plug_net(fixture);
    begin(fixture, 1 << 17 | 1 << 18, 3);
    put(fixture, 0, 0, BUFFERS, 2048, WRITE, 0);
    put(fixture, 0, 1, BUFFERS, 2048, WRITE, 0);
    offer(fixture, 0, 0);
    offer(fixture, 0, 1);
    memory_write(&fixture->bench->memory, BUFFERS + 4096, not_all, sizeof(not_all));
    put(fixture, 2, 0, BUFFERS + 4096, 3, NEXT, 1);
    put(fixture, 2, 1, BUFFERS + 4099, 1, WRITE, 0);
    fixture->bench->ram.host[BUFFERS + 4099] = 0xff;
    make_frame(frame, sizeof(frame), other);
    assert_true(network_send(&fixture->wire.port, frame, sizeof(frame)));
    assert_int_equal(used_index(fixture, 0), 1);
    offer(fixture, 2, 0);
    assert_int_equal(fixture->bench->ram.host[BUFFERS + 4099], 0);
    assert_true(network_send(&fixture->wire.port, frame, sizeof(frame)));
    assert_int_equal(used_index(fixture, 0), 1);
    make_frame(frame, sizeof(frame), card_address);
    assert_true(network_send(&fixture->wire.port, frame, sizeof(frame)));
    assert_int_equal(used_index(fixture, 0), 2);
}

static void test_input(void **state)
{
    struct fixture *fixture = *state;
    struct virtio_input *tablet = virtio_input_create(
        &fixture->bench->log, fixture->bench->bus, CARD_SLOT, VIRTIO_INPUT_TABLET);
    const struct input_sink sink = virtio_input_sink(tablet);
    fixture->device = (struct device *)tablet;
    assert_false(sink.has_position(sink.opaque));
    begin(fixture, 0, 2);
    assert_true(sink.has_position(sink.opaque));
    set(fixture, CONFIG, 0x12, 1); /* an axis */
    set(fixture, CONFIG + 1, ABS_Y, 1);
    assert_int_equal(get(fixture, CONFIG + 2, 1), 20);
    assert_int_equal(get(fixture, CONFIG + 12, 4), INPUT_POSITION_MAXIMUM);
    for (unsigned i = 0; i < 4; i++) {
        put(fixture, 0, i, BUFFERS + 8 * i, 8, WRITE, 0);
        offer(fixture, 0, (uint16_t)i);
    }
    sink.position(sink.opaque, 100, 200);
    assert_int_equal(used_index(fixture, 0), 3);
    const struct {
        uint16_t type, code;
        uint32_t value;
    } expected[] = {{EV_ABS, ABS_X, 100}, {EV_ABS, ABS_Y, 200}, {EV_SYN, 0, 0}};
    assert_memory_equal(fixture->bench->ram.host + BUFFERS, expected, sizeof(expected));
    /* The second half of a click waits for buffers. */
    sink.button(sink.opaque, BTN_LEFT, true);
    assert_int_equal(used_index(fixture, 0), 4);
    offer(fixture, 0, 0);
    assert_int_equal(used_index(fixture, 0), 5);
}

static void plug_disk(struct fixture *fixture)
{
    memory_disk_create(&fixture->disk, SECTORS);
    fixture->device = (struct device *)virtio_block_create(
        &fixture->bench->log, fixture->bench->bus, CARD_SLOT, &fixture->disk.device,
        "number 1");
}

/* A request of one buffer; returns its status. */
static uint8_t request(struct fixture *fixture, uint32_t type, uint64_t sector,
                       uint32_t bytes, bool is_read)
{
    const struct {
        uint32_t type, reserved;
        uint64_t sector;
    } header = {type, 0, sector};
    uint8_t *status = fixture->bench->ram.host + BUFFERS + 0x800;
    *status = 0xff;
    memory_write(&fixture->bench->memory, BUFFERS, &header, sizeof(header));
    put(fixture, 0, 0, BUFFERS, sizeof(header), NEXT, bytes ? 1 : 2);
    put(fixture, 0, 1, BUFFERS + 0x1000, bytes,
        (uint16_t)(NEXT | (is_read ? WRITE : 0)), 2);
    put(fixture, 0, 2, BUFFERS + 0x800, 1, WRITE, 0);
    offer(fixture, 0, 0);
    return *status;
}

static void test_disk(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *data;
    plug_disk(fixture);
    begin(fixture, 1 << 9, 1);
    data = fixture->bench->ram.host + BUFFERS + 0x1000;
    assert_int_equal(get(fixture, CONFIG, 4), SECTORS);
    assert_int_equal(request(fixture, 0, 7, 1024, true), 0);
    assert_int_equal(used_bytes(fixture, 0, 0), 1025);
    assert_int_equal(data[0], 7);
    assert_int_equal(data[512], 8);
    data[0] = 0x55;
    assert_int_equal(request(fixture, 1, 9, 512, false), 0);
    assert_int_equal(fixture->disk.bytes[9 * 512], 0x55);
    assert_int_equal(request(fixture, 4, 0, 0, false), 0);
    assert_int_equal(fixture->disk.flushes, 1);
    assert_int_equal(request(fixture, 8, 0, 20, true), 0);
    assert_string_equal((char *)data, "number 1");
    /* Beyond the end, not a whole sector, failing, unknown. */
    assert_int_equal(request(fixture, 0, SECTORS - 1, 1024, true), 1);
    assert_int_equal(request(fixture, 0, UINT64_MAX, 512, true), 1);
    assert_int_equal(request(fixture, 1, 0, 100, false), 1);
    fixture->disk.bad_sector = 3;
    fixture->disk.bad_result = 5;
    assert_int_equal(request(fixture, 0, 3, 512, true), 1);
    assert_int_equal(request(fixture, 77, 0, 512, true), 2);
}

/* A range to discard, or to be zero; returns the request's status. */
static uint8_t request_range(struct fixture *fixture, uint32_t type, uint64_t sector,
                             uint32_t sectors, uint32_t flags)
{
    const struct {
        uint64_t sector;
        uint32_t sectors, flags;
    } range = {sector, sectors, flags};
    memcpy(fixture->bench->ram.host + BUFFERS + 0x1000, &range, sizeof(range));
    return request(fixture, type, 0, sizeof(range), false);
}

static void test_disk_ranges(void **state)
{
    enum { DISCARD = 11, WRITE_ZEROES = 13, UNMAP = 1, BAD = 1 };
    struct fixture *fixture = *state;
    plug_disk(fixture);
    begin(fixture, 1 << 14, 1);
    const uint8_t *bytes = fixture->disk.bytes;
    assert_int_equal(get(fixture, CONFIG + 48, 4), 32768);
    assert_int_equal(get(fixture, CONFIG + 52, 4), 1);
    assert_int_equal(request_range(fixture, WRITE_ZEROES, 7, 2, UNMAP), 0);
    assert_int_equal(bytes[6 * 512], 6);
    assert_int_equal(bytes[7 * 512] | bytes[8 * 512 + 511], 0);
    assert_int_equal(bytes[9 * 512], 9);
    assert_int_equal(request_range(fixture, DISCARD, 9, 1, 0), 0);
    assert_int_equal(bytes[9 * 512], 0); /* this disk does as it is advised */
    assert_int_equal(request_range(fixture, DISCARD, 10, 1, UNMAP), BAD);
    assert_int_equal(request_range(fixture, WRITE_ZEROES, 10, 1, 2), BAD);
    assert_int_equal(request_range(fixture, WRITE_ZEROES, SECTORS - 1, 2, 0), BAD);
    assert_int_equal(request_range(fixture, DISCARD, SECTORS, UINT32_MAX, 0), BAD);
    assert_int_equal(request_range(fixture, WRITE_ZEROES, UINT64_MAX, 1, 0), BAD);
    assert_int_equal(request(fixture, WRITE_ZEROES, 0, 15, false), BAD);
    assert_int_equal(bytes[10 * 512], 10);
}

/* The answer to a request of a driver that is gone reaches nobody. */
static void test_disk_reset(void **state)
{
    struct fixture *fixture = *state;
    plug_disk(fixture);
    begin(fixture, 0, 1);
    fixture->disk.deferred = true;
    assert_int_equal(request(fixture, 0, 7, 512, true), 0xff);
    set(fixture, STATUS, 0, 1);
    memory_disk_answer(&fixture->disk);
    assert_int_equal(used_index(fixture, 0), 0);
}

#define VIRTIO_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VIRTIO_TEST(test_negotiation),  VIRTIO_TEST(test_capabilities),
        VIRTIO_TEST(test_queue),        VIRTIO_TEST(test_indirect),
        VIRTIO_TEST(test_event_index),  VIRTIO_TEST(test_hostile_chains),
        VIRTIO_TEST(test_legacy),       VIRTIO_TEST(test_entropy),
        VIRTIO_TEST(test_net_transmit), VIRTIO_TEST(test_net_receive),
        VIRTIO_TEST(test_net_filter),   VIRTIO_TEST(test_input),
        VIRTIO_TEST(test_disk),         VIRTIO_TEST(test_disk_reset),
        VIRTIO_TEST(test_disk_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
