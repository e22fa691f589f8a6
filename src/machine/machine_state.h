/* machine/machine_state.h: all of a machine's state but its memory and its disks, as
 * bytes: CPU, time, what has been asked for, and every device in the order in which the
 * configuration makes them.
 *
 * Thread: any that holds the machine lock, while the CPU stands still at an instruction
 * boundary and no request of a disk is under way (disks_settle()). */
#ifndef MACHINE_MACHINE_STATE_H
#define MACHINE_MACHINE_STATE_H

#include "machine/machine_internal.h"
#include "state/state.h"

/* `buffer->memory_apart`: video memory is left out. */
void machine_state_save(struct machine *machine, struct state_buffer *buffer);

/* A hostile image is refused, and does no harm; then the machine is what it was. What
 * the CPU has cached of memory is to be dropped, as nobody is told of changes. */
bool machine_state_load(struct machine *machine, struct state_buffer *buffer,
                        struct error *error);

/* The same for what this machine has saved itself: that does not fail. */
void machine_state_restore(struct machine *machine, const struct state_buffer *saved);

#endif
