/* Commands that move sectors.
 *
 * A transfer is cut into blocks: what goes at one interrupt (PIO) or fits the chunk
 * buffer (DMA, VERIFY). A block is read from or written to the back end by one request;
 * if that fails it is tried again sector by sector, so that the host learns the address
 * of the first bad sector. Source: ATA/ATAPI-6 chapters 8 and 9. */
#include "devices/ata_internal.h"
#include "devices/atapi_internal.h"

#include <errno.h>
#include <string.h>

static bool is_write(const struct ata_drive *drive)
{
    return drive->transfer >= ATA_TRANSFER_PIO_OUT;
}

static bool is_dma(const struct ata_drive *drive)
{
    return drive->transfer == ATA_TRANSFER_DMA_IN ||
           drive->transfer == ATA_TRANSFER_DMA_OUT;
}

/* -- addresses -- */

bool ata_get_address(const struct ata_drive *drive, bool extended, uint64_t *sector)
{
    const struct ata_task_file *now = &drive->current, *before = &drive->previous;
    uint32_t low = now->lba_low | now->lba_mid << 8 | now->lba_high << 16;
    if (extended) {
        uint64_t high = before->lba_low | before->lba_mid << 8 | before->lba_high << 16;
        *sector = high << 24 | low;
    } else if (drive->device & ATA_DEVICE_LBA) {
        *sector = low | (uint32_t)(drive->device & ATA_DEVICE_HEAD) << 24;
    } else {
        uint32_t cylinder = now->lba_mid | now->lba_high << 8;
        uint32_t head = drive->device & ATA_DEVICE_HEAD;
        if (now->lba_low == 0 || now->lba_low > drive->sectors_per_track ||
            head >= drive->heads) {
            return false;
        }
        *sector =
            ((uint64_t)cylinder * drive->heads + head) * drive->sectors_per_track +
            now->lba_low - 1;
    }
    return *sector < drive->block->sectors;
}

void ata_put_address(struct ata_drive *drive, uint64_t sector)
{
    struct ata_task_file *now = &drive->current, *before = &drive->previous;
    uint64_t low = sector;
    uint8_t head = 0;
    if (drive->extended) {
        before->lba_low = (uint8_t)(sector >> 24);
        before->lba_mid = (uint8_t)(sector >> 32);
        before->lba_high = (uint8_t)(sector >> 40);
    } else if (drive->device & ATA_DEVICE_LBA) {
        head = sector >> 24 & ATA_DEVICE_HEAD;
    } else {
        uint64_t track = sector / drive->sectors_per_track;
        head = (uint8_t)(track % drive->heads);
        low = (track / drive->heads) << 8 | (sector % drive->sectors_per_track + 1);
    }
    now->lba_low = (uint8_t)low;
    now->lba_mid = (uint8_t)(low >> 8);
    now->lba_high = (uint8_t)(low >> 16);
    if (!drive->extended) {
        drive->device = (uint8_t)((drive->device & ~ATA_DEVICE_HEAD) | head);
    }
}

static uint32_t get_count(const struct ata_drive *drive, bool extended)
{
    uint32_t count = drive->current.sector_count;
    if (!extended) {
        return count ? count : 256;
    }
    count |= (uint32_t)drive->previous.sector_count << 8;
    return count ? count : 65536;
}

static void put_count(struct ata_drive *drive, uint32_t count)
{
    drive->current.sector_count = (uint8_t)count;
    if (drive->extended) {
        drive->previous.sector_count = (uint8_t)(count >> 8);
    }
}

/* -- errors of the back end -- */

void ata_tell_host_error(struct ata_drive *drive, const char *what, int why)
{
    if (!drive->host_error_told) {
        drive->host_error_told = true;
        log_warning(drive->log, "disk hd%c: cannot %s %s: %s; the guest sees an error",
                    'a' + (int)drive->number, what, drive->block->name, strerror(why));
    }
}

void ata_fail_on_host(struct ata_drive *drive, const char *what, int why)
{
    ata_tell_host_error(drive, what, why);
    ata_fail(drive, ATA_ERROR_ABORTED);
    drive->status |= ATA_STATUS_DEVICE_FAULT;
}

