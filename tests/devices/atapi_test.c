/* A CD-ROM drive on the IDE controller's second channel, by its ports; the disc is in
 * memory. */
#include "chipset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "bus/device.h"
#include "devices/atapi_internal.h"

enum {
    SECTORS = 100,
    COMMAND_BLOCK = 0x170,
    CONTROL = 0x376,
    IRQ = 15,
    MASTER = 0xc000,
    SECOND_MASTER = MASTER + 8,
    PRDS = 0x10000,
    BUFFER = 0x20000,
    DATA = 0,
    ERROR = 1,
    REASON = 2,
    LOW = 3,
    MID = 4,
    HIGH = 5,
    DEVICE = 6,
    STATUS = 7,
    READY = 0x50,
    READY_DATA = 0x58,
    FAILED = 0x51,
    TAKES_PACKET = 1,
    TAKES_DATA = 0,
    GIVES_DATA = 2,
    ENDED = 3,
    LIMIT = 0xf000,
};

struct fixture {
    struct bench *bench;
    struct removable_drive *drive;
    struct memory_disk disc, other;
    unsigned releases, tray_moves;
    bool tray_open;
};

static void released(void *hand, struct block_device *medium)
{
    struct fixture *fixture = hand;
    assert_ptr_equal(medium, &fixture->disc.device);
    fixture->releases++;
}

static void tray_moved(void *hand, bool open)
{
    struct fixture *fixture = hand;
    fixture->tray_moves++;
    fixture->tray_open = open;
}

static void enable(struct bench *bench)
{
    config_write(bench, 1, 1, 0x20, MASTER, 4);
    config_write(bench, 1, 1, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
    config_write(bench, 1, 1, 0x40, 0x80008000, 4);
}

/* Every sector of 2048 bytes begins with four times its number, by the way that
 * memory_disk_create() fills in those of 512. */
static void make_disc(struct memory_disk *disc, uint64_t sectors)
{
    memory_disk_create(disc, sectors * 4);
    disc->device.read_only = true;
}

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.bench = bench_create()};
    make_disc(&fixture.disc, SECTORS);
    make_disc(&fixture.other, SECTORS / 2);
    fixture.drive = piix3_ide_attach_cdrom(fixture.bench->ide, 2);
    fixture.drive->released = released;
    fixture.drive->tray_moved = tray_moved;
    fixture.drive->hand = &fixture;
    enable(fixture.bench);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    bench_destroy(fixture->bench);
    memory_disk_destroy(&fixture->disc);
    memory_disk_destroy(&fixture->other);
    return 0;
}

static uint8_t get(struct bench *bench, unsigned offset)
{
    return in8(bench, (uint16_t)(COMMAND_BLOCK + offset));
}

static void put(struct bench *bench, unsigned offset, uint8_t value)
{
    out8(bench, (uint16_t)(COMMAND_BLOCK + offset), value);
}

static void insert(struct fixture *fixture, struct memory_disk *disc)
{
    fixture->drive->ops->insert(fixture->drive->opaque, &disc->device);
}

static void take_out(struct fixture *fixture)
{
    fixture->drive->ops->remove(fixture->drive->opaque);
}

static struct removable_state look(struct fixture *fixture)
{
    return fixture->drive->ops->state(fixture->drive->opaque);
}

/* -- packets -- */

static void send_words(struct bench *bench, const uint8_t *bytes, unsigned length)
{
    for (unsigned i = 0; i < length; i += 2) {
        uint32_t word = bytes[i] | (uint32_t)(i + 1 < length ? bytes[i + 1] : 0) << 8;
        port_write(&bench->ports, COMMAND_BLOCK, word, 2);
    }
}

/* Sends PACKET and the packet, and no more. */
static void send(struct bench *bench, const uint8_t *packet, uint16_t limit, bool dma)
{
    uint8_t whole[ATAPI_PACKET_BYTES] = {0};
    static const uint8_t lengths[8] = {6, 10, 10, 0, 0, 12, 0, 0};
    memcpy(whole, packet, lengths[packet[0] >> 5]);
    put(bench, DEVICE, 0xa0);
    put(bench, ERROR, dma);
    put(bench, MID, (uint8_t)limit);
    put(bench, HIGH, (uint8_t)(limit >> 8));
    put(bench, STATUS, 0xa0);
    assert_false(bench->lines[IRQ]);
    assert_int_equal(in8(bench, CONTROL), READY_DATA);
    assert_int_equal(get(bench, REASON), TAKES_PACKET);
    send_words(bench, whole, sizeof(whole));
}

