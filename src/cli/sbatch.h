/* cli/sbatch.h: gives a script to Slurm. Thread: one; it waits for sbatch. */
#ifndef CLI_SBATCH_H
#define CLI_SBATCH_H

#include "base/error.h"

/* The job begins in `folder`. What sbatch prints is printed, unless it refuses the
 * script: that is one line in `error`. */
bool sbatch_submit(const char *script, const char *folder, struct error *error);

#endif
