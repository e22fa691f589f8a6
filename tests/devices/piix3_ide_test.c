/* The IDE controller with ATA disks in memory, by its ports. */
#include "devices/ata.h"
#include "ide_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* -- registers and reset -- */

static void test_decoding(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    assert_int_equal(get(bench, STATUS), READY);
    config_write(bench, 1, 1, 0x40, 0x80000000, 4);
    assert_int_equal(get(bench, STATUS), 0xff);
    config_write(bench, 1, 1, 0x40, 0x80008000, 4);
    assert_int_equal(get(bench, STATUS), READY);
    config_write(bench, 1, 1, PCI_COMMAND, 0, 2);
    assert_int_equal(get(bench, STATUS), 0xff);
    assert_int_equal(in8(bench, MASTER), 0xff);
}

static void test_signature_after_reset(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put_lba28(bench, 0x123456, 7);
    put(bench, STATUS, 0xe7);
    assert_true(bench->lines[14]);
    out8(bench, CONTROL, 0x04);
    assert_int_equal(get(bench, STATUS), 0x80);
    assert_false(bench->lines[14]);
    put(bench, LOW, 0x99); /* nobody listens now */
    out8(bench, CONTROL, 0x00);
    assert_int_equal(get(bench, STATUS), READY);
    assert_int_equal(get(bench, ERROR), 0x01);
    assert_int_equal(get(bench, COUNT), 1);
    assert_int_equal(get(bench, LOW), 1);
    assert_int_equal(get(bench, MID), 0);
    assert_int_equal(get(bench, HIGH), 0);
    assert_int_equal(get(bench, DEVICE), 0xa0);
}

static void test_absent_slave(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put(bench, DEVICE, 0xb0);
    assert_int_equal(get(bench, STATUS), 0);
    put(bench, COUNT, 0x55);
    put(bench, LOW, 0xaa);
    assert_int_equal(get(bench, COUNT), 0x55);
    assert_int_equal(get(bench, LOW), 0xaa);
    assert_int_equal(get(bench, DEVICE), 0xb0);
    put(bench, STATUS, 0xec);
    assert_int_equal(get(bench, STATUS), 0);
    assert_false(bench->lines[14]);
    put(bench, DEVICE, 0xa0);
    assert_int_equal(get(bench, STATUS), READY);
    /* The second channel has nobody at all. */
    out8(bench, SECOND + COUNT, 0x55);
    assert_int_equal(in8(bench, SECOND + COUNT), 0);
    assert_int_equal(in8(bench, SECOND + STATUS), 0);
}

static void test_diagnostic(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put(bench, DEVICE, 0xb0); /* addressed to the absent slave, for both */
    put(bench, STATUS, 0x90);
    assert_int_equal(get(bench, DEVICE), 0xa0);
    assert_int_equal(get(bench, ERROR), 0x01);
    expect_interrupt(bench, READY);
}

static void test_interrupt_disable(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    out8(bench, CONTROL, 0x02);
    put(bench, STATUS, 0xe7);
    assert_false(bench->lines[14]);
    assert_int_equal(in8(bench, MASTER + 2) & 4, 0);
    out8(bench, CONTROL, 0x00);
    expect_interrupt(bench, READY);
    assert_int_equal(in8(bench, MASTER + 2) & 4, 4);
}

static void test_unknown_commands_abort(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    static const uint8_t commands[] = {0x00, 0x08, 0xa0, 0xa1, 0xf1, 0xf5, 0xff, 0xc7};
    for (unsigned i = 0; i < ARRAY_LENGTH(commands); i++) {
        put(bench, STATUS, commands[i]);
        expect_interrupt(bench, FAILED);
        assert_int_equal(get(bench, ERROR), 0x04);
    }
}

/* -- identify and settings -- */

static void identify(struct bench *bench, uint16_t *words)
{
    put(bench, DEVICE, 0xa0);
    put(bench, STATUS, 0xec);
    expect_interrupt(bench, READY_DATA);
    read_data(bench, words, 512);
    assert_int_equal(get(bench, STATUS), READY);
    assert_false(bench->lines[14]);
}

