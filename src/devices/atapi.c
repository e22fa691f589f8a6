/* The protocol of packet commands, and what the drive does with its medium. */
#include "devices/atapi_internal.h"

#include <string.h>

enum {
    FEATURE_DMA = 0x01, /* of the command PACKET */
    FEATURE_OVERLAP = 0x02,

    /* Interrupt reason, in the sector count register. */
    REASON_COMMAND = 0x01, /* C/D: a packet, or the end; else data */
    REASON_TO_HOST = 0x02,

    LIMIT_MAXIMUM = 0xfffe,
    BLOCKS_PER_SECTOR = ATAPI_SECTOR_BYTES / BLOCK_SECTOR_BYTES,
};

static void set_reason(struct ata_drive *drive, uint8_t reason)
{
    drive->current.sector_count = reason;
}

/* -- the end of a command -- */

void atapi_succeed(struct ata_drive *drive)
{
    set_reason(drive, REASON_COMMAND | REASON_TO_HOST);
    drive->error = 0;
    ata_finish(drive);
}

void atapi_fail(struct ata_drive *drive, uint8_t key, uint16_t sense)
{
    atapi_set_sense(&drive->atapi, key, sense);
    set_reason(drive, REASON_COMMAND | REASON_TO_HOST);
    ata_fail(drive, (uint8_t)(key << 4 | ATA_ERROR_ABORTED));
}

/* -- data -- */

/* A block that the host moves by PIO. */
static void start_pio(struct ata_drive *drive, enum ata_phase phase, uint8_t reason,
                      uint32_t bytes)
{
    drive->length = drive->position + bytes;
    drive->phase = (uint8_t)phase;
    drive->status = ATA_STATUS_IDLE | ATA_STATUS_DATA_REQUEST;
    drive->current.lba_mid = (uint8_t)bytes;
    drive->current.lba_high = (uint8_t)(bytes >> 8);
    set_reason(drive, reason);
    ata_set_interrupt(drive, true);
}

/* All blocks but the last have an even length. */
static uint32_t block_length(const struct ata_drive *drive, uint32_t left)
{
    uint32_t limit = drive->atapi.byte_limit;
    if (left <= limit) {
        return left;
    }
    return limit > 1 ? limit & ~1U : 2;
}

static void sectors_read(struct ata_drive *drive, int result);

static uint8_t *sector_buffer(struct ata_drive *drive)
{
    return drive->atapi.dma ? drive->chunk : drive->data;
}

/* Whole sectors go straight where they are wanted. Of others only parts are: these are
 * made one by one, of what is read behind them. */
static uint32_t sectors_at_once(const struct ata_drive *drive)
{
    const struct atapi *atapi = &drive->atapi;
    uint32_t bytes = atapi->dma ? sizeof(drive->chunk) : sizeof(drive->data);
    uint32_t most = atapi->parts == ATAPI_PART_DATA ? bytes / ATAPI_SECTOR_BYTES : 1;
    return atapi->remaining < most ? atapi->remaining : most;
}

static uint8_t *read_place(struct ata_drive *drive)
{
    bool whole = drive->atapi.parts == ATAPI_PART_DATA;
    return sector_buffer(drive) + (whole ? 0 : ATAPI_SECTOR_BYTES * 2);
}

static void read_more(struct ata_drive *drive)
{
    if (!atapi_is_loaded(drive)) {
        atapi_fail(drive, ATAPI_SENSE_NOT_READY, ATAPI_NO_MEDIUM_TRAY_OPEN);
        return;
    }
    drive->sector = (uint64_t)drive->atapi.sector * BLOCKS_PER_SECTOR;
    drive->block_done = 0;
    ata_request(drive, BLOCK_READ, read_place(drive),
                sectors_at_once(drive) * BLOCKS_PER_SECTOR, sectors_read);
}

/* Goes on with what is there, or has more read, or ends. */
static void continue_input(struct ata_drive *drive)
{
    struct atapi *atapi = &drive->atapi;
    uint32_t left = atapi->filled - drive->position;
    if (left == 0 && atapi->remaining == 0) {
        atapi_succeed(drive);
    } else if (atapi->dma) {
        drive->phase = ATA_PHASE_DMA;
        drive->status = ATA_STATUS_IDLE | ATA_STATUS_DATA_REQUEST;
        drive->channel->dma->request(drive->channel->dma_opaque);
    } else if (left == 0) {
        read_more(drive);
    } else {
        start_pio(drive, ATA_PHASE_PIO_IN, REASON_TO_HOST, block_length(drive, left));
    }
}

