/* devices/i6300esb.h: the watchdog timer of Intel's 6300ESB, a PCI function.
 *
 * Two stages, each of 20 bits in units of 2^15 or 2^5 PCI clocks: at the end of the
 * first it raises an interrupt, if it is told to; at the end of the second it acts. A
 * driver keeps it from that by reloading it. In free-running mode the first stage is
 * all there is, and nothing is done.
 * Source: Intel 6300ESB data sheet (300641), chapter 17.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_I6300ESB_H
#define DEVICES_I6300ESB_H

#include "base/log.h"
#include "bus/pci.h"
#include "clock/clock.h"

struct i6300esb; /* begins with a struct device */

struct i6300esb *i6300esb_create(struct log *log, struct pci_bus *bus, unsigned slot,
                                 struct clock *clock, void (*act)(void *opaque),
                                 void *opaque);

#endif
