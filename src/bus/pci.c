#include "bus/pci.h"

#include <assert.h>
#include <string.h>

enum {
    BAR_IS_PORTS = 1,
    BAR_IS_PREFETCHABLE = 8,
    ROM_ENABLE = 1,
    ROM_MINIMUM_BYTES = 2048,
    /* Command register: I/O, memory, master, parity response, SERR#, INTx disable. */
    COMMAND_WRITABLE = 0x0547,
    /* Status register, cleared by writing ones: parity and abort bits. */
    STATUS_WRITE_ONE_CLEARS = 0xf900,
    /* Red Hat's ids for QEMU's chips: what guests' drivers expect to see here. */
    SUBSYSTEM_VENDOR = 0x1af4,
    SUBSYSTEM_DEVICE = 0x1100,
};

void pci_bus_init(struct pci_bus *bus, struct memory_map *memory,
                  struct port_space *ports)
{
    *bus = (struct pci_bus){.memory = memory, .ports = ports};
}

void pci_function_init(struct pci_function *function, const char *name, uint16_t vendor,
                       uint16_t device, uint8_t revision, uint32_t class_code,
                       void *opaque)
{
    *function = (struct pci_function){.name = name, .opaque = opaque};
    pci_put16(function, PCI_VENDOR_ID, vendor);
    pci_put16(function, PCI_DEVICE_ID, device);
    function->config[PCI_REVISION_ID] = revision;
    function->config[PCI_CLASS_PROG] = (uint8_t)class_code;
    pci_put16(function, PCI_CLASS_DEVICE, (uint16_t)(class_code >> 8));
    pci_put16(function, PCI_SUBSYSTEM_VENDOR_ID, SUBSYSTEM_VENDOR);
    pci_put16(function, PCI_SUBSYSTEM_ID, SUBSYSTEM_DEVICE);
    function->writable[PCI_COMMAND] = COMMAND_WRITABLE & 0xff;
    function->writable[PCI_COMMAND + 1] = COMMAND_WRITABLE >> 8;
    function->write_one_clears[PCI_STATUS + 1] = STATUS_WRITE_ONE_CLEARS >> 8;
    function->writable[PCI_INTERRUPT_LINE] = 0xff;
}

/* -- base addresses -- */

static unsigned bar_offset(unsigned index)
{
    return index == PCI_BAR_ROM ? PCI_ROM_ADDRESS : PCI_BAR0 + 4 * index;
}

/* The bits of the register that tell its kind. */
static uint32_t bar_type_bits(const struct pci_bar *bar)
{
    if (bar->kind == PCI_BAR_PORTS) {
        return BAR_IS_PORTS;
    }
    return bar->kind == PCI_BAR_MEMORY && bar->prefetchable ? BAR_IS_PREFETCHABLE : 0;
}

static void prepare_bar(struct pci_function *function, unsigned index)
{
    struct pci_bar *bar = &function->bars[index];
    if (bar->kind == PCI_BAR_NONE) {
        return;
    }
    assert((bar->bytes & (bar->bytes - 1)) == 0);
    assert(bar->bytes >= (bar->kind == PCI_BAR_PORTS ? 4 : 16));
    assert(bar->kind != PCI_BAR_ROM_IMAGE || bar->bytes >= ROM_MINIMUM_BYTES);
    assert((bar->kind == PCI_BAR_ROM_IMAGE) == (index == PCI_BAR_ROM));
    uint32_t writable = ~(bar->bytes - 1);
    if (bar->kind == PCI_BAR_ROM_IMAGE) {
        writable |= ROM_ENABLE;
    }
    unsigned offset = bar_offset(index);
    memcpy(&function->writable[offset], &writable, sizeof(writable));
    pci_put32(function, offset, bar_type_bits(bar));
}

/* Whether the function decodes the BAR now, and from which address. A BAR of zero, one
 * whose end is the end of the space (that is how sizing looks) and one in what the
 * host bridge claims as RAM are not seen. */
static bool bar_decoded(const struct pci_function *function, unsigned index,
                        uint32_t *address)
{
    const struct pci_bar *bar = &function->bars[index];
    uint16_t command = pci_get16(function, PCI_COMMAND);
    uint32_t value = pci_get32(function, bar_offset(index));
    *address = value & ~(bar->bytes - 1);
    uint64_t last = (uint64_t)*address + bar->bytes - 1;
    if (bar->kind == PCI_BAR_NONE || *address == 0) {
        return false;
    }
    if (bar->kind == PCI_BAR_PORTS) {
        return (command & PCI_COMMAND_IO) && last < PORT_COUNT;
    }
    const struct ram *ram = function->bus->memory->ram;
    bool enabled = bar->kind == PCI_BAR_MEMORY || (value & ROM_ENABLE);
    return (command & PCI_COMMAND_MEMORY) && enabled && last < UINT32_MAX &&
           (!ram || *address >= ram->bytes);
}

static void unmap_bar(struct pci_function *function, struct pci_bar *bar)
{
    if (!bar->mapped) {
        return;
    }
    if (bar->kind == PCI_BAR_PORTS) {
        port_unmap(function->bus->ports, bar->handle);
    } else {
        memory_remove(function->bus->memory, bar->handle);
    }
    bar->mapped = false;
}

