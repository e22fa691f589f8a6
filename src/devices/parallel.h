/* devices/parallel.h: a parallel port with a printer that is always ready.
 *
 * Three ports from its base: data, status, control, as on the IBM PC and, by control
 * bit 5, of two directions as on the PS/2 (nothing drives the lines the other way). The
 * printer takes a byte in no time when it is strobed, if it is selected and not held in
 * its initial state; the end of the strobe is its acknowledgement, which is an
 * interrupt if the control register says so. There is no EPP and no ECP. Source: IBM
 * Personal Computer Technical Reference (printer adapter); IEEE 1284, annex on
 * compatibility mode. Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_PARALLEL_H
#define DEVICES_PARALLEL_H

#include "base/log.h"
#include "bus/irq.h"
#include "bus/port.h"
#include "bus/serial.h"

struct parallel; /* begins with a struct device */

/* `base`: 0x378 by custom. The bytes go to `line`. */
struct parallel *parallel_create(struct log *log, struct port_space *ports,
                                 uint16_t base, struct irq_line irq,
                                 struct serial_line line);

#endif
