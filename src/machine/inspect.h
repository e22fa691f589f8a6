/* machine/inspect.h: a look into a machine that does not run.
 *
 * Nothing changes by looking. Thread: the one that runs the machine, between two calls
 * of machine_run(). */
#ifndef MACHINE_INSPECT_H
#define MACHINE_INSPECT_H

#include "bus/device.h"
#include "bus/pci.h"
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
/* Guest memory as somebody beside the CPU sees it: RAM and ROM. Reads by a physical
 * address read devices as well, as the CPU would; their registers may change by that.
 * A `linear` address is translated as the CPU's page tables say,
 * whatever rights they give. These return how many bytes could be accessed, up to
 * `bytes`; writes leave ROM alone, and code that has been decoded from there is
 * forgotten. Lock held, the CPU held (machine/control.h). */
size_t machine_peek(struct machine *machine, bool linear, gpa_t address, void *data,
                    size_t bytes);
size_t machine_poke(struct machine *machine, bool linear, gpa_t address,
                    const void *data, size_t bytes);
/* See mmu_translate(). */
bool machine_translate(struct machine *machine, gla_t address, gpa_t *physical,
                       uint64_t *entry, bool *large);
/* For those who change registers, and update what follows from them. */
struct cpu *machine_cpu_to_change(struct machine *machine);

/* The text screen, as vga_text_screen() has it. Lock held. */
size_t machine_screen_text(struct machine *machine, char *utf8, size_t bytes);

const struct memory_map *machine_memory(const struct machine *machine);
struct port_space *machine_ports(struct machine *machine);
const struct pci_bus *machine_pci(const struct machine *machine);
const struct machine_config *machine_configuration(const struct machine *machine);

/* Whether the CPU takes an interrupt before it executes that code. */
bool machine_interrupt_is_next(const struct machine *machine);

#endif
