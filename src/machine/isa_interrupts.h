/* machine/isa_interrupts.h: the sixteen ISA interrupt lines, each an OR of its sources.
 *
 * On a PC the outputs of several chips meet at one input of the interrupt controllers
 * (PCI interrupts routed by the PIIX3, ACPI's SCI, ISA cards, two serial ports). Each
 * source drives a line of its own here; the controllers see their OR. Line 2, which the
 * 8259s need for themselves, is there for what the I/O APIC alone has.
 * Thread: any that holds the machine lock. Saved by: nobody; sources set their lines
 * again when they have been loaded. */
#ifndef MACHINE_ISA_INTERRUPTS_H
#define MACHINE_ISA_INTERRUPTS_H

#include "bus/irq.h"

enum { ISA_INTERRUPTS = 16, ISA_CONTROLLERS = 2 };

struct isa_interrupts {
    struct {
        irq_sink *sink; /* NULL: not there */
        void *opaque;
    } controllers[ISA_CONTROLLERS];
    uint32_t levels[ISA_INTERRUPTS];  /* a bit for each source, PCI's is the first */
    unsigned sources[ISA_INTERRUPTS]; /* how many there are, without PCI's */
};

/* Source PCI: an irq_sink for the PIIX3; `number` is the ISA interrupt. */
void isa_interrupts_from_pci(void *isa_interrupts, unsigned number, bool level);

/* A line for one more source of interrupt `number`. */
struct irq_line isa_interrupts_line(struct isa_interrupts *interrupts, unsigned number);

#endif
