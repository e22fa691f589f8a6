/* The table of packet commands, and those that are about the drive. MMC-3 chapter 6,
 * SPC-2 chapter 7. */
#include "devices/atapi_internal.h"

#include <string.h>

/* -- inquiry and sense -- */

static void test_unit_ready(struct ata_drive *drive)
{
    atapi_succeed(drive);
}

static void put_text(uint8_t *field, unsigned length, const char *text)
{
    size_t given = strlen(text);
    memset(field, ' ', length);
    memcpy(field, text, given < length ? given : length);
}

static void inquiry(struct ata_drive *drive)
{
    enum { VITAL_PRODUCT_DATA = 0x01, LENGTH = 36, CD_ROM = 0x05, REMOVABLE = 0x80 };
    const uint8_t *packet = drive->atapi.packet;
    if ((packet[1] & VITAL_PRODUCT_DATA) || packet[2]) {
        atapi_refuse_field(drive);
        return;
    }
    uint8_t *data = drive->data;
    memset(data, 0, LENGTH);
    data[0] = CD_ROM;
    data[1] = REMOVABLE;
    data[3] = 0x21; /* ATAPI; the data have the form of SCSI-2 */
    data[4] = LENGTH - 5;
    put_text(data + 8, 8, "FAU");
    put_text(data + 16, 16, "FAUMACHINE DVD");
    put_text(data + 32, 4, FAUMACHINE_VERSION);
    atapi_reply(drive, LENGTH, atapi_get16(packet + 3));
}

/* A unit attention that nobody has seen yet; it becomes the sense data. */
static bool take_attention(struct atapi *atapi)
{
    uint16_t sense = ATAPI_RESET_OCCURRED;
    if (atapi->reset_attention) {
        atapi->reset_attention = false;
    } else if (atapi->medium_attention) {
        atapi->medium_attention = false;
        sense = ATAPI_MEDIUM_MAY_HAVE_CHANGED;
    } else {
        return false;
    }
    atapi_set_sense(atapi, ATAPI_SENSE_UNIT_ATTENTION, sense);
    return true;
}

static void request_sense(struct ata_drive *drive)
{
    enum { LENGTH = 18, CURRENT_ERROR = 0x70 };
    struct atapi *atapi = &drive->atapi;
    if (atapi->sense_key == ATAPI_SENSE_NONE) {
        take_attention(atapi);
    }
    uint8_t *data = drive->data;
    memset(data, 0, LENGTH);
    data[0] = CURRENT_ERROR;
    data[2] = atapi->sense_key;
    data[7] = LENGTH - 8;
    data[12] = atapi->sense_code;
    data[13] = atapi->sense_qualifier;
    atapi_set_sense(atapi, ATAPI_SENSE_NONE, 0);
    atapi_reply(drive, LENGTH, atapi->packet[4]);
}

/* -- tray -- */

static void start_stop_unit(struct ata_drive *drive)
{
    enum { START = 0x01, LOAD_OR_EJECT = 0x02, POWER_CONDITION = 0xf0 };
    uint8_t what = drive->atapi.packet[4];
    bool open = !(what & START);
    if ((what & POWER_CONDITION) || !(what & LOAD_OR_EJECT)) {
        atapi_succeed(drive);
    } else if (open && drive->atapi.locked) {
        atapi_fail(drive, ATAPI_SENSE_ILLEGAL_REQUEST, ATAPI_REMOVAL_PREVENTED);
    } else {
        atapi_move_tray(drive, open);
        atapi_succeed(drive);
    }
}

static void prevent_allow(struct ata_drive *drive)
{
    drive->atapi.locked = drive->atapi.packet[4] & 1;
    atapi_succeed(drive);
}

static void mechanism_status(struct ata_drive *drive)
{
    enum { LENGTH = 8, DOOR_OPEN = 0x10 };
    memset(drive->data, 0, LENGTH);
    drive->data[1] = drive->atapi.tray_open ? DOOR_OPEN : 0;
    atapi_reply(drive, LENGTH, atapi_get16(drive->atapi.packet + 8));
}