static void test_identify(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    uint16_t words[256];
    identify(bench, words);
    char model[41] = "";
    for (unsigned i = 0; i < 40; i++) {
        model[i] = (char)(words[27 + i / 2] >> (i % 2 ? 0 : 8));
    }
    assert_string_equal(model, "FAUMACHINE HARDDISK                     ");
    assert_int_equal(words[10], 'F' << 8 | 'M');
    assert_int_equal(words[13], '1' << 8 | ' ');
    assert_int_equal(words[1], 40);
    assert_int_equal(words[3], 16);
    assert_int_equal(words[6], 63);
    assert_int_equal(words[60] | words[61] << 16, DISK_SECTORS);
    assert_int_equal(words[100], DISK_SECTORS & 0xffff);
    assert_int_equal(words[83] & 0x7400, 0x7400);
    assert_int_equal(words[88], 0x203f);
    uint8_t sum = 0, *bytes = (uint8_t *)words;
    for (unsigned i = 0; i < 512; i++) {
        sum += bytes[i];
    }
    assert_int_equal(sum, 0);
}

static void set_features(struct bench *bench, uint8_t feature, uint8_t value)
{
    put(bench, ERROR, feature);
    put(bench, COUNT, value);
    put(bench, STATUS, 0xef);
}

static void test_settings_show_in_identify(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint16_t words[256];
    set_features(bench, 0x03, 0x22);
    expect_interrupt(bench, READY);
    set_features(bench, 0x03, 0x46);
    expect_interrupt(bench, FAILED);
    set_features(bench, 0x82, 0);
    expect_interrupt(bench, READY);
    assert_int_equal(fixture->disk.flushes, 1);
    put(bench, COUNT, 8);
    put(bench, STATUS, 0xc6);
    expect_interrupt(bench, READY);
    put(bench, COUNT, 32);
    put(bench, STATUS, 0xc6);
    expect_interrupt(bench, FAILED);
    put(bench, DEVICE, 0xa7);
    put(bench, COUNT, 32);
    put(bench, STATUS, 0x91);
    expect_interrupt(bench, READY);
    identify(bench, words);
    assert_int_equal(words[63], 0x0407);
    assert_int_equal(words[88], 0x003f);
    assert_int_equal(words[85] & 0x20, 0);
    assert_int_equal(words[59], 0x108);
    assert_int_equal(words[54], DISK_SECTORS / (8 * 32));
    assert_int_equal(words[55], 8);
    assert_int_equal(words[56], 32);
    assert_int_equal(words[3], 16);
}

static void test_power_modes(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put(bench, STATUS, 0xe0);
    put(bench, STATUS, 0xe5);
    assert_int_equal(get(bench, COUNT), 0x00);
    put(bench, STATUS, 0xe1);
    put(bench, STATUS, 0x98);
    assert_int_equal(get(bench, COUNT), 0xff);
    put(bench, STATUS, 0xe6);
    expect_interrupt(bench, READY);
    put(bench, STATUS, 0xec); /* asleep */
    assert_int_equal(get(bench, STATUS), READY);
    out8(bench, CONTROL, 0x04);
    out8(bench, CONTROL, 0x00);
    put(bench, STATUS, 0xec);
    assert_int_equal(get(bench, STATUS), READY_DATA);
}

static void test_smart(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put(bench, MID, 0x4f);
    put(bench, HIGH, 0xc2);
    put(bench, ERROR, 0xda);
    put(bench, STATUS, 0xb0);
    expect_interrupt(bench, READY);
    assert_int_equal(get(bench, MID) | get(bench, HIGH) << 8, 0xc24f);
    put(bench, ERROR, 0xd0);
    put(bench, STATUS, 0xb0);
    expect_interrupt(bench, READY_DATA);
    uint8_t page[512], sum = 0;
    read_data(bench, page, sizeof(page));
    for (unsigned i = 0; i < sizeof(page); i++) {
        sum += page[i];
    }
    assert_int_equal(sum, 0);
    put(bench, HIGH, 0);
    put(bench, STATUS, 0xb0);
    expect_interrupt(bench, FAILED);
}

static void test_native_max(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put(bench, DEVICE, 0xe0);
    put(bench, STATUS, 0xf8);
    assert_int_equal(get_lba28(bench), DISK_SECTORS - 1);
    put_lba48(bench, 0, 0);
    put(bench, STATUS, 0x27);
    assert_int_equal(get_lba28(bench), DISK_SECTORS - 1);
    out8(bench, CONTROL, 0x80);
    assert_int_equal(get(bench, LOW), 0);
    assert_int_equal(get(bench, HIGH), 0);
}

