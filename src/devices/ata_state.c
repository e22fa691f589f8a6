/* Saving and loading a channel. What is loaded is checked before any of it is used: a
 * saved state is hostile input. */
#include "devices/ata_internal.h"

enum { ATA_STATE_VERSION = 1 };

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
    STATE_END,
};

static const struct state_field channel_fields[] = {
    STATE_FIELD(struct ata_channel, control, 1),
    STATE_END,
};

void ata_channel_save(const struct ata_channel *channel, struct state_buffer *buffer)
{
    state_save(buffer, channel_fields, ATA_STATE_VERSION, channel);
    for (unsigned i = 0; i < ATA_DRIVES; i++) {
        state_save(buffer, drive_fields, ATA_STATE_VERSION, &channel->drives[i]);
    }
}

/* Bytes of type bool can hold anything after loading; they must be 0 or 1. */
static bool flags_are_valid(const struct ata_drive *drive)
{
    const bool *flags[] = {
        &drive->interrupt,
        &drive->write_cache,
        &drive->look_ahead,
        &drive->smart,
        &drive->standby,
        &drive->sleeping,
        &drive->revert_to_defaults,
        &drive->extended,
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(flags); i++) {
        if (*(const volatile uint8_t *)flags[i] > 1) {
            return false;
        }
    }
    return true;
}

static bool settings_are_valid(const struct ata_drive *drive)
{
    return drive->heads >= 1 && drive->heads <= 16 && drive->sectors_per_track >= 1 &&
           drive->multiple <= ATA_MULTIPLE_MAXIMUM &&
           (drive->device & ATA_DEVICE_ONES) == ATA_DEVICE_ONES;
}

/* A drive that is in the middle of a transfer: the block fits its buffer and the disk.
 * A PIO input block has been counted off `remaining` already, others have not. */
static bool transfer_is_valid(const struct ata_drive *drive)
{
    if (drive->phase == ATA_PHASE_IDLE) {
        return true;
    }
    if (!drive->block || drive->transfer >= ATA_TRANSFERS ||
        drive->phase == ATA_PHASE_REQUEST || drive->phase >= ATA_PHASES) {
        return false;
    }
    bool page = drive->transfer == ATA_TRANSFER_PAGE;
    bool dma = drive->phase == ATA_PHASE_DMA;
    bool input = drive->phase == ATA_PHASE_PIO_IN;
    uint32_t most = dma ? ATA_CHUNK_SECTORS : ATA_MULTIPLE_MAXIMUM;
    bool kind_fits = dma ? drive->transfer == ATA_TRANSFER_DMA_IN ||
                               drive->transfer == ATA_TRANSFER_DMA_OUT
                     : input ? page || drive->transfer == ATA_TRANSFER_PIO_IN
                             : drive->transfer == ATA_TRANSFER_PIO_OUT;
    bool place_fits =
        page || (drive->sector <= drive->block->sectors && drive->remaining <= 65536 &&
                 drive->remaining <= drive->block->sectors - drive->sector &&
                 drive->block_sectors >= 1 && drive->block_sectors <= most);
    return kind_fits && place_fits && drive->block_count >= 1 &&
           drive->block_count <= most && drive->block_done == 0 &&
           (input || drive->block_count <= drive->remaining) &&
           drive->length == drive->block_count * BLOCK_SECTOR_BYTES &&
           drive->position < drive->length && drive->position % 2 == 0 &&
           drive->request_limit >= 1 && drive->request_limit <= ATA_CHUNK_SECTORS;
}

bool ata_channel_load(struct ata_channel *channel, struct state_buffer *buffer,
                      struct error *error)
{
    bool loaded = state_load(buffer, channel_fields, ATA_STATE_VERSION, channel,
                             "ATA channel", error);
    for (unsigned i = 0; loaded && i < ATA_DRIVES; i++) {
        struct ata_drive *drive = &channel->drives[i];
        loaded = state_load(buffer, drive_fields, ATA_STATE_VERSION, drive, "ATA drive",
                            error);
        if (loaded && !(flags_are_valid(drive) && settings_are_valid(drive) &&
                        transfer_is_valid(drive))) {
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
