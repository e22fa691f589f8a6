/* base/error.h: what went wrong on the host's side, in one line for the user.
 *
 * A function that can fail for a reason outside the simulator (a missing file, a bad
 * option) returns bool and fills in a struct error: it names the thing and the remedy.
 * Mistakes of the guest are no errors (see base/log.h); mistakes of ours are asserts.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

struct error {
    char text[1024]; /* no newline at the end */
};

/* Writes the message; returns false, so that callers may `return error_set(…)`. */
__attribute__((format(printf, 2, 3))) bool error_set(struct error *error,
                                                     const char *format, ...);

/* Like error_set, with ": " and the text of the host's error number appended. */
__attribute__((format(printf, 3, 4))) bool
error_set_errno(struct error *error, int host_errno, const char *format, ...);

#endif