/* -- PIO -- */

/* Commands with 48-bit addresses, on a disk of 2^41 sectors that keeps what it is asked
 * for: the address goes to the back end, and that of a bad sector comes back. */
static void test_large_addresses(void **state)
{
    static const struct {
        uint8_t command;
        enum block_operation operation;
    } commands[] = {{0x24, BLOCK_READ},
                    {0x29, BLOCK_READ},
                    {0x42, BLOCK_READ},
                    {0x34, BLOCK_WRITE},
                    {0x39, BLOCK_WRITE}};
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    struct memory_disk *disk = &fixture->disk;
    const uint64_t sectors = 1ULL << 41, address = 0x123456789aULL;
    uint64_t actual = disk->device.sectors;
    uint8_t data[512] = {0};
    disk->device.sectors = sectors;
    disk->deferred = true;
    for (unsigned i = 0; i < ARRAY_LENGTH(commands); i++) {
        put_lba48(bench, address, 1);
        put(bench, STATUS, commands[i].command);
        if (commands[i].operation == BLOCK_WRITE) {
            write_data(bench, data, sizeof(data));
        }
        assert_true(disk->waiting);
        assert_int_equal(disk->held.sector, address);
        assert_int_equal(disk->held.operation, commands[i].operation);
        disk->waiting = false;
        disk->held.completion(disk->held.opaque, EIO);
        assert_int_equal(get(bench, STATUS) & 0x01, 1);
        assert_int_equal(get_lba28(bench) & 0xffffff, address & 0xffffff);
        out8(bench, CONTROL, 0x80);
        assert_int_equal(get(bench, LOW) | get(bench, MID) << 8, address >> 24);
        out8(bench, CONTROL, 0x00);
    }
    put_lba48(bench, sectors, 1);
    put(bench, STATUS, 0x24);
    assert_int_equal(get(bench, STATUS), FAILED);
    assert_int_equal(get(bench, ERROR), 0x10);
    put(bench, STATUS, 0xec);
    uint16_t words[256];
    read_data(bench, words, sizeof(words));
    assert_int_equal(words[60] | (uint32_t)words[61] << 16, 0x0fffffff);
    assert_int_equal(words[100], 0);
    assert_int_equal(words[102], 1 << 9);
    assert_int_equal(words[83] & 0x2400, 0x2400); /* 48 bits, FLUSH CACHE EXT */
    disk->device.sectors = actual;
    disk->deferred = false;
}

static void test_pio_read(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put_lba28(bench, 1000, 3);
    put(bench, STATUS, 0x20);
    for (unsigned i = 0; i < 3; i++) {
        expect_interrupt(bench, READY_DATA);
        expect_sector(bench, 1000 + i);
    }
    assert_int_equal(get(bench, STATUS), READY);
    assert_false(bench->lines[14]);
    assert_int_equal(bench->rises[14], 3);
    assert_int_equal(get_lba28(bench), 1002);
    assert_int_equal(get(bench, COUNT), 0);
}

static void test_pio_write(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint8_t sectors[2][512];
    memset(sectors, 0x3c, sizeof(sectors));
    put_lba28(bench, 5, 2);
    put(bench, STATUS, 0x30);
    assert_int_equal(get(bench, STATUS), READY_DATA);
    assert_false(bench->lines[14]);
    write_data(bench, sectors[0], 512);
    expect_interrupt(bench, READY_DATA);
    write_data(bench, sectors[1], 512);
    expect_interrupt(bench, READY);
    assert_memory_equal(on_disk(fixture, 5), sectors, sizeof(sectors));
    assert_int_equal(*on_disk(fixture, 7), 7);
}

static void test_count_of_zero_is_256(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put_lba28(bench, 0, 0);
    put(bench, STATUS, 0x20);
    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(get(bench, STATUS), READY_DATA);
        expect_sector(bench, i);
    }
    assert_int_equal(get(bench, STATUS), READY);
}