/* The sector that `block_done` stands at cannot be transferred. */
static void fail_transfer(struct ata_drive *drive, int why)
{
    ata_put_address(drive, drive->sector + drive->block_done);
    put_count(drive, drive->remaining - drive->block_done);
    if (!is_write(drive)) {
        ata_tell_host_error(drive, "read", why);
        ata_fail(drive, ATA_ERROR_UNCORRECTABLE);
    } else if (why == EROFS) {
        ata_fail(drive, ATA_ERROR_ABORTED | ATA_ERROR_WRITE_PROTECTED);
    } else {
        ata_fail_on_host(drive, "write", why);
    }
}

/* -- the end of a transfer -- */

static void flushed(struct ata_drive *drive, int result)
{
    if (result) {
        ata_fail_on_host(drive, "flush", result);
    } else {
        ata_finish(drive);
    }
}

void ata_flush(struct ata_drive *drive)
{
    drive->block_done = 0;
    drive->standby = false;
    ata_request(drive, BLOCK_FLUSH, NULL, 0, flushed);
}

static void end_transfer(struct ata_drive *drive)
{
    ata_put_address(drive, drive->sector - 1);
    put_count(drive, 0);
    if (is_write(drive) && !drive->write_cache) {
        ata_flush(drive);
    } else if (drive->transfer == ATA_TRANSFER_PIO_IN) {
        /* The last block had its interrupt when it was ready to be read. */
        drive->status = ATA_STATUS_IDLE;
        drive->phase = ATA_PHASE_IDLE;
    } else {
        ata_finish(drive);
    }
}

void ata_end_short_dma(struct ata_drive *drive, uint32_t sectors_left)
{
    log_guest_error(drive->log, "ata", "hd%c: DMA ends %u sectors early",
                    'a' + (int)drive->number, sectors_left);
    drive->status = ATA_STATUS_IDLE;
    drive->phase = ATA_PHASE_IDLE;
}

/* -- blocks -- */

static void next_block(struct ata_drive *drive);
static void continue_block(struct ata_drive *drive);

/* The drive waits for the host (PIO) or the controller (DMA) to move the block. */
static void wait_for_data(struct ata_drive *drive, enum ata_phase phase, bool interrupt)
{
    drive->position = 0;
    drive->length = drive->block_count * BLOCK_SECTOR_BYTES;
    drive->phase = (uint8_t)phase;
    drive->status = ATA_STATUS_IDLE | ATA_STATUS_DATA_REQUEST;
    if (interrupt) {
        ata_set_interrupt(drive, true);
    }
}

static bool move_by_dma(struct ata_drive *drive, bool to_memory)
{
    uint32_t bytes = drive->block_count * BLOCK_SECTOR_BYTES;
    const struct ata_channel *channel = drive->channel;
    return channel->dma->transfer(channel->dma_opaque, drive->chunk, bytes,
                                  to_memory) == bytes;
}

/* The back end has read or written the whole block. */
static void block_ready(struct ata_drive *drive)
{
    if (drive->transfer == ATA_TRANSFER_DMA_IN && !move_by_dma(drive, true)) {
        ata_end_short_dma(drive, drive->remaining);
        return;
    }
    drive->sector += drive->block_count;
    drive->remaining -= drive->block_count;
    drive->block_done = 0;
    if (drive->transfer == ATA_TRANSFER_PIO_IN) {
        wait_for_data(drive, ATA_PHASE_PIO_IN, true);
    } else {
        next_block(drive);
    }
}

static void request_done(struct ata_drive *drive, int result)
{
    uint32_t count = drive->block_count - drive->block_done;
    count = count < drive->request_limit ? count : drive->request_limit;
    if (result && count > 1) {
        drive->request_limit = 1;
    } else if (result) {
        fail_transfer(drive, result);
        return;
    } else {
        drive->block_done += count;
    }
    if (drive->block_done < drive->block_count) {
        continue_block(drive);
    } else {
        block_ready(drive);
    }
}