/* Only the class of media has events; they are fetched, the drive never waits for one.
 */
static void get_event_status(struct ata_drive *drive)
{
    enum { POLLED = 0x01, MEDIA = 4, NONE_AVAILABLE = 0x80, HEADER = 4, LENGTH = 8 };
    enum { TRAY_OPEN = 0x01, MEDIUM_PRESENT = 0x02 };
    struct atapi *atapi = &drive->atapi;
    uint32_t room = atapi_get16(atapi->packet + 7);
    if (!(atapi->packet[1] & POLLED)) {
        atapi_refuse_field(drive);
        return;
    }
    bool media = atapi->packet[4] & 1 << MEDIA;
    uint32_t length = media ? LENGTH : HEADER;
    uint8_t *data = drive->data;
    memset(data, 0, LENGTH);
    atapi_put16(data, length - 2);
    data[2] = media ? MEDIA : NONE_AVAILABLE;
    data[3] = 1 << MEDIA;
    if (media) {
        data[4] = atapi->event;
        /* What lies in an open tray cannot be told. */
        data[5] = atapi->tray_open ? TRAY_OPEN : drive->block ? MEDIUM_PRESENT : 0;
    }
    if (media && room > HEADER) {
        atapi->event = ATAPI_EVENT_NONE;
    }
    atapi_reply(drive, length, room);
}

/* -- configuration: MMC-3 section 5.3 -- */

enum {
    FEATURE_PROFILES = 0x00,
    FEATURE_CORE = 0x01,
    FEATURE_REMOVABLE = 0x03,
    FEATURE_RANDOM_READ = 0x10,
    FEATURE_CD_READ = 0x1e,
    FEATURE_DVD_READ = 0x1f,
    FEATURE_POWER = 0x100,
    FEATURE_PERSISTENT = 0x02,
    FEATURE_CURRENT = 0x01,
};

struct feature {
    uint16_t code;
    uint8_t flags;    /* of the feature's byte 2: version and "persistent" */
    uint16_t profile; /* current with this one only; 0: always; 0xffff: with any */
    uint8_t length;
    uint8_t bytes[8];
};

static const struct feature features[] = {
    {FEATURE_PROFILES,
     FEATURE_PERSISTENT,
     0,
     8,
     {0, ATAPI_PROFILE_DVD_ROM, 0, 0, 0, ATAPI_PROFILE_CD_ROM, 0, 0}},
    {FEATURE_CORE, 0x04 | FEATURE_PERSISTENT, 0, 4, {0, 0, 0, 2}}, /* ATAPI */
    /* A tray that ejects, loads and can be locked. */
    {FEATURE_REMOVABLE, FEATURE_PERSISTENT, 0, 4, {0x39}},
    {FEATURE_RANDOM_READ, 0, 0xffff, 8, {0, 0, 8, 0, 0, 1, 0, 0}}, /* by 2048 */
    {FEATURE_CD_READ, 0, ATAPI_PROFILE_CD_ROM, 4, {0}},
    {FEATURE_DVD_READ, 0, ATAPI_PROFILE_DVD_ROM, 4, {0}},
    {FEATURE_POWER, FEATURE_PERSISTENT, 0, 0, {0}},
};

static bool is_current(const struct feature *feature, uint16_t profile)
{
    return feature->profile == 0 || feature->profile == profile ||
           (feature->profile == 0xffff && profile != ATAPI_PROFILE_NONE);
}

static uint32_t put_feature(uint8_t *to, const struct feature *feature,
                            uint16_t profile)
{
    atapi_put16(to, feature->code);
    to[2] = feature->flags | (is_current(feature, profile) ? FEATURE_CURRENT : 0);
    to[3] = feature->length;
    memcpy(to + 4, feature->bytes, feature->length);
    if (feature->code == FEATURE_PROFILES) {
        to[6] = profile == ATAPI_PROFILE_DVD_ROM;
        to[10] = profile == ATAPI_PROFILE_CD_ROM;
    }
    return 4U + feature->length;
}

