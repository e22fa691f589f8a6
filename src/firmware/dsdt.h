/* firmware/dsdt.h: the body of the differentiated system description table. */
#ifndef FIRMWARE_DSDT_H
#define FIRMWARE_DSDT_H

#include "firmware/aml.h"

struct dsdt_machine {
    uint32_t pci_memory_first;
    bool hpet;
};

/* Appends the definition block of the PC: processor, PCI root, interrupt routing, the
 * ISA devices, the sleep button, soft off. */
void dsdt_write(struct aml *aml, const struct dsdt_machine *machine);

#endif
