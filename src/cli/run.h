/* cli/run.h: `faumachine run`: one machine from power-on to its end. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/options.h"

/* Returns the exit status: 0 when the guest powered off (or reset with -no-reboot) or
 * the user ended the run, isa-debug-exit's code, or 1 after a line about what the host
 * or the options did not allow. */
int run_machine(const struct options *options);

/* "faumachine: …" on standard error: one line, whatever characters a name has in it. */
void cli_print_error(const struct error *error);

/* The exit status after printing to standard output: a full disk is no success. */
int cli_flush_output(void);

#endif
