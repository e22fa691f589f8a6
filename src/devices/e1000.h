/* devices/e1000.h: Intel 82540EM, the Gigabit Ethernet card "PRO/1000 MT Desktop".
 *
 * Source: Intel, PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
 * Manual (317453). Registers are in BAR 0 (128 KiB of memory), and in BAR 1 (ports)
 * behind an index. What is sent leaves within the guest's write to the tail of the
 * ring; the medium takes no virtual time, other than to negotiate.
 *
 * Not there: wake-up, management, flash, and reception of frames with bad check
 * sequences, as none come.
 *
 * e1000.c: the function, registers and interrupts; e1000_transmit.c, e1000_receive.c:
 * the two rings; e1000_phy.c: the serial EEPROM and the transceiver.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_E1000_H
#define DEVICES_E1000_H

#include "bus/device.h"
#include "bus/network.h"
#include "bus/pci.h"
#include "clock/clock.h"

struct e1000;

/* `address`: six bytes, what the EEPROM says. The result's first member is its struct
 * device. */
struct e1000 *e1000_create(struct log *log, struct clock *clock, struct pci_bus *bus,
                           unsigned slot, const uint8_t *address);

/* The card's end of the cable. */
struct network_port *e1000_port(struct e1000 *card);

#endif
