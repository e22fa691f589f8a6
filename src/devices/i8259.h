/* devices/i8259.h: the two cascaded 8259A interrupt controllers of a PC.
 *
 * Master at ports 0x20-0x21 (inputs 0-7), slave at 0xa0-0xa1 (inputs 8-15, its output
 * on the master's input 2), and the edge/level control registers of the chipset at
 * 0x4d0-0x4d1, which replace the LTIM bit of ICW1. Sources: Intel 8259A data sheet;
 * Intel 82371SB (PIIX3) data sheet, registers ELCR1 and ELCR2.
 *
 * An edge-triggered request stays latched until it is acknowledged, even if its line
 * falls before that, so that a pulse is never lost. A level-triggered request goes
 * with its line.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_I8259_H
#define DEVICES_I8259_H

#include "base/log.h"
#include "bus/irq.h"
#include "bus/port.h"

struct i8259; /* begins with a struct device */

/* `intr` goes to the CPU's INTR pin. */
struct i8259 *i8259_create(struct log *log, struct port_space *ports,
                           struct irq_line intr);

/* An irq_sink: input `number` (0-15) has `level`. Input 2 is taken by the slave;
 * setting it does nothing. */
void i8259_set_irq(void *i8259, unsigned number, bool level);

/* The CPU's interrupt acknowledge cycle: returns the vector (0-255). If nothing is
 * requested any more, that is the vector of the spurious interrupt 7 or 15. */
uint8_t i8259_acknowledge(struct i8259 *pic);

#endif