/* The interrupt is there; reading the status takes it away. */
static void expect(struct bench *bench, uint8_t status, uint8_t reason)
{
    assert_true(bench->lines[IRQ]);
    assert_int_equal(get(bench, REASON), reason);
    assert_int_equal(get(bench, STATUS), status);
    assert_false(bench->lines[IRQ]);
}

static void expect_good(struct bench *bench)
{
    expect(bench, READY, ENDED);
}

static uint16_t block_length(struct bench *bench)
{
    return (uint16_t)(get(bench, MID) | get(bench, HIGH) << 8);
}

/* Reads what the drive hands out, until the command ends; how much that was. */
static unsigned receive(struct bench *bench, uint8_t *to, uint16_t limit)
{
    unsigned total = 0;
    while (get(bench, REASON) == GIVES_DATA) {
        unsigned length = block_length(bench);
        expect(bench, READY_DATA, GIVES_DATA);
        assert_true(length <= limit && length > 0);
        for (unsigned i = 0; i < length; i += 2) {
            uint32_t word = port_read(&bench->ports, COMMAND_BLOCK, 2);
            to[total + i] = (uint8_t)word;
            if (i + 1 < length) {
                to[total + i + 1] = (uint8_t)(word >> 8);
            }
        }
        total += length;
    }
    return total;
}

static unsigned ask(struct bench *bench, const uint8_t *packet, uint8_t *answer)
{
    send(bench, packet, LIMIT, false);
    unsigned length = receive(bench, answer, LIMIT);
    expect_good(bench);
    return length;
}

static void expect_sense(struct bench *bench, uint8_t key, uint16_t code)
{
    uint8_t sense[18];
    assert_int_equal(ask(bench, (uint8_t[]){3, 0, 0, 0, 18, 0}, sense), 18);
    assert_int_equal(sense[0], 0x70);
    assert_int_equal(sense[2], key);
    assert_int_equal(sense[12] << 8 | sense[13], code);
}

static void expect_failure(struct bench *bench, const uint8_t *packet, uint8_t key,
                           uint16_t code)
{
    send(bench, packet, LIMIT, false);
    expect(bench, FAILED, ENDED);
    assert_int_equal(get(bench, ERROR), key << 4 | 4);
    expect_sense(bench, key, code);
}

static const uint8_t test_unit_ready[6] = {0};

/* What every driver does first: the reset and the new disc are told. */
static void get_ready(struct fixture *fixture)
{
    expect_failure(fixture->bench, test_unit_ready, 6, ATAPI_RESET_OCCURRED);
    insert(fixture, &fixture->disc);
    expect_failure(fixture->bench, test_unit_ready, 6, ATAPI_MEDIUM_MAY_HAVE_CHANGED);
    send(fixture->bench, test_unit_ready, LIMIT, false);
    expect_good(fixture->bench);
}

static void read_10(struct bench *bench, uint32_t sector, uint16_t count,
                    uint16_t limit, bool dma)
{
    uint8_t packet[10] = {0x28};
    atapi_put32(packet + 2, sector);
    atapi_put16(packet + 7, count);
    send(bench, packet, limit, dma);
}

static void expect_sector(const uint8_t *bytes, uint64_t number)
{
    for (uint64_t i = 0; i < 4; i++) {
        uint64_t found;
        memcpy(&found, bytes + i * 512, sizeof(found));
        assert_int_equal(found, number * 4 + i);
    }
}

/* -- the device -- */

static void test_signature_and_identify(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    uint16_t words[256];
    put(bench, DEVICE, 0xa0);
    assert_int_equal(get(bench, STATUS), 0);
    assert_int_equal(get(bench, MID), 0x14);
    assert_int_equal(get(bench, HIGH), 0xeb);
    put(bench, MID, 0);
    put(bench, STATUS, 0xec); /* IDENTIFY DEVICE */
    assert_true(bench->lines[IRQ]);
    assert_int_equal(get(bench, STATUS), FAILED);
    assert_int_equal(get(bench, ERROR), 4);
    assert_int_equal(get(bench, MID), 0x14);
    assert_int_equal(get(bench, HIGH), 0xeb);
    put(bench, STATUS, 0xa1);
    assert_int_equal(get(bench, STATUS), READY_DATA);
    for (unsigned i = 0; i < 256; i++) {
        words[i] = (uint16_t)port_read(&bench->ports, COMMAND_BLOCK, 2);
    }
    assert_int_equal(get(bench, STATUS), READY);
    assert_int_equal(words[0], 0x85c0);
    assert_memory_equal(&words[27], "AFMUCAIHEND DVR-MO", 18);
    assert_int_equal(words[49] & 0x0300, 0x0300);
    assert_true(words[82] & 1 << 4);
    put(bench, STATUS, 0x25); /* READ DMA EXT: of disks only */
    assert_int_equal(get(bench, STATUS), FAILED);
}

