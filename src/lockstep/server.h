/* lockstep/server.h: the process of one engine: a machine that does what it is asked
 * to.
 *
 * Thread: the only one of a process that has been forked for it. */
#ifndef LOCKSTEP_SERVER_H
#define LOCKSTEP_SERVER_H

#include "lockstep/lockstep.h"

/* Creates the machine for engine `index`, powers it on, and answers requests from `fd`
 * until that is closed. */
_Noreturn void server_run(int fd, const struct lockstep_config *config, unsigned index);

#endif
