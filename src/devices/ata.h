/* devices/ata.h: a parallel ATA channel with up to two drives, hard disks or CD-ROMs.
 *
 * The channel has the command and control block registers; the drives execute commands
 * on a struct block_device. A controller (devices/piix3_ide.h) decodes the ports and
 * moves the data of DMA commands. Source: ATA/ATAPI-6 (T13/1410D), and ATA8-ACS-2 for
 * discarding; overlapped, queued, security, host protected area and removable media
 * feature sets are not there. What a CD-ROM drive does with the packets it gets is in
 * the atapi files.
 * A channel without drives reads as zeroes, as on QEMU's PC.
 * Thread: any that holds the machine lock. Saved by: the controller, through
 * ata_channel_save() and ata_channel_load(). */
#ifndef DEVICES_ATA_H
#define DEVICES_ATA_H

#include "base/log.h"
#include "bus/block_device.h"
#include "bus/irq.h"
#include "bus/removable.h"
#include "state/state.h"

enum {
    ATA_DRIVES = 2,
    ATA_MULTIPLE_MAXIMUM = 16, /* sectors per interrupt in READ/WRITE MULTIPLE */
    ATA_DATA_BYTES = ATA_MULTIPLE_MAXIMUM * BLOCK_SECTOR_BYTES,
    ATA_CHUNK_SECTORS = 512, /* per request to the back end: DMA and VERIFY */
    ATAPI_PACKET_BYTES = 12,
    ATAPI_SECTOR_BYTES = 2048,
};

enum ata_kind { ATA_KIND_NONE, ATA_KIND_DISK, ATA_KIND_CDROM };

/* Offsets of the command block registers. */
enum ata_register {
    ATA_DATA,
    ATA_ERROR, /* written: features */
    ATA_SECTOR_COUNT,
    ATA_LBA_LOW,
    ATA_LBA_MID,
    ATA_LBA_HIGH,
    ATA_DEVICE,
    ATA_STATUS, /* written: command */
    ATA_COMMAND_REGISTERS,
};

/* What a drive waits for. */
enum ata_phase {
    ATA_PHASE_IDLE,
    ATA_PHASE_REQUEST, /* the back end to answer: BSY */
    ATA_PHASE_PIO_IN,  /* the host to read `data` */
    ATA_PHASE_PIO_OUT, /* the host to fill `data` */
    ATA_PHASE_DMA,     /* the controller to be ready for data */
    ATA_PHASES,
};

/* What a command transfers. Writes come last. */
enum ata_transfer {
    ATA_TRANSFER_PAGE,       /* PIO from `data`, without the back end */
    ATA_TRANSFER_PACKET,     /* PIO: the packet of a packet command */
    ATA_TRANSFER_PACKET_IN,  /* its data, by PIO or DMA */
    ATA_TRANSFER_PACKET_OUT, /* its parameter list */
    ATA_TRANSFER_VERIFY,
    ATA_TRANSFER_PIO_IN,
    ATA_TRANSFER_DMA_IN,
    ATA_TRANSFER_PIO_OUT,
    ATA_TRANSFER_DMA_OUT,
    ATA_TRANSFER_RANGES, /* by DMA, not for the disk: what to discard */
    ATA_TRANSFERS,
};

struct ata_channel;
struct ata_drive;
typedef void ata_continuation(struct ata_drive *drive, int result);

/* Registers that the host writes; with 48-bit commands each is two bytes deep. */
struct ata_task_file {
    uint8_t features, sector_count, lba_low, lba_mid, lba_high;
};

/* What a CD-ROM drive has beside the registers of the channel. The medium, also while
 * it lies in the open tray, is the drive's `block`. */
struct atapi {
    struct removable_drive removable;
    struct block_device *leaving; /* taken out while a request is under way */
    /* saved */
    uint8_t packet[ATAPI_PACKET_BYTES];
    uint8_t sense_key, sense_code, sense_qualifier; /* of the last packet command */
    bool reset_attention, medium_attention;         /* to be reported */
    uint8_t event; /* of the medium, to be fetched: enum atapi_event */
    bool tray_open, locked;
    bool dma;            /* the packet command moves its data by DMA */
    uint16_t byte_limit; /* most bytes per PIO interrupt */
    uint32_t filled;     /* bytes there are to hand out, or to be taken */
    uint32_t sector;     /* to read next */
    uint32_t remaining;  /* sectors to read */
    uint8_t parts;       /* of a sector: as in READ CD's byte 9 */
    uint8_t retries;     /* of the error recovery mode page */
    uint8_t recovery;    /* likewise */
    uint8_t volumes[2];  /* of the audio control page */
};

