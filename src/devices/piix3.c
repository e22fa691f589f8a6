#include "devices/piix3.h"

enum {
    PIRQ_ROUTE = 0x60, /* PIRQRCA-PIRQRCD */
    PIRQS = 4,
    PIRQ_NOT_ROUTED = 0x80,
    PIRQ_ISA_MASK = 0x0f,
    /* ISA interrupts that cannot be chosen: timer, keyboard, cascade, RTC, FPU. */
    ISA_IRQS_RESERVED = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8 | 1 << 13,

    RESET_PORT = 0xcf9,
    RESET_HARD = 2, /* SRST: what kind */
    RESET_CPU = 4,  /* RCPU: 0 to 1 does it */

    INTERRUPT_INPUTS = PCI_SLOTS * PCI_FUNCTIONS_PER_SLOT * 4,
};

struct piix3 {
    struct device device;
    struct irq_line isa_irqs[PIIX3_ISA_IRQS];
    struct irq_line reset;
    /* saved */
    struct pci_function function;
    uint32_t inputs[INTERRUPT_INPUTS / 32]; /* levels, by devfn * 4 + pin - 1 */
    uint8_t reset_control;
};

static const struct state_field piix3_fields[] = {
    STATE_FIELD(struct piix3, function.config, 1),
    STATE_FIELD(struct piix3, inputs, 1),
    STATE_FIELD(struct piix3, reset_control, 1),
    STATE_END,
};

/* -- interrupt routing -- */

/* INTA# of slot 1 is PIRQA, of slot 2 PIRQB, and so on: the wiring of the board that
 * SeaBIOS and its ACPI tables describe. */
static unsigned pirq_of_input(unsigned input)
{
    unsigned slot = input / (PCI_FUNCTIONS_PER_SLOT * 4);
    unsigned pin = input % 4;
    return (slot + PIRQS - 1 + pin) % PIRQS;
}

/* The ISA interrupts that the asserted inputs drive now, one bit each. */
static uint16_t routed_levels(const struct piix3 *bridge)
{
    unsigned asserted = 0;
    for (unsigned i = 0; i < INTERRUPT_INPUTS; i++) {
        if (bridge->inputs[i / 32] == 0) {
            i += 31;
        } else if (bridge->inputs[i / 32] >> i % 32 & 1) {
            asserted |= 1U << pirq_of_input(i);
        }
    }
    uint16_t levels = 0;
    for (unsigned pirq = 0; pirq < PIRQS; pirq++) {
        uint8_t route = bridge->function.config[PIRQ_ROUTE + pirq];
        if ((asserted >> pirq & 1) && !(route & PIRQ_NOT_ROUTED)) {
            levels |= (uint16_t)(1U << (route & PIRQ_ISA_MASK));
        }
    }
    return levels & (uint16_t)~ISA_IRQS_RESERVED;
}

static void update_isa_irqs(struct piix3 *bridge)
{
    uint16_t levels = routed_levels(bridge);
    for (unsigned i = 0; i < PIIX3_ISA_IRQS; i++) {
        irq_set(&bridge->isa_irqs[i], levels >> i & 1);
    }
}

static void interrupt_changed(void *opaque, unsigned input, bool level)
{
    struct piix3 *bridge = opaque;
    uint32_t bit = 1U << input % 32;
    uint32_t *word = &bridge->inputs[input / 32];
    *word = level ? *word | bit : *word & ~bit;
    update_isa_irqs(bridge);
}

static void config_written(void *opaque, unsigned offset, unsigned width)
{
    if (offset < PIRQ_ROUTE + PIRQS && offset + width > PIRQ_ROUTE) {
        update_isa_irqs(opaque);
    }
}

/* -- reset control: data sheet section 2.5.6.3 -- */

static uint32_t reset_control_read(void *opaque, uint16_t offset, unsigned width)
{
    const struct piix3 *bridge = opaque;
    return bridge->reset_control;
}

/* A hard and a soft reset are the same here: both restart the whole machine. */
static void reset_control_write(void *opaque, uint16_t offset, uint32_t value,
                                unsigned width)
{
    struct piix3 *bridge = opaque;
    bool asked = (value & RESET_CPU) && !(bridge->reset_control & RESET_CPU);
    bridge->reset_control = value & (RESET_HARD | RESET_CPU);
    if (asked) {
        irq_pulse(&bridge->reset);
    }
}

static const struct port_ops reset_control_ops = {
    .read = reset_control_read,
    .write = reset_control_write,
    .widths = 1,
};

