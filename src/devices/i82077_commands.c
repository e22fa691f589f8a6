/* The table of commands, and those that move no data: 82077AA data sheet, section 5. */
#include "devices/i82077_internal.h"

typedef void fdc_command(struct i82077 *fdc);

static struct fdc_drive *drive_of(struct i82077 *fdc, unsigned unit)
{
    return unit < I82077_DRIVES && fdc->drives[unit].connected ? &fdc->drives[unit]
                                                               : NULL;
}

/* -- the head -- */

/* Pulses on the step line. With a medium in the drive they reset its change line. */
void fdc_move_head(struct i82077 *fdc, unsigned unit, int steps)
{
    struct fdc_drive *drive = drive_of(fdc, unit);
    if (!drive || steps == 0) {
        return;
    }
    int cylinder = drive->cylinder + steps;
    cylinder = cylinder < 0 ? 0 : cylinder;
    drive->cylinder =
        (uint8_t)(cylinder > FDC_LAST_CYLINDER ? FDC_LAST_CYLINDER : cylinder);
    drive->changed &= !drive->medium;
}

/* The interrupt is there until SENSE INTERRUPT STATUS asks what it was. */
static void end_seek(struct i82077 *fdc, uint8_t status)
{
    unsigned unit = fdc_unit(fdc);
    fdc->seek_status[unit] = (uint8_t)(ST0_SEEK_END | status | unit);
    fdc->seeks_to_tell |= (uint8_t)(1U << unit);
    fdc_end_command(fdc);
    fdc_set_interrupt(fdc, true);
}

static void recalibrate(struct i82077 *fdc)
{
    enum { MOST_STEPS = 79 };
    unsigned unit = fdc_unit(fdc);
    const struct fdc_drive *drive = drive_of(fdc, unit);
    int steps = drive && drive->cylinder < MOST_STEPS ? drive->cylinder : MOST_STEPS;
    fdc_move_head(fdc, unit, -steps);
    fdc->cylinders[unit] = 0;
    bool arrived = drive && drive->cylinder == 0;
    end_seek(fdc, arrived ? 0 : ST0_ABNORMAL | ST0_NO_TRACK_0);
}

static void seek(struct i82077 *fdc)
{
    unsigned unit = fdc_unit(fdc);
    fdc_move_head(fdc, unit, fdc->command[2] - fdc->cylinders[unit]);
    fdc->cylinders[unit] = fdc->command[2];
    end_seek(fdc, fdc->command[1] & 4);
}

static void relative_seek(struct i82077 *fdc)
{
    enum { INWARDS = 0x40 };
    unsigned unit = fdc_unit(fdc);
    int steps = fdc->command[0] & INWARDS ? fdc->command[2] : -fdc->command[2];
    fdc_move_head(fdc, unit, steps);
    fdc->cylinders[unit] = (uint8_t)(fdc->cylinders[unit] + steps);
    end_seek(fdc, fdc->command[1] & 4);
}

/* -- status -- */

static void invalid(struct i82077 *fdc)
{
    fdc->result[0] = ST0_INVALID;
    fdc_give_result(fdc, 1, false);
}

static void unknown(struct i82077 *fdc)
{
    enum { PART_ID = 0x18 };
    if (fdc->command[0] != PART_ID) {
        log_guest_error(fdc->device.log, "i82077", "command %02x is not there",
                        fdc->command[0]);
    }
    invalid(fdc);
}

static void sense_interrupt(struct i82077 *fdc)
{
    unsigned unit = 0;
    uint8_t status;
    if (fdc->resets_to_tell) {
        unit = FDC_UNITS - fdc->resets_to_tell--;
        status = (uint8_t)(ST0_POLLED | unit);
    } else if (fdc->seeks_to_tell) {
        while (!(fdc->seeks_to_tell & 1U << unit)) {
            unit++;
        }
        fdc->seeks_to_tell &= (uint8_t) ~(1U << unit);
        status = fdc->seek_status[unit];
    } else {
        invalid(fdc);
        return;
    }
    fdc->result[0] = status;
    fdc->result[1] = fdc->cylinders[unit];
    fdc_give_result(fdc, 2, false);
    fdc_set_interrupt(fdc, fdc->seeks_to_tell != 0);
}

static void sense_drive(struct i82077 *fdc)
{
    enum { WRITE_PROTECTED = 0x40, READY = 0x20, TRACK_0 = 0x10, TWO_SIDES = 0x08 };
    const struct fdc_drive *drive = fdc_drive(fdc);
    uint8_t status = READY | TWO_SIDES | (fdc->command[1] & 7);
    if (drive && drive->cylinder == 0) {
        status |= TRACK_0;
    }
    if (drive && drive->medium && drive->medium->read_only) {
        status |= WRITE_PROTECTED;
    }
    fdc->result[0] = status;
    fdc_give_result(fdc, 1, false);
}

/* -- settings -- */

