/* bus/pci.h: one conventional PCI bus: configuration space, base addresses, INTx.
 *
 * A PCI function embeds a struct pci_function, fills in its configuration header, says
 * which bits the guest may write, and describes its base address registers (BARs). The
 * bus maps and unmaps what the BARs describe as the guest programs them and the
 * command register. Source: PCI Local Bus Specification 2.1/3.0, chapter 6.
 * Thread: any that holds the machine lock. Saved by: the function's owner saves
 * `config` and calls pci_function_loaded(). */
#ifndef BUS_PCI_H
#define BUS_PCI_H

#include "bus/irq.h"
#include "bus/memory.h"
#include "bus/port.h"

enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_COMMAND_IO = 1,
    PCI_COMMAND_MEMORY = 2,
    PCI_COMMAND_MASTER = 4,
    PCI_COMMAND_INTX_DISABLE = 0x400,
    PCI_STATUS = 0x06,
    PCI_STATUS_INTERRUPT = 8,
    PCI_REVISION_ID = 0x08,
    PCI_CLASS_PROG = 0x09,
    PCI_CLASS_DEVICE = 0x0a,
    PCI_HEADER_TYPE = 0x0e,
    PCI_HEADER_MULTI_FUNCTION = 0x80,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_ROM_ADDRESS = 0x30,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
    PCI_CONFIG_BYTES = 256,
    PCI_BARS = 7, /* 0-5, and 6: the expansion ROM */
    PCI_BAR_ROM = 6,
    PCI_SLOTS = 32,
    PCI_FUNCTIONS_PER_SLOT = 8,
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_PORTS, PCI_BAR_MEMORY, PCI_BAR_ROM_IMAGE };

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t bytes;               /* a power of two, at least 4 (ports) or 16 */
    bool prefetchable;            /* memory only */
    const struct port_ops *ports; /* PCI_BAR_PORTS; offset from the BAR's start */
    struct memory_region memory;  /* PCI_BAR_MEMORY, _ROM_IMAGE: all but start, bytes */
    void *opaque;                 /* handed to `ports` */
    bool mapped;                  /* bus's own bookkeeping from here on */
    uint32_t address;
    unsigned handle;
};

struct pci_bus;

struct pci_function {
    const char *name;
    uint8_t config[PCI_CONFIG_BYTES];
    uint8_t writable[PCI_CONFIG_BYTES]; /* bits that a guest's write changes */
    uint8_t write_one_clears[PCI_CONFIG_BYTES];
    struct pci_bar bars[PCI_BARS];
    /* After the guest has written `width` bytes at `offset`; may be NULL. */
    void (*config_written)(void *opaque, unsigned offset, unsigned width);
    /* Before the guest reads them; may be NULL. */
    void (*config_read)(void *opaque, unsigned offset, unsigned width);
    void *opaque;
    struct pci_bus *bus;
    uint8_t devfn; /* slot * 8 + function */
    bool interrupt_level;
};

struct pci_bus {
    struct pci_function *functions[PCI_SLOTS * PCI_FUNCTIONS_PER_SLOT];
    struct memory_map *memory;
    struct port_space *ports;
    /* Where INTA#-INTD# go: the sink gets devfn * 4 + pin - 1, and knows how the board
     * routes that. */
    irq_sink *interrupt;
    void *interrupt_opaque;
};

void pci_bus_init(struct pci_bus *bus, struct memory_map *memory,
                  struct port_space *ports);

/* Fills in the header: ids, class code (24 bits: class, subclass, interface), and the
 * standard writable bits. Call before adding BARs. */
void pci_function_init(struct pci_function *function, const char *name, uint16_t vendor,
                       uint16_t device, uint8_t revision, uint32_t class_code,
                       void *opaque);

/* Gives a function that is on the bus an expansion ROM: `bytes`, a power of two from
 * 2 KiB on, of page-aligned host memory that outlives the function. */
void pci_function_set_rom(struct pci_function *function, uint8_t *rom, uint32_t bytes);

/* Makes the function visible at slot.function. */
void pci_bus_add(struct pci_bus *bus, struct pci_function *function, unsigned slot,
                 unsigned number);

/* Command register and BARs as after power-on; the rest of `config` is the owner's. */
void pci_function_reset(struct pci_function *function);
/* After `config` has been loaded from a saved state: maps the BARs it names. */
void pci_function_loaded(struct pci_function *function);
void pci_function_remove(struct pci_function *function);

/* Drives INTx# (the pin that config[PCI_INTERRUPT_PIN] names); no pin: nothing. */
void pci_function_set_interrupt(struct pci_function *function, bool level);

/* Configuration cycles; a function that is not there reads as ones. */
uint32_t pci_config_read(struct pci_bus *bus, uint8_t devfn, unsigned offset,
                         unsigned width);
void pci_config_write(struct pci_bus *bus, uint8_t devfn, unsigned offset,
                      uint32_t value, unsigned width);

static inline uint16_t pci_get16(const struct pci_function *function, unsigned offset)
{
    return (uint16_t)(function->config[offset] | function->config[offset + 1] << 8);
}

static inline void pci_put16(struct pci_function *function, unsigned offset,
                             uint16_t value)
{
    function->config[offset] = (uint8_t)value;
    function->config[offset + 1] = (uint8_t)(value >> 8);
}

static inline uint32_t pci_get32(const struct pci_function *function, unsigned offset)
{
    return pci_get16(function, offset) | (uint32_t)pci_get16(function, offset + 2)
                                             << 16;
}

static inline void pci_put32(struct pci_function *function, unsigned offset,
                             uint32_t value)
{
    pci_put16(function, offset, (uint16_t)value);
    pci_put16(function, offset + 2, (uint16_t)(value >> 16));
}

#endif