static void test_device_reset(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    get_ready(fixture);
    read_10(bench, 0, 4, LIMIT, false);
    assert_true(bench->lines[IRQ]);
    put(bench, STATUS, 0x08);
    assert_false(bench->lines[IRQ]);
    assert_int_equal(get(bench, STATUS), 0);
    assert_int_equal(get(bench, ERROR), 1);
    assert_int_equal(get(bench, MID), 0x14);
    send(bench, test_unit_ready, LIMIT, false);
    expect_good(bench);
    fixture->disc.deferred = true; /* also while it is busy */
    read_10(bench, 0, 1, LIMIT, false);
    assert_int_equal(get(bench, STATUS), 0x80);
    put(bench, STATUS, 0x08);
    assert_int_equal(get(bench, STATUS), 0x80);
    memory_disk_answer(&fixture->disc);
    assert_int_equal(get(bench, STATUS), 0);
    assert_false(bench->lines[IRQ]);
}

static void test_inquiry(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    uint8_t data[64];
    assert_int_equal(ask(bench, (uint8_t[]){0x12, 0, 0, 0, 64, 0}, data), 36);
    assert_int_equal(data[0], 5);
    assert_int_equal(data[1], 0x80);
    assert_int_equal(data[4], 31);
    assert_memory_equal(data + 8, "FAU     FAUMACHINE DVD  ", 24);
    memset(data, 0xcc, sizeof(data)); /* an odd length comes with one byte too many */
    assert_int_equal(ask(bench, (uint8_t[]){0x12, 0, 0, 0, 5, 0}, data), 5);
    assert_int_equal(data[4], 31);
    assert_int_equal(data[5], 0xcc);
    expect_failure(bench, (uint8_t[]){0x12, 1, 0x80, 0, 64, 0}, 5, ATAPI_INVALID_FIELD);
}

static void test_unknown_commands(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    get_ready(fixture);
    expect_failure(bench, (uint8_t[10]){0x2a}, 5, ATAPI_INVALID_COMMAND);
    expect_failure(bench, (uint8_t[10]){0x35}, 5, ATAPI_INVALID_COMMAND);
    put(bench, ERROR, 2); /* overlapped */
    put(bench, STATUS, 0xa0);
    assert_int_equal(get(bench, STATUS), FAILED);
    /* Nobody can fetch data in blocks of none. */
    read_10(bench, 0, 1, 0, false);
    assert_int_equal(get(bench, STATUS), FAILED);
    assert_int_equal(get(bench, ERROR), 4);
}

/* -- reading -- */

static void test_read_by_pio(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    static uint8_t data[16 * 2048];
    const uint16_t limits[] = {2048, 0xffff, 0xfffe, 4096, 2047, 100, 8192, 1};
    get_ready(fixture);
    for (unsigned i = 0; i < ARRAY_LENGTH(limits); i++) {
        memset(data, 0, sizeof(data));
        read_10(bench, 7, 16, limits[i], false);
        uint16_t most = limits[i] > 1 ? limits[i] : 2;
        assert_int_equal(receive(bench, data, most), sizeof(data));
        expect_good(bench);
        for (unsigned k = 0; k < 16; k++) {
            expect_sector(data + (size_t)k * 2048, 7 + k);
        }
    }
    read_10(bench, 7, 0, 2048, false);
    expect_good(bench);
    uint8_t read_12[12] = {0xa8, 0, 0, 0, 0, SECTORS - 1, 0, 0, 0, 1};
    assert_int_equal(ask(bench, read_12, data), 2048);
    expect_sector(data, SECTORS - 1);
    read_12[9] = 2;
    expect_failure(bench, read_12, 5, ATAPI_ADDRESS_OUT_OF_RANGE);
    memset(read_12 + 2, 0xff, 8);
    expect_failure(bench, read_12, 5, ATAPI_ADDRESS_OUT_OF_RANGE);
}

