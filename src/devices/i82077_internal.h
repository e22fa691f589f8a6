/* devices/i82077_internal.h: what the files of the floppy controller share.
 *
 * i82077.c: registers, reset, interrupts, saved state. i82077_commands.c: the table of
 * commands and those that move no data. i82077_transfer.c: those that do.
 * i82077_media.c: formats, drives and what is in them. */
#ifndef DEVICES_I82077_INTERNAL_H
#define DEVICES_I82077_INTERNAL_H

#include "bus/device.h"
#include "devices/i82077.h"

enum {
    FDC_UNITS = 4, /* that can be selected; only I82077_DRIVES can be connected */
    FDC_COMMAND_BYTES = 9,
    FDC_RESULT_BYTES = 10,
    FDC_BUFFER_BYTES = 4 * 255, /* FORMAT TRACK: four for each sector */
    FDC_LAST_CYLINDER = 83,     /* where the head cannot go further */

    DOR_UNIT = 0x03, /* digital output register */
    DOR_RUN = 0x04,  /* else: held in reset */
    DOR_GATE = 0x08, /* interrupts and DMA requests get out */
    DOR_MOTOR_SHIFT = 4,

    ST0_ABNORMAL = 0x40,
    ST0_INVALID = 0x80,
    ST0_POLLED = 0xc0, /* a drive became ready: after a reset */
    ST0_SEEK_END = 0x20,
    ST0_NO_TRACK_0 = 0x10,
    ST1_END_OF_TRACK = 0x80,
    ST1_DATA_ERROR = 0x20,
    ST1_NO_DATA = 0x04,
    ST1_WRITE_PROTECTED = 0x02,
    ST1_NO_ADDRESS_MARK = 0x01,
    ST2_DELETED = 0x40,
    ST2_DATA_ERROR = 0x20,
    ST2_WRONG_CYLINDER = 0x10,
    ST2_SCAN_EQUAL = 0x08,
    ST2_SCAN_FAILED = 0x04,

    CONFIGURE_IMPLIED_SEEK = 0x40,
    CONFIGURE_NO_FIFO = 0x20,
    CONFIGURE_NO_POLLING = 0x10,
    CONFIGURE_THRESHOLD = 0x0f,

    SPECIFY_NO_DMA = 0x01,
};

enum fdc_phase {
    FDC_PHASE_COMMAND,
    FDC_PHASE_REQUEST, /* the back end is to answer */
    FDC_PHASE_DMA,     /* the DMA controller is to move data */
    FDC_PHASE_PIO,     /* the host is */
    FDC_PHASE_RESULT,
    FDC_PHASES,
};

/* What a command does with each sector. */
enum fdc_transfer {
    FDC_READ,
    FDC_READ_TRACK,
    FDC_READ_DELETED,
    FDC_VERIFY,
    FDC_SCAN_EQUAL,
    FDC_SCAN_LOW,
    FDC_SCAN_HIGH,
    FDC_WRITE,
    FDC_FORMAT,
    FDC_TRANSFERS,
};

struct fdc_format {
    uint16_t sectors; /* of the whole disk */
    uint8_t cylinders, heads, per_track;
    uint8_t rates; /* a bit for each value of the data rate that it is read at */
    uint8_t drive; /* enum floppy_drive_kind */
};

struct fdc_drive {
    struct i82077 *fdc;
    bool connected;
    struct removable_drive removable;
    struct block_device *medium;
    struct block_device *leaving; /* taken out while a request is under way */
    const struct fdc_format *format;
    bool host_error_told; /* the log has been told that the back end failed */
    /* saved */
    uint8_t cylinder; /* where the head is */
    bool changed;     /* the disk change line: until the head steps over a medium */
};

struct i82077 {
    struct device device;
    struct i8237 *dma;
    struct irq_line irq;
    void (*then)(struct i82077 *fdc, int result); /* for the request under way */
    bool running, completed, abandoned;
    int result_of_request;
    struct fdc_drive drives[I82077_DRIVES];
    /* saved */
    uint8_t dor, tape, rate;
    bool interrupt; /* whether or not the line shows it */
    uint8_t phase;  /* enum fdc_phase */
    uint8_t command[FDC_COMMAND_BYTES], received;
    uint8_t result[FDC_RESULT_BYTES], result_length, result_taken;
    uint8_t resets_to_tell;         /* SENSE INTERRUPT STATUS after a reset */
    uint8_t seeks_to_tell;          /* a bit for each unit whose seek has ended */
    uint8_t seek_status[FDC_UNITS]; /* ST0 of that */
    uint8_t cylinders[FDC_UNITS];   /* PCN: where the controller thinks heads are */
    uint8_t timing, head_load;      /* of SPECIFY */
    uint8_t configuration, precompensation_track;
    uint8_t perpendicular;
    bool locked;
    uint8_t transfer;                     /* enum fdc_transfer */
    uint8_t cylinder, head, sector, size; /* C, H, R, N of the sector that is next */
    uint8_t side;                         /* the head that is selected */
    uint8_t end_of_track;                 /* EOT, or FORMAT TRACK's sector count */
    uint16_t verify_left;                 /* sectors; 0: to the end of the track */
    uint8_t status1, status2;
    bool terminal_count;
    uint8_t id_sector;         /* the one that passed the head last */
    uint16_t position, length; /* bytes moved and to move, in `buffer` */
    uint8_t buffer[FDC_BUFFER_BYTES];
};

/* -- i82077.c -- */

void fdc_set_interrupt(struct i82077 *fdc, bool pending);
/* Begins the result phase with what stands in `result`. */
void fdc_give_result(struct i82077 *fdc, unsigned length, bool interrupt);
void fdc_end_command(struct i82077 *fdc);
/* Has the back end of the command's drive read or write a sector, in `buffer`. */
void fdc_request(struct i82077 *fdc, enum block_operation operation, uint64_t sector,
                 uint8_t *buffer, void (*then)(struct i82077 *fdc, int result));

/* -- i82077_commands.c -- */

/* Bytes that the command has, which begins with this one; 1 for one that is invalid. */
unsigned fdc_command_length(uint8_t first);
void fdc_execute(struct i82077 *fdc);
/* The unit that the command in `command` is for. */
static inline unsigned fdc_unit(const struct i82077 *fdc)
{
    return fdc->command[1] & 3;
}
void fdc_move_head(struct i82077 *fdc, unsigned unit, int steps);

/* -- i82077_transfer.c -- */

void fdc_start_transfer(struct i82077 *fdc, enum fdc_transfer transfer);
void fdc_start_format(struct i82077 *fdc);
void fdc_read_id(struct i82077 *fdc);
/* The DMA controller may be ready. */
void fdc_move_by_dma(struct i82077 *fdc);
/* A byte by PIO. */
uint8_t fdc_read_data(struct i82077 *fdc);
void fdc_write_data(struct i82077 *fdc, uint8_t value);

/* -- i82077_media.c -- */

/* The drive of the present command, if there is one. */
struct fdc_drive *fdc_drive(struct i82077 *fdc);
/* Its medium turns, and is recorded in a way that the controller is set to. */
bool fdc_can_read(struct i82077 *fdc);
/* The track of the medium that is under the head. `wanted`: what the driver believes.
 */
unsigned fdc_track(const struct fdc_drive *drive, unsigned wanted);
void fdc_release_media(struct i82077 *fdc);

#endif
