/* machine/snapshot.h: a whole machine in a file (state/archive.h), to go on from
 * another time, under any engine.
 *
 * Sections: "configuration" (machine/configuration.h), "state"
 * (machine/machine_state.h), "ram", and "disk NAME" for what was written to a disk
 * under -snapshot: runs of pages or sectors that are there (snapshot_runs.h). Images of
 * disks are not part of it: docs/snapshots.md tells what that means.
 *
 * Thread: any that holds the machine lock, while the CPU is held (machine_hold()) or
 * not in machine_run(). The machine is powered on. */
#ifndef MACHINE_SNAPSHOT_H
#define MACHINE_SNAPSHOT_H

#include "base/error.h"
#include "machine/machine.h"

/* `fd`: an empty file; `file`: what to call it. False: what has been written is to be
 * thrown away. */
bool snapshot_save(struct machine *machine, int fd, const char *file,
                   struct error *error);

/* Refuses what is damaged, or of another machine, before it changes anything. */
bool snapshot_load(struct machine *machine, int fd, const char *file,
                   struct error *error);
/* The same from memory: for tests. */
struct archive;
bool snapshot_apply(struct machine *machine, const struct archive *archive,
                    struct error *error);

#endif