static void put_prds(struct bench *bench, uint32_t bytes)
{
    memory_write32(&bench->memory, PRDS, BUFFER);
    memory_write32(&bench->memory, PRDS + 4, (bytes / 2) & ~1U);
    memory_write32(&bench->memory, PRDS + 8, BUFFER + bytes / 2);
    memory_write32(&bench->memory, PRDS + 12, 0x80000000 | bytes / 2);
    port_write(&bench->ports, SECOND_MASTER + 4, PRDS, 4);
    out8(bench, SECOND_MASTER + 2, 0x06);
}

static void test_read_by_dma(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    enum { COUNT = 40 };
    static uint8_t data[COUNT * 2048];
    get_ready(fixture);
    put_prds(bench, sizeof(data));
    read_10(bench, 3, COUNT, 0, true);
    assert_int_equal(get(bench, STATUS), READY_DATA);
    assert_false(bench->lines[IRQ]);
    out8(bench, SECOND_MASTER, 0x09);
    assert_int_equal(in8(bench, SECOND_MASTER + 2) & 7, 4);
    expect_good(bench);
    out8(bench, SECOND_MASTER, 0);
    memory_read(&bench->memory, BUFFER, data, sizeof(data));
    for (unsigned i = 0; i < COUNT; i++) {
        expect_sector(data + (size_t)i * 2048, 3 + i);
    }
    /* Less than the table has room for: the engine stays active. */
    out8(bench, SECOND_MASTER, 0x09);
    send(bench, (uint8_t[]){0x12, 0, 0, 0, 36, 0}, 0, true);
    expect_good(bench);
    assert_int_equal(in8(bench, SECOND_MASTER + 2) & 1, 1);
    memory_read(&bench->memory, BUFFER, data, 36);
    assert_memory_equal(data + 8, "FAU ", 4);
    out8(bench, SECOND_MASTER, 0);
    /* More: the command ends without a word. */
    put_prds(bench, 4096);
    out8(bench, SECOND_MASTER, 0x09);
    read_10(bench, 3, 3, 0, true);
    assert_int_equal(in8(bench, CONTROL), READY);
}

static void test_read_errors(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    static uint8_t data[4 * 2048];
    get_ready(fixture);
    fixture->disc.bad_sector = 4 * 20 + 1;
    fixture->disc.bad_result = EIO;
    read_10(bench, 20, 1, LIMIT, false);
    expect(bench, FAILED, ENDED);
    expect_sense(bench, 3, ATAPI_UNRECOVERED_READ_ERROR);
    expect_sense(bench, 0, 0);
    read_10(bench, 16, 8, LIMIT, false); /* the first block is good */
    assert_int_equal(receive(bench, data, LIMIT), 4 * 2048);
    expect_sector(data, 16);
    expect(bench, FAILED, ENDED);
    put_prds(bench, 16384);
    out8(bench, SECOND_MASTER, 0x09);
    read_10(bench, 18, 4, 0, true);
    expect(bench, FAILED, ENDED);
    expect_sense(bench, 3, ATAPI_UNRECOVERED_READ_ERROR);
}

static void test_read_cd(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    static uint8_t data[4 * 2352];
    static const uint8_t sync[12] = {0,    0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0};
    uint8_t packet[12] = {0xbe, 0, 0, 0, 0, 80, 0, 0, 3, 0xf8};
    get_ready(fixture);
    assert_int_equal(ask(bench, packet, data), 3 * 2352);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *sector = data + (size_t)i * 2352;
        assert_memory_equal(sector, sync, 12);
        assert_memory_equal(sector + 12, ((uint8_t[]){0, 3, (uint8_t)(0x05 + i), 1}),
                            4);
        expect_sector(sector + 16, 80 + i);
    }
    packet[9] = 0x10;
    assert_int_equal(ask(bench, packet, data), 3 * 2048);
    expect_sector(data + 2048, 81);
    packet[9] = 0x20;
    assert_int_equal(ask(bench, packet, data), 12);
    packet[9] = 0;
    assert_int_equal(ask(bench, packet, data), 0);
    packet[9] = 0x12; /* C2 pointers */
    expect_failure(bench, packet, 5, ATAPI_INVALID_FIELD);
    packet[9] = 0x10;
    packet[1] = 1 << 2; /* audio */
    expect_failure(bench, packet, 5, ATAPI_ILLEGAL_MODE_FOR_TRACK);
    uint8_t msf[12] = {0xb9, 0, 0, 0, 2, 5, 0, 2, 7, 0x10};
    assert_int_equal(ask(bench, msf, data), 2 * 2048);
    expect_sector(data, 5);
    msf[4] = 1;
    expect_failure(bench, msf, 5, ATAPI_INVALID_FIELD);
}

