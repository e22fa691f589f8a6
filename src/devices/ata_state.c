/* Saving and loading a channel. What is loaded is checked before any of it is used: a
 * saved state is hostile input. */
#include "devices/ata_internal.h"
#include "devices/atapi_internal.h"

#include <assert.h>

enum { ATA_STATE_VERSION = 2 };

static const struct state_field drive_fields[] = {
    STATE_FIELD(struct ata_drive, current, 1),
    STATE_FIELD(struct ata_drive, previous, 1),
    STATE_FIELD(struct ata_drive, device, 1),
    STATE_FIELD(struct ata_drive, error, 1),
    STATE_FIELD(struct ata_drive, status, 1),
    STATE_FIELD(struct ata_drive, command, 1),
    STATE_FIELD(struct ata_drive, interrupt, 1),
    STATE_FIELD(struct ata_drive, heads, 1),
    STATE_FIELD(struct ata_drive, sectors_per_track, 1),
    STATE_FIELD(struct ata_drive, multiple, 1),
    STATE_FIELD(struct ata_drive, transfer_mode, 1),
    STATE_FIELD(struct ata_drive, write_cache, 1),
    STATE_FIELD(struct ata_drive, look_ahead, 1),
    STATE_FIELD(struct ata_drive, smart, 1),
    STATE_FIELD(struct ata_drive, revert_to_defaults, 1),
    STATE_FIELD(struct ata_drive, standby, 1),
    STATE_FIELD(struct ata_drive, sleeping, 1),
    STATE_FIELD(struct ata_drive, phase, 1),
    STATE_FIELD(struct ata_drive, transfer, 1),
    STATE_FIELD(struct ata_drive, extended, 1),
    STATE_FIELD(struct ata_drive, sector, 1),
    STATE_FIELD(struct ata_drive, remaining, 1),
    STATE_FIELD(struct ata_drive, block_sectors, 1),
    STATE_FIELD(struct ata_drive, block_count, 1),
    STATE_FIELD(struct ata_drive, block_done, 1),
    STATE_FIELD(struct ata_drive, request_limit, 1),
    STATE_FIELD(struct ata_drive, position, 1),
    STATE_FIELD(struct ata_drive, length, 1),
    STATE_FIELD(struct ata_drive, data, 1),
    STATE_FIELD(struct ata_drive, atapi.packet, 2),
    STATE_FIELD(struct ata_drive, atapi.sense_key, 2),
    STATE_FIELD(struct ata_drive, atapi.sense_code, 2),
    STATE_FIELD(struct ata_drive, atapi.sense_qualifier, 2),
    STATE_FIELD(struct ata_drive, atapi.reset_attention, 2),
    STATE_FIELD(struct ata_drive, atapi.medium_attention, 2),
    STATE_FIELD(struct ata_drive, atapi.event, 2),
    STATE_FIELD(struct ata_drive, atapi.tray_open, 2),
    STATE_FIELD(struct ata_drive, atapi.locked, 2),
    STATE_FIELD(struct ata_drive, atapi.dma, 2),
    STATE_FIELD(struct ata_drive, atapi.byte_limit, 2),
    STATE_FIELD(struct ata_drive, atapi.filled, 2),
    STATE_FIELD(struct ata_drive, atapi.sector, 2),
    STATE_FIELD(struct ata_drive, atapi.remaining, 2),
    STATE_FIELD(struct ata_drive, atapi.parts, 2),
    STATE_FIELD(struct ata_drive, atapi.retries, 2),
    STATE_FIELD(struct ata_drive, atapi.recovery, 2),
    STATE_FIELD(struct ata_drive, atapi.volumes, 2),
    STATE_END,
};

static const struct state_field channel_fields[] = {
    STATE_FIELD(struct ata_channel, control, 1),
    STATE_END,
};

/* What is under way has an answer that a saved state would not get, and would put data
 * into one that is loaded: who saves or loads waits for it first. */
static void assert_quiet(const struct ata_channel *channel)
{
    for (unsigned i = 0; i < ATA_DRIVES; i++) {
        assert(!channel->drives[i].then);
    }
}

void ata_channel_save(const struct ata_channel *channel, struct state_buffer *buffer)
{
    assert_quiet(channel);
    state_save(buffer, channel_fields, ATA_STATE_VERSION, channel);
    for (unsigned i = 0; i < ATA_DRIVES; i++) {
        state_save(buffer, drive_fields, ATA_STATE_VERSION, &channel->drives[i]);
    }
}

static bool settings_are_valid(const struct ata_drive *drive)
{
    return drive->heads >= 1 && drive->heads <= 16 && drive->sectors_per_track >= 1 &&
           drive->multiple <= ATA_MULTIPLE_MAXIMUM &&
           (drive->device & ATA_DEVICE_ONES) == ATA_DEVICE_ONES &&
           drive->atapi.event < ATAPI_EVENTS;
}

static bool data_is_valid(const struct ata_drive *drive)
{
    return drive->length <= ATA_DATA_BYTES && drive->position < drive->length &&
           drive->length % 2 == 0 && drive->position % 2 == 0;
}

