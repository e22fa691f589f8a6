/* host/opener/opener.h: files that are opened while the machine runs.
 *
 * A confined machine cannot open files. A companion process does that for it, which is
 * started only if there is a monitor that may ask for files by name. It opens what the
 * user who started the machine may open: docs/security.md says what that means.
 * Thread: any that holds the machine lock, which waits for the file system, some
 * seconds at most. Saved by: nobody. */
#ifndef HOST_OPENER_OPENER_H
#define HOST_OPENER_OPENER_H

#include "base/error.h"
#include "host/companion/companion.h"

struct opener {
    struct companion companion;
};

enum opener_mode {
    OPENER_READ,       /* an image, not to be changed */
    OPENER_READ_WRITE, /* an image */
    OPENER_REPLACE,    /* a file that is made, or emptied */
    /* A file that takes the name when opener_keep() says so, and is removed else: until
     * then what had the name before is untouched. Only its user may read it. One at a
     * time. */
    OPENER_REPLACE_WHOLE,
};

bool opener_start(struct opener *opener, struct error *error);
void opener_stop(struct opener *opener);

/* A descriptor, or -1 with a line in `error`, "Could not open…" as QEMU's. A relative
 * `path` begins where the machine was started. */
int opener_open(struct opener *opener, const char *path, enum opener_mode mode,
                struct error *error);
/* The file that was opened last with OPENER_REPLACE_WHOLE is complete, on the disk, and
 * gets its name; or it is removed. `path`: the name, for messages. */
bool opener_keep(struct opener *opener, const char *path, struct error *error);
void opener_drop(struct opener *opener);

#endif
