/* cli/log_items.h: what -d can log, by QEMU's names. Thread: any. Constant. */
#ifndef CLI_LOG_ITEMS_H
#define CLI_LOG_ITEMS_H

#include "base/error.h"
#include "machine/machine.h"

/* Adds the items of a list ("int,mmu") to what the machine is to log. Fails with one
 * line for the user. */
bool log_items_add(const char *list, struct machine_config *machine,
                   struct error *error);

/* The text of -d help: one line per item, each ending in a newline. */
void log_items_describe(void (*print)(void *opaque, const char *line), void *opaque);

#endif
