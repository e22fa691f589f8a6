#include "devices/ata_internal.h"
#include "devices/atapi_internal.h"

typedef void ata_command(struct ata_drive *drive);

/* -- sectors -- */

static void read_sectors(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_PIO_IN, false, 1);
}

static void read_sectors_ext(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_PIO_IN, true, 1);
}

static void write_sectors(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_PIO_OUT, false, 1);
}

static void write_sectors_ext(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_PIO_OUT, true, 1);
}

/* READ and WRITE MULTIPLE are refused while no block size is set. */
static void multiple(struct ata_drive *drive, enum ata_transfer transfer, bool extended)
{
    if (drive->multiple) {
        ata_start_transfer(drive, transfer, extended, drive->multiple);
    } else {
        ata_fail(drive, ATA_ERROR_ABORTED);
    }
}

static void read_multiple(struct ata_drive *drive)
{
    multiple(drive, ATA_TRANSFER_PIO_IN, false);
}

static void read_multiple_ext(struct ata_drive *drive)
{
    multiple(drive, ATA_TRANSFER_PIO_IN, true);
}

static void write_multiple(struct ata_drive *drive)
{
    multiple(drive, ATA_TRANSFER_PIO_OUT, false);
}

static void write_multiple_ext(struct ata_drive *drive)
{
    multiple(drive, ATA_TRANSFER_PIO_OUT, true);
}

static void read_dma(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_DMA_IN, false, ATA_CHUNK_SECTORS);
}

static void read_dma_ext(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_DMA_IN, true, ATA_CHUNK_SECTORS);
}

static void write_dma(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_DMA_OUT, false, ATA_CHUNK_SECTORS);
}

static void write_dma_ext(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_DMA_OUT, true, ATA_CHUNK_SECTORS);
}

static void verify(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_VERIFY, false, ATA_CHUNK_SECTORS);
}

static void verify_ext(struct ata_drive *drive)
{
    ata_start_transfer(drive, ATA_TRANSFER_VERIFY, true, ATA_CHUNK_SECTORS);
}

static void seek(struct ata_drive *drive)
{
    uint64_t sector;
    if (ata_get_address(drive, false, &sector)) {
        drive->standby = false;
        ata_finish(drive);
    } else {
        ata_fail(drive, ATA_ERROR_ID_NOT_FOUND);
    }
}

static void read_native_max(struct ata_drive *drive)
{
    uint64_t last = drive->block->sectors - 1;
    drive->extended = false;
    ata_put_address(
        drive, last < ATA_MAXIMUM_LBA28_SECTORS ? last : ATA_MAXIMUM_LBA28_SECTORS);
    ata_finish(drive);
}

static void read_native_max_ext(struct ata_drive *drive)
{
    drive->extended = true;
    ata_put_address(drive, drive->block->sectors - 1);
    ata_finish(drive);
}

/* -- settings -- */

static void succeed(struct ata_drive *drive)
{
    ata_finish(drive);
}

static void identify_device(struct ata_drive *drive)
{
    ata_identify(drive, drive->data);
    ata_send_page(drive, BLOCK_SECTOR_BYTES);
}

static void identify_packet_device(struct ata_drive *drive)
{
    ata_identify_packet(drive, drive->data);
    ata_send_page(drive, BLOCK_SECTOR_BYTES);
}

/* How a packet device answers those who take it for a hard disk. */
static void abort_with_signature(struct ata_drive *drive)
{
    ata_put_signature(drive);
    ata_fail(drive, ATA_ERROR_ABORTED);
}

static void initialize_parameters(struct ata_drive *drive)
{
    uint8_t sectors = drive->current.sector_count;
    if (sectors == 0) {
        ata_fail(drive, ATA_ERROR_ABORTED);
        return;
    }
    drive->heads = (drive->device & ATA_DEVICE_HEAD) + 1;
    drive->sectors_per_track = sectors;
    ata_finish(drive);
}

/* 0 turns the multiple commands off; else a power of two up to the maximum. */
static void set_multiple(struct ata_drive *drive)
{
    uint8_t count = drive->current.sector_count;
    if (count > ATA_MULTIPLE_MAXIMUM || (count & (count - 1))) {
        ata_fail(drive, ATA_ERROR_ABORTED);
        return;
    }
    drive->multiple = count;
    ata_finish(drive);
}

/* PIO 0-4, multiword DMA 0-2, ultra DMA 0-5: ATA/ATAPI-6 table 44. */
static bool set_transfer_mode(struct ata_drive *drive, uint8_t mode)
{
    unsigned kind = mode & ATA_TRANSFER_KIND, number = mode & 7;
    switch (kind) {
    case 0: /* the default PIO mode, with or without IORDY: no DMA mode changes */
        return number <= 1;
    case ATA_TRANSFER_PIO_DEFAULT:
        return number <= 4;
    case ATA_TRANSFER_MULTIWORD_DMA:
    case ATA_TRANSFER_ULTRA_DMA:
        if (number > (kind == ATA_TRANSFER_ULTRA_DMA ? 5 : 2)) {
            return false;
        }
        drive->transfer_mode = mode;
        return true;
    default:
        return false;
    }
}

