/* cli/lockstep.h: `faumachine lockstep`: one guest under two engines. */
#ifndef CLI_LOCKSTEP_H
#define CLI_LOCKSTEP_H

#include "cli/options.h"

/* Prints what differs, and where. Returns the exit status: 0 when nothing does, 2 when
 * something does, 1 after a line about what the host or the options did not allow. */
int run_lockstep(const struct options *options);

#endif