/* False: the controller had no room, and the command has ended. */
static bool move_by_dma(struct ata_drive *drive, uint8_t *bytes, bool to_memory)
{
    const struct ata_channel *channel = drive->channel;
    uint32_t length = drive->atapi.filled;
    if (channel->dma->transfer(channel->dma_opaque, bytes, length, to_memory) !=
        length) {
        ata_end_short_dma(drive, drive->atapi.remaining);
        return false;
    }
    drive->position = length;
    return true;
}

static void sectors_read(struct ata_drive *drive, int result)
{
    struct atapi *atapi = &drive->atapi;
    uint32_t count = sectors_at_once(drive);
    if (!atapi_is_loaded(drive)) {
        atapi_fail(drive, ATAPI_SENSE_NOT_READY, ATAPI_NO_MEDIUM_TRAY_OPEN);
        return;
    }
    if (result) {
        ata_tell_host_error(drive, "read", result);
        atapi_fail(drive, ATAPI_SENSE_MEDIUM_ERROR, ATAPI_UNRECOVERED_READ_ERROR);
        return;
    }
    if (atapi->parts != ATAPI_PART_DATA) {
        atapi_make_sector(atapi->parts, atapi->sector, read_place(drive),
                          sector_buffer(drive));
    }
    atapi->sector += count;
    atapi->remaining -= count;
    atapi->filled = count * atapi_sector_bytes(atapi->parts);
    drive->position = 0;
    if (!atapi->dma || move_by_dma(drive, drive->chunk, true)) {
        continue_input(drive);
    }
}

void atapi_run_dma(struct ata_drive *drive)
{
    if (drive->transfer == ATA_TRANSFER_PACKET_OUT) {
        if (move_by_dma(drive, drive->data, false)) {
            atapi_parameters_taken(drive);
        }
    } else if (drive->position < drive->atapi.filled) {
        if (move_by_dma(drive, drive->data, true)) {
            continue_input(drive);
        }
    } else {
        read_more(drive);
    }
}

/* By PIO the host has to have room for something, else it cannot have meant it. */
static bool can_move_data(struct ata_drive *drive)
{
    if (drive->atapi.dma || drive->atapi.byte_limit) {
        return true;
    }
    log_guest_error(drive->log, "atapi", "hd%c: command %02x with a byte count of 0",
                    'a' + (int)drive->number, drive->atapi.packet[0]);
    ata_fail(drive, ATA_ERROR_ABORTED);
    return false;
}

static void start_input(struct ata_drive *drive, uint32_t filled, uint32_t sectors)
{
    drive->atapi.filled = filled;
    drive->atapi.remaining = sectors;
    drive->position = drive->length = 0;
    drive->transfer = ATA_TRANSFER_PACKET_IN;
    if (filled + sectors == 0) {
        atapi_succeed(drive);
    } else if (can_move_data(drive)) {
        continue_input(drive);
    }
}

void atapi_reply(struct ata_drive *drive, uint32_t length, uint32_t room)
{
    start_input(drive, length < room ? length : room, 0);
}

void atapi_read_sectors(struct ata_drive *drive, uint8_t parts)
{
    drive->atapi.parts = parts;
    start_input(drive, 0, drive->atapi.remaining);
}

void atapi_take_parameters(struct ata_drive *drive, uint32_t length)
{
    struct atapi *atapi = &drive->atapi;
    atapi->filled = length;
    atapi->remaining = 0;
    drive->position = 0;
    drive->transfer = ATA_TRANSFER_PACKET_OUT;
    if (!can_move_data(drive)) {
        return;
    }
    if (atapi->dma) {
        drive->phase = ATA_PHASE_DMA;
        drive->status = ATA_STATUS_IDLE | ATA_STATUS_DATA_REQUEST;
        drive->channel->dma->request(drive->channel->dma_opaque);
    } else {
        start_pio(drive, ATA_PHASE_PIO_OUT, 0, block_length(drive, length));
    }
}

void atapi_data_moved(struct ata_drive *drive)
{
    struct atapi *atapi = &drive->atapi;
    /* The data register has 16 bits: an odd last byte comes with one too many. */
    if (drive->position > atapi->filled) {
        drive->position = atapi->filled;
    }
    if (drive->transfer == ATA_TRANSFER_PACKET) {
        memcpy(atapi->packet, drive->data, ATAPI_PACKET_BYTES);
        atapi_execute(drive);
    } else if (drive->transfer == ATA_TRANSFER_PACKET_IN) {
        continue_input(drive);
    } else if (drive->position < atapi->filled) {
        start_pio(drive, ATA_PHASE_PIO_OUT, 0,
                  block_length(drive, atapi->filled - drive->position));
    } else {
        atapi_parameters_taken(drive);
    }
}

