/* bus/removable.h: the seam between a drive and whoever changes the medium in it.
 *
 * A drive with a removable medium (CD-ROM, floppy) has a struct removable_drive. Who
 * stands in for the user's hand (machine/media.h) puts a struct block_device in and
 * takes it out again while the guest runs; the drive tells its guest as its standard
 * says: disk change line, unit attention. A medium belongs to the hand, which may close
 * it when the drive has released it.
 * Thread: any that holds the machine lock. Saved by: the drive, without the medium. */
#ifndef BUS_REMOVABLE_H
#define BUS_REMOVABLE_H

#include "bus/block_device.h"

struct removable_state {
    const struct block_device *medium; /* in the drive, or in its open tray; or NULL */
    bool tray_open;                    /* never, of a drive without a tray */
    bool locked;                       /* the guest wants it to stay shut */
};

struct removable_drive_ops {
    struct removable_state (*state)(const void *opaque);
    /* The drive has no medium and has released the last: it gets one, and shuts its
     * tray. */
    void (*insert)(void *opaque, struct block_device *medium);
    /* Takes the medium out, if there is one, and leaves the tray open, even where the
     * guest has locked it. The drive uses the medium until it calls `released`, which
     * it does before this returns unless a request is under way. */
    void (*remove)(void *opaque);
    /* The user has pressed the button: the guest of a locked drive hears of it. */
    void (*request_eject)(void *opaque);
};

struct removable_drive {
    const struct removable_drive_ops *ops;
    void *opaque;
    /* Set by the hand; NULL: nobody wants to know. */
    void (*released)(void *hand, struct block_device *medium);
    void (*tray_moved)(void *hand, bool open); /* for whatever reason */
    void *hand;
};

static inline void removable_tell_released(const struct removable_drive *drive,
                                           struct block_device *medium)
{
    if (drive->released) {
        drive->released(drive->hand, medium);
    }
}

static inline void removable_tell_tray(const struct removable_drive *drive, bool open)
{
    if (drive->tray_moved) {
        drive->tray_moved(drive->hand, open);
    }
}

#endif
