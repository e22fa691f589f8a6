/* cli/values.h: the values that options take, from text. All of them are pure functions
 * (but for the host's clock and time zone) that fail with one line for the user. */
#ifndef CLI_VALUES_H
#define CLI_VALUES_H

#include "base/error.h"
#include "base/types.h"

/* "256", "256M", "1G", "65536K", "size=…": MiB unless a suffix says otherwise. The
 * result is a whole number of MiB within what the machine can have. */
bool value_parse_memory(const char *text, uint64_t *bytes, struct error *error);

/* "base=utc", "base=localtime", "base=YYYY-MM-DD[THH:MM:SS]": seconds since 1970 that
 * the guest's RTC shows at power-on. */
bool value_parse_rtc(const char *text, int64_t *epoch_s, struct error *error);

/* "1000000", "50M": a number of instructions; K, M and G are thousands, millions and
 * thousands of millions. `option`: whose value it is. */
bool value_parse_count(const char *option, const char *text, uint64_t *count,
                       struct error *error);

/* How many single-letter changes make `a` of `b`. */
size_t value_edit_distance(const char *a, const char *b);

#endif