static void specify(struct i82077 *fdc)
{
    fdc->timing = fdc->command[1];
    fdc->head_load = fdc->command[2];
    fdc_end_command(fdc);
}

static void configure(struct i82077 *fdc)
{
    fdc->configuration = fdc->command[2];
    fdc->precompensation_track = fdc->command[3];
    fdc_end_command(fdc);
}

static void perpendicular(struct i82077 *fdc)
{
    enum { OVERWRITE = 0x80, DRIVES = 0x3c, GAP_AND_GATE = 0x03 };
    uint8_t value = fdc->command[1];
    uint8_t drives = (value & OVERWRITE ? value : fdc->perpendicular) & DRIVES;
    fdc->perpendicular = drives | (value & GAP_AND_GATE);
    fdc_end_command(fdc);
}

static void lock(struct i82077 *fdc)
{
    enum { LOCK = 0x80, SHOWN = 0x10 };
    fdc->locked = fdc->command[0] & LOCK;
    fdc->result[0] = fdc->locked ? SHOWN : 0;
    fdc_give_result(fdc, 1, false);
}

static void version(struct i82077 *fdc)
{
    enum { ENHANCED_CONTROLLER = 0x90 };
    fdc->result[0] = ENHANCED_CONTROLLER;
    fdc_give_result(fdc, 1, false);
}

static void dump_registers(struct i82077 *fdc)
{
    enum { LOCKED = 0x80 };
    for (unsigned i = 0; i < FDC_UNITS; i++) {
        fdc->result[i] = fdc->cylinders[i];
    }
    fdc->result[4] = fdc->timing;
    fdc->result[5] = fdc->head_load;
    fdc->result[6] = fdc->end_of_track;
    fdc->result[7] = (uint8_t)((fdc->locked ? LOCKED : 0) | fdc->perpendicular);
    fdc->result[8] = fdc->configuration;
    fdc->result[9] = fdc->precompensation_track;
    fdc_give_result(fdc, 10, false);
}

/* -- data: see i82077_transfer.c -- */

static void read_data(struct i82077 *fdc)
{
    fdc_start_transfer(fdc, FDC_READ);
}

static void read_deleted(struct i82077 *fdc)
{
    fdc_start_transfer(fdc, FDC_READ_DELETED);
}

static void read_track(struct i82077 *fdc)
{
    fdc_start_transfer(fdc, FDC_READ_TRACK);
}

static void verify(struct i82077 *fdc)
{
    fdc_start_transfer(fdc, FDC_VERIFY);
}

static void scan_equal(struct i82077 *fdc)
{
    fdc_start_transfer(fdc, FDC_SCAN_EQUAL);
}

static void scan_low(struct i82077 *fdc)
{
    fdc_start_transfer(fdc, FDC_SCAN_LOW);
}

static void scan_high(struct i82077 *fdc)
{
    fdc_start_transfer(fdc, FDC_SCAN_HIGH);
}

/* An image has no place for the mark of a deleted sector: it is as any other. */
static void write_data(struct i82077 *fdc)
{
    fdc_start_transfer(fdc, FDC_WRITE);
}

/* -- the table; `mask`: bits that tell the command, others are its options -- */

static const struct {
    uint8_t code, mask, length;
    fdc_command *execute;
} commands[] = {
    {0x02, 0x9f, 9, read_track},
    {0x03, 0xff, 3, specify},
    {0x04, 0xff, 2, sense_drive},
    {0x05, 0x3f, 9, write_data},
    {0x06, 0x1f, 9, read_data},
    {0x07, 0xff, 2, recalibrate},
    {0x08, 0xff, 1, sense_interrupt},
    {0x09, 0x3f, 9, write_data}, /* WRITE DELETED DATA */
    {0x0a, 0xbf, 2, fdc_read_id},
    {0x0c, 0x1f, 9, read_deleted},
    {0x0d, 0xbf, 6, fdc_start_format},
    {0x0e, 0xff, 1, dump_registers},
    {0x0f, 0xff, 3, seek},
    {0x10, 0xff, 1, version},
    {0x11, 0x1f, 9, scan_equal},
    {0x12, 0xff, 2, perpendicular},
    {0x13, 0xff, 4, configure},
    {0x14, 0x7f, 1, lock},
    {0x16, 0x1f, 9, verify},
    {0x19, 0x1f, 9, scan_low},
    {0x1d, 0x1f, 9, scan_high},
    {0x8f, 0xbf, 3, relative_seek},
};

static int find(uint8_t first)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(commands); i++) {
        if ((first & commands[i].mask) == commands[i].code) {
            return (int)i;
        }
    }
    return -1;
}

unsigned fdc_command_length(uint8_t first)
{
    int row = find(first);
    return row < 0 ? 1 : commands[row].length;
}

void fdc_execute(struct i82077 *fdc)
{
    int row = find(fdc->command[0]);
    if (row < 0) {
        unknown(fdc);
    } else {
        commands[row].execute(fdc);
    }
}
