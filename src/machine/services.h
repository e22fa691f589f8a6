/* machine/services.h: what parts of a machine offer to those who control it, if they
 * are there.
 *
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef MACHINE_SERVICES_H
#define MACHINE_SERVICES_H

#include "base/error.h"
#include "base/types.h"
#include "machine/machine.h"
#include "machine/media.h"

/* Whether a disk waits for the user's help: `werror=stop`. */
enum machine_disk_status { DISK_GOOD, DISK_FAILED, DISK_OUT_OF_ROOM };

/* A drive, and what is in it. */
struct drive_state {
    char name[MEDIA_NAME_BYTES]; /* as QEMU's: "ide1-cd0", "floppy0", "ide0-hd0" */
    const char *file;            /* NULL: no medium */
    bool removable, locked, tray_open, read_only;
    enum machine_disk_status status;
    uint64_t bytes;
};

struct machine_services {
    /* The picture, as PNG or else PPM, into an open file, which stays the caller's. */
    bool (*screenshot)(struct machine *machine, int fd, bool png, struct error *error);
    /* False from the last drive on. */
    bool (*drive)(struct machine *machine, unsigned index, struct drive_state *drive);
    /* `name`: of a removable drive. `force`: though the guest has locked it. */
    bool (*eject)(struct machine *machine, const char *name, bool force,
                  struct error *error);
    /* Takes what is in the drive out first. Takes `fd` over. `file`: what to call it.
     */
    bool (*insert)(struct machine *machine, const char *name, int fd, const char *file,
                   bool read_only, struct error *error);
};

/* Fills in what the machine has. */
void services_offer(struct machine *machine);
const struct machine_services *machine_services(const struct machine *machine);

#endif
