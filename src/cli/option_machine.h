/* cli/option_machine.h: the appliers of option_machine.c, for the table of options. */
#ifndef CLI_OPTION_MACHINE_H
#define CLI_OPTION_MACHINE_H

#include "cli/options_internal.h"

option_apply option_apply_machine, option_apply_parallel, option_apply_action,
    option_apply_watchdog_action;

#endif