struct ata_drive {
    struct ata_channel *channel;
    struct block_device *block; /* NULL: there is no drive, or no medium in it */
    struct log *log;
    uint8_t kind;           /* enum ata_kind */
    unsigned number;        /* 0-3, hda to hdd: for names and serial numbers */
    bool host_error_told;   /* the log has been told that the back end failed */
    ata_continuation *then; /* for the request that is under way */
    bool running, completed, reset_wanted;
    int result;
    uint8_t chunk[ATA_CHUNK_SECTORS * BLOCK_SECTOR_BYTES];
    /* saved */
    struct ata_task_file current, previous;
    uint8_t device, error, status, command;
    bool interrupt;                   /* pending, whether or not the line shows it */
    uint8_t heads, sectors_per_track; /* of the current CHS translation */
    uint8_t multiple;                 /* sectors per block; 0: not set */
    uint8_t transfer_mode;            /* as SET FEATURES 03h took it */
    bool write_cache, look_ahead, smart, revert_to_defaults;
    bool standby, sleeping;
    uint8_t phase;          /* enum ata_phase */
    uint8_t transfer;       /* enum ata_transfer */
    bool extended;          /* the command has 48-bit addresses */
    uint64_t sector;        /* first of the block, or next to transfer */
    uint32_t remaining;     /* sectors, from `sector` on */
    uint32_t block_sectors; /* most in a block: per PIO interrupt, or per DMA chunk */
    uint32_t block_count;   /* in the present block; of these */
    uint32_t block_done;    /* the back end has answered for so many */
    uint32_t request_limit; /* most sectors in one request to the back end */
    uint32_t position, length; /* bytes moved and valid in `data` */
    uint8_t data[ATA_DATA_BYTES];
    struct atapi atapi;
};

/* How a controller takes part in a DMA command. */
struct ata_dma_ops {
    /* The drive asks for DMA (DMARQ): call ata_channel_dma_ready() now or later. */
    void (*request)(void *opaque);
    /* Moves bytes to or from memory; returns how many there was room for. */
    uint32_t (*transfer)(void *opaque, uint8_t *bytes, uint32_t length, bool to_memory);
    /* INTRQ has risen. */
    void (*interrupt)(void *opaque);
};

struct ata_channel {
    struct ata_drive drives[ATA_DRIVES];
    struct irq_line irq;
    const struct ata_dma_ops *dma;
    void *dma_opaque;
    uint8_t control; /* saved: the device control register */
};

/* `first_number`: 0 or 2, the number of drive 0. The channel is all zeroes before. */
void ata_channel_init(struct ata_channel *channel, struct log *log,
                      unsigned first_number, struct irq_line irq,
                      const struct ata_dma_ops *dma, void *dma_opaque);
/* Makes drive `index` a hard disk (NULL: takes the drive away) and powers it on. */
void ata_channel_attach(struct ata_channel *channel, unsigned index,
                        struct block_device *block);
/* Makes drive `index` a CD-ROM drive, empty and shut, and powers it on. */
struct removable_drive *ata_channel_attach_cdrom(struct ata_channel *channel,
                                                 unsigned index);

/* Power-on or hardware reset; ata_channel_update_irq() then sets the line, as it does
 * after loading. */
void ata_channel_reset(struct ata_channel *channel);
void ata_channel_update_irq(struct ata_channel *channel);

/* Registers other than data: enum ata_register, bytes. */
uint8_t ata_channel_read(struct ata_channel *channel, unsigned offset);
void ata_channel_write(struct ata_channel *channel, unsigned offset, uint8_t value);
/* The data register, one 16-bit word. */
uint16_t ata_channel_read_data(struct ata_channel *channel);
void ata_channel_write_data(struct ata_channel *channel, uint16_t value);
/* Alternate status and device control (0x3f6). */
uint8_t ata_channel_alternate_status(const struct ata_channel *channel);
void ata_channel_control(struct ata_channel *channel, uint8_t value);

/* The controller can move data: a DMA command that waits goes on. */
void ata_channel_dma_ready(struct ata_channel *channel);

void ata_channel_save(const struct ata_channel *channel, struct state_buffer *buffer);
/* A channel that cannot be loaded is as after power-on. No request is under way at
 * either. */
bool ata_channel_load(struct ata_channel *channel, struct state_buffer *buffer,
                      struct error *error);

#endif