/* The packet is taken without an interrupt, as IDENTIFY PACKET DEVICE says. */
void atapi_start(struct ata_drive *drive)
{
    struct atapi *atapi = &drive->atapi;
    uint32_t limit = drive->current.lba_mid | (uint32_t)drive->current.lba_high << 8;
    if (drive->current.features & FEATURE_OVERLAP) {
        ata_fail(drive, ATA_ERROR_ABORTED);
        return;
    }
    atapi->dma = drive->current.features & FEATURE_DMA;
    atapi->byte_limit = (uint16_t)(limit < LIMIT_MAXIMUM ? limit : LIMIT_MAXIMUM);
    atapi->filled = ATAPI_PACKET_BYTES;
    drive->transfer = ATA_TRANSFER_PACKET;
    drive->position = 0;
    drive->length = ATAPI_PACKET_BYTES;
    drive->phase = ATA_PHASE_PIO_OUT;
    drive->status = ATA_STATUS_IDLE | ATA_STATUS_DATA_REQUEST;
    drive->standby = false;
    set_reason(drive, REASON_COMMAND);
}

/* -- the medium -- */

uint32_t atapi_sectors(const struct ata_drive *drive)
{
    uint64_t sectors = drive->block->sectors / BLOCKS_PER_SECTOR;
    return sectors < INT32_MAX ? (uint32_t)sectors : INT32_MAX;
}

bool atapi_is_loaded(const struct ata_drive *drive)
{
    return drive->block && !drive->atapi.tray_open;
}

uint16_t atapi_profile(const struct ata_drive *drive)
{
    enum { CD_SECTORS = 80 * 60 * 75 }; /* more do not fit a CD */
    if (!atapi_is_loaded(drive)) {
        return ATAPI_PROFILE_NONE;
    }
    return atapi_sectors(drive) > CD_SECTORS ? ATAPI_PROFILE_DVD_ROM
                                             : ATAPI_PROFILE_CD_ROM;
}

/* A guest that shuts the tray itself has an event to fetch, but no unit attention, as
 * on QEMU: Linux takes one for a change of discs that it has to refuse to read. */
void atapi_move_tray(struct ata_drive *drive, bool open)
{
    struct atapi *atapi = &drive->atapi;
    if (atapi->tray_open == open) {
        return;
    }
    atapi->tray_open = open;
    if (drive->block) {
        atapi->event = open ? ATAPI_EVENT_MEDIUM_REMOVAL : ATAPI_EVENT_NEW_MEDIUM;
    }
    removable_tell_tray(&atapi->removable, open);
}

static struct removable_state removable_state(const void *opaque)
{
    const struct ata_drive *drive = opaque;
    return (struct removable_state){
        .medium = drive->block,
        .tray_open = drive->atapi.tray_open,
        .locked = drive->atapi.locked,
    };
}

static void insert(void *opaque, struct block_device *medium)
{
    struct ata_drive *drive = opaque;
    drive->atapi.tray_open = true;
    drive->block = medium;
    drive->host_error_told = false;
    drive->atapi.medium_attention = true;
    atapi_move_tray(drive, false);
}

/* A command that waits for the host to fetch data has those already, or finds out that
 * there is nothing more to read. */
static void remove_medium(void *opaque)
{
    struct ata_drive *drive = opaque;
    struct atapi *atapi = &drive->atapi;
    struct block_device *medium = drive->block;
    atapi_move_tray(drive, true);
    drive->block = NULL;
    atapi->medium_attention = false;
    if (!medium) {
        return;
    }
    if (drive->then) {
        atapi->leaving = medium;
    } else {
        removable_tell_released(&atapi->removable, medium);
    }
}

void atapi_release_medium(struct ata_drive *drive)
{
    struct block_device *medium = drive->atapi.leaving;
    if (medium) {
        drive->atapi.leaving = NULL;
        removable_tell_released(&drive->atapi.removable, medium);
    }
}

static void request_eject(void *opaque)
{
    struct ata_drive *drive = opaque;
    drive->atapi.event = ATAPI_EVENT_EJECT_REQUEST;
}

static const struct removable_drive_ops removable_ops = {
    .state = removable_state,
    .insert = insert,
    .remove = remove_medium,
    .request_eject = request_eject,
};

void atapi_init(struct ata_drive *drive)
{
    drive->atapi = (struct atapi){
        .removable = {.ops = &removable_ops, .opaque = drive},
    };
}

/* The tray stays as it is, and what is in it. */
void atapi_power_on(struct ata_drive *drive)
{
    struct atapi *atapi = &drive->atapi;
    atapi_set_sense(atapi, ATAPI_SENSE_NONE, 0);
    atapi->reset_attention = true;
    atapi->medium_attention = false;
    atapi->event = ATAPI_EVENT_NONE;
    atapi->locked = false;
    atapi_mode_defaults(atapi);
}
