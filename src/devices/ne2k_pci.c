#include "devices/ne2k_pci.h"

#include "bus/device.h"
#include "devices/dp8390.h"

enum {
    VENDOR_REALTEK = 0x10ec,
    DEVICE_RTL8029 = 0x8029,
    CLASS_ETHERNET = 0x020000,
    PORTS = 32,
    PORT_DATA = 0x10,
    PORT_RESET = 0x18,
    INTERRUPT_PIN_A = 1,
};

struct ne2k_pci {
    struct device device;
    /* saved */
    struct pci_function function;
    struct dp8390 chip;
};

static const struct state_field ne2k_pci_fields[] = {
    STATE_FIELD(struct ne2k_pci, function.config, 1),
    STATE_END,
};

static uint32_t ne2k_pci_read(void *opaque, uint16_t offset, unsigned width)
{
    struct ne2k_pci *card = opaque;
    uint32_t value = 0;
    if (offset >= PORT_RESET) {
        dp8390_stop(&card->chip);
        return 0;
    }
    if (offset >= PORT_DATA) {
        return dp8390_read_data(&card->chip, width);
    }
    for (unsigned i = 0; i < width && offset + i < DP8390_REGISTERS; i++) {
        value |= (uint32_t)dp8390_read(&card->chip, offset + i) << (8 * i);
    }
    return value;
}

static void ne2k_pci_write(void *opaque, uint16_t offset, uint32_t value,
                           unsigned width)
{
    struct ne2k_pci *card = opaque;
    if (offset >= PORT_RESET) {
        return; /* ends the reset that a read began */
    }
    if (offset >= PORT_DATA) {
        dp8390_write_data(&card->chip, value, width);
        return;
    }
    for (unsigned i = 0; i < width && offset + i < DP8390_REGISTERS; i++) {
        dp8390_write(&card->chip, offset + i, (uint8_t)(value >> (8 * i)));
    }
}

static const struct port_ops ne2k_pci_ops = {ne2k_pci_read, ne2k_pci_write, 1 | 2 | 4};

static void set_interrupt(void *opaque, bool level)
{
    struct ne2k_pci *card = opaque;
    pci_function_set_interrupt(&card->function, level);
}

static void ne2k_pci_reset(void *device)
{
    struct ne2k_pci *card = device;
    dp8390_reset(&card->chip);
    pci_function_reset(&card->function);
}

static void ne2k_pci_reset_lines(void *device)
{
    struct ne2k_pci *card = device;
    dp8390_update_interrupt(&card->chip);
}

static bool ne2k_pci_loaded(void *device, struct error *error)
{
    struct ne2k_pci *card = device;
    pci_function_loaded(&card->function);
    dp8390_update_interrupt(&card->chip);
    return true;
}

static void ne2k_pci_save_more(const void *device, struct state_buffer *buffer)
{
    const struct ne2k_pci *card = device;
    state_save(buffer, dp8390_fields, DP8390_STATE_VERSION, &card->chip);
}

static bool ne2k_pci_load_more(void *device, struct state_buffer *buffer,
                               struct error *error)
{
    struct ne2k_pci *card = device;
    return state_load(buffer, dp8390_fields, DP8390_STATE_VERSION, &card->chip,
                      "dp8390", error);
}

static void ne2k_pci_destroy(void *device)
{
    struct ne2k_pci *card = device;
    network_disconnect(&card->chip.port);
}

static const struct device_class ne2k_pci_class = {
    .name = "ne2k_pci",
    .version = 1,
    .size = sizeof(struct ne2k_pci),
    .fields = ne2k_pci_fields,
    .reset = ne2k_pci_reset,
    .reset_lines = ne2k_pci_reset_lines,
    .loaded = ne2k_pci_loaded,
    .save_more = ne2k_pci_save_more,
    .load_more = ne2k_pci_load_more,
    .destroy = ne2k_pci_destroy,
};

struct ne2k_pci *ne2k_pci_create(struct log *log, struct pci_bus *bus, unsigned slot,
                                 const uint8_t *address)
{
    struct ne2k_pci *card = device_allocate(&ne2k_pci_class, log);
    struct pci_function *function = &card->function;
    dp8390_init(&card->chip, address, set_interrupt, card);
    pci_function_init(function, "ne2k_pci", VENDOR_REALTEK, DEVICE_RTL8029, 0,
                      CLASS_ETHERNET, card);
    function->config[PCI_INTERRUPT_PIN] = INTERRUPT_PIN_A;
    function->bars[0] = (struct pci_bar){
        .kind = PCI_BAR_PORTS, .bytes = PORTS, .ports = &ne2k_pci_ops, .opaque = card};
    pci_bus_add(bus, function, slot, 0);
    ne2k_pci_reset(card);
    return card;
}

struct network_port *ne2k_pci_port(struct ne2k_pci *card)
{
    return &card->chip.port;
}
