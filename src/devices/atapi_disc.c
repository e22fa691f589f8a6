/* Reading a disc, and what its tables tell: MMC-3 chapter 6. */
#include "devices/atapi_internal.h"

#include <string.h>

enum {
    TRACK = 1,
    SESSION = 1,
    LEAD_OUT = 0xaa,
    DATA_TRACK = 0x14, /* ADR 1: position; control: data, no copy */
    FRAMES_PER_SECOND = 75,
    SECONDS_PER_MINUTE = 60,
    PREGAP_FRAMES = 150, /* sector 0 is at 00:02:00 */
    SYNC_BYTES = 12,
    HEADER_BYTES = 4,
    CHECK_BYTES = 288, /* EDC, 8 zeros, ECC */
};

static void put_msf(uint8_t *bytes, uint32_t sector)
{
    uint32_t frames = sector + PREGAP_FRAMES;
    bytes[0] = (uint8_t)(frames / FRAMES_PER_SECOND / SECONDS_PER_MINUTE);
    bytes[1] = (uint8_t)(frames / FRAMES_PER_SECOND % SECONDS_PER_MINUTE);
    bytes[2] = (uint8_t)(frames % FRAMES_PER_SECOND);
}

static void put_address(uint8_t *bytes, uint32_t sector, bool msf)
{
    if (msf) {
        bytes[0] = 0;
        put_msf(bytes + 1, sector);
    } else {
        atapi_put32(bytes, sector);
    }
}

/* -- reading -- */

uint32_t atapi_sector_bytes(uint8_t parts)
{
    return (parts & ATAPI_PART_SYNC ? SYNC_BYTES : 0U) +
           (parts & ATAPI_PART_HEADER ? HEADER_BYTES : 0U) +
           (parts & ATAPI_PART_DATA ? ATAPI_SECTOR_BYTES : 0U) +
           (parts & ATAPI_PART_CHECK ? CHECK_BYTES : 0U);
}

static uint8_t bcd(uint8_t value)
{
    return (uint8_t)(value / 10 << 4 | value % 10);
}

/* What checks the data reads as zeros: an image does not have it, and its sectors are
 * never damaged. */
void atapi_make_sector(uint8_t parts, uint32_t sector, const uint8_t *from, uint8_t *to)
{
    if (parts & ATAPI_PART_SYNC) {
        memset(to, 0xff, SYNC_BYTES);
        to[0] = to[SYNC_BYTES - 1] = 0;
        to += SYNC_BYTES;
    }
    if (parts & ATAPI_PART_HEADER) {
        put_msf(to, sector);
        for (unsigned i = 0; i < 3; i++) {
            to[i] = bcd(to[i]);
        }
        to[3] = 1; /* mode */
        to += HEADER_BYTES;
    }
    if (parts & ATAPI_PART_DATA) {
        memcpy(to, from, ATAPI_SECTOR_BYTES);
        to += ATAPI_SECTOR_BYTES;
    }
    if (parts & ATAPI_PART_CHECK) {
        memset(to, 0, CHECK_BYTES);
    }
}

static void read_sectors(struct ata_drive *drive, uint32_t sector, uint32_t count,
                         uint8_t parts)
{
    uint32_t sectors = atapi_sectors(drive);
    if (sector > sectors || count > sectors - sector) {
        atapi_fail(drive, ATAPI_SENSE_ILLEGAL_REQUEST, ATAPI_ADDRESS_OUT_OF_RANGE);
        return;
    }
    drive->atapi.sector = sector;
    drive->atapi.remaining = parts ? count : 0;
    atapi_read_sectors(drive, parts);
}

void atapi_read_10(struct ata_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;
    read_sectors(drive, atapi_get32(packet + 2), atapi_get16(packet + 7),
                 ATAPI_PART_DATA);
}

void atapi_read_12(struct ata_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;
    read_sectors(drive, atapi_get32(packet + 2), atapi_get32(packet + 6),
                 ATAPI_PART_DATA);
}

/* What READ CD and READ CD MSF have in common: the kind of sector that is expected and
 * the parts that are wanted. */
