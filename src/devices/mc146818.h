/* devices/mc146818.h: real-time clock and 128 bytes of CMOS RAM, ports 0x70-0x71.
 *
 * The time of day follows from virtual time and the clock's epoch; flags are worked out
 * when somebody looks. Only an enabled interrupt needs a timer, and only until its flag
 * is set. Century: index 0x32, as PC firmware has it. Source: Motorola MC146818 data
 * sheet (register numbers, rates, update cycle).
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_MC146818_H
#define DEVICES_MC146818_H

#include "base/log.h"
#include "bus/irq.h"
#include "bus/port.h"
#include "clock/clock.h"

enum { MC146818_BYTES = 128, MC146818_FIRST_RAM = 0x0e, MC146818_CENTURY = 0x32 };

struct mc146818; /* begins with a struct device */

/* Starts at the clock's epoch (UTC), BCD, 24 hours. The RAM is zero. */
struct mc146818 *mc146818_create(struct log *log, struct port_space *ports,
                                 struct clock *clock, struct irq_line irq8);

/* RAM as firmware and setup left it; `index`: 0x0e-0x7f. It survives a reset. */
void mc146818_set(struct mc146818 *rtc, uint8_t index, uint8_t value);

/* Bit 7 of port 0x70: no NMI reaches the CPU. */
bool mc146818_nmi_masked(const struct mc146818 *rtc);

#endif
