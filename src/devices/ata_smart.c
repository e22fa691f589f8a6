/* SMART: ATA/ATAPI-6 section 8.41. The drive is always well: it has no attributes that
 * wear, its off-line tests are done at once and pass, and it keeps no logs. */
#include "devices/ata_internal.h"

#include <string.h>

enum {
    KEY_MID = 0x4f, /* in the LBA registers, for every subcommand */
    KEY_HIGH = 0xc2,
    READ_DATA = 0xd0,
    READ_THRESHOLDS = 0xd1,
    ATTRIBUTE_AUTOSAVE = 0xd2,
    SAVE_ATTRIBUTES = 0xd3,
    EXECUTE_OFF_LINE = 0xd4,
    ENABLE = 0xd8,
    DISABLE = 0xd9,
    RETURN_STATUS = 0xda,

    PAGE_REVISION = 0,
    PAGE_OFF_LINE_STATUS = 362,
    PAGE_OFF_LINE_CAPABILITY = 367,
    PAGE_CAPABILITY = 368,
    PAGE_CHECKSUM = 511,
};

static void send_page(struct ata_drive *drive, bool data)
{
    uint8_t *page = drive->data;
    memset(page, 0, BLOCK_SECTOR_BYTES);
    page[PAGE_REVISION] = 0x10;
    if (data) {
        page[PAGE_OFF_LINE_STATUS] = 0x02;     /* completed without error */
        page[PAGE_OFF_LINE_CAPABILITY] = 0x11; /* EXECUTE OFF-LINE, self-tests */
        page[PAGE_CAPABILITY] = 0x03;          /* attributes are saved */
    }
    uint8_t sum = 0;
    for (unsigned i = 0; i < PAGE_CHECKSUM; i++) {
        sum += page[i];
    }
    page[PAGE_CHECKSUM] = (uint8_t)-sum;
    ata_send_page(drive, BLOCK_SECTOR_BYTES);
}

void ata_smart(struct ata_drive *drive)
{
    uint8_t subcommand = drive->current.features;
    bool key = drive->current.lba_mid == KEY_MID && drive->current.lba_high == KEY_HIGH;
    if (!key || (!drive->smart && subcommand != ENABLE)) {
        ata_fail(drive, ATA_ERROR_ABORTED);
        return;
    }
    switch (subcommand) {
    case READ_DATA:
    case READ_THRESHOLDS:
        send_page(drive, subcommand == READ_DATA);
        break;
    case ENABLE:
    case DISABLE:
        drive->smart = subcommand == ENABLE;
        ata_finish(drive);
        break;
    case RETURN_STATUS: /* the key stays as it is: no threshold exceeded */
    case ATTRIBUTE_AUTOSAVE:
    case SAVE_ATTRIBUTES:
    case EXECUTE_OFF_LINE:
        ata_finish(drive);
        break;
    default:
        ata_fail(drive, ATA_ERROR_ABORTED);
        break;
    }
}