static void read_cd(struct ata_drive *drive, uint32_t sector, uint32_t count)
{
    enum { ANY_KIND, MODE_1 = 2, ERROR_BITS = 0x06, SUBCHANNEL = 0x07 };
    const uint8_t *packet = drive->atapi.packet;
    unsigned kind = packet[1] >> 2 & 7;
    if ((packet[9] & ERROR_BITS) || (packet[10] & SUBCHANNEL)) {
        atapi_refuse_field(drive);
    } else if (kind != ANY_KIND && kind != MODE_1) {
        atapi_fail(drive, ATAPI_SENSE_ILLEGAL_REQUEST, ATAPI_ILLEGAL_MODE_FOR_TRACK);
    } else {
        read_sectors(drive, sector, count,
                     packet[9] & ATAPI_PARTS & ~ATAPI_PART_SUBHEADER);
    }
}

void atapi_read_cd(struct ata_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;
    read_cd(drive, atapi_get32(packet + 2), atapi_get24(packet + 6));
}

static uint32_t get_msf(const uint8_t *bytes)
{
    return ((uint32_t)bytes[0] * SECONDS_PER_MINUTE + bytes[1]) * FRAMES_PER_SECOND +
           bytes[2];
}

void atapi_read_cd_msf(struct ata_drive *drive)
{
    const uint8_t *packet = drive->atapi.packet;
    uint32_t first = get_msf(packet + 3), end = get_msf(packet + 6);
    if (first < PREGAP_FRAMES || end < first) {
        atapi_refuse_field(drive);
    } else {
        read_cd(drive, first - PREGAP_FRAMES, end - first);
    }
}

void atapi_seek(struct ata_drive *drive)
{
    if (atapi_get32(drive->atapi.packet + 2) < atapi_sectors(drive)) {
        atapi_succeed(drive);
    } else {
        atapi_fail(drive, ATAPI_SENSE_ILLEGAL_REQUEST, ATAPI_ADDRESS_OUT_OF_RANGE);
    }
}

void atapi_read_capacity(struct ata_drive *drive)
{
    enum { LENGTH = 8 };
    uint32_t sectors = atapi_sectors(drive);
    atapi_put32(drive->data, sectors ? sectors - 1 : 0);
    atapi_put32(drive->data + 4, ATAPI_SECTOR_BYTES);
    atapi_reply(drive, LENGTH, LENGTH);
}

/* -- tables -- */

static uint8_t *put_track(uint8_t *to, uint8_t track, uint32_t sector, bool msf)
{
    to[0] = 0;
    to[1] = DATA_TRACK;
    to[2] = track;
    to[3] = 0;
    put_address(to + 4, sector, msf);
    return to + 8;
}

/* Format 0: tracks from the one the packet names. */
static uint8_t *put_tracks(const struct ata_drive *drive, uint8_t *to, bool msf)
{
    if (drive->atapi.packet[6] <= TRACK) {
        to = put_track(to, TRACK, 0, msf);
    }
    return put_track(to, LEAD_OUT, atapi_sectors(drive), msf);
}

/* Format 2: the table of contents as it is in the lead-in; times always. */
static uint8_t *put_raw(const struct ata_drive *drive, uint8_t *to)
{
    const uint8_t points[] = {0xa0, 0xa1, 0xa2, TRACK};
    for (unsigned i = 0; i < ARRAY_LENGTH(points); i++, to += 11) {
        memset(to, 0, 11);
        to[0] = SESSION;
        to[1] = DATA_TRACK;
        to[3] = points[i];
    }
    to -= 44;
    to[8] = TRACK;      /* A0: the first track; disc type 0: CD-DA or CD-ROM */
    to[11 + 8] = TRACK; /* A1: the last */
    put_msf(to + 22 + 8, atapi_sectors(drive));
    put_msf(to + 33 + 8, 0);
    return to + 44;
}

