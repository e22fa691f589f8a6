#include "machine/media.h"

#include "devices/i82077.h"
#include "machine/machine_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IRQ_FLOPPY = 6 };

/* A medium that may come back, as checkpoints have it. */
struct media_hold {
    struct media_hold *next;
    struct block_backend *backend;
    unsigned uses;
    bool in_drive; /* or on its way there, or pulled */
};

/* Where it is, or where it would go. */
static struct media_hold **find_hold(struct machine *machine,
                                     const struct block_backend *backend)
{
    struct media_hold **place = &machine->media.holds;
    while (*place && (*place)->backend != backend) {
        place = &(*place)->next;
    }
    return place;
}

static void close_backend(struct machine *machine, struct block_backend *backend)
{
    struct media_hold *hold = backend ? *find_hold(machine, backend) : NULL;
    struct error error;
    if (hold) {
        hold->in_drive = false; /* closed when it is let go */
    } else if (!block_close(backend, &error)) {
        log_warning(&machine->log, "%s", error.text);
    }
}

static void close_left(struct media_drive *drive)
{
    close_backend(drive->machine, drive->left);
    drive->left = NULL;
}

static void submit(void *opaque, const struct block_request *request)
{
    const struct media_drive *drive = opaque;
    block_device_submit(block_device_of(drive->backend), request);
}

static const struct block_device_ops medium_ops = {.submit = submit};

/* Somebody may stand between the drive and its medium: he stays there. */
static void put_in(struct media_drive *drive, struct block_backend *backend)
{
    const struct block_device *device = block_device_of(backend);
    drive->backend = backend;
    drive->medium.name = device->name;
    drive->medium.sectors = device->sectors;
    drive->medium.read_only = device->read_only;
    drive->medium.discards = device->discards;
    drive->drive->ops->insert(drive->drive->opaque, &drive->medium);
}

static void released(void *hand, struct block_device *medium)
{
    struct media_drive *drive = hand;
    struct block_backend *next = drive->next;
    assert(medium == &drive->medium && !drive->left);
    if (drive->returning) {
        next = drive->backend;
    } else if (drive->pulling) {
        drive->pulled = drive->backend;
    } else {
        drive->left = drive->backend;
    }
    if (drive->removing) {
        close_left(drive);
    }
    drive->backend = drive->next = NULL;
    drive->pulling = drive->returning = false;
    drive->removed = false;
    if (next) {
        put_in(drive, next);
    }
}

static void tray_moved(void *hand, bool open)
{
    const struct media_drive *drive = hand;
    const struct media_listener *listener = &drive->machine->media.listener;
    if (listener->tray_moved) {
        listener->tray_moved(listener->opaque, drive->name, open);
    }
}

static struct media_drive *add_drive(struct machine *machine, const char *name,
                                     struct removable_drive *removable,
                                     struct block_backend *backend)
{
    struct media *media = &machine->media;
    assert(media->count < MEDIA_DRIVES);
    struct media_drive *drive = &media->drives[media->count++];
    snprintf(drive->name, sizeof(drive->name), "%s", name);
    drive->machine = machine;
    drive->drive = removable;
    drive->medium = (struct block_device){.ops = &medium_ops, .opaque = drive};
    removable->released = released;
    removable->tray_moved = tray_moved;
    removable->hand = drive;
    if (backend) {
        put_in(drive, backend);
    }
    return drive;
}

/* An empty drive has no image; then `*backend` is NULL. */
static bool open_image(struct machine *machine, const struct machine_drive *drive,
                       struct block_backend **backend, struct error *error)
{
    *backend = NULL;
    if (drive->image.file) {
        *backend = disks_open_image(machine, &drive->image, error);
    }
    return *backend || !drive->image.file;
}

static bool create_cdroms(struct machine *machine, struct error *error)
{
    for (unsigned unit = 0; unit < MACHINE_DISKS; unit++) {
        const struct machine_drive *drive = &machine->config.drives[unit];
        struct block_backend *backend;
        char name[MEDIA_NAME_BYTES];
        if (drive->media != MACHINE_MEDIA_CDROM) {
            continue;
        }
        if (!open_image(machine, drive, &backend, error)) {
            return false;
        }
        snprintf(name, sizeof(name), "ide%u-cd%u", unit / 2, unit % 2);
        add_drive(machine, name, piix3_ide_attach_cdrom(machine->ide, unit), backend);
    }
    return true;
}

/* -- floppies -- */

