/* devices/piix3_ide.h: Intel 82371SB (PIIX3), function 1: the IDE controller at 01.1.
 *
 * Two ATA channels at their legacy ports (0x1f0 and 0x3f6, irq 14; 0x170 and 0x376,
 * irq 15), decoded while the command register and the timing registers allow it, and a
 * bus master for DMA at BAR 4. Timing is kept for the guest to read; transfers take no
 * virtual time. Source: Intel 82371FB/82371SB data sheet (290550), section 2.3.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_PIIX3_IDE_H
#define DEVICES_PIIX3_IDE_H

#include "bus/block_device.h"
#include "bus/device.h"
#include "bus/irq.h"
#include "bus/pci.h"
#include "bus/port.h"
#include "bus/removable.h"

struct piix3_ide;

enum { PIIX3_IDE_DRIVES = 4 };

/* `memory`: what DMA reaches. The result's first member is its struct device. */
struct piix3_ide *piix3_ide_create(struct log *log, struct port_space *ports,
                                   struct pci_bus *bus, struct memory_map *memory,
                                   struct irq_line irq14, struct irq_line irq15);

/* Makes `block` the content of disk `unit`: 0-3 are hda to hdd. It must have sectors
 * and outlive the controller, or until NULL is attached. */
void piix3_ide_attach(struct piix3_ide *ide, unsigned unit, struct block_device *block);
/* Makes `unit` a CD-ROM drive, empty and shut. */
struct removable_drive *piix3_ide_attach_cdrom(struct piix3_ide *ide, unsigned unit);

#endif
