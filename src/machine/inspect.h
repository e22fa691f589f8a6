/* machine/inspect.h: a look into a machine that does not run.
 *
 * Nothing changes by looking. Thread: the one that runs the machine, between two calls
 * of machine_run(). */
#ifndef MACHINE_INSPECT_H
#define MACHINE_INSPECT_H

#include "bus/device.h"
#include "cpu/core/cpu.h"
#include "machine/machine.h"

const struct cpu *machine_cpu(const struct machine *machine);
const struct ram *machine_ram(const struct machine *machine);
/* NULL from the last device on. */
const struct device *machine_device(const struct machine *machine, unsigned index);
uint64_t machine_now_ns(struct machine *machine);

/* Copies up to `most` bytes of code from CS:EIP on; less where memory ends. Returns how
 * many. */
size_t machine_code(struct machine *machine, uint8_t *bytes, size_t most);
/* Whether the CPU takes an interrupt before it executes that code. */
bool machine_interrupt_is_next(const struct machine *machine);

#endif