/* -- tables -- */

static void test_capacity_and_toc(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint8_t data[64];
    get_ready(fixture);
    assert_int_equal(ask(bench, (uint8_t[10]){0x25}, data), 8);
    assert_int_equal(atapi_get32(data), SECTORS - 1);
    assert_int_equal(atapi_get32(data + 4), 2048);
    assert_int_equal(ask(bench, (uint8_t[10]){0x43, 0, 0, 0, 0, 0, 0, 0, 64}, data),
                     20);
    assert_int_equal(atapi_get16(data), 18);
    assert_memory_equal(data + 2, ((uint8_t[]){1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0}), 10);
    assert_memory_equal(data + 12, ((uint8_t[]){0, 0x14, 0xaa, 0, 0, 0, 0, SECTORS}),
                        8);
    assert_int_equal(ask(bench, (uint8_t[10]){0x43, 2, 0, 0, 0, 0, 0xaa, 0, 64}, data),
                     12);
    assert_memory_equal(data + 8, ((uint8_t[]){0, 0, 3, 25}), 4);
    expect_failure(bench, (uint8_t[10]){0x43, 0, 0, 0, 0, 0, 2, 0, 64}, 5,
                   ATAPI_INVALID_FIELD);
    /* Sessions, the format being where old drives and new ones have it. */
    assert_int_equal(ask(bench, (uint8_t[10]){0x43, 0, 1, 0, 0, 0, 0, 0, 64}, data),
                     12);
    assert_int_equal(
        ask(bench, (uint8_t[10]){0x43, 0, 0, 0, 0, 0, 0, 0, 64, 0x40}, data), 12);
    assert_memory_equal(data, ((uint8_t[]){0, 10, 1, 1, 0, 0x14, 1}), 7);
    assert_int_equal(ask(bench, (uint8_t[10]){0x43, 0, 2, 0, 0, 0, 0, 0, 64}, data),
                     48);
    assert_int_equal(data[4 + 3], 0xa0);
    assert_int_equal(data[4 + 33 + 3], 1);
    assert_memory_equal(data + 4 + 22 + 8, ((uint8_t[]){0, 3, 25}), 3);
    expect_failure(bench, (uint8_t[10]){0x43, 0, 5, 0, 0, 0, 0, 0, 64}, 5,
                   ATAPI_INVALID_FIELD);
}

static void test_information(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    static uint8_t data[4096];
    get_ready(fixture);
    assert_int_equal(ask(bench, (uint8_t[10]){0x51, 0, 0, 0, 0, 0, 0, 0, 64}, data),
                     34);
    assert_int_equal(data[2], 0x0e);
    assert_int_equal(ask(bench, (uint8_t[10]){0x52, 1, 0, 0, 0, 1, 0, 0, 64}, data),
                     36);
    assert_int_equal(data[2], 1);
    assert_int_equal(atapi_get32(data + 24), SECTORS);
    expect_failure(bench, (uint8_t[10]){0x52, 1, 0, 0, 0, 2, 0, 0, 64}, 5,
                   ATAPI_INVALID_FIELD);
    assert_int_equal(ask(bench, (uint8_t[10]){0x2b, 0, 0, 0, 0, 9}, data), 0);
    expect_failure(bench, (uint8_t[10]){0x2b, 0, 0, 0, 0, SECTORS}, 5,
                   ATAPI_ADDRESS_OUT_OF_RANGE);
    assert_int_equal(ask(bench, (uint8_t[12]){0xbb, 0, 0xff, 0xff}, data), 0);
    expect_failure(bench, (uint8_t[12]){0xad, 0, 0, 0, 0, 0, 0, 0, 8, 4}, 5,
                   ATAPI_INCOMPATIBLE_FORMAT);
    /* Of a larger disc there is a DVD's. */
    fixture->disc.device.sectors = 400000ULL * 4;
    assert_int_equal(ask(bench, (uint8_t[12]){0xad, 0, 0, 0, 0, 0, 0, 0, 8, 4}, data),
                     2052);
    assert_int_equal(atapi_get32(data + 12), 0x30000 + 400000 - 1);
    assert_int_equal(ask(bench, (uint8_t[10]){0x46, 1, 0, 0, 0, 0, 0, 2, 0}, data),
                     8 + 12 + 8 + 8 + 12 + 8 + 4);
    assert_int_equal(atapi_get16(data + 6), 0x10);
}

