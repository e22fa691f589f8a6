/* devices/ne2k_pci.h: Realtek RTL8029AS: an NE2000 as a PCI card, with a DP8390's
 * registers at BAR 0, its data port at 0x10 and its reset port at 0x18. The chip's own
 * registers beyond those (page 3) read as zeros. Source: RTL8029AS specification.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_NE2K_PCI_H
#define DEVICES_NE2K_PCI_H

#include "base/log.h"
#include "bus/network.h"
#include "bus/pci.h"

struct ne2k_pci; /* begins with a struct device */

/* `address`: six bytes, what the PROM says. */
struct ne2k_pci *ne2k_pci_create(struct log *log, struct pci_bus *bus, unsigned slot,
                                 const uint8_t *address);

/* The card's end of the cable. */
struct network_port *ne2k_pci_port(struct ne2k_pci *card);

#endif
