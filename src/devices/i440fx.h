/* devices/i440fx.h: Intel 82441FX (PMC), the host bridge at 00.0 of PCI bus 0.
 *
 * It owns the PCI bus and configuration mechanism 1 (ports 0xcf8, 0xcfc), shows RAM to
 * the machine, and decides who is seen at 0xa0000-0xfffff: RAM or PCI (PAM0-PAM6 and
 * SMRAM registers). RAM ends at 0xe0000000 at most; there is none above 4 GiB.
 * Source: Intel 440FX PCIset data sheet (290549), chapter 3.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_I440FX_H
#define DEVICES_I440FX_H

#include "bus/device.h"
#include "bus/memory.h"
#include "bus/pci.h"
#include "bus/port.h"

struct i440fx;

#define I440FX_MAXIMUM_RAM_BYTES 0xe0000000ULL

/* `ram` is shown in `memory` from address 0; at most I440FX_MAXIMUM_RAM_BYTES and at
 * least 1 MiB. The result's first member is its struct device. */
struct i440fx *i440fx_create(struct log *log, struct port_space *ports,
                             struct memory_map *memory, struct ram *ram);

struct pci_bus *i440fx_bus(struct i440fx *bridge);

#endif
