/* Commands that move data: 82077AA data sheet, section 5.1.
 *
 * They go sector by sector: it is looked for, read from the back end, moved to the
 * host; or the other way round. By DMA a transfer ends when the DMA controller says so
 * (terminal count); without DMA there is nobody to say it, and it ends at the end of
 * the track, with an error that drivers expect. */
#include "devices/i82077_internal.h"

#include <string.h>

enum {
    COMMAND_MULTI_TRACK = 0x80,
    COMMAND_SKIP = 0x20,
    HEAD_SHIFT = 2,
    SIZE_512 = 2, /* N: 128 << N bytes */
    VERIFY_COUNT = 0x80,
    SCAN_ANY = 0xff, /* matches every byte */
};

static bool uses_dma(const struct i82077 *fdc)
{
    return !(fdc->head_load & SPECIFY_NO_DMA);
}

static bool to_host(const struct i82077 *fdc)
{
    return fdc->transfer <= FDC_READ_DELETED;
}

static bool is_scan(const struct i82077 *fdc)
{
    return fdc->transfer >= FDC_SCAN_EQUAL && fdc->transfer <= FDC_SCAN_HIGH;
}

/* -- the end -- */

static void finish(struct i82077 *fdc, bool good)
{
    i8237_set_request(fdc->dma, I82077_DMA_CHANNEL, false);
    fdc->result[0] =
        (uint8_t)((good ? 0 : ST0_ABNORMAL) | fdc->side << HEAD_SHIFT | fdc_unit(fdc));
    fdc->result[1] = fdc->status1;
    fdc->result[2] = fdc->status2;
    fdc->result[3] = fdc->cylinder;
    fdc->result[4] = fdc->head;
    fdc->result[5] = fdc->sector;
    fdc->result[6] = fdc->size;
    fdc_give_result(fdc, 7, true);
}

static void fail(struct i82077 *fdc, uint8_t status1, uint8_t status2)
{
    fdc->status1 |= status1;
    fdc->status2 |= status2;
    finish(fdc, false);
}

/* -- sectors -- */

static uint64_t sector_number(const struct fdc_drive *drive, unsigned track,
                              unsigned side, unsigned sector)
{
    const struct fdc_format *format = drive->format;
    return ((uint64_t)track * format->heads + side) * format->per_track + sector - 1;
}

/* Finds the sector that is next. Its address on the medium says cylinder, head, number
 * and size; false: no such one passes the head, and the command has failed. READ TRACK
 * takes them as they come, and only notes that. */
static bool find_sector(struct i82077 *fdc, uint64_t *number)
{
    const struct fdc_drive *drive = fdc_drive(fdc);
    if (!fdc_can_read(fdc)) {
        fail(fdc, ST1_NO_ADDRESS_MARK, 0);
        return false;
    }
    unsigned track = fdc_track(drive, fdc->cylinder);
    bool wrong_cylinder = track != fdc->cylinder;
    bool good = !wrong_cylinder && fdc->head == fdc->side && fdc->size == SIZE_512;
    *number = sector_number(drive, track, fdc->side, fdc->sector);
    bool there = fdc->sector >= 1 && fdc->sector <= drive->format->per_track &&
                 track < drive->format->cylinders && *number < drive->medium->sectors;
    if (there && !good && fdc->transfer == FDC_READ_TRACK) {
        fdc->status1 |= ST1_NO_DATA;
        return true;
    }
    if (!there || !good) {
        fail(fdc, ST1_NO_DATA, wrong_cylinder ? ST2_WRONG_CYLINDER : 0);
        return false;
    }
    return true;
}

