/* monitor/expression.h: numbers as people write them: 0x1f, 'A', $eip + 4 * (2 | 1).
 *
 * As QEMU's monitor: operators of C without comparisons, all left-associative, on 64
 * bits; registers of the CPU by $name. Thread: the event loop's, the CPU held. */
#ifndef MONITOR_EXPRESSION_H
#define MONITOR_EXPRESSION_H

#include "base/error.h"
#include "machine/machine.h"

/* Takes an expression off the text, up to what is none of it. Fails with a line. */
bool expression_evaluate(struct machine *machine, const char **text, int64_t *value,
                         struct error *error);

#endif