static void test_multiple(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    put(bench, COUNT, 4);
    put(bench, STATUS, 0xc6);
    expect_interrupt(bench, READY);
    put_lba28(bench, 100, 6);
    put(bench, STATUS, 0xc4);
    expect_interrupt(bench, READY_DATA);
    for (unsigned i = 0; i < 4; i++) {
        expect_sector(bench, 100 + i);
    }
    expect_interrupt(bench, READY_DATA);
    expect_sector(bench, 104);
    expect_sector(bench, 105);
    assert_int_equal(get(bench, STATUS), READY);

    uint8_t sectors[6 * 512];
    memset(sectors, 0x77, sizeof(sectors));
    put_lba48(bench, 200, 6);
    put(bench, STATUS, 0x39);
    write_data(bench, sectors, 4 * 512);
    expect_interrupt(bench, READY_DATA);
    write_data(bench, sectors, 2 * 512);
    expect_interrupt(bench, READY);
    assert_memory_equal(on_disk(fixture, 200), sectors, sizeof(sectors));
    put(bench, COUNT, 0);
    put(bench, STATUS, 0xc6);
    put(bench, STATUS, 0xc4);
    expect_interrupt(bench, FAILED);
}

static void test_chs(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put_chs(bench, 3, 5, 63, 2);
    put(bench, STATUS, 0x20);
    expect_sector(bench, (3 * 16 + 5) * 63 + 62);
    expect_sector(bench, (3 * 16 + 6) * 63);
    assert_int_equal(get(bench, STATUS), READY);
    assert_int_equal(get(bench, DEVICE), 0xa6);
    assert_int_equal(get(bench, LOW), 1);
    put_chs(bench, 0, 0, 0, 1); /* sectors count from one */
    put(bench, STATUS, 0x20);
    expect_interrupt(bench, FAILED);
    assert_int_equal(get(bench, ERROR), 0x10);
    put_chs(bench, 40, 0, 1, 1);
    put(bench, STATUS, 0x70);
    expect_interrupt(bench, FAILED);
}

static void test_write_cache_off_flushes(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint8_t sector[512] = {0};
    set_features(bench, 0x82, 0);
    unsigned flushes = fixture->disk.flushes;
    put_lba28(bench, 1, 1);
    put(bench, STATUS, 0x30);
    write_data(bench, sector, sizeof(sector));
    assert_int_equal(get(bench, STATUS), READY);
    assert_int_equal(fixture->disk.flushes, flushes + 1);
}

/* -- errors -- */

static void test_beyond_the_end(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put_lba28(bench, DISK_SECTORS - 1, 2);
    put(bench, STATUS, 0x20);
    expect_interrupt(bench, FAILED);
    assert_int_equal(get(bench, ERROR), 0x10);
    assert_int_equal(get_lba28(bench), DISK_SECTORS);
    put_lba48(bench, 0xffffffffffffULL, 0);
    put(bench, STATUS, 0x25);
    expect_interrupt(bench, FAILED);
    assert_int_equal(get(bench, ERROR), 0x10);
}

static void test_read_error_names_the_sector(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    fixture->disk.bad_sector = 305;
    fixture->disk.bad_result = EIO;
    put_lba28(bench, 300, 16);
    put(bench, STATUS, 0xc4);
    expect_interrupt(bench, FAILED);
    assert_int_equal(get(bench, ERROR), 0x40);
    assert_int_equal(get_lba28(bench), 305);
    put_lba28(bench, 250, 100);
    put(bench, STATUS, 0x40);
    expect_interrupt(bench, FAILED);
    assert_int_equal(get_lba28(bench), 305);
    fixture->disk.bad_sector = NO_SECTOR;
    put_lba28(bench, 250, 100);
    put(bench, STATUS, 0x40);
    expect_interrupt(bench, READY);
}

static void test_write_errors(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    uint8_t sector[512] = {0};
    fixture->disk.bad_sector = 9;
    fixture->disk.bad_result = ENOSPC;
    put_lba28(bench, 9, 1);
    put(bench, STATUS, 0x30);
    write_data(bench, sector, sizeof(sector));
    expect_interrupt(bench, 0x71); /* device fault */
    assert_int_equal(get(bench, ERROR), 0x04);
    fixture->disk.bad_sector = NO_SECTOR;
    fixture->disk.device.read_only = true;
    put_lba28(bench, 9, 1);
    put(bench, STATUS, 0x30);
    expect_interrupt(bench, FAILED);
    assert_int_equal(get(bench, ERROR), 0x44);
}

