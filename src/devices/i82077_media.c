/* Formats, drives, and what is in them. */
#include "devices/i82077_internal.h"

#include <assert.h>

enum {
    RATE_500K = 1 << 0,
    RATE_300K = 1 << 1, /* of a 360K disk in a drive that turns faster */
    RATE_250K = 1 << 2,
    RATE_1M = 1 << 3,
    RATE_360K_DISK = RATE_300K | RATE_250K,
    COMMAND_MFM = 0x40,
};

/* By size. A disk of 5.25 inches and 40 tracks is in a drive for 1.2M, as on QEMU's PC
 * and on most PCs that had one. */
static const struct fdc_format formats[] = {
    {320, 40, 1, 8, RATE_360K_DISK, FLOPPY_DRIVE_1200K},
    {360, 40, 1, 9, RATE_360K_DISK, FLOPPY_DRIVE_1200K},
    {640, 40, 2, 8, RATE_360K_DISK, FLOPPY_DRIVE_1200K},
    {720, 40, 2, 9, RATE_360K_DISK, FLOPPY_DRIVE_1200K},
    {1440, 80, 2, 9, RATE_250K, FLOPPY_DRIVE_1440K},
    {2400, 80, 2, 15, RATE_500K, FLOPPY_DRIVE_1200K},
    {2880, 80, 2, 18, RATE_500K, FLOPPY_DRIVE_1440K},
    {3360, 80, 2, 21, RATE_500K, FLOPPY_DRIVE_1440K},
    {5760, 80, 2, 36, RATE_1M, FLOPPY_DRIVE_2880K},
};

static const struct fdc_format *find_format(uint64_t sectors)
{
    const struct fdc_format *large = NULL;
    for (unsigned i = 0; i < ARRAY_LENGTH(formats); i++) {
        bool usual = formats[i].sectors == 2880 || formats[i].sectors == 5760;
        if (formats[i].sectors == sectors) {
            return &formats[i];
        }
        if (!large && usual && sectors < formats[i].sectors) {
            large = &formats[i];
        }
    }
    return large;
}

enum floppy_drive_kind i82077_drive_for(uint64_t sectors)
{
    const struct fdc_format *format = find_format(sectors);
    return format ? (enum floppy_drive_kind)format->drive : FLOPPY_DRIVE_NONE;
}

struct fdc_drive *fdc_drive(struct i82077 *fdc)
{
    unsigned unit = fdc_unit(fdc);
    return unit < I82077_DRIVES && fdc->drives[unit].connected ? &fdc->drives[unit]
                                                               : NULL;
}

bool fdc_can_read(struct i82077 *fdc)
{
    const struct fdc_drive *drive = fdc_drive(fdc);
    return drive && drive->medium &&
           (fdc->dor & 1 << (DOR_MOTOR_SHIFT + fdc_unit(fdc))) &&
           (fdc->command[0] & COMMAND_MFM) && (drive->format->rates & 1 << fdc->rate) &&
           fdc->side < drive->format->heads;
}

/* The tracks of a 40-track disk are twice as far apart. Drivers that know step twice
 * for each; firmware that does not is understood, too. */
unsigned fdc_track(const struct fdc_drive *drive, unsigned wanted)
{
    bool wide = drive->format->cylinders == 40;
    return wide && drive->cylinder == 2 * wanted ? wanted : drive->cylinder;
}

/* -- the hand -- */

static struct removable_state removable_state(const void *opaque)
{
    const struct fdc_drive *drive = opaque;
    return (struct removable_state){.medium = drive->medium};
}

static void insert(void *opaque, struct block_device *medium)
{
    struct fdc_drive *drive = opaque;
    drive->medium = medium;
    drive->format = find_format(medium->sectors);
    drive->host_error_told = false;
    drive->changed = true;
    assert(drive->format);
}

void fdc_release_media(struct i82077 *fdc)
{
    for (unsigned i = 0; i < I82077_DRIVES; i++) {
        struct fdc_drive *drive = &fdc->drives[i];
        struct block_device *medium = drive->leaving;
        if (medium) {
            drive->leaving = NULL;
            removable_tell_released(&drive->removable, medium);
        }
    }
}

static void remove_medium(void *opaque)
{
    struct fdc_drive *drive = opaque;
    drive->leaving = drive->medium;
    drive->medium = NULL;
    drive->format = NULL;
    drive->changed = true;
    if (!drive->fdc->then) {
        fdc_release_media(drive->fdc);
    }
}

/* The lever is not connected to anything. */
static void request_eject(void *opaque)
{
}

static const struct removable_drive_ops removable_ops = {
    .state = removable_state,
    .insert = insert,
    .remove = remove_medium,
    .request_eject = request_eject,
};

struct removable_drive *i82077_attach(struct i82077 *fdc, unsigned index)
{
    assert(index < I82077_DRIVES);
    struct fdc_drive *drive = &fdc->drives[index];
    *drive = (struct fdc_drive){
        .fdc = fdc,
        .connected = true,
        .removable = {.ops = &removable_ops, .opaque = drive},
        .changed = true,
    };
    return &drive->removable;
}
