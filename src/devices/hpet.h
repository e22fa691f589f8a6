/* devices/hpet.h: high precision event timers, at 0xfed00000.
 *
 * A counter of 100 MHz and 64 bits, and three comparators, each of which may be
 * periodic and raises interrupts of its own, edge or level triggered: at input 2 of the
 * I/O APIC, as on QEMU's PC, or, as legacy replacement, in place of the 8254 (timer 0)
 * and the RTC (timer 1), whose lines therefore pass through this chip. A comparator
 * whose interrupt is disabled sets no status bit; messages in place of interrupts (FSB)
 * are not there. Source: IA-PC HPET specification 1.0a. Thread: any that holds the
 * machine lock. Saved by: itself. */
#ifndef DEVICES_HPET_H
#define DEVICES_HPET_H

#include "base/log.h"
#include "bus/irq.h"
#include "bus/memory.h"
#include "clock/clock.h"

#define HPET_ADDRESS 0xfed00000U
#define HPET_ID 0x8086a201U /* the low half of the capabilities */

enum hpet_line { HPET_TIMER_LINE, HPET_RTC_LINE, HPET_LEGACY_LINES };

struct hpet; /* begins with a struct device */

/* `legacy`: interrupts 0 and 8; `io_apic`: input 2 of the I/O APIC. */
struct hpet *hpet_create(struct log *log, struct memory_map *memory,
                         struct clock *clock,
                         const struct irq_line legacy[HPET_LEGACY_LINES],
                         struct irq_line io_apic);

/* An irq_sink: the 8254 (HPET_TIMER_LINE) or the RTC drives its line. */
void hpet_set_legacy_source(void *hpet, unsigned number, bool level);

#endif