static void map_bar(struct pci_function *function, struct pci_bar *bar,
                    uint32_t address)
{
    if (bar->kind == PCI_BAR_PORTS) {
        bar->handle = port_map(function->bus->ports, function->name, (uint16_t)address,
                               bar->bytes, bar->ports, bar->opaque);
    } else {
        struct memory_region region = bar->memory;
        region.name = region.name ? region.name : function->name;
        region.start = address;
        region.bytes = bar->bytes;
        region.priority = region.priority ? region.priority : MEMORY_PRIORITY_PCI;
        bar->handle = memory_add(function->bus->memory, &region);
    }
    bar->mapped = true;
    bar->address = address;
}

static void update_bars(struct pci_function *function)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        struct pci_bar *bar = &function->bars[i];
        uint32_t address;
        bool decoded = bar_decoded(function, i, &address);
        if (decoded == bar->mapped && (!decoded || address == bar->address)) {
            continue;
        }
        unmap_bar(function, bar);
        if (decoded) {
            map_bar(function, bar, address);
        }
    }
}

/* -- the bus -- */

void pci_bus_add(struct pci_bus *bus, struct pci_function *function, unsigned slot,
                 unsigned number)
{
    assert(slot < PCI_SLOTS && number < PCI_FUNCTIONS_PER_SLOT);
    function->devfn = (uint8_t)(slot * PCI_FUNCTIONS_PER_SLOT + number);
    assert(!bus->functions[function->devfn]);
    bus->functions[function->devfn] = function;
    function->bus = bus;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        prepare_bar(function, i);
    }
}

void pci_function_set_rom(struct pci_function *function, uint8_t *rom, uint32_t bytes)
{
    function->bars[PCI_BAR_ROM] = (struct pci_bar){
        .kind = PCI_BAR_ROM_IMAGE, .bytes = bytes, .memory = {.read = rom}};
    prepare_bar(function, PCI_BAR_ROM);
}

void pci_function_reset(struct pci_function *function)
{
    pci_put16(function, PCI_COMMAND, 0);
    function->config[PCI_STATUS + 1] &= (uint8_t) ~(STATUS_WRITE_ONE_CLEARS >> 8);
    function->config[PCI_INTERRUPT_LINE] = 0;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (function->bars[i].kind != PCI_BAR_NONE) {
            pci_put32(function, bar_offset(i), bar_type_bits(&function->bars[i]));
        }
    }
    update_bars(function);
}

void pci_function_remove(struct pci_function *function)
{
    pci_function_set_interrupt(function, false);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        unmap_bar(function, &function->bars[i]);
    }
    function->bus->functions[function->devfn] = NULL;
}

/* -- interrupts -- */

/* Tells the sink what the pin shows: the level, unless the command register hides it.
 */
static void drive_interrupt(struct pci_function *function)
{
    unsigned pin = function->config[PCI_INTERRUPT_PIN];
    const struct pci_bus *bus = function->bus;
    bool hidden = pci_get16(function, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
    if (pin >= 1 && pin <= 4 && bus->interrupt) {
        bus->interrupt(bus->interrupt_opaque, function->devfn * 4U + pin - 1,
                       function->interrupt_level && !hidden);
    }
}

void pci_function_set_interrupt(struct pci_function *function, bool level)
{
    if (function->config[PCI_INTERRUPT_PIN] == 0 ||
        function->interrupt_level == level) {
        return;
    }
    function->interrupt_level = level;
    if (level) {
        function->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    } else {
        function->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    }
    drive_interrupt(function);
}

void pci_function_loaded(struct pci_function *function)
{
    function->interrupt_level = function->config[PCI_STATUS] & PCI_STATUS_INTERRUPT;
    update_bars(function);
    drive_interrupt(function);
}

/* -- configuration cycles -- */

uint32_t pci_config_read(struct pci_bus *bus, uint8_t devfn, unsigned offset,
                         unsigned width)
{
    const struct pci_function *function = bus->functions[devfn];
    uint32_t value = UINT32_MAX >> (32 - 8 * width);
    if (function && offset + width <= PCI_CONFIG_BYTES) {
        if (function->config_read) {
            function->config_read(function->opaque, offset, width);
        }
        memcpy(&value, &function->config[offset], width);
    }
    return value;
}

void pci_config_write(struct pci_bus *bus, uint8_t devfn, unsigned offset,
                      uint32_t value, unsigned width)
{
    struct pci_function *function = bus->functions[devfn];
    if (!function || offset + width > PCI_CONFIG_BYTES) {
        return;
    }
    uint16_t old_command = pci_get16(function, PCI_COMMAND);
    for (unsigned i = offset; i < offset + width; i++, value >>= 8) {
        uint8_t byte = (uint8_t)value;
        uint8_t writable = function->writable[i];
        uint8_t kept = (uint8_t)(function->config[i] & ~writable);
        kept &= (uint8_t) ~(function->write_one_clears[i] & byte);
        function->config[i] = (uint8_t)(kept | (byte & writable));
    }
    update_bars(function);
    if ((old_command ^ pci_get16(function, PCI_COMMAND)) & PCI_COMMAND_INTX_DISABLE) {
        drive_interrupt(function);
    }
    if (function->config_written) {
        function->config_written(function->opaque, offset, width);
    }
}
