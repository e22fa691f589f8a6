/* ATA disks whose back end answers later, and what they discard. */
#include "devices/ata.h"
#include "ide_host.h"

#include <errno.h>

/* So many sectors, to one place again and again. */
static void put_prds_for(struct bench *bench, unsigned sectors)
{
    enum { PRD_SECTORS = 128 };
    unsigned last = (sectors - 1) / PRD_SECTORS;
    for (unsigned i = 0; i <= last; i++) {
        put_prd(bench, i, BUFFER, 0, i == last);
    }
}

/* -- a back end that answers later -- */

static void test_deferred_answers(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    fixture->disk.deferred = true;
    put_lba28(bench, 50, 2);
    put(bench, STATUS, 0x20);
    assert_int_equal(get(bench, STATUS), 0x80);
    put(bench, STATUS, 0xec); /* busy: ignored */
    memory_disk_answer(&fixture->disk);
    expect_interrupt(bench, READY_DATA);
    expect_sector(bench, 50);
    assert_int_equal(get(bench, STATUS), 0x80);
    memory_disk_answer(&fixture->disk);
    expect_sector(bench, 51);
    put_prds_for(bench, ATA_CHUNK_SECTORS + 10);
    put_lba48(bench, 0, ATA_CHUNK_SECTORS + 10);
    start_dma(bench, 0x25, true);
    memory_disk_answer(&fixture->disk);
    assert_false(bench->lines[14]);
    memory_disk_answer(&fixture->disk);
    expect_interrupt(bench, READY);
}

static void test_reset_while_busy(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    fixture->disk.deferred = true;
    put_lba28(bench, 50, 1);
    put(bench, STATUS, 0x20);
    out8(bench, CONTROL, 0x04);
    out8(bench, CONTROL, 0x00);
    assert_int_equal(get(bench, STATUS), 0x80);
    memory_disk_answer(&fixture->disk);
    assert_int_equal(get(bench, STATUS), READY);
    assert_int_equal(get(bench, LOW), 1);
    assert_false(bench->lines[14]);
}

/* A reset by the host, and then by the machine, between the chunks of a DMA write: what
 * was not asked for yet is not written, and the late answer changes nothing. */
static void test_reset_in_a_dma_write(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    struct device *device = (struct device *)bench->ide;
    memset(bench->ram.host + BUFFER, 0xab, 0x20000);
    for (unsigned machine = 0; machine < 2; machine++) {
        fixture->disk.deferred = true;
        put_prds_for(bench, ATA_CHUNK_SECTORS + 10);
        put_lba48(bench, 1000, ATA_CHUNK_SECTORS + 10);
        start_dma(bench, 0x35, false);
        assert_int_equal(get(bench, STATUS), 0x80);
        if (machine) {
            device->class->reset(device);
            device->class->reset_lines(device);
            config_write(bench, 1, 1, 0x20, MASTER, 4);
            config_write(bench, 1, 1, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER,
                         2);
            config_write(bench, 1, 1, 0x40, 0x80008000, 4);
        } else {
            out8(bench, MASTER, 0);
            out8(bench, CONTROL, 0x04);
        }
        assert_int_equal(get(bench, STATUS), 0x80);
        memory_disk_answer(&fixture->disk);
        assert_false(fixture->disk.waiting);
        assert_false(bench->lines[14]);
        out8(bench, CONTROL, 0x00);
        assert_int_equal(get(bench, STATUS), READY);
        enum { BEYOND = 1000 + ATA_CHUNK_SECTORS };
        assert_int_equal(*on_disk(fixture, BEYOND - 1), 0xab);
        assert_int_equal(*on_disk(fixture, BEYOND), BEYOND & 0xff);
        fixture->disk.deferred = false;
        put_lba28(bench, BEYOND, 1);
        put(bench, STATUS, 0x20);
        expect_interrupt(bench, READY_DATA);
        expect_sector(bench, BEYOND);
    }
}

/* The host stops the bus master while the drive reads: nothing comes to memory. */
static void test_dma_stopped_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    fixture->disk.deferred = true;
    put_prd(bench, 0, BUFFER, 512, true);
    put_lba28(bench, 7, 1);
    start_dma(bench, 0xc8, true);
    out8(bench, MASTER, 0);
    memory_disk_answer(&fixture->disk);
    assert_int_equal(get(bench, STATUS), READY);
    assert_int_equal(bench->ram.host[BUFFER], 0);
}

/* Both drives of a channel at once; the answers come in the other order. */
static void test_two_drives_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    struct memory_disk second;
    memory_disk_create(&second, 100);
    piix3_ide_attach(bench->ide, 1, &second.device);
    fixture->disk.deferred = second.deferred = true;
    put_lba28(bench, 30, 1);
    put(bench, STATUS, 0x20);
    put(bench, DEVICE, 0xf0); /* the first one is busy: it does not hear this */
    assert_int_equal(get(bench, STATUS), 0x80);
    memory_disk_answer(&fixture->disk);
    put(bench, DEVICE, 0xf0);
    put(bench, COUNT, 1);
    put(bench, LOW, 40);
    put(bench, STATUS, 0x20);
    assert_int_equal(get(bench, STATUS), 0x80);
    memory_disk_answer(&second);
    expect_interrupt(bench, READY_DATA);
    expect_sector(bench, 40);
    piix3_ide_attach(bench->ide, 1, NULL);
    memory_disk_destroy(&second);
}