/* The address of the next sector; false: that was the last one of the command. */
static bool advance(struct i82077 *fdc)
{
    unsigned step = is_scan(fdc) && fdc->command[8] == 2 ? 2 : 1;
    if (fdc->sector < fdc->end_of_track) {
        fdc->sector = (uint8_t)(fdc->sector + step);
        return true;
    }
    fdc->sector = 1;
    if ((fdc->command[0] & COMMAND_MULTI_TRACK) && fdc->transfer != FDC_READ_TRACK) {
        fdc->head ^= 1;
        if (fdc->side == 0) {
            fdc->side = 1;
            return true;
        }
    }
    fdc->cylinder++;
    return false;
}

static void next_sector(struct i82077 *fdc);

/* A scan ends where its condition holds. */
static void sector_done(struct i82077 *fdc)
{
    bool found = is_scan(fdc) && !(fdc->status2 & ST2_SCAN_FAILED);
    bool more = advance(fdc);
    bool counted = fdc->verify_left && --fdc->verify_left == 0;
    bool to_end_of_track = fdc->transfer == FDC_VERIFY && !fdc->verify_left && !counted;
    if (fdc->terminal_count || found || counted || (fdc->status2 & ST2_DELETED)) {
        finish(fdc, true);
    } else if (more) {
        next_sector(fdc);
    } else if (to_end_of_track || is_scan(fdc)) {
        finish(fdc, true);
    } else {
        fail(fdc, ST1_END_OF_TRACK, 0);
    }
}

/* -- between the buffer and the host -- */

static void write_sector(struct i82077 *fdc);
static void write_format(struct i82077 *fdc);

static void data_moved(struct i82077 *fdc)
{
    if (fdc->transfer == FDC_WRITE) {
        memset(fdc->buffer + fdc->position, 0, fdc->length - fdc->position);
        write_sector(fdc);
    } else if (fdc->transfer == FDC_FORMAT) {
        fdc->length = fdc->position;
        fdc->position = 0;
        write_format(fdc);
    } else {
        sector_done(fdc);
    }
}

/* A byte of the host's beside one of the medium. */
static void compare(struct i82077 *fdc, uint8_t on_medium, uint8_t of_host)
{
    bool any = on_medium == SCAN_ANY || of_host == SCAN_ANY;
    if (any || on_medium == of_host) {
        return;
    }
    bool holds = (fdc->transfer == FDC_SCAN_LOW && on_medium < of_host) ||
                 (fdc->transfer == FDC_SCAN_HIGH && on_medium > of_host);
    fdc->status2 &= (uint8_t)~ST2_SCAN_EQUAL;
    fdc->status2 |= holds ? 0 : ST2_SCAN_FAILED;
}

void fdc_move_by_dma(struct i82077 *fdc)
{
    uint8_t bytes[FDC_BUFFER_BYTES];
    unsigned left = fdc->length - fdc->position;
    uint8_t *place = fdc->buffer + fdc->position;
    if (fdc->phase != FDC_PHASE_DMA || !(fdc->dor & DOR_GATE)) {
        return;
    }
    unsigned moved =
        i8237_transfer(fdc->dma, I82077_DMA_CHANNEL, is_scan(fdc) ? bytes : place, left,
                       &fdc->terminal_count);
    for (unsigned i = 0; is_scan(fdc) && i < moved; i++) {
        compare(fdc, place[i], bytes[i]);
    }
    fdc->position = (uint16_t)(fdc->position + moved);
    if (fdc->position == fdc->length || fdc->terminal_count) {
        data_moved(fdc);
    }
}

static void move_data(struct i82077 *fdc, unsigned length)
{
    fdc->position = 0;
    fdc->length = (uint16_t)length;
    if (uses_dma(fdc)) {
        fdc->phase = FDC_PHASE_DMA;
        i8237_set_request(fdc->dma, I82077_DMA_CHANNEL, true);
        fdc_move_by_dma(fdc);
    } else {
        fdc->phase = FDC_PHASE_PIO;
        fdc_set_interrupt(fdc, true);
    }
}

/* Without DMA there is an interrupt for each byte, or whenever the FIFO is as full, or
 * as empty, as its threshold says. */
