/* devices/coprocessor_error.h: how x87 errors reached a PC's processor before CR0.NE.
 *
 * FERR# of the processor raises IRQ 13; the handler's write to port 0xf0 ends it.
 * Source: Intel 82371SB (PIIX3) data sheet, "Coprocessor Error Register".
 * Thread: any that holds the machine lock. Saved by: the machine. */
#ifndef DEVICES_COPROCESSOR_ERROR_H
#define DEVICES_COPROCESSOR_ERROR_H

#include "bus/device.h"
#include "bus/irq.h"
#include "bus/port.h"

struct coprocessor_error;

struct coprocessor_error *coprocessor_error_create(struct log *log,
                                                   struct port_space *ports,
                                                   struct irq_line irq13);

/* FERR# has this level. */
void coprocessor_error_set(struct coprocessor_error *error, bool level);

#endif
