/* machine/media.h: the machine's drives with removable media, and the hand that changes
 * what is in them: CD-ROM drives, named ide1-cd0 (channel, unit), and floppy drives,
 * floppy0 and floppy1, as QEMU names them.
 * Thread: any that holds the machine lock. */
#ifndef MACHINE_MEDIA_H
#define MACHINE_MEDIA_H

#include "base/error.h"
#include "bus/removable.h"
#include "host/storage/block.h"

struct machine;

enum { MEDIA_DRIVES = 6, MEDIA_NAME_BYTES = 16 };

/* What somebody who wants to know hears of; any of these may be NULL. */
struct media_listener {
    void (*tray_moved)(void *opaque, const char *drive, bool open);
    void *opaque;
};

struct media_drive {
    char name[MEDIA_NAME_BYTES];
    struct machine *machine;
    struct removable_drive *drive;
    struct block_device medium;    /* what the drive has of it, whichever it is */
    struct block_backend *backend; /* of the medium in it; ours to close */
    struct block_backend *pulled;  /* machine_pull_medium(); likewise */
    struct block_backend *next;    /* goes in when the drive has released that */
    struct block_backend *left;    /* to be closed, but not while it answers */
    bool removed;                  /* `backend` has been taken out */
    bool removing;                 /* that is going on */
    bool pulling, returning;       /* likewise, but it will come back; …at once */
    bool floppy;
};

struct media {
    struct media_drive drives[MEDIA_DRIVES];
    unsigned count;
    uint8_t floppy_kinds[2]; /* of drives A and B: enum floppy_drive_kind */
    struct media_listener listener;
    struct media_hold *holds; /* what checkpoints need, drives or not */
};

/* What was in the drives at some time. */
struct media_contents {
    struct block_backend *backends[MEDIA_DRIVES]; /* NULL: nothing */
};

/* Makes the drives that the configuration names, with what is in them, and the floppy
 * controller. */
bool media_create(struct machine *machine, struct error *error);
/* What firmware reads of floppy drives in CMOS; likewise, in the equipment byte. */
void media_fill_cmos(struct machine *machine);
uint8_t media_floppy_equipment(const struct machine *machine);
/* Waits for all requests; see disks_settle(). */
void media_settle(struct machine *machine);
/* Flushes and closes; the drives are gone. */
void media_close(struct machine *machine);

/* For checkpoints; no request is under way. What is in the drives stays open, wherever
 * it goes, until it is let go as often. */
void media_hold(struct machine *machine, struct media_contents *contents);
void media_let_go(struct machine *machine, const struct media_contents *contents);
/* The same media are in the drives again. What the drives make of that is to be loaded
 * over. */
void media_put_back(struct machine *machine, const struct media_contents *contents);
bool media_are(const struct machine *machine, const struct media_contents *contents);

/* What there is to tell of a drive. */
struct machine_medium {
    const char *drive;
    const char *file; /* name of the medium; NULL: the drive is empty */
    uint64_t bytes;
    bool tray_open, locked, write_protected;
    bool floppy;
};

/* Fills in drive `index`; false: there are only so many. */
bool machine_media_describe(const struct machine *machine, unsigned index,
                            struct machine_medium *medium);

/* Takes the medium out, if there is one, and leaves the tray open. Where the guest has
 * locked it this fails, and the guest hears that somebody has pressed the button; with
 * `force` it is opened all the same. */
bool machine_media_eject(struct machine *machine, const char *drive, bool force,
                         struct error *error);

/* Puts `backend` into the drive, which has to be empty, and shuts the tray. The machine
 * then owns it, and closes it when it has left the drive. */
bool machine_media_insert(struct machine *machine, const char *drive,
                          struct block_backend *backend, struct error *error);

/* The medium of a drive as the drive has it, for seams.h: it stays when media change.
 * NULL: there is no such drive. */
struct block_device *media_device(struct machine *machine, const char *drive);

/* Who is told from now on; NULL: nobody. */
void machine_media_listen(struct machine *machine,
                          const struct media_listener *listener);

#endif
