/* lockstep/dump.h: a machine's state as a list of named items, to compare and to show.
 *
 * Dumps of machines that are alike have the same items in the same order. Thread: one.
 */
#ifndef LOCKSTEP_DUMP_H
#define LOCKSTEP_DUMP_H

#include "lockstep/lockstep.h"
#include "machine/inspect.h"
#include "state/state.h"

/* All that the CPU saves, and the time. */
void dump_cpu(struct state_buffer *dump, struct machine *machine);
/* All that devices save. */
void dump_devices(struct state_buffer *dump, const struct machine *machine);

bool dumps_equal(const struct state_buffer *a, const struct state_buffer *b);

/* Appends to result->rows what differs between the second and the third dump, and what
 * one always wants to see. Empty dumps have empty values. */
void dump_tell(struct lockstep_result *result,
               const struct state_buffer *dumps[LOCKSTEP_STATES]);

#endif
