/* monitor/monitor.h: QMP and the human monitor, by which programs and people control a
 * machine.
 *
 * QMP as of QEMU 7.2 (docs/interop/qmp-spec.txt there), without out-of-band execution.
 * Thread: created and destroyed by the machine's own, while its event loop does not
 * run; everything in between happens in callbacks, machine lock held. Saved by: nobody.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "base/error.h"
#include "machine/machine.h"

#include <stdio.h>

enum { MONITOR_SESSIONS = 4 };

struct faults;

struct monitor_config {
    const char *qmp[MONITOR_SESSIONS];   /* character specifications; NULL: no more */
    const char *human[MONITOR_SESSIONS]; /* likewise */
    bool on_console;       /* Ctrl-A C on the serial line that shares the terminal */
    bool opens_files;      /* commands may name files: an option asked for a monitor */
    bool waits_for_load;   /* the machine starts when migrate-incoming has loaded one */
    struct faults *faults; /* NULL: none can be injected */
    const char *name;      /* -name: what the machine is called; or NULL */
};

struct monitor;

/* NULL, with one line in `error`, if the host does not allow it. */
struct monitor *monitor_create(struct machine *machine,
                               const struct monitor_config *config,
                               struct error *error);
/* The event loop has been stopped. NULL is fine. */
void monitor_destroy(struct monitor *monitor);

/* Executes one line as people type it, for the gdb stub; what it prints goes to `out`.
 */
void monitor_execute(struct monitor *monitor, const char *line, FILE *out);

#endif
