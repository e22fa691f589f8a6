/* devices/ns16550a.h: a serial port (UART) with FIFOs.
 *
 * Eight ports from its base. Source: National Semiconductor PC16550D data sheet. Bytes
 * go to the line at once, whatever the baud rate, so the transmitter is never seen
 * busy; the baud rate counts for the receive timeout only. The other end always holds
 * CTS, DSR and DCD. Unlike on a real PC the interrupt does not depend on OUT2: small
 * kernels that forget to set it are used to machines that do not care.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_NS16550A_H
#define DEVICES_NS16550A_H

#include "base/log.h"
#include "bus/irq.h"
#include "bus/port.h"
#include "bus/serial.h"
#include "clock/clock.h"

struct ns16550a; /* begins with a struct device */

/* `base`: 0x3f8, 0x2f8, 0x3e8 or 0x2e8 by custom. `line.accept_input` is called as the
 * guest makes room in the receiver. */
struct ns16550a *ns16550a_create(struct log *log, struct port_space *ports,
                                 struct clock *clock, uint16_t base,
                                 struct irq_line irq, struct serial_line line);

/* The receiving side; these fit struct character_receiver. */

/* How many bytes may be received now: 0-16, 0 in loopback mode. */
size_t ns16550a_room(void *ns16550a);
/* Bytes from the line; those for which there is no room are lost as an overrun. */
void ns16550a_receive(void *ns16550a, const uint8_t *bytes, size_t count);
/* A break condition on the line. */
void ns16550a_break(void *ns16550a);

#endif