static void test_flush_error(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    put(bench, STATUS, 0xea);
    expect_interrupt(bench, READY);
    fixture->disk.bad_sector = 0;
    fixture->disk.bad_result = EIO;
    put(bench, STATUS, 0xe7);
    expect_interrupt(bench, 0x71);
}

/* -- DMA -- */

static void test_dma_read_scatters(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    put_prd(bench, 0, BUFFER, 0x300, false);
    put_prd(bench, 1, BUFFER + 0x10000, 0x100, false);
    put_prd(bench, 2, BUFFER + 0x1000, 0x400, true);
    put_lba28(bench, 2000, 4);
    start_dma(bench, 0xc8, true);
    assert_int_equal(in8(bench, MASTER + 2), 0x04);
    expect_interrupt(bench, READY);
    const uint8_t *ram = bench->ram.host;
    assert_memory_equal(ram + BUFFER, on_disk(fixture, 2000), 0x300);
    assert_memory_equal(ram + BUFFER + 0x10000, on_disk(fixture, 2001) + 0x100, 0x100);
    assert_memory_equal(ram + BUFFER + 0x1000, on_disk(fixture, 2002), 0x400);
    out8(bench, MASTER, 0);
    out8(bench, MASTER + 2, 0x04);
    assert_int_equal(in8(bench, MASTER + 2), 0);
}

static void test_dma_write_gathers(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    memset(bench->ram.host + BUFFER, 0xd1, 0x20000);
    put_prd(bench, 0, BUFFER, 0, false); /* 64 KiB */
    put_prd(bench, 1, BUFFER + 0x10000, 0x8000, true);
    put_lba48(bench, 4000, 192);
    start_dma(bench, 0x35, false);
    expect_interrupt(bench, READY);
    for (unsigned i = 0; i < 192; i++) {
        assert_memory_equal(on_disk(fixture, 4000 + i), bench->ram.host + BUFFER, 512);
    }
    assert_int_equal(on_disk(fixture, 4192)[0], 4192 & 0xff);
}

/* The engine may be started before the command, and the table may be longer. */
static void test_dma_started_first(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put_prd(bench, 0, BUFFER, 0x1000, true);
    port_write(&bench->ports, MASTER + 4, PRDS, 4);
    out8(bench, MASTER, 0x09);
    assert_int_equal(in8(bench, MASTER + 2), 0x01);
    put_lba28(bench, 10, 1);
    put(bench, STATUS, 0xc8);
    expect_interrupt(bench, READY);
    assert_int_equal(in8(bench, MASTER + 2), 0x05); /* interrupt, still active */
    assert_int_equal(memory_read32(&bench->memory, BUFFER), 10);
}

