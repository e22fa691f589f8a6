/* machine/watchdog.h: what happens when a watchdog's time is over.
 *
 * Thread: any. */
#ifndef MACHINE_WATCHDOG_H
#define MACHINE_WATCHDOG_H

#include "base/types.h"

#define WATCHDOG_ACTIONS "reset, shutdown, poweroff, pause, inject-nmi and none"

/* One of the above; NULL, the default, is "reset". */
bool watchdog_action_is_known(const char *name);

#endif
