/* Mode pages: MMC-3 section 6.1.11 ff. and the capabilities page of its annex. There
 * are no saved values. */
#include "devices/atapi_internal.h"

#include <string.h>

enum {
    PAGE_ERROR_RECOVERY = 0x01,
    PAGE_AUDIO_CONTROL = 0x0e,
    PAGE_CAPABILITIES = 0x2a,
    PAGE_ALL = 0x3f,

    HEADER = 8,
    PAGE_HEADER = 2,
    RECOVERY_BYTES = 6,
    AUDIO_BYTES = 14,
    CAPABILITIES_BYTES = 20,

    RECOVERY = 2, /* offsets in pages */
    RETRIES = 3,
    VOLUME = 9, /* of port 0; that of port 1 is two bytes on */
};

enum control { CURRENT, CHANGEABLE, DEFAULT, SAVED };

void atapi_mode_defaults(struct atapi *atapi)
{
    atapi->recovery = 0;
    atapi->retries = 5;
    memset(atapi->volumes, 0xff, sizeof(atapi->volumes));
}

static void put_recovery(const struct atapi *atapi, bool changeable, uint8_t *page)
{
    page[RECOVERY] = changeable ? 0xff : atapi->recovery;
    page[RETRIES] = changeable ? 0xff : atapi->retries;
}

static void put_audio(const struct atapi *atapi, bool changeable, uint8_t *page)
{
    page[VOLUME] = changeable ? 0xff : atapi->volumes[0];
    page[VOLUME + 2] = changeable ? 0xff : atapi->volumes[1];
    if (!changeable) {
        page[2] = 0x04;          /* PLAY takes effect at once */
        page[VOLUME - 1] = 0x01; /* the ports' channels */
        page[VOLUME + 1] = 0x02;
    }
}

static void put_capabilities(const struct atapi *atapi, bool changeable, uint8_t *page)
{
    enum { LOCKED = 0x02, SPEED_KB = 50 * 176, BUFFER_KB = 512 };
    if (changeable) {
        return;
    }
    page[2] = 0x3b;                                /* reads CD-R, CD-RW, DVD-ROM… */
    page[4] = 0x70;                                /* multi-session, mode 2 forms */
    page[6] = 0x29 | (atapi->locked ? LOCKED : 0); /* a tray: locks and ejects */
    atapi_put16(page + 8, SPEED_KB);               /* maximum */
    atapi_put16(page + 10, 2);                     /* volume levels */
    atapi_put16(page + 12, BUFFER_KB);
    atapi_put16(page + 14, SPEED_KB); /* current */
}

static const struct mode_page {
    uint8_t code, bytes; /* behind the page header */
    void (*put)(const struct atapi *atapi, bool changeable, uint8_t *page);
} pages[] = {
    {PAGE_ERROR_RECOVERY, RECOVERY_BYTES, put_recovery},
    {PAGE_AUDIO_CONTROL, AUDIO_BYTES, put_audio},
    {PAGE_CAPABILITIES, CAPABILITIES_BYTES, put_capabilities},
};

static uint32_t put_page(const struct atapi *atapi, const struct mode_page *page,
                         enum control control, uint8_t *to)
{
    struct atapi defaults = {.locked = atapi->locked};
    atapi_mode_defaults(&defaults);
    memset(to, 0, PAGE_HEADER + page->bytes);
    to[0] = page->code;
    to[1] = page->bytes;
    page->put(control == DEFAULT ? &defaults : atapi, control == CHANGEABLE, to);
    return PAGE_HEADER + page->bytes;
}

static uint8_t medium_type(const struct ata_drive *drive)
{
    enum { DATA_CD_120_MM = 0x01, NO_DISC = 0x70, DOOR_OPEN = 0x71 };
    if (drive->atapi.tray_open) {
        return DOOR_OPEN;
    }
    return drive->block ? DATA_CD_120_MM : NO_DISC;
}

void atapi_mode_sense(struct ata_drive *drive)
{
    const struct atapi *atapi = &drive->atapi;
    uint8_t wanted = atapi->packet[2] & 0x3f;
    enum control control = atapi->packet[2] >> 6;
    uint8_t *data = drive->data;
    uint32_t length = HEADER;
    if (control == SAVED) {
        atapi_fail(drive, ATAPI_SENSE_ILLEGAL_REQUEST, ATAPI_SAVING_NOT_SUPPORTED);
        return;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(pages); i++) {
        if (wanted == PAGE_ALL || wanted == pages[i].code) {
            length += put_page(atapi, &pages[i], control, data + length);
        }
    }
    if (length == HEADER) {
        atapi_refuse_field(drive);
        return;
    }
    memset(data, 0, HEADER);
    atapi_put16(data, length - 2);
    data[2] = medium_type(drive);
    atapi_reply(drive, length, atapi_get16(atapi->packet + 7));
}

void atapi_mode_select(struct ata_drive *drive)
{
    enum { SAVE_PAGES = 0x01, PAGE_FORMAT = 0x10 };
    const uint8_t *packet = drive->atapi.packet;
    uint32_t length = atapi_get16(packet + 7);
    if ((packet[1] & SAVE_PAGES) || !(packet[1] & PAGE_FORMAT) ||
        length > sizeof(drive->data)) {
        atapi_refuse_field(drive);
    } else if (length == 0) {
        atapi_succeed(drive);
    } else {
        atapi_take_parameters(drive, length);
    }
}

/* The capabilities cannot be changed: they are taken as they come. False: there is no
 * such page, or not of that length. */
static bool take_page(struct atapi *atapi, const uint8_t *page)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(pages); i++) {
        if (pages[i].code == (page[0] & 0x3f) && pages[i].bytes != page[1]) {
            return false;
        }
    }
    switch (page[0] & 0x3f) {
    case PAGE_ERROR_RECOVERY:
        atapi->recovery = page[RECOVERY];
        atapi->retries = page[RETRIES];
        return true;
    case PAGE_AUDIO_CONTROL:
        atapi->volumes[0] = page[VOLUME];
        atapi->volumes[1] = page[VOLUME + 2];
        return true;
    case PAGE_CAPABILITIES:
        return true;
    default:
        return false;
    }
}

void atapi_parameters_taken(struct ata_drive *drive)
{
    struct atapi *atapi = &drive->atapi;
    struct atapi changed = *atapi;
    const uint8_t *list = drive->data;
    uint32_t length = atapi->filled;
    uint32_t at = length >= HEADER ? HEADER + atapi_get16(list + 6) : 0;
    bool valid = length >= HEADER;
    while (valid && at < length) {
        valid = length - at >= PAGE_HEADER &&
                length - at - PAGE_HEADER >= list[at + 1] &&
                take_page(&changed, list + at);
        at += PAGE_HEADER + (valid ? list[at + 1] : 0U);
    }
    if (!valid) {
        atapi_fail(drive, ATAPI_SENSE_ILLEGAL_REQUEST, ATAPI_INVALID_PARAMETER);
        return;
    }
    *atapi = changed;
    atapi_succeed(drive);
}
