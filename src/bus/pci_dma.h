/* bus/pci_dma.h: memory as a PCI function reaches it that is a bus master.
 *
 * Only host memory: RAM, ROM and video memory. Registers of devices are not reached, so
 * that a guest that has a card write to itself, or to a chip that is in the middle of
 * something, gets nothing by it: what is no memory reads as ones, and ignores writes.
 * So does everything while the command register forbids bus mastering.
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef BUS_PCI_DMA_H
#define BUS_PCI_DMA_H

#include "bus/pci.h"

static inline bool pci_is_bus_master(const struct pci_function *function)
{
    return pci_get16(function, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

void pci_dma_read(const struct pci_function *function, gpa_t address, void *bytes,
                  uint64_t length);
void pci_dma_write(const struct pci_function *function, gpa_t address,
                   const void *bytes, uint64_t length);

#endif