/* What the phase may be in the middle of. */
static bool phase_fits_transfer(const struct ata_drive *drive)
{
    switch (drive->phase) {
    case ATA_PHASE_PIO_IN:
        return drive->transfer == ATA_TRANSFER_PIO_IN;
    case ATA_PHASE_PIO_OUT:
        return drive->transfer == ATA_TRANSFER_PIO_OUT;
    case ATA_PHASE_DMA:
        return drive->transfer == ATA_TRANSFER_DMA_IN ||
               drive->transfer == ATA_TRANSFER_DMA_OUT ||
               drive->transfer == ATA_TRANSFER_RANGES;
    default: /* a request to the back end cannot be saved */
        return false;
    }
}

/* A block of the data that the drive has, or is to get, in `data`. */
static bool packet_block_is_valid(const struct ata_drive *drive)
{
    return drive->atapi.filled <= sizeof(drive->data) &&
           drive->length <= drive->atapi.filled && drive->position < drive->length &&
           drive->position % 2 == 0;
}

/* By DMA, what is in `data` goes in one piece; sectors are still to be read. */
static bool packet_dma_is_valid(const struct ata_drive *drive)
{
    return drive->position == drive->atapi.filled ||
           (drive->position == 0 && drive->atapi.filled <= sizeof(drive->data));
}

static bool packet_sectors_are_valid(const struct ata_drive *drive)
{
    const struct atapi *atapi = &drive->atapi;
    uint32_t sectors = drive->block ? atapi_sectors(drive) : 0;
    return atapi->remaining == 0 ||
           ((atapi->parts & ATAPI_PARTS) == atapi->parts &&
            atapi_sector_bytes(atapi->parts) && atapi->sector <= sectors &&
            atapi->remaining <= sectors - atapi->sector);
}

/* Likewise, in the middle of a packet command. */
static bool packet_transfer_is_valid(const struct ata_drive *drive)
{
    bool dma = drive->phase == ATA_PHASE_DMA && drive->atapi.dma;
    switch (drive->transfer) {
    case ATA_TRANSFER_PACKET:
        return drive->phase == ATA_PHASE_PIO_OUT &&
               drive->length == ATAPI_PACKET_BYTES && packet_block_is_valid(drive);
    case ATA_TRANSFER_PACKET_IN:
        return packet_sectors_are_valid(drive) &&
               (dma ? packet_dma_is_valid(drive)
                    : drive->phase == ATA_PHASE_PIO_IN && !drive->atapi.dma &&
                          packet_block_is_valid(drive));
    case ATA_TRANSFER_PACKET_OUT:
        return drive->atapi.remaining == 0 &&
               (dma ? drive->position == 0 && drive->atapi.filled <= sizeof(drive->data)
                    : drive->phase == ATA_PHASE_PIO_OUT &&
                          packet_block_is_valid(drive));
    default:
        return false;
    }
}

/* A drive that is in the middle of a transfer: the block fits its buffer and the disk.
 * A PIO input block has been counted off `remaining` already, others have not. */
static bool transfer_is_valid(const struct ata_drive *drive)
{
    if (drive->phase == ATA_PHASE_IDLE) {
        return true;
    }
    if (!drive->kind) {
        return false;
    }
    if (drive->phase == ATA_PHASE_PIO_IN && drive->transfer == ATA_TRANSFER_PAGE) {
        return data_is_valid(drive);
    }
    if (drive->kind == ATA_KIND_CDROM) {
        return packet_transfer_is_valid(drive);
    }
    bool dma = drive->phase == ATA_PHASE_DMA;
    bool counted_off = drive->phase == ATA_PHASE_PIO_IN;
    uint32_t most = dma ? ATA_CHUNK_SECTORS : ATA_MULTIPLE_MAXIMUM;
    bool place_fits = drive->sector <= drive->block->sectors &&
                      drive->remaining <= drive->block->sectors - drive->sector;
    bool block_fits = drive->block_sectors >= 1 && drive->block_sectors <= most &&
                      drive->block_count >= 1 && drive->block_count <= most &&
                      (counted_off || drive->block_count <= drive->remaining) &&
                      drive->block_done == 0 && drive->request_limit >= 1 &&
                      drive->request_limit <= ATA_CHUNK_SECTORS;
    bool data_fits = dma || (data_is_valid(drive) &&
                             drive->length == drive->block_count * BLOCK_SECTOR_BYTES);
    return phase_fits_transfer(drive) && place_fits && block_fits && data_fits;
}

bool ata_channel_load(struct ata_channel *channel, struct state_buffer *buffer,
                      struct error *error)
{
    assert_quiet(channel);
    bool loaded = state_load(buffer, channel_fields, ATA_STATE_VERSION, channel,
                             "ATA channel", error);
    for (unsigned i = 0; loaded && i < ATA_DRIVES; i++) {
        struct ata_drive *drive = &channel->drives[i];
        loaded = state_load(buffer, drive_fields, ATA_STATE_VERSION, drive, "ATA drive",
                            error);
        if (loaded && !(settings_are_valid(drive) && transfer_is_valid(drive))) {
            loaded = error_set(error,
                               "saved state of disk hd%c does not fit the disk that is "
                               "attached: attach the one it was saved with",
                               'a' + (int)drive->number);
        }
    }
    if (!loaded) {
        ata_channel_reset(channel);
    }
    return loaded;
}
