/* devices/piix3.h: Intel 82371SB (PIIX3), function 0: the PCI to ISA bridge at 01.0.
 *
 * It routes INTA#-INTD# of the PCI slots by way of PIRQA-PIRQD to ISA interrupts, and
 * has the reset control register at port 0xcf9. The other chips in the PIIX3 (8259,
 * 8254, 8237, IDE) are devices of their own.
 * Source: Intel 82371FB/82371SB data sheet (290550), sections 2.2 and 2.5.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_PIIX3_H
#define DEVICES_PIIX3_H

#include "bus/device.h"
#include "bus/irq.h"
#include "bus/pci.h"
#include "bus/port.h"

struct piix3;

enum { PIIX3_ISA_IRQS = 16 };

/* Becomes the sink of the bus's interrupts. `isa_irq` is called with numbers 0-15 as
 * the OR of the PCI interrupts routed there changes; ISA devices on the same number are
 * ORed in by whoever wires the interrupt controller. `reset` is pulsed by 0xcf9. The
 * result's first member is its struct device. */
struct piix3 *piix3_create(struct log *log, struct port_space *ports,
                           struct pci_bus *bus, irq_sink *isa_irq, void *isa_opaque,
                           struct irq_line reset);

#endif