static void test_configuration(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    static uint8_t data[512];
    const uint8_t profile_list[10] = {0x46, 2, 0, 0, 0, 0, 0, 2, 0};
    assert_int_equal(ask(bench, profile_list, data), 20);
    assert_int_equal(atapi_get16(data + 6), 0);
    insert(fixture, &fixture->disc); /* is told in spite of what is to be attended to */
    assert_int_equal(ask(bench, profile_list, data), 20);
    assert_int_equal(atapi_get16(data + 6), 8);
    assert_int_equal(data[8 + 10], 1);
    assert_int_equal(ask(bench, (uint8_t[10]){0x46, 0, 0, 0x1e, 0, 0, 0, 2, 0}, data),
                     8 + 8 + 8 + 4);
    assert_int_equal(atapi_get32(data), 24);
    assert_int_equal(data[8 + 2], 1);
    assert_int_equal(data[16 + 2], 0);
}

/* -- mode pages -- */

static void test_mode_pages(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint8_t data[128], list[16] = {[8] = 1, [9] = 6, [10] = 0x20, [11] = 9};
    const uint8_t sense_1[10] = {0x5a, 0, 1, 0, 0, 0, 0, 0, 128};
    const uint8_t select[10] = {0x55, 0x10, 0, 0, 0, 0, 0, 0, 16};
    get_ready(fixture);
    assert_int_equal(ask(bench, sense_1, data), 16);
    assert_int_equal(atapi_get16(data), 14);
    assert_int_equal(data[2], 0x01);
    assert_memory_equal(data + 8, ((uint8_t[]){1, 6, 0, 5, 0, 0, 0, 0}), 8);
    send(bench, select, 8, false);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(block_length(bench), 8);
        expect(bench, READY_DATA, TAKES_DATA);
        send_words(bench, list + (size_t)8 * i, 8);
    }
    expect_good(bench);
    ask(bench, sense_1, data);
    assert_memory_equal(data + 8, list + 8, 8);
    assert_int_equal(ask(bench, (uint8_t[10]){0x5a, 0, 0x81, 0, 0, 0, 0, 0, 128}, data),
                     16); /* defaults */
    assert_int_equal(data[11], 5);
    assert_int_equal(ask(bench, (uint8_t[10]){0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 128}, data),
                     8 + 8 + 16 + 22);
    expect_failure(bench, (uint8_t[10]){0x5a, 0, 0xc1, 0, 0, 0, 0, 0, 128}, 5,
                   ATAPI_SAVING_NOT_SUPPORTED);
    expect_failure(bench, (uint8_t[10]){0x5a, 0, 0x05, 0, 0, 0, 0, 0, 128}, 5,
                   ATAPI_INVALID_FIELD);
    list[9] = 7; /* not that page's length: nothing changes */
    list[11] = 1;
    send(bench, select, LIMIT, false);
    expect(bench, READY_DATA, TAKES_DATA);
    send_words(bench, list, 16);
    expect(bench, FAILED, ENDED);
    expect_sense(bench, 5, ATAPI_INVALID_PARAMETER);
    ask(bench, sense_1, data);
    assert_int_equal(data[11], 9);
    /* By DMA. */
    list[9] = 6;
    memory_write(&bench->memory, BUFFER, list, 16);
    put_prds(bench, 32);
    out8(bench, SECOND_MASTER, 0x01);
    send(bench, select, 0, true);
    expect_good(bench);
    out8(bench, SECOND_MASTER, 0);
    ask(bench, sense_1, data);
    assert_int_equal(data[11], 1);
}

/* -- discs come and go -- */

static void expect_event(struct bench *bench, uint8_t event, uint8_t where)
{
    uint8_t data[8];
    assert_int_equal(ask(bench, (uint8_t[10]){0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}, data),
                     8);
    assert_memory_equal(data, ((uint8_t[]){0, 6, 4, 0x10, event, where}), 6);
}

