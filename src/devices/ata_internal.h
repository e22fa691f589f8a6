/* devices/ata_internal.h: what the files of the ATA drive share.
 *
 * ata.c: registers, reset, interrupts. ata_commands.c: the command tables and commands
 * without sectors. ata_transfer.c: commands that move sectors. ata_discard.c: DATA SET
 * MANAGEMENT. ata_identify.c, ata_smart.c: the pages of data that a drive makes up.
 * CD-ROM drives: atapi_internal.h. */
#ifndef DEVICES_ATA_INTERNAL_H
#define DEVICES_ATA_INTERNAL_H

#include "devices/ata.h"

/* Bits of the registers: ATA/ATAPI-6 chapter 7. */
enum {
    ATA_STATUS_ERROR = 0x01,
    ATA_STATUS_DATA_REQUEST = 0x08,
    ATA_STATUS_SEEK_COMPLETE = 0x10,
    ATA_STATUS_DEVICE_FAULT = 0x20,
    ATA_STATUS_READY = 0x40,
    ATA_STATUS_BUSY = 0x80,
    ATA_STATUS_IDLE = ATA_STATUS_READY | ATA_STATUS_SEEK_COMPLETE,

    ATA_ERROR_ABORTED = 0x04,
    ATA_ERROR_ID_NOT_FOUND = 0x10,
    ATA_ERROR_UNCORRECTABLE = 0x40,   /* reads */
    ATA_ERROR_WRITE_PROTECTED = 0x40, /* writes */
    ATA_DIAGNOSTIC_PASSED = 0x01,

    ATA_PACKET_SIGNATURE_MID = 0x14, /* in the LBA registers after a reset */
    ATA_PACKET_SIGNATURE_HIGH = 0xeb,

    ATA_DEVICE_HEAD = 0x0f, /* CHS: head; LBA: bits 24-27 */
    ATA_DEVICE_SELECT = 0x10,
    ATA_DEVICE_LBA = 0x40,
    ATA_DEVICE_ONES = 0xa0, /* obsolete bits that read as ones */

    ATA_CONTROL_NO_INTERRUPT = 0x02,
    ATA_CONTROL_RESET = 0x04,
    ATA_CONTROL_HIGH_ORDER = 0x80,

    ATA_DEFAULT_HEADS = 16,
    ATA_DEFAULT_SECTORS_PER_TRACK = 63,
    ATA_MAXIMUM_CYLINDERS = 16383,
    ATA_MAXIMUM_LBA28_SECTORS = 0x0fffffff,

    ATA_TRANSFER_PIO_DEFAULT = 0x08, /* SET FEATURES 03h: mode in the low 3 bits */
    ATA_TRANSFER_MULTIWORD_DMA = 0x20,
    ATA_TRANSFER_ULTRA_DMA = 0x40,
    ATA_TRANSFER_KIND = 0xf8,
};

/* -- ata.c -- */

void ata_set_interrupt(struct ata_drive *drive, bool pending);
/* Puts into the registers what tells hard disks from packet devices. */
void ata_put_signature(struct ata_drive *drive);
/* DEVICE RESET, of a packet device. */
void ata_reset_device(struct ata_drive *drive);
/* Ends the command: status, phase and interrupt. */
void ata_finish(struct ata_drive *drive);
void ata_fail(struct ata_drive *drive, uint8_t error);
/* Submits a request to the back end, with BSY set, and goes on with `then`. It is for
 * the sector `block_done` behind `sector`. */
void ata_request(struct ata_drive *drive, enum block_operation operation,
                 uint8_t *buffer, uint32_t sectors, ata_continuation *then);

/* -- ata_commands.c -- */

void ata_execute(struct ata_drive *drive, uint8_t command);

/* -- ata_transfer.c -- */

/* Begins a command that moves sectors; address and count are in the task file.
 * `extended`: they have 48 and 16 bits. `block_sectors`: per PIO interrupt. */
void ata_start_transfer(struct ata_drive *drive, enum ata_transfer transfer,
                        bool extended, uint32_t block_sectors);
void ata_flush(struct ata_drive *drive);
/* The back end has failed. Told once per drive or medium: the guest may try forever. */
void ata_tell_host_error(struct ata_drive *drive, const char *what, int why);
/* Hands the host `length` bytes that stand in `data`, without the back end. */
void ata_send_page(struct ata_drive *drive, uint32_t length);
/* The host has read or filled all of `data`. */
void ata_data_moved(struct ata_drive *drive);
/* The controller is ready for a drive in ATA_PHASE_DMA. */
void ata_run_dma(struct ata_drive *drive);
/* The controller has no room for the rest: its table was too short, or the host has
 * stopped it. The command ends without a word, as the host expects nothing more. */
void ata_end_short_dma(struct ata_drive *drive, uint32_t sectors_left);
/* The first sector that the task file addresses; false: there is no such sector. */
bool ata_get_address(const struct ata_drive *drive, bool extended, uint64_t *sector);
/* Puts the address of `sector` into the task file, in the form the command uses. */
void ata_put_address(struct ata_drive *drive, uint64_t sector);

/* The back end could not do `what`, and not because of the guest. */
void ata_fail_on_host(struct ata_drive *drive, const char *what, int why);
/* Has the controller move so many blocks from memory, for ata_discard_ranges(). */
void ata_wait_for_ranges(struct ata_drive *drive, uint32_t blocks);

/* -- ata_discard.c -- */

/* The command DATA SET MANAGEMENT. */
void ata_manage_data_set(struct ata_drive *drive);
/* Its ranges have come. */
void ata_discard_ranges(struct ata_drive *drive);
/* Most blocks of ranges in a command: 64 ranges each. */
enum { ATA_RANGE_BLOCKS = 8 };

/* -- made-up pages of 512 bytes -- */

/* IDENTIFY DEVICE, IDENTIFY PACKET DEVICE. */
void ata_identify(const struct ata_drive *drive, uint8_t *page);
void ata_identify_packet(const struct ata_drive *drive, uint8_t *page);
/* Cylinders of the drive under a CHS translation, 1-65535. */
uint32_t ata_cylinders(const struct ata_drive *drive, unsigned heads,
                       unsigned sectors_per_track);
/* The command SMART, all of it. */
void ata_smart(struct ata_drive *drive);

#endif