/* The format is in byte 2, or where the first ATAPI drives had it, in byte 9. */
void atapi_read_toc(struct ata_drive *drive)
{
    enum { TRACKS, SESSIONS, RAW, HEADER = 4 };
    const uint8_t *packet = drive->atapi.packet;
    unsigned format = packet[2] & 0xf ? packet[2] & 0xf : packet[9] >> 6;
    bool msf = packet[1] & 0x02;
    bool track_exists = packet[6] <= TRACK || packet[6] == LEAD_OUT;
    uint8_t *data = drive->data, *end = data + HEADER;
    if (format > RAW || (format == TRACKS && !track_exists)) {
        atapi_refuse_field(drive);
        return;
    }
    data[2] = data[3] = format == TRACKS ? TRACK : SESSION;
    if (format == TRACKS) {
        end = put_tracks(drive, end, msf);
    } else if (format == SESSIONS) {
        end = put_track(end, TRACK, 0, msf);
    } else {
        end = put_raw(drive, end);
    }
    uint32_t length = (uint32_t)(end - data);
    atapi_put16(data, length - 2);
    atapi_reply(drive, length, atapi_get16(packet + 7));
}

void atapi_read_disc_information(struct ata_drive *drive)
{
    enum { LENGTH = 34, COMPLETE = 0x0e, UNRESTRICTED = 0x20 };
    uint8_t *data = drive->data;
    if (drive->atapi.packet[1] & 7) {
        atapi_refuse_field(drive);
        return;
    }
    memset(data, 0, LENGTH);
    atapi_put16(data, LENGTH - 2);
    data[2] = COMPLETE; /* the disc and its last session */
    data[3] = TRACK;
    data[4] = SESSION; /* how many */
    data[5] = data[6] = TRACK;
    data[7] = UNRESTRICTED;
    memset(data + 16, 0xff, 8); /* nothing can be appended */
    atapi_reply(drive, LENGTH, atapi_get16(drive->atapi.packet + 7));
}

/* There is one track, whatever way it is asked for. */
void atapi_read_track_information(struct ata_drive *drive)
{
    enum { LENGTH = 36, BY_SECTOR = 0, BY_TRACK = 1, BY_SESSION = 2 };
    const uint8_t *packet = drive->atapi.packet;
    uint8_t *data = drive->data;
    unsigned way = packet[1] & 3;
    uint32_t which = atapi_get32(packet + 2);
    bool found = way == BY_SECTOR ? which < atapi_sectors(drive) : which == TRACK;
    if (way > BY_SESSION || !found) {
        atapi_refuse_field(drive);
        return;
    }
    memset(data, 0, LENGTH);
    atapi_put16(data, LENGTH - 2);
    data[2] = TRACK;
    data[3] = SESSION;
    data[5] = 0x04; /* a data track, uninterrupted */
    data[6] = 0x01; /* mode 1 */
    atapi_put32(data + 24, atapi_sectors(drive));
    atapi_reply(drive, LENGTH, atapi_get16(packet + 7));
}

/* Formats 0 (physical), 1 (copyright: none) and 4 (manufacturer: none said), of a disc
 * that is larger than a CD. */
void atapi_read_dvd_structure(struct ata_drive *drive)
{
    enum {
        PHYSICAL = 0,
        COPYRIGHT = 1,
        MANUFACTURER = 4,
        HEADER = 4,
        STRUCTURE = 2048
    };
    enum { FIRST_SECTOR = 0x30000 };
    const uint8_t *packet = drive->atapi.packet;
    uint8_t *data = drive->data;
    uint32_t length = packet[7] == COPYRIGHT ? HEADER + 4 : HEADER + STRUCTURE;
    bool known =
        packet[7] == PHYSICAL || packet[7] == COPYRIGHT || packet[7] == MANUFACTURER;
    if (atapi_profile(drive) != ATAPI_PROFILE_DVD_ROM) {
        atapi_fail(drive, ATAPI_SENSE_ILLEGAL_REQUEST, ATAPI_INCOMPATIBLE_FORMAT);
        return;
    }
    if (!known || (packet[1] & 0xf) || packet[6]) {
        atapi_refuse_field(drive);
        return;
    }
    memset(data, 0, length);
    atapi_put16(data, length - 2);
    if (packet[7] == PHYSICAL) {
        data[4] = 0x01; /* DVD-ROM, version 1 */
        data[5] = 0x0f; /* 120 mm, no maximum rate */
        data[6] = 0x01; /* one layer, embossed */
        atapi_put32(data + 8, FIRST_SECTOR);
        atapi_put32(data + 12, FIRST_SECTOR + atapi_sectors(drive) - 1);
    }
    atapi_reply(drive, length, atapi_get16(packet + 8));
}