static void test_dma_waits_for_bus_mastering(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    config_write(bench, 1, 1, PCI_COMMAND, PCI_COMMAND_IO, 2);
    put_prd(bench, 0, BUFFER, 512, true);
    put_lba28(bench, 10, 1);
    start_dma(bench, 0xc8, true);
    assert_false(bench->lines[14]);
    assert_int_equal(in8(bench, CONTROL), READY_DATA);
    config_write(bench, 1, 1, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
    expect_interrupt(bench, READY);
    assert_int_equal(memory_read32(&bench->memory, BUFFER), 10);
}

static void test_dma_table_too_short(void **state)
{
    struct bench *bench = ((struct fixture *)*state)->bench;
    put_prd(bench, 0, BUFFER, 512, true);
    put_lba28(bench, 10, 2);
    start_dma(bench, 0xc8, true);
    assert_int_equal(in8(bench, MASTER + 2), 0x00);
    assert_false(bench->lines[14]);
    assert_int_equal(get(bench, STATUS), READY);
}

static void test_dma_read_error(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    fixture->disk.bad_sector = 300;
    fixture->disk.bad_result = EIO;
    put_prd(bench, 0, BUFFER, 0, false);
    put_prd(bench, 1, BUFFER, 0, false);
    put_prd(bench, 2, BUFFER, 0, true);
    put_lba48(bench, 100, 256);
    start_dma(bench, 0x25, true);
    expect_interrupt(bench, FAILED);
    assert_int_equal(get(bench, ERROR), 0x40);
    assert_int_equal(get_lba28(bench) & 0xffffff, 300);
}

/* The most that one command can move: 65,536 sectors would not fit the disk; as much
 * as does, over one page again and again. */
static void test_dma_long(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    enum { SECTORS = 40000 };
    for (unsigned i = 0; i < SECTORS / 128 + 1; i++) {
        put_prd(bench, i, BUFFER + 0x20000, 0, i == SECTORS / 128);
    }
    put_lba48(bench, 0, SECTORS);
    start_dma(bench, 0x25, true);
    expect_interrupt(bench, READY);
    assert_int_equal(fixture->disk.requests, SECTORS / ATA_CHUNK_SECTORS + 1);
    assert_int_equal(memory_read32(&bench->memory, BUFFER + 0x20000),
                     SECTORS / 128 * 128);
}

/* -- two drives, saving -- */

static void test_two_drives(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    struct memory_disk second;
    memory_disk_create(&second, 100);
    second.bytes[0] = 0xee;
    piix3_ide_attach(bench->ide, 1, &second.device);
    put_lba28(bench, 0, 1);
    put(bench, DEVICE, 0xf0);
    put(bench, STATUS, 0x20);
    assert_true(bench->lines[14]);
    put(bench, DEVICE, 0xe0); /* the interrupt belongs to the other one */
    assert_false(bench->lines[14]);
    assert_int_equal(get(bench, STATUS), READY);
    put(bench, DEVICE, 0xf0);
    expect_interrupt(bench, READY_DATA);
    expect_sector(bench, 0xee);
    piix3_ide_attach(bench->ide, 1, NULL);
    memory_disk_destroy(&second);
}

/* A state saved in the middle of a transfer goes on where it was. */
static void test_save_in_transfer(void **state)
{
    struct fixture *fixture = *state;
    struct bench *bench = fixture->bench;
    struct device *device = (struct device *)bench->ide;
    struct state_buffer saved = {0};
    struct error error;
    put_lba28(bench, 70, 2);
    put(bench, STATUS, 0xc4);
    expect_sector(bench, 70);
    device_save(device, &saved);
    device->class->reset(device);
    device->class->reset_lines(device);
    assert_false(bench->lines[14]);
    assert_true(device_load(device, &saved, &error));
    expect_interrupt(bench, READY_DATA);
    expect_sector(bench, 71);
    assert_int_equal(get(bench, STATUS), READY);
    /* Without its disk the state makes no sense. */
    piix3_ide_attach(bench->ide, 0, NULL);
    saved.position = 0;
    assert_false(device_load(device, &saved, &error));
    assert_non_null(strstr(error.text, "hda"));
    state_buffer_free(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IDE_TEST(test_decoding),
        IDE_TEST(test_signature_after_reset),
        IDE_TEST(test_absent_slave),
        IDE_TEST(test_diagnostic),
        IDE_TEST(test_interrupt_disable),
        IDE_TEST(test_unknown_commands_abort),
        IDE_TEST(test_identify),
        IDE_TEST(test_settings_show_in_identify),
        IDE_TEST(test_power_modes),
        IDE_TEST(test_smart),
        IDE_TEST(test_native_max),
        IDE_TEST(test_large_addresses),
        IDE_TEST(test_pio_read),
        IDE_TEST(test_pio_write),
        IDE_TEST(test_count_of_zero_is_256),
        IDE_TEST(test_multiple),
        IDE_TEST(test_chs),
        IDE_TEST(test_write_cache_off_flushes),
        IDE_TEST(test_beyond_the_end),
        IDE_TEST(test_read_error_names_the_sector),
        IDE_TEST(test_write_errors),
        IDE_TEST(test_flush_error),
        IDE_TEST(test_dma_read_scatters),
        IDE_TEST(test_dma_write_gathers),
        IDE_TEST(test_dma_started_first),
        IDE_TEST(test_dma_waits_for_bus_mastering),
        IDE_TEST(test_dma_table_too_short),
        IDE_TEST(test_dma_read_error),
        IDE_TEST(test_dma_long),
        IDE_TEST(test_two_drives),
        IDE_TEST(test_save_in_transfer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
