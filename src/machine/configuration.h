/* machine/configuration.h: what of a machine is given by its options, in words: a line
 * "NAME: VALUE" for each thing that has to be the same where a saved machine is loaded.
 * Thread: any that holds the machine lock. Saved by: machine/snapshot.c, as text. */
#ifndef MACHINE_CONFIGURATION_H
#define MACHINE_CONFIGURATION_H

#include "machine/machine_internal.h"
#include "state/state.h"

void configuration_describe(struct machine *machine, struct state_buffer *text);

/* Whether `saved`, which may be anything, says the same as the machine; else `error`
 * tells the first thing that differs. `file`: where it is from. */
bool configuration_check(struct machine *machine, const uint8_t *saved, size_t length,
                         const char *file, struct error *error);

#endif
