/* machine/consoles.h: the serial lines' other ends, for those who share one.
 *
 * Thread: before the machine runs. */
#ifndef MACHINE_CONSOLES_H
#define MACHINE_CONSOLES_H

#include "host/console/character.h"
#include "machine/machine.h"

/* The console on which Ctrl-A is an escape; NULL: there is none. */
struct character *machine_shared_console(const struct machine *machine);
/* Serial line `number`, NULL: there is none such, and its specification. */
const char *machine_serial_specification(const struct machine *machine,
                                         unsigned number);

#endif