/* -- the function -- */

/* Registers that are plain storage here, with their reset values and the bits that can
 * be written: data sheet section 2.2. What they control is fixed or does not exist. */
static const struct {
    uint8_t offset, reset, writable;
} plain_registers[] = {
    {0x4c, 0x4d, 0xff},                                         /* IORT */
    {0x4e, 0x03, 0xff}, {0x4f, 0x00, 0x01},                     /* XBCS */
    {0x60, 0x80, 0x8f}, {0x61, 0x80, 0x8f},                     /* PIRQRCA, B */
    {0x62, 0x80, 0x8f}, {0x63, 0x80, 0x8f},                     /* PIRQRCC, D */
    {0x69, 0x02, 0xfe},                                         /* TOM */
    {0x6a, 0x00, 0x00}, {0x6b, 0x00, 0x80},                     /* MSTAT */
    {0x70, 0x80, 0xef},                                         /* MBIRQ0 */
    {0x76, 0x04, 0x8f}, {0x77, 0x04, 0x8f},                     /* MBDMA0, 1 */
    {0x78, 0x02, 0xff}, {0x79, 0x00, 0xff},                     /* PCSC */
    {0x82, 0x00, 0x0f},                                         /* DLC */
    {0xa0, 0x08, 0x1f},                                         /* SMICNTL */
    {0xa2, 0x00, 0xff}, {0xa3, 0x00, 0x00},                     /* SMIEN */
    {0xa4, 0x00, 0xff}, {0xa5, 0x00, 0xff}, {0xa6, 0x00, 0xff}, /* SEE */
    {0xa7, 0x00, 0xff}, {0xa8, 0x0f, 0xff},                     /* SEE, FTMR */
    {0xaa, 0x00, 0xff}, {0xab, 0x00, 0x00},                     /* SMIREQ */
    {0xac, 0x00, 0xff}, {0xae, 0x00, 0xff},                     /* CTLTMR, CTHTMR */
};

static void piix3_reset(void *device)
{
    struct piix3 *bridge = device;
    pci_function_reset(&bridge->function);
    pci_put16(&bridge->function, PCI_COMMAND, 0x0007);
    pci_put16(&bridge->function, PCI_STATUS, 0x0200);
    for (unsigned i = 0; i < ARRAY_LENGTH(plain_registers); i++) {
        bridge->function.config[plain_registers[i].offset] = plain_registers[i].reset;
    }
    bridge->reset_control = 0;
}

static void piix3_reset_lines(void *device)
{
    update_isa_irqs(device);
}

static bool piix3_loaded(void *device, struct error *error)
{
    struct piix3 *bridge = device;
    pci_function_loaded(&bridge->function);
    update_isa_irqs(bridge);
    return true;
}

static const struct device_class piix3_class = {
    .name = "piix3",
    .version = 1,
    .size = sizeof(struct piix3),
    .fields = piix3_fields,
    .reset = piix3_reset,
    .reset_lines = piix3_reset_lines,
    .loaded = piix3_loaded,
};

struct piix3 *piix3_create(struct log *log, struct port_space *ports,
                           struct pci_bus *bus, irq_sink *isa_irq, void *isa_opaque,
                           struct irq_line reset)
{
    struct piix3 *bridge = device_allocate(&piix3_class, log);
    for (unsigned i = 0; i < PIIX3_ISA_IRQS; i++) {
        bridge->isa_irqs[i] = irq_line_to(isa_irq, isa_opaque, i);
    }
    bridge->reset = reset;
    struct pci_function *function = &bridge->function;
    pci_function_init(function, "piix3", 0x8086, 0x7000, 0x00, 0x060100, bridge);
    function->config[PCI_HEADER_TYPE] = PCI_HEADER_MULTI_FUNCTION;
    function->config_written = config_written;
    /* I/O, memory and bus master enable are hardwired to one: section 2.2.3. */
    function->writable[PCI_COMMAND] = 0x08;
    function->writable[PCI_COMMAND + 1] = 0;
    for (unsigned i = 0; i < ARRAY_LENGTH(plain_registers); i++) {
        function->writable[plain_registers[i].offset] = plain_registers[i].writable;
    }
    pci_bus_add(bus, function, 1, 0);
    bus->interrupt = interrupt_changed;
    bus->interrupt_opaque = bridge;
    port_map(ports, "piix3 reset control", RESET_PORT, 1, &reset_control_ops, bridge);
    piix3_reset(bridge);
    return bridge;
}