static bool fits_floppy(struct block_backend *backend, struct error *error)
{
    const struct block_device *device = block_device_of(backend);
    return i82077_drive_for(device->sectors) != FLOPPY_DRIVE_NONE ||
           error_set(error,
                     "floppy image %s has %" PRIu64 " KiB, and no floppy more than "
                     "2880: attach it as a disk",
                     device->name, device->sectors / 2);
}

static bool create_floppies(struct machine *machine, struct i82077 *fdc,
                            struct error *error)
{
    for (unsigned i = 0; i < MACHINE_FLOPPIES; i++) {
        const struct machine_drive *configured = &machine->config.floppies[i];
        struct block_backend *backend;
        char name[MEDIA_NAME_BYTES];
        if (!machine_drive_exists(configured)) {
            continue;
        }
        if (!open_image(machine, configured, &backend, error)) {
            return false;
        }
        if (backend && !fits_floppy(backend, error)) {
            close_backend(machine, backend);
            return false;
        }
        snprintf(name, sizeof(name), "floppy%u", i);
        struct media_drive *drive =
            add_drive(machine, name, i82077_attach(fdc, i), backend);
        drive->floppy = true;
        machine->media.floppy_kinds[i] = FLOPPY_DRIVE_2880K; /* reads all of 3.5" */
        if (backend) {
            machine->media.floppy_kinds[i] =
                (uint8_t)i82077_drive_for(block_device_of(backend)->sectors);
        }
    }
    return true;
}

void media_fill_cmos(struct machine *machine)
{
    enum { CMOS_FLOPPIES = 0x10 };
    const uint8_t *kinds = machine->media.floppy_kinds;
    mc146818_set(machine->rtc, CMOS_FLOPPIES, (uint8_t)(kinds[0] << 4 | kinds[1]));
}

uint8_t media_floppy_equipment(const struct machine *machine)
{
    enum { ANY = 0x01, SECOND = 0x40 };
    const uint8_t *kinds = machine->media.floppy_kinds;
    return (uint8_t)((kinds[0] || kinds[1] ? ANY : 0) |
                     (kinds[0] && kinds[1] ? SECOND : 0));
}

bool media_create(struct machine *machine, struct error *error)
{
    struct i82077 *fdc = pc_add_device(
        machine, i82077_create(&machine->log, &machine->ports, machine->dma,
                               isa_interrupts_line(&machine->isa, IRQ_FLOPPY)));
    return create_cdroms(machine, error) && create_floppies(machine, fdc, error);
}

void media_settle(struct machine *machine)
{
    struct media *media = &machine->media;
    for (unsigned i = 0; i < media->count; i++) {
        if (media->drives[i].backend) {
            block_settle(media->drives[i].backend);
        }
    }
}

void media_close(struct machine *machine)
{
    struct media *media = &machine->media;
    for (unsigned i = 0; i < media->count; i++) {
        close_left(&media->drives[i]);
        close_backend(machine, media->drives[i].pulled);
        close_backend(machine, media->drives[i].backend);
        close_backend(machine, media->drives[i].next);
    }
}

/* -- for checkpoints -- */

void media_hold(struct machine *machine, struct media_contents *contents)
{
    const struct media *media = &machine->media;
    *contents = (struct media_contents){{NULL}};
    for (unsigned i = 0; i < media->count; i++) {
        struct block_backend *backend = media->drives[i].backend;
        struct media_hold **hold = find_hold(machine, backend);
        contents->backends[i] = backend;
        if (backend && !*hold) {
            *hold = calloc(1, sizeof(**hold));
            assert(*hold);
            **hold = (struct media_hold){.backend = backend, .in_drive = true};
        }
        if (backend) {
            (*hold)->uses++;
        }
    }
}

static void let_go(struct machine *machine, struct block_backend *backend)
{
    struct media_hold **place = find_hold(machine, backend), *hold = *place;
    if (--hold->uses == 0) {
        *place = hold->next;
        if (!hold->in_drive) {
            close_backend(machine, backend);
        }
        free(hold);
    }
}

void media_let_go(struct machine *machine, const struct media_contents *contents)
{
    for (unsigned i = 0; i < MEDIA_DRIVES; i++) {
        if (contents->backends[i]) {
            let_go(machine, contents->backends[i]);
        }
    }
}

static void take_out(struct media_drive *drive)
{
    drive->removed = drive->removing = true;
    drive->drive->ops->remove(drive->drive->opaque);
    drive->removing = false;
}

void media_put_back(struct machine *machine, const struct media_contents *contents)
{
    struct media *media = &machine->media;
    for (unsigned i = 0; i < media->count; i++) {
        struct media_drive *drive = &media->drives[i];
        struct block_backend *backend = contents->backends[i];
        if (drive->backend == backend) {
            continue;
        }
        if (drive->backend) {
            take_out(drive);
        }
        if (backend) {
            (*find_hold(machine, backend))->in_drive = true;
            put_in(drive, backend);
        }
    }
}