static void test_empty_drive(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint8_t data[8];
    expect_failure(bench, test_unit_ready, 6, ATAPI_RESET_OCCURRED);
    expect_failure(bench, test_unit_ready, 2, ATAPI_NO_MEDIUM_TRAY_CLOSED);
    expect_failure(bench, (uint8_t[10]){0x28, [8] = 1}, 2, ATAPI_NO_MEDIUM_TRAY_CLOSED);
    expect_event(bench, 0, 0);
    assert_int_equal(ask(bench, (uint8_t[10]){0x4a, 1, 0, 0, 2, 0, 0, 0, 8}, data), 4);
    assert_memory_equal(data, ((uint8_t[]){0, 2, 0x80, 0x10}), 4);
    expect_failure(bench, (uint8_t[10]){0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8}, 5,
                   ATAPI_INVALID_FIELD);
}

static void test_guest_ejects(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint8_t data[8];
    const uint8_t eject[6] = {0x1b, 0, 0, 0, 2}, load[6] = {0x1b, 0, 0, 0, 3};
    get_ready(fixture);
    expect_event(bench, ATAPI_EVENT_NEW_MEDIUM, 2);
    expect_event(bench, ATAPI_EVENT_NONE, 2);
    ask(bench, (uint8_t[6]){0x1e, 0, 0, 0, 1}, data);
    assert_true(look(fixture).locked);
    expect_failure(bench, eject, 5, ATAPI_REMOVAL_PREVENTED);
    ask(bench, (uint8_t[6]){0x1e}, data);
    unsigned moves = fixture->tray_moves;
    ask(bench, eject, data);
    assert_true(look(fixture).tray_open);
    assert_ptr_equal(look(fixture).medium, &fixture->disc.device);
    assert_int_equal(fixture->tray_moves, moves + 1);
    assert_true(fixture->tray_open);
    expect_event(bench, ATAPI_EVENT_MEDIUM_REMOVAL, 1);
    expect_failure(bench, test_unit_ready, 2, ATAPI_NO_MEDIUM_TRAY_OPEN);
    assert_int_equal(ask(bench, (uint8_t[12]){0xbd, [9] = 8}, data), 8);
    assert_int_equal(data[1], 0x10);
    ask(bench, load, data);
    assert_false(fixture->tray_open);
    ask(bench, test_unit_ready, data);
    expect_event(bench, ATAPI_EVENT_NEW_MEDIUM, 2);
    assert_int_equal(fixture->releases, 0);
}

static void test_change(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint8_t data[8];
    get_ready(fixture);
    expect_event(bench, ATAPI_EVENT_NEW_MEDIUM, 2);
    fixture->drive->ops->request_eject(fixture->drive->opaque);
    expect_event(bench, ATAPI_EVENT_EJECT_REQUEST, 2);
    take_out(fixture);
    assert_int_equal(fixture->releases, 1);
    assert_true(look(fixture).tray_open);
    assert_null(look(fixture).medium);
    expect_event(bench, ATAPI_EVENT_MEDIUM_REMOVAL, 1);
    expect_failure(bench, test_unit_ready, 2, ATAPI_NO_MEDIUM_TRAY_OPEN);
    insert(fixture, &fixture->other);
    expect_event(bench, ATAPI_EVENT_NEW_MEDIUM, 2);
    expect_failure(bench, (uint8_t[10]){0x25}, 6, ATAPI_MEDIUM_MAY_HAVE_CHANGED);
    ask(bench, (uint8_t[10]){0x25}, data);
    assert_int_equal(atapi_get32(data), SECTORS / 2 - 1);
}

/* In the middle of a command: what the drive has read it hands out. */
static void test_taken_out_while_reading(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    static uint8_t data[8 * 2048];
    get_ready(fixture);
    read_10(bench, 0, 8, LIMIT, false);
    take_out(fixture);
    assert_int_equal(fixture->releases, 1);
    assert_int_equal(receive(bench, data, LIMIT), 4 * 2048);
    expect(bench, FAILED, ENDED);
    expect_sense(bench, 2, ATAPI_NO_MEDIUM_TRAY_OPEN);
    insert(fixture, &fixture->disc);
    expect_failure(bench, test_unit_ready, 6, ATAPI_MEDIUM_MAY_HAVE_CHANGED);
    fixture->disc.deferred = true; /* while the back end has a request */
    read_10(bench, 0, 1, LIMIT, false);
    take_out(fixture);
    assert_int_equal(fixture->releases, 1);
    memory_disk_answer(&fixture->disc);
    assert_int_equal(fixture->releases, 2);
    expect(bench, FAILED, ENDED);
    expect_sense(bench, 2, ATAPI_NO_MEDIUM_TRAY_OPEN);
}