static void continue_block(struct ata_drive *drive)
{
    bool pio = drive->transfer == ATA_TRANSFER_PIO_IN ||
               drive->transfer == ATA_TRANSFER_PIO_OUT;
    uint8_t *buffer = pio ? drive->data : drive->chunk;
    uint32_t count = drive->block_count - drive->block_done;
    count = count < drive->request_limit ? count : drive->request_limit;
    ata_request(drive, is_write(drive) ? BLOCK_WRITE : BLOCK_READ,
                buffer + (size_t)drive->block_done * BLOCK_SECTOR_BYTES, count,
                request_done);
}

static void next_block(struct ata_drive *drive)
{
    if (drive->remaining == 0) {
        end_transfer(drive);
        return;
    }
    bool first = drive->block_count == 0;
    drive->block_count = drive->remaining < drive->block_sectors ? drive->remaining
                                                                 : drive->block_sectors;
    drive->request_limit = ATA_CHUNK_SECTORS;
    if (is_dma(drive)) {
        wait_for_data(drive, ATA_PHASE_DMA, false);
        drive->channel->dma->request(drive->channel->dma_opaque);
    } else if (drive->transfer == ATA_TRANSFER_PIO_OUT) {
        wait_for_data(drive, ATA_PHASE_PIO_OUT, !first);
    } else {
        continue_block(drive);
    }
}

void ata_wait_for_ranges(struct ata_drive *drive, uint32_t blocks)
{
    drive->transfer = ATA_TRANSFER_RANGES;
    drive->sector = 0;
    drive->remaining = drive->block_sectors = drive->block_count = blocks;
    drive->block_done = 0;
    drive->request_limit = ATA_CHUNK_SECTORS;
    wait_for_data(drive, ATA_PHASE_DMA, false);
    drive->channel->dma->request(drive->channel->dma_opaque);
}

void ata_run_dma(struct ata_drive *drive)
{
    bool reads = drive->transfer == ATA_TRANSFER_DMA_IN;
    if (drive->kind == ATA_KIND_CDROM) {
        atapi_run_dma(drive);
    } else if (!reads && !move_by_dma(drive, false)) {
        ata_end_short_dma(drive, drive->remaining);
    } else if (drive->transfer == ATA_TRANSFER_RANGES) {
        ata_discard_ranges(drive);
    } else {
        continue_block(drive);
    }
}

void ata_data_moved(struct ata_drive *drive)
{
    if (drive->transfer == ATA_TRANSFER_PIO_OUT) {
        continue_block(drive);
    } else if (drive->transfer == ATA_TRANSFER_PIO_IN) {
        next_block(drive);
    } else if (drive->transfer == ATA_TRANSFER_PAGE) {
        drive->status = ATA_STATUS_IDLE;
        drive->phase = ATA_PHASE_IDLE;
    } else {
        atapi_data_moved(drive);
    }
}

void ata_send_page(struct ata_drive *drive, uint32_t length)
{
    drive->transfer = ATA_TRANSFER_PAGE;
    drive->block_count = length / BLOCK_SECTOR_BYTES;
    wait_for_data(drive, ATA_PHASE_PIO_IN, true);
}

void ata_start_transfer(struct ata_drive *drive, enum ata_transfer transfer,
                        bool extended, uint32_t block_sectors)
{
    if (extended && !(drive->device & ATA_DEVICE_LBA)) {
        ata_fail(drive, ATA_ERROR_ABORTED);
        return;
    }
    drive->transfer = (uint8_t)transfer;
    drive->extended = extended;
    drive->block_sectors = block_sectors;
    drive->block_count = drive->block_done = 0;
    drive->remaining = get_count(drive, extended);
    drive->standby = false;
    if (!ata_get_address(drive, extended, &drive->sector)) {
        ata_fail(drive, ATA_ERROR_ID_NOT_FOUND);
        return;
    }
    uint64_t there = drive->block->sectors - drive->sector;
    if (drive->remaining > there) {
        /* The first sector beyond the end is what was not found. */
        ata_put_address(drive, drive->block->sectors);
        put_count(drive, drive->remaining - (uint32_t)there);
        ata_fail(drive, ATA_ERROR_ID_NOT_FOUND);
        return;
    }
    if (is_write(drive) && drive->block->read_only) {
        fail_transfer(drive, EROFS);
        return;
    }
    next_block(drive);
}