static void get_configuration(struct ata_drive *drive)
{
    enum { ALL, CURRENT, ONE, HEADER = 8 };
    const uint8_t *packet = drive->atapi.packet;
    unsigned which = packet[1] & 3;
    uint32_t start = atapi_get16(packet + 2), length = HEADER;
    uint16_t profile = atapi_profile(drive);
    if (which > ONE) {
        atapi_refuse_field(drive);
        return;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(features); i++) {
        const struct feature *feature = &features[i];
        bool wanted = which == ONE ? feature->code == start : feature->code >= start;
        if (wanted && (which != CURRENT || is_current(feature, profile))) {
            length += put_feature(drive->data + length, feature, profile);
        }
    }
    memset(drive->data, 0, HEADER);
    atapi_put32(drive->data, length - 4);
    atapi_put16(drive->data + 6, profile);
    atapi_reply(drive, length, atapi_get16(packet + 7));
}

/* The speed is what the host's disk has. */
static void set_cd_speed(struct ata_drive *drive)
{
    atapi_succeed(drive);
}

/* -- the table: what is not in it is an invalid command -- */

enum {
    NEEDS_DISC = 0x01,
    DESPITE_ATTENTION = 0x02, /* carried out while a unit attention is to be told */
    KEEPS_SENSE = 0x04,
};

static const struct {
    atapi_command *execute;
    uint8_t flags;
} commands[256] = {
    [0x00] = {test_unit_ready, NEEDS_DISC},
    [0x03] = {request_sense, DESPITE_ATTENTION | KEEPS_SENSE},
    [0x12] = {inquiry, DESPITE_ATTENTION},
    [0x1b] = {start_stop_unit, 0},
    [0x1e] = {prevent_allow, 0},
    [0x25] = {atapi_read_capacity, NEEDS_DISC},
    [0x28] = {atapi_read_10, NEEDS_DISC},
    [0x2b] = {atapi_seek, NEEDS_DISC},
    [0x43] = {atapi_read_toc, NEEDS_DISC},
    [0x46] = {get_configuration, DESPITE_ATTENTION},
    [0x4a] = {get_event_status, DESPITE_ATTENTION},
    [0x51] = {atapi_read_disc_information, NEEDS_DISC},
    [0x52] = {atapi_read_track_information, NEEDS_DISC},
    [0x55] = {atapi_mode_select, 0},
    [0x5a] = {atapi_mode_sense, 0},
    [0xa8] = {atapi_read_12, NEEDS_DISC},
    [0xad] = {atapi_read_dvd_structure, NEEDS_DISC},
    [0xb9] = {atapi_read_cd_msf, NEEDS_DISC},
    [0xbb] = {set_cd_speed, 0},
    [0xbd] = {mechanism_status, 0},
    [0xbe] = {atapi_read_cd, NEEDS_DISC},
};

void atapi_execute(struct ata_drive *drive)
{
    struct atapi *atapi = &drive->atapi;
    uint8_t code = atapi->packet[0], flags = commands[code].flags;
    if (!(flags & KEEPS_SENSE)) {
        atapi_set_sense(atapi, ATAPI_SENSE_NONE, 0);
    }
    if (!commands[code].execute) {
        log_guest_error(drive->log, "atapi", "hd%c: packet command %02x is not there",
                        'a' + (int)drive->number, code);
        atapi_fail(drive, ATAPI_SENSE_ILLEGAL_REQUEST, ATAPI_INVALID_COMMAND);
    } else if (!(flags & DESPITE_ATTENTION) && take_attention(atapi)) {
        atapi_fail(drive, atapi->sense_key,
                   (uint16_t)(atapi->sense_code << 8 | atapi->sense_qualifier));
    } else if ((flags & NEEDS_DISC) && !atapi_is_loaded(drive)) {
        atapi_fail(drive, ATAPI_SENSE_NOT_READY,
                   atapi->tray_open ? ATAPI_NO_MEDIUM_TRAY_OPEN
                                    : ATAPI_NO_MEDIUM_TRAY_CLOSED);
    } else {
        commands[code].execute(drive);
    }
}
