/* cli/option_fault.h: options of faults, and of chance. */
#ifndef CLI_OPTION_FAULT_H
#define CLI_OPTION_FAULT_H

#include "cli/options_internal.h"

option_apply option_apply_fault, option_apply_fault_log, option_apply_fault_symbols,
    option_apply_seed;
/* What does not go together. */
bool option_finish_faults(const struct parser *parser, struct error *error);

#endif