/* An error that comes late, and the retries that find its sector. */
static void test_late_error(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    fixture->disk.deferred = true;
    fixture->disk.bad_sector = 52;
    fixture->disk.bad_result = ENOSPC;
    memset(bench->ram.host + BUFFER, 0xcd, 0x1000);
    put_prd(bench, 0, BUFFER, 0x1000, true);
    put_lba28(bench, 50, 8);
    start_dma(bench, 0xca, false);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(in8(bench, CONTROL), 0x80);
        memory_disk_answer(&fixture->disk);
    }
    expect_interrupt(bench, 0x71);
    assert_int_equal(get_lba28(bench), 52);
    assert_int_equal(*on_disk(fixture, 51), 0xcd);
    assert_int_equal(*on_disk(fixture, 53), 53);
}

static void test_late_flush(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    fixture->disk.deferred = true;
    put(bench, STATUS, 0xe7);
    assert_int_equal(in8(bench, CONTROL), 0x80);
    assert_false(bench->lines[14]);
    memory_disk_answer(&fixture->disk);
    expect_interrupt(bench, READY);
}

/* -- DATA SET MANAGEMENT -- */

static void put_range(struct bench *bench, unsigned index, uint64_t sector,
                      uint16_t count)
{
    uint64_t range = sector | (uint64_t)count << 48;
    memcpy(bench->ram.host + BUFFER + 8 * index, &range, sizeof(range));
}

static void start_trim(struct bench *bench, uint16_t blocks)
{
    put_prd(bench, 0, BUFFER, 0x1000, true);
    put_lba48(bench, 0, blocks);
    put(bench, DEVICE, 0xa0); /* as Linux has it */
    put(bench, ERROR, 0x01);
    start_dma(bench, 0x06, false);
}

static void test_trim(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint16_t words[256];
    fixture->disk.device.discards = true;
    put(bench, STATUS, 0xec);
    read_data(bench, words, sizeof(words));
    assert_int_equal(words[169], 1);
    assert_int_equal(words[105], 8);
    assert_true(words[80] & 1 << 7);
    memset(bench->ram.host + BUFFER, 0, 0x1000);
    put_range(bench, 0, 10, 5);
    put_range(bench, 63, 20, 1); /* the last of the first block */
    put_range(bench, 64, 100, 0xffff & 30);
    fixture->disk.deferred = true;
    start_trim(bench, 2);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(in8(bench, CONTROL), 0x80);
        memory_disk_answer(&fixture->disk);
    }
    expect_interrupt(bench, READY);
    assert_int_equal(fixture->disk.discarded, 5 + 1 + 30);
    assert_int_equal(*on_disk(fixture, 9), 9);
    assert_int_equal(*on_disk(fixture, 14), 0);
    assert_int_equal(*on_disk(fixture, 15), 15);
    assert_int_equal(*on_disk(fixture, 129), 0);
}

static void test_trim_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint16_t words[256];
    put(bench, STATUS, 0xec);
    read_data(bench, words, sizeof(words));
    assert_int_equal(words[169] | words[105], 0);
    put_range(bench, 0, 0, 1);
    start_trim(bench, 1);
    expect_interrupt(bench, FAILED);
    fixture->disk.device.discards = true;
    start_trim(bench, 0);
    expect_interrupt(bench, FAILED);
    start_trim(bench, 9);
    expect_interrupt(bench, FAILED);
    out8(bench, MASTER, 0);
    put_range(bench, 0, DISK_SECTORS - 1, 2);
    start_trim(bench, 1);
    expect_interrupt(bench, FAILED);
    assert_int_equal(get(bench, ERROR), 0x14);
    out8(bench, MASTER, 0);
    fixture->disk.bad_sector = 3;
    fixture->disk.bad_result = EIO;
    put_range(bench, 0, 3, 1);
    start_trim(bench, 1);
    expect_interrupt(bench, 0x71);
    assert_int_equal(fixture->disk.discarded, 0);
}

/* Saved while the drive waits for the list. */
static void test_trim_saved(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    struct device *device = (struct device *)bench->ide;
    struct state_buffer saved = {0};
    struct error error;
    fixture->disk.device.discards = true;
    memset(bench->ram.host + BUFFER, 0, 0x200);
    put_range(bench, 0, 77, 2);
    put_prd(bench, 0, BUFFER, 0x200, true);
    port_write(&bench->ports, MASTER + 4, PRDS, 4);
    put_lba48(bench, 0, 1);
    put(bench, ERROR, 0x01);
    put(bench, STATUS, 0x06);
    assert_int_equal(get(bench, STATUS), READY_DATA);
    device_save(device, &saved);
    out8(bench, CONTROL, 0x04);
    out8(bench, CONTROL, 0x00);
    assert_true(device_load(device, &saved, &error));
    out8(bench, MASTER, 0x01);
    expect_interrupt(bench, READY);
    assert_int_equal(fixture->disk.discarded, 2);
    assert_int_equal(*on_disk(fixture, 78), 0);
    state_buffer_free(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IDE_TEST(test_deferred_answers),     IDE_TEST(test_reset_while_busy),
        IDE_TEST(test_reset_in_a_dma_write), IDE_TEST(test_dma_stopped_meanwhile),
        IDE_TEST(test_two_drives_at_once),   IDE_TEST(test_late_error),
        IDE_TEST(test_late_flush),           IDE_TEST(test_trim),
        IDE_TEST(test_trim_is_refused),      IDE_TEST(test_trim_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
