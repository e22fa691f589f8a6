/* devices/atapi_internal.h: what the files of the CD-ROM drive share.
 *
 * A CD-ROM drive takes packets, SCSI's command descriptor blocks, by the ATA command
 * PACKET. atapi.c: how packets and data go over the channel, the medium and the tray.
 * atapi_commands.c: the table of packet commands and those that are not about sectors.
 * atapi_disc.c: reading, and what there is to know of a disc. atapi_mode.c: mode pages.
 * Sources: ATA/ATAPI-6 section 9.8 (protocol); MMC-3 (T10/1363-D) and SPC-2 (commands,
 * sense data). A disc is an image of 2048-byte sectors: one session with one data
 * track, mode 1. There is no audio. Commands take no virtual time. */
#ifndef DEVICES_ATAPI_INTERNAL_H
#define DEVICES_ATAPI_INTERNAL_H

#include "devices/ata_internal.h"

enum atapi_event {
    ATAPI_EVENT_NONE,
    ATAPI_EVENT_EJECT_REQUEST,
    ATAPI_EVENT_NEW_MEDIUM,
    ATAPI_EVENT_MEDIUM_REMOVAL,
    ATAPI_EVENTS,
};

enum {
    ATAPI_SENSE_NONE = 0x0,
    ATAPI_SENSE_NOT_READY = 0x2,
    ATAPI_SENSE_MEDIUM_ERROR = 0x3,
    ATAPI_SENSE_ILLEGAL_REQUEST = 0x5,
    ATAPI_SENSE_UNIT_ATTENTION = 0x6,
};

/* Additional sense: code in the high byte, qualifier in the low one. */
enum {
    ATAPI_UNRECOVERED_READ_ERROR = 0x1100,
    ATAPI_INVALID_COMMAND = 0x2000,
    ATAPI_ADDRESS_OUT_OF_RANGE = 0x2100,
    ATAPI_INVALID_FIELD = 0x2400,
    ATAPI_INVALID_PARAMETER = 0x2600,
    ATAPI_INCOMPATIBLE_FORMAT = 0x3002,
    ATAPI_MEDIUM_MAY_HAVE_CHANGED = 0x2800,
    ATAPI_RESET_OCCURRED = 0x2900,
    ATAPI_SAVING_NOT_SUPPORTED = 0x3900,
    ATAPI_NO_MEDIUM_TRAY_CLOSED = 0x3a01,
    ATAPI_NO_MEDIUM_TRAY_OPEN = 0x3a02,
    ATAPI_REMOVAL_PREVENTED = 0x5302,
    ATAPI_ILLEGAL_MODE_FOR_TRACK = 0x6400,
};

/* Parts of a sector: bits of READ CD's byte 9. */
enum {
    ATAPI_PART_CHECK = 0x08, /* EDC and ECC */
    ATAPI_PART_DATA = 0x10,
    ATAPI_PART_HEADER = 0x20,
    ATAPI_PART_SUBHEADER = 0x40, /* mode 1 has none */
    ATAPI_PART_SYNC = 0x80,
    ATAPI_PARTS = 0xf8,
    ATAPI_RAW_SECTOR_BYTES = 2352,
};

/* What kind of disc is there, as GET CONFIGURATION names it. */
enum {
    ATAPI_PROFILE_NONE = 0x00,
    ATAPI_PROFILE_CD_ROM = 0x08,
    ATAPI_PROFILE_DVD_ROM = 0x10,
};

typedef void atapi_command(struct ata_drive *drive);

static inline uint32_t atapi_get16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline uint32_t atapi_get24(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 16 | atapi_get16(bytes + 1);
}

static inline uint32_t atapi_get32(const uint8_t *bytes)
{
    return atapi_get16(bytes) << 16 | atapi_get16(bytes + 2);
}

static inline void atapi_put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void atapi_put32(uint8_t *bytes, uint32_t value)
{
    atapi_put16(bytes, value >> 16);
    atapi_put16(bytes + 2, value);
}

/* -- atapi.c -- */

void atapi_init(struct ata_drive *drive);
void atapi_power_on(struct ata_drive *drive);
/* The request that was under way has been answered: a medium that has been taken out
 * meanwhile is not needed any more. */
void atapi_release_medium(struct ata_drive *drive);
/* The ATA command PACKET. */
void atapi_start(struct ata_drive *drive);
/* The host has filled or read the block that stands in `data`. */
void atapi_data_moved(struct ata_drive *drive);
void atapi_run_dma(struct ata_drive *drive);

static inline void atapi_set_sense(struct atapi *atapi, uint8_t key, uint16_t sense)
{
    atapi->sense_key = key;
    atapi->sense_code = (uint8_t)(sense >> 8);
    atapi->sense_qualifier = (uint8_t)sense;
}

/* How packet commands end. `sense`: additional sense code and qualifier. */
void atapi_succeed(struct ata_drive *drive);
void atapi_fail(struct ata_drive *drive, uint8_t key, uint16_t sense);
static inline void atapi_refuse_field(struct ata_drive *drive)
{
    atapi_fail(drive, ATAPI_SENSE_ILLEGAL_REQUEST, ATAPI_INVALID_FIELD);
}
/* Hands out `length` bytes of `data`, or as many as the host has room for. */
void atapi_reply(struct ata_drive *drive, uint32_t length, uint32_t room);
/* Hands out `parts` of the `atapi.remaining` sectors from `atapi.sector` on. */
void atapi_read_sectors(struct ata_drive *drive, uint8_t parts);
/* Takes a parameter list of `length` bytes into `data`; atapi_parameters_taken()
 * follows. */
void atapi_take_parameters(struct ata_drive *drive, uint32_t length);

/* Opens or shuts the tray, as the guest asks for. */
void atapi_move_tray(struct ata_drive *drive, bool open);
/* The disc can be read: one is there and the tray is shut. */
bool atapi_is_loaded(const struct ata_drive *drive);
uint32_t atapi_sectors(const struct ata_drive *drive);
uint16_t atapi_profile(const struct ata_drive *drive);

/* -- atapi_commands.c -- */

/* Executes the packet that has come. */
void atapi_execute(struct ata_drive *drive);

/* -- atapi_disc.c -- */

atapi_command atapi_read_10, atapi_read_12, atapi_read_cd, atapi_read_cd_msf,
    atapi_read_capacity, atapi_read_toc, atapi_read_disc_information,
    atapi_read_track_information, atapi_read_dvd_structure, atapi_seek;

/* Bytes that `parts` of a sector have; 0: they cannot be had. */
uint32_t atapi_sector_bytes(uint8_t parts);
/* Makes of the 2048 bytes at `from` those `parts` of sector `sector` at `to`; the two
 * may not overlap. */
void atapi_make_sector(uint8_t parts, uint32_t sector, const uint8_t *from,
                       uint8_t *to);

/* -- atapi_mode.c -- */

atapi_command atapi_mode_sense, atapi_mode_select;
void atapi_mode_defaults(struct atapi *atapi);
void atapi_parameters_taken(struct ata_drive *drive);

#endif
