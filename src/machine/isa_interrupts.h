/* machine/isa_interrupts.h: the sixteen ISA interrupt lines, each an OR of its sources.
 *
 * On a PC the outputs of several chips meet at one input of the interrupt controller
 * (PCI interrupts routed by the PIIX3, ACPI's SCI, ISA cards). Each source drives a
 * line of its own here; the controller sees their OR.
 * Thread: any that holds the machine lock. Saved by: nobody; sources set their lines
 * again when they have been loaded. */
#ifndef MACHINE_ISA_INTERRUPTS_H
#define MACHINE_ISA_INTERRUPTS_H

#include "bus/irq.h"

enum isa_interrupt_source { ISA_SOURCE_PCI, ISA_SOURCE_ISA, ISA_SOURCE_COUNT };

struct isa_interrupts {
    irq_sink *controller;
    void *opaque;
    uint8_t levels[16]; /* a bit for each source */
};

/* Source PCI: an irq_sink for the PIIX3; `number` is the ISA interrupt. */
void isa_interrupts_from_pci(void *isa_interrupts, unsigned number, bool level);

/* The line of an ISA device. */
struct irq_line isa_interrupts_line(struct isa_interrupts *interrupts, unsigned number);

#endif
