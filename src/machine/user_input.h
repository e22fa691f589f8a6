/* machine/user_input.h: keyboard and mouse of the machine, for whoever watches the
 * user's. Thread: any that holds the machine lock. Saved by: the devices. */
#ifndef MACHINE_USER_INPUT_H
#define MACHINE_USER_INPUT_H

#include "bus/input.h"
#include "machine/machine.h"

/* Never NULL; lives as long as the machine. */
const struct input_sink *machine_input(struct machine *machine);

#endif