static void byte_moved(struct i82077 *fdc)
{
    unsigned burst = 1;
    if (!(fdc->configuration & CONFIGURE_NO_FIFO)) {
        burst += fdc->configuration & CONFIGURE_THRESHOLD;
    }
    fdc->position++;
    fdc_set_interrupt(fdc, false);
    if (fdc->position == fdc->length) {
        data_moved(fdc);
    } else if (fdc->position % burst == 0) {
        fdc_set_interrupt(fdc, true);
    }
}

uint8_t fdc_read_data(struct i82077 *fdc)
{
    if (!to_host(fdc)) {
        return 0;
    }
    uint8_t value = fdc->buffer[fdc->position];
    byte_moved(fdc);
    return value;
}

void fdc_write_data(struct i82077 *fdc, uint8_t value)
{
    if (to_host(fdc)) {
        return;
    }
    if (is_scan(fdc)) {
        compare(fdc, fdc->buffer[fdc->position], value);
    } else {
        fdc->buffer[fdc->position] = value;
    }
    byte_moved(fdc);
}

/* -- between the buffer and the medium -- */

/* The back end has failed. Told once per medium: the guest may try forever. */
static void fail_at_host(struct i82077 *fdc, const char *what, int why)
{
    struct fdc_drive *drive = fdc_drive(fdc);
    if (drive && drive->medium && !drive->host_error_told) {
        drive->host_error_told = true;
        log_warning(fdc->device.log,
                    "floppy %c: cannot %s %s: %s; the guest sees an error",
                    'A' + (int)fdc_unit(fdc), what, drive->medium->name, strerror(why));
    }
    fail(fdc, ST1_DATA_ERROR, ST2_DATA_ERROR);
}

static void sector_read(struct i82077 *fdc, int result)
{
    if (result) {
        fail_at_host(fdc, "read", result);
    } else if (fdc->transfer == FDC_VERIFY) {
        sector_done(fdc);
    } else {
        fdc->status2 |= is_scan(fdc) ? ST2_SCAN_EQUAL : 0;
        fdc->status2 &= (uint8_t)~ST2_SCAN_FAILED;
        /* No sector is a deleted one: the command takes one and ends. */
        fdc->status2 |= fdc->transfer == FDC_READ_DELETED ? ST2_DELETED : 0;
        move_data(fdc, BLOCK_SECTOR_BYTES);
    }
}

static void sector_written(struct i82077 *fdc, int result)
{
    if (result) {
        fail_at_host(fdc, "write", result);
    } else {
        sector_done(fdc);
    }
}

static void write_sector(struct i82077 *fdc)
{
    uint64_t number;
    if (find_sector(fdc, &number)) {
        fdc_request(fdc, BLOCK_WRITE, number, fdc->buffer, sector_written);
    }
}

static bool is_protected(struct i82077 *fdc)
{
    const struct fdc_drive *drive = fdc_drive(fdc);
    if (!drive || !drive->medium || !drive->medium->read_only) {
        return false;
    }
    fail(fdc, ST1_WRITE_PROTECTED, 0);
    return true;
}

/* Sectors that are to be skipped unless they are deleted: all of them are. */
static bool skips(const struct i82077 *fdc)
{
    return fdc->transfer == FDC_READ_DELETED && (fdc->command[0] & COMMAND_SKIP);
}

static void next_sector(struct i82077 *fdc)
{
    uint64_t number;
    if (!find_sector(fdc, &number)) {
        return;
    }
    if (fdc->transfer == FDC_WRITE) {
        move_data(fdc, BLOCK_SECTOR_BYTES);
    } else if (skips(fdc)) {
        fail(fdc, ST1_END_OF_TRACK, ST2_DELETED);
    } else {
        fdc_request(fdc, BLOCK_READ, number, fdc->buffer, sector_read);
    }
}

/* -- the beginning -- */

