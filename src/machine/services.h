/* machine/services.h: what parts of a machine offer to those who control it, if they
 * are there. Whoever wires such a part fills in its functions; NULL: there is none.
 *
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef MACHINE_SERVICES_H
#define MACHINE_SERVICES_H

#include "base/error.h"
#include "base/types.h"
#include "machine/machine.h"

/* A drive whose medium can be changed. */
struct machine_drive {
    const char *name; /* as QEMU's: "ide1-cd0", "floppy0", "ide0-hd0" */
    const char *file; /* NULL: no medium */
    bool removable, locked, tray_open, read_only;
    uint64_t bytes;
};

struct machine_services {
    /* The picture, as PNG or else PPM, into an open file, which stays the caller's. */
    bool (*screenshot)(struct machine *machine, int fd, bool png, struct error *error);
    /* False from the last drive on. */
    bool (*drive)(struct machine *machine, unsigned index, struct machine_drive *drive);
    /* `name`: of a removable drive. `force`: though the guest has locked it. */
    bool (*eject)(struct machine *machine, const char *name, bool force,
                  struct error *error);
    /* Takes `fd` over. `file`: what to call it. */
    bool (*insert)(struct machine *machine, const char *name, int fd, const char *file,
                   bool read_only, struct error *error);
};

const struct machine_services *machine_services(const struct machine *machine);

#endif
