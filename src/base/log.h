/* base/log.h: what the simulator has to say while a guest runs.
 *
 * A log belongs to one machine. Messages go to the host's standard error, one line
 * each. Guest errors (a driver that writes nonsense) are shown only when asked for, not
 * without end, and where the user wants them. Thread: any. Saved by: nobody. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

struct log {
    bool show_guest_errors;
    FILE *guest_error_stream; /* NULL: standard error */
    atomic_uint guest_errors; /* seen so far, shown or not */
};

/* At most this many guest errors are printed; the rest are counted. */
enum { LOG_GUEST_ERRORS_SHOWN = 200 };

/* Something the user should know (a line "faumachine: …"). */
__attribute__((format(printf, 2, 3))) void log_warning(struct log *log,
                                                       const char *format, ...);

/* The guest did what no data sheet allows; `device` names who saw it. */
__attribute__((format(printf, 3, 4))) void
log_guest_error(struct log *log, const char *device, const char *format, ...);

#endif