static void test_reset_keeps_tray(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    const struct device_class *class = ((struct device *)bench->ide)->class;
    get_ready(fixture);
    uint8_t data[8];
    ask(bench, (uint8_t[6]){0x1b, 0, 0, 0, 2}, data);
    ask(bench, (uint8_t[6]){0x1e, 0, 0, 0, 1}, data);
    class->reset(bench->ide);
    class->reset_lines(bench->ide);
    enable(bench);
    assert_true(look(fixture).tray_open);
    assert_false(look(fixture).locked);
    expect_failure(bench, test_unit_ready, 6, ATAPI_RESET_OCCURRED);
    expect_failure(bench, test_unit_ready, 2, ATAPI_NO_MEDIUM_TRAY_OPEN);
}

/* -- saved state -- */

static void move_to(struct fixture *fixture, struct bench *copy, struct bench **shown)
{
    struct state_buffer buffer = {0};
    struct error error;
    struct removable_drive *drive = piix3_ide_attach_cdrom(copy->ide, 2);
    drive->ops->insert(drive->opaque, &fixture->disc.device);
    device_save((struct device *)fixture->bench->ide, &buffer);
    assert_true(device_load((struct device *)copy->ide, &buffer, &error));
    assert_int_equal(buffer.position, buffer.length);
    state_buffer_free(&buffer);
    *shown = copy;
}

static void test_save_while_reading(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench, *copy = bench_create();
    static uint8_t data[8 * 2048];
    get_ready(fixture);
    read_10(bench, 5, 8, 2048, false);
    for (unsigned i = 0; i < 100; i += 2) {
        uint32_t word = port_read(&bench->ports, COMMAND_BLOCK, 2);
        memcpy(data + i, &word, 2);
    }
    move_to(fixture, copy, &bench);
    for (unsigned i = 100; i < 2048; i += 2) {
        uint32_t word = port_read(&bench->ports, COMMAND_BLOCK, 2);
        memcpy(data + i, &word, 2);
    }
    assert_int_equal(receive(bench, data + 2048, 2048), 7 * 2048);
    expect_good(bench);
    for (unsigned i = 0; i < 8; i++) {
        expect_sector(data + (size_t)i * 2048, 5 + i);
    }
    bench_destroy(copy);
}

static void test_save_before_dma(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench, *copy = bench_create();
    static uint8_t data[2048];
    get_ready(fixture);
    read_10(bench, 9, 1, 0, true);
    move_to(fixture, copy, &bench);
    put_prds(bench, 2048);
    out8(bench, SECOND_MASTER, 0x09);
    expect_good(bench);
    memory_read(&bench->memory, BUFFER, data, sizeof(data));
    expect_sector(data, 9);
    bench_destroy(copy);
}

/* A drive that does not have the disc that was being read refuses. */
static void test_load_without_disc(void **state)
{
    struct fixture *fixture = *state;
    struct bench *copy = bench_create();
    struct state_buffer buffer = {0};
    struct error error;
    get_ready(fixture);
    read_10(fixture->bench, 9, 20, 2048, false);
    device_save((struct device *)fixture->bench->ide, &buffer);
    piix3_ide_attach_cdrom(copy->ide, 2);
    assert_false(device_load((struct device *)copy->ide, &buffer, &error));
    state_buffer_free(&buffer);
    bench_destroy(copy);
}

#define ATAPI_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ATAPI_TEST(test_signature_and_identify),
        ATAPI_TEST(test_device_reset),
        ATAPI_TEST(test_inquiry),
        ATAPI_TEST(test_unknown_commands),
        ATAPI_TEST(test_read_by_pio),
        ATAPI_TEST(test_read_by_dma),
        ATAPI_TEST(test_read_errors),
        ATAPI_TEST(test_read_cd),
        ATAPI_TEST(test_capacity_and_toc),
        ATAPI_TEST(test_information),
        ATAPI_TEST(test_configuration),
        ATAPI_TEST(test_mode_pages),
        ATAPI_TEST(test_empty_drive),
        ATAPI_TEST(test_guest_ejects),
        ATAPI_TEST(test_change),
        ATAPI_TEST(test_taken_out_while_reading),
        ATAPI_TEST(test_reset_keeps_tray),
        ATAPI_TEST(test_save_while_reading),
        ATAPI_TEST(test_save_before_dma),
        ATAPI_TEST(test_load_without_disc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
