/* firmware/dsdt.h: the body of the differentiated system description table. */
#ifndef FIRMWARE_DSDT_H
#define FIRMWARE_DSDT_H

#include "firmware/aml.h"

/* Appends the definition block of the PC: PCI root, interrupt routing, the ISA
 * devices, soft off. PCI memory begins at `pci_memory_first`. */
void dsdt_write(struct aml *aml, uint32_t pci_memory_first);

#endif