static void set_features(struct ata_drive *drive)
{
    bool known = true;
    switch (drive->current.features) {
    case 0x02:
        drive->write_cache = true;
        break;
    case 0x82:
        drive->write_cache = false;
        if (drive->kind == ATA_KIND_DISK) {
            ata_flush(drive);
            return;
        }
        break;
    case 0x03:
        known = set_transfer_mode(drive, drive->current.sector_count);
        break;
    case 0x55:
        drive->look_ahead = false;
        break;
    case 0xaa:
        drive->look_ahead = true;
        break;
    case 0x66:
        drive->revert_to_defaults = false;
        break;
    case 0xcc:
        drive->revert_to_defaults = true;
        break;
    default:
        known = false;
        break;
    }
    if (known) {
        ata_finish(drive);
    } else {
        ata_fail(drive, ATA_ERROR_ABORTED);
    }
}

/* -- power -- */

static void idle(struct ata_drive *drive)
{
    drive->standby = false;
    ata_finish(drive);
}

static void standby(struct ata_drive *drive)
{
    drive->standby = true;
    ata_finish(drive);
}

/* Only a reset wakes a drive that sleeps. */
static void go_to_sleep(struct ata_drive *drive)
{
    drive->sleeping = true;
    ata_finish(drive);
}

static void check_power_mode(struct ata_drive *drive)
{
    enum { MODE_STANDBY = 0x00, MODE_ACTIVE = 0xff };
    drive->current.sector_count = drive->standby ? MODE_STANDBY : MODE_ACTIVE;
    ata_finish(drive);
}

/* -- the tables: what is not in them aborts. ATA/ATAPI-6 chapter 8, ATA8-ACS-2 for
 * 06h -- */

static ata_command *const disk_commands[256] = {
    [0x06] = ata_manage_data_set,
    [0x10 ... 0x1f] = succeed, /* RECALIBRATE */
    [0x20 ... 0x21] = read_sectors,
    [0x24] = read_sectors_ext,
    [0x25] = read_dma_ext,
    [0x27] = read_native_max_ext,
    [0x29] = read_multiple_ext,
    [0x30 ... 0x31] = write_sectors,
    [0x34] = write_sectors_ext,
    [0x35] = write_dma_ext,
    [0x39] = write_multiple_ext,
    [0x40 ... 0x41] = verify,
    [0x42] = verify_ext,
    [0x70 ... 0x7f] = seek,
    [0x91] = initialize_parameters,
    [0x94] = standby, /* STANDBY IMMEDIATE */
    [0x95] = idle,    /* IDLE IMMEDIATE */
    [0x96] = standby,
    [0x97] = idle,
    [0x98] = check_power_mode,
    [0x99] = go_to_sleep,
    [0xb0] = ata_smart,
    [0xc4] = read_multiple,
    [0xc5] = write_multiple,
    [0xc6] = set_multiple,
    [0xc8 ... 0xc9] = read_dma,
    [0xca ... 0xcb] = write_dma,
    [0xe0] = standby,
    [0xe1] = idle,
    [0xe2] = standby,
    [0xe3] = idle,
    [0xe5] = check_power_mode,
    [0xe6] = go_to_sleep,
    [0xe7] = ata_flush,
    [0xea] = ata_flush, /* FLUSH CACHE EXT */
    [0xec] = identify_device,
    [0xef] = set_features,
    [0xf8] = read_native_max,
};

/* DEVICE RESET is carried out where it is written. */
static ata_command *const packet_device_commands[256] = {
    [0x20] = abort_with_signature,
    [0x94] = standby,
    [0x95] = idle,
    [0x98] = check_power_mode,
    [0x99] = go_to_sleep,
    [0xa0] = atapi_start,
    [0xa1] = identify_packet_device,
    [0xe0] = standby,
    [0xe1] = idle,
    [0xe5] = check_power_mode,
    [0xe6] = go_to_sleep,
    [0xec] = abort_with_signature,
    [0xef] = set_features,
};

void ata_execute(struct ata_drive *drive, uint8_t command)
{
    /* Everybody who looks for drives tries the second one. */
    enum { NOP = 0x00, IDENTIFY_PACKET_DEVICE = 0xa1 };
    ata_command *const *commands =
        drive->kind == ATA_KIND_CDROM ? packet_device_commands : disk_commands;
    if (drive->sleeping) {
        return;
    }
    drive->command = command;
    drive->error = 0;
    drive->status = ATA_STATUS_IDLE;
    ata_set_interrupt(drive, false);
    if (commands[command]) {
        commands[command](drive);
        return;
    }
    if (command != NOP && command != IDENTIFY_PACKET_DEVICE) {
        log_guest_error(drive->log, "ata", "hd%c: command %02x is not there",
                        'a' + (int)drive->number, command);
    }
    ata_fail(drive, ATA_ERROR_ABORTED);
}
