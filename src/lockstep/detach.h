/* lockstep/detach.h: for a forked process, files of its own.
 *
 * After fork(2), memory that is a file without a name (guest RAM, translated code, the
 * file behind -snapshot) is one and the same for both processes. Here the caller gets
 * copies, at the same addresses and with the same descriptors, so that both can go on
 * from where they are. Files with a name that it could write to lead nowhere from then
 * on; standard input, output and error stay as they are.
 * Thread: the only one of its process. The other process must not run meanwhile. */
#ifndef LOCKSTEP_DETACH_H
#define LOCKSTEP_DETACH_H

#include <stdbool.h>

/* False if the host refuses: then the process is of no use. */
bool detach_files(void);

#endif