static void begin(struct i82077 *fdc, enum fdc_transfer transfer)
{
    fdc->transfer = (uint8_t)transfer;
    fdc->side = fdc->command[1] >> HEAD_SHIFT & 1;
    fdc->status1 = fdc->status2 = 0;
    fdc->terminal_count = false;
    fdc->verify_left = 0;
}

static void seek_if_implied(struct i82077 *fdc)
{
    unsigned unit = fdc_unit(fdc);
    if (fdc->configuration & CONFIGURE_IMPLIED_SEEK) {
        fdc_move_head(fdc, unit, fdc->cylinder - fdc->cylinders[unit]);
        fdc->cylinders[unit] = fdc->cylinder;
    }
}

void fdc_start_transfer(struct i82077 *fdc, enum fdc_transfer transfer)
{
    begin(fdc, transfer);
    fdc->cylinder = fdc->command[2];
    fdc->head = fdc->command[3];
    fdc->sector = transfer == FDC_READ_TRACK ? 1 : fdc->command[4];
    fdc->size = fdc->command[5];
    fdc->end_of_track = fdc->command[6];
    if (transfer == FDC_VERIFY && (fdc->command[1] & VERIFY_COUNT)) {
        fdc->verify_left = fdc->command[8] ? fdc->command[8] : 256;
    }
    seek_if_implied(fdc);
    if (transfer != FDC_WRITE || !is_protected(fdc)) {
        next_sector(fdc);
    }
}

/* READ ID: whichever sector comes next. */
void fdc_read_id(struct i82077 *fdc)
{
    const struct fdc_drive *drive = fdc_drive(fdc);
    begin(fdc, FDC_READ);
    if (!fdc_can_read(fdc) || drive->cylinder >= drive->format->cylinders) {
        fail(fdc, ST1_NO_ADDRESS_MARK, 0);
        return;
    }
    fdc->id_sector = (uint8_t)(fdc->id_sector % drive->format->per_track + 1);
    fdc->cylinder = drive->cylinder;
    fdc->head = fdc->side;
    fdc->sector = fdc->id_sector;
    fdc->size = SIZE_512;
    finish(fdc, true);
}

/* -- FORMAT TRACK: the host sends the address of each sector -- */

void fdc_start_format(struct i82077 *fdc)
{
    begin(fdc, FDC_FORMAT);
    fdc->size = fdc->command[2];
    fdc->end_of_track = fdc->command[3];
    if (is_protected(fdc)) {
        return;
    }
    if (!fdc_can_read(fdc)) {
        fail(fdc, ST1_NO_ADDRESS_MARK, 0);
    } else if (fdc->end_of_track == 0) {
        finish(fdc, true);
    } else {
        move_data(fdc, 4U * fdc->end_of_track);
    }
}

static void format_written(struct i82077 *fdc, int result)
{
    if (result) {
        fail_at_host(fdc, "write", result);
        return;
    }
    fdc->position += 4;
    write_format(fdc);
}

/* The addresses from `position` on; behind them is room for a sector, as no track that
 * can be kept has more than 36. */
static void write_format(struct i82077 *fdc)
{
    uint8_t *filled = fdc->buffer + FDC_BUFFER_BYTES - BLOCK_SECTOR_BYTES;
    const uint8_t *address = fdc->buffer + fdc->position;
    uint64_t number;
    if (fdc->position + 4 > fdc->length) {
        finish(fdc, true);
        return;
    }
    if (address >= filled) {
        fail(fdc, ST1_NO_DATA, 0);
        return;
    }
    fdc->cylinder = address[0];
    fdc->head = address[1];
    fdc->sector = address[2];
    fdc->size = address[3];
    if (find_sector(fdc, &number)) {
        memset(filled, fdc->command[5], BLOCK_SECTOR_BYTES);
        fdc_request(fdc, BLOCK_WRITE, number, filled, format_written);
    }
}
