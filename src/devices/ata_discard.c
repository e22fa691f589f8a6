/* DATA SET MANAGEMENT: ATA8-ACS-2 section 7.10. Its only function here is TRIM: a list
 * of ranges that the host does not need any more comes by DMA. */
#include "devices/ata_internal.h"

#include <string.h>

enum { FUNCTION_TRIM = 0x01, RANGE_BYTES = 8, RANGE_COUNT_SHIFT = 48 };

void ata_manage_data_set(struct ata_drive *drive)
{
    uint32_t blocks =
        drive->current.sector_count | (uint32_t)drive->previous.sector_count << 8;
    if (!drive->block->discards || drive->current.features != FUNCTION_TRIM ||
        blocks == 0 || blocks > ATA_RANGE_BLOCKS) {
        ata_fail(drive, ATA_ERROR_ABORTED);
        return;
    }
    drive->extended = true;
    drive->standby = false;
    ata_wait_for_ranges(drive, blocks);
}

static void discarded(struct ata_drive *drive, int result)
{
    if (result) {
        ata_fail_on_host(drive, "discard", result);
    } else {
        ata_discard_ranges(drive);
    }
}

/* Goes on with the list, which is in `chunk`, at `position`: one range at a time. A
 * range of no sectors fills the list up. */
void ata_discard_ranges(struct ata_drive *drive)
{
    uint32_t count = 0;
    while (drive->position < drive->length && count == 0) {
        uint64_t range;
        memcpy(&range, &drive->chunk[drive->position], sizeof(range));
        drive->position += RANGE_BYTES;
        drive->sector = range & ((1ULL << RANGE_COUNT_SHIFT) - 1);
        count = (uint32_t)(range >> RANGE_COUNT_SHIFT);
    }
    uint64_t sectors = drive->block->sectors;
    if (count == 0) {
        ata_finish(drive);
    } else if (drive->sector > sectors || count > sectors - drive->sector) {
        ata_fail(drive, ATA_ERROR_ABORTED | ATA_ERROR_ID_NOT_FOUND);
    } else {
        ata_request(drive, BLOCK_DISCARD, NULL, count, discarded);
    }
}
