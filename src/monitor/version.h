/* monitor/version.h: whose protocol this is, and whose program. */
#ifndef MONITOR_VERSION_H
#define MONITOR_VERSION_H

#include <jansson.h>

/* Clients ask for the version of QEMU to know what commands mean. */
static inline json_t *version_of_protocol(void)
{
    return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "micro", 0, "minor", 2, "major",
                     7, "package", "faumachine " FAUMACHINE_VERSION);
}

#endif