bool media_are(const struct machine *machine, const struct media_contents *contents)
{
    const struct media *media = &machine->media;
    bool same = true;
    for (unsigned i = 0; i < media->count; i++) {
        same &= media->drives[i].backend == contents->backends[i];
    }
    return same;
}

/* -- for who stands between -- */

static struct media_drive *drive_of(struct machine *machine, const char *name)
{
    struct media *media = &machine->media;
    for (unsigned i = 0; i < media->count; i++) {
        if (strcmp(media->drives[i].name, name) == 0) {
            return &media->drives[i];
        }
    }
    return NULL;
}

struct block_device *media_device(struct machine *machine, const char *name)
{
    struct media_drive *drive = drive_of(machine, name);
    return drive ? &drive->medium : NULL;
}

bool machine_pull_medium(struct machine *machine, const char *name)
{
    struct media_drive *drive = drive_of(machine, name);
    if (!drive || !drive->backend || drive->removed || drive->pulled) {
        return false;
    }
    drive->removed = drive->pulling = true;
    drive->drive->ops->remove(drive->drive->opaque);
    return true;
}

void machine_return_medium(struct machine *machine, const char *name)
{
    struct media_drive *drive = drive_of(machine, name);
    struct block_backend *pulled = drive->pulled;
    if (drive->pulling) {
        drive->returning = true; /* the drive still uses it */
        return;
    }
    drive->pulled = NULL;
    if (pulled && drive->backend) {
        close_backend(machine, pulled); /* there is another by now */
    } else if (pulled) {
        put_in(drive, pulled);
    }
}

/* -- for a monitor -- */

bool machine_media_describe(const struct machine *machine, unsigned index,
                            struct machine_medium *medium)
{
    if (index >= machine->media.count) {
        return false;
    }
    const struct media_drive *drive = &machine->media.drives[index];
    struct removable_state state = drive->drive->ops->state(drive->drive->opaque);
    *medium = (struct machine_medium){
        .drive = drive->name,
        .file = state.medium ? state.medium->name : NULL,
        .bytes = state.medium ? state.medium->sectors * BLOCK_SECTOR_BYTES : 0,
        .floppy = drive->floppy,
        .tray_open = state.tray_open,
        .locked = state.locked,
        .write_protected = state.medium && state.medium->read_only,
    };
    return true;
}

static struct media_drive *find_drive(struct machine *machine, const char *name,
                                      struct error *error)
{
    const struct media *media = &machine->media;
    struct media_drive *drive = drive_of(machine, name);
    char known[MEDIA_DRIVES * (MEDIA_NAME_BYTES + 2)] = "";
    for (unsigned i = 0; !drive && i < media->count; i++) {
        snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
                 i ? ", " : "", media->drives[i].name);
    }
    if (!drive) {
        error_set(error,
                  "there is no drive %s whose medium can be changed; there is %s", name,
                  *known ? known : "none");
    }
    return drive;
}

bool machine_media_eject(struct machine *machine, const char *name, bool force,
                         struct error *error)
{
    struct media_drive *drive = find_drive(machine, name, error);
    if (!drive) {
        return false;
    }
    const struct removable_drive *removable = drive->drive;
    struct removable_state state = removable->ops->state(removable->opaque);
    if (state.locked && !state.tray_open && !force) {
        removable->ops->request_eject(removable->opaque);
        return error_set(error,
                         "the guest has locked drive %s; it has been asked to let go: "
                         "try again when its tray is open, or use force",
                         name);
    }
    close_backend(machine, drive->next);
    close_left(drive);
    drive->next = NULL;
    drive->removed = drive->backend;
    drive->removing = true;
    removable->ops->remove(removable->opaque);
    drive->removing = false;
    return true;
}

bool machine_media_insert(struct machine *machine, const char *name,
                          struct block_backend *backend, struct error *error)
{
    struct media_drive *drive = find_drive(machine, name, error);
    if (!drive) {
        return false;
    }
    if (drive->floppy && !fits_floppy(backend, error)) {
        return false;
    }
    if ((drive->backend && !drive->removed) || drive->next) {
        return error_set(error, "drive %s has a medium already: eject it first", name);
    }
    close_left(drive);
    if (drive->backend) {
        drive->next = backend;
    } else {
        put_in(drive, backend);
    }
    return true;
}

void machine_media_listen(struct machine *machine,
                          const struct media_listener *listener)
{
    machine->media.listener = listener ? *listener : (struct media_listener){0};
}
