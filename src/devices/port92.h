/* devices/port92.h: system control port A of a PS/2, port 0x92: fast A20, fast reset.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, system control port A.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_PORT92_H
#define DEVICES_PORT92_H

#include "base/log.h"
#include "bus/irq.h"
#include "bus/port.h"

struct port92; /* begins with a struct device */

/* `a20` is high while this port enables address line 20 (low after reset: the keyboard
 * controller has a line of its own, and either one enables). `reset` gets a pulse when
 * the guest sets bit 0; the sink must not reset devices before the port access ends. */
struct port92 *port92_create(struct log *log, struct port_space *ports,
                             struct irq_line a20, struct irq_line reset);

#endif
