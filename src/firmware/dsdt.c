#include "firmware/dsdt.h"
#include "devices/hpet.h"
#include "firmware/acpi.h"

#include <stdio.h>

enum {
    PCI_CONFIG_PORT = 0xcf8,
    PCI_CONFIG_PORTS = 8,
    PCI_MEMORY_LAST = 0xfebfffff, /* below the I/O APIC */
    VGA_WINDOW_FIRST = 0xa0000,
    VGA_WINDOW_LAST = 0xbffff,
    PIIX3_ADDRESS = 0x00010000, /* slot 1, function 0 */
    PIIX3_PIRQ_ROUTES = 0x60,   /* PIRQRC[A:D], 82371SB data sheet 2.2.6 */
    PIRQ_DISABLED = 0x80,
    PIRQ_CHOICES = 1 << 5 | 1 << 10 | 1 << 11,
    LINK_INTERRUPT_OFFSET = 5, /* in an extended interrupt descriptor */
    PCI_SLOTS_ROUTED = 32,
    PCI_PINS = 4,
    POWER_MANAGEMENT_SLOT = 1, /* its INTA# is the SCI */
    STATUS_SHOWN = 0x0f,       /* present, decoding, shown, functioning */
    STATUS_WORKING = 0x0b,     /* likewise, but not shown */
    STATUS_DISABLED = 0x09,
    SYSTEM_MANAGEMENT_PORTS = 2,
    FW_CFG_PORT = 0x510,
    FW_CFG_PORTS = 12,
    HPET_BYTES = 0x400,
    NOTIFY_PRESSED = 0x80, /* a button */
};

static void name_eisa_id(struct aml *aml, const char *id)
{
    aml_name(aml, "_HID");
    aml_eisa_id(aml, id);
}

static void name_integer(struct aml *aml, const char *name, uint32_t value)
{
    aml_name(aml, name);
    aml_integer(aml, value);
}

static void write_isa_devices(struct aml *aml)
{
    static const struct {
        const char *name, *id;
        unsigned uid;
        struct {
            uint16_t first;
            uint8_t count;
        } ports[2];
        unsigned irq; /* 0: none */
        unsigned dma; /* likewise */
    } devices[] = {
        {"RTC", "PNP0B00", 0, {{0x70, 2}}, 8, 0},
        {"KBD", "PNP0303", 0, {{0x60, 1}, {0x64, 1}}, 1, 0},
        {"MOU", "PNP0F13", 0, {{0}}, 12, 0},
        {"COM1", "PNP0501", 1, {{0x3f8, 8}}, 4, 0},
        {"COM2", "PNP0501", 2, {{0x2f8, 8}}, 3, 0},
        {"FDC0", "PNP0700", 0, {{0x3f0, 6}, {0x3f7, 1}}, 6, 2}, /* the IDE has 0x3f6 */
        /* ports of the system board that belong to no other device */
        {"SYSR",
         "PNP0C02",
         0,
         {{ACPI_SMI_COMMAND_PORT, SYSTEM_MANAGEMENT_PORTS},
          {ACPI_GPE0_BASE, ACPI_GPE0_BYTES}},
         0,
         0},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(devices); i++) {
        aml_device(aml, devices[i].name);
        name_eisa_id(aml, devices[i].id);
        if (devices[i].uid) {
            name_integer(aml, "_UID", devices[i].uid);
        }
        name_integer(aml, "_STA", STATUS_SHOWN);
        aml_name(aml, "_CRS");
        aml_resources(aml);
        for (unsigned k = 0; k < 2 && devices[i].ports[k].count; k++) {
            aml_resource_ports(aml, devices[i].ports[k].first,
                               devices[i].ports[k].count);
        }
        if (devices[i].irq) {
            aml_resource_irq(aml, devices[i].irq);
        }
        if (devices[i].dma) {
            aml_resource_dma(aml, devices[i].dma);
        }
        aml_end(aml);
        aml_end(aml);
    }
}

/* The ISA bridge: its routing registers and what is behind it. */
static void write_isa_bridge(struct aml *aml)
{
    aml_device(aml, "ISA");
    name_integer(aml, "_ADR", PIIX3_ADDRESS);
    aml_pci_region(aml, "PIRQ", PIIX3_PIRQ_ROUTES, PCI_PINS);
    aml_field(aml, "PIRQ");
    for (unsigned i = 0; i < PCI_PINS; i++) {
        const char unit[] = {'P', 'R', 'Q', (char)('A' + i), 0};
        aml_field_unit(aml, unit, 8);
    }
    aml_end(aml);
    write_isa_devices(aml);
    aml_end(aml);
}

static void write_pci_root(struct aml *aml, uint32_t memory_first)
{
    aml_device(aml, "PCI0");
    name_eisa_id(aml, "PNP0A03");
    name_integer(aml, "_UID", 0);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_resource_bus_range(aml, 0, 0xff);
    aml_resource_ports(aml, PCI_CONFIG_PORT, PCI_CONFIG_PORTS);
    aml_resource_port_range(aml, 0, PCI_CONFIG_PORT - 1);
    aml_resource_port_range(aml, PCI_CONFIG_PORT + PCI_CONFIG_PORTS, 0xffff);
    aml_resource_memory_range(aml, true, VGA_WINDOW_FIRST, VGA_WINDOW_LAST);
    aml_resource_memory_range(aml, false, memory_first, PCI_MEMORY_LAST);
    aml_end(aml);
    write_isa_bridge(aml);
    aml_end(aml);
}

/* If (route & 0x80), the link is disabled. */
static void if_disabled(struct aml *aml, const char *route)
{
    aml_if(aml);
    aml_and(aml);
    aml_path(aml, route);
    aml_integer(aml, PIRQ_DISABLED);
    aml_no_target(aml);
}

/* A PCI interrupt link: the ISA interrupt that PIRQ `number` is routed to. */
static void write_link(struct aml *aml, unsigned number)
{
    const char device[] = {'L', 'N', 'K', (char)('A' + number), 0};
    char route[32];
    snprintf(route, sizeof(route), "\\_SB.PCI0.ISA.PRQ%c", 'A' + (int)number);

    aml_device(aml, device);
    name_eisa_id(aml, "PNP0C0F");
    name_integer(aml, "_UID", number + 1);
    aml_name(aml, "_PRS");
    aml_resources(aml);
    aml_resource_shared_irq(aml, PIRQ_CHOICES);
    aml_end(aml);
    aml_name(aml, "CRSB");
    aml_resources(aml);
    aml_resource_shared_irq(aml, 0);
    aml_end(aml);

    aml_method(aml, "_STA", 0, false);
    if_disabled(aml, route);
    aml_return(aml);
    aml_integer(aml, STATUS_DISABLED);
    aml_end(aml);
    aml_return(aml);
    aml_integer(aml, STATUS_WORKING);
    aml_end(aml);

    aml_method(aml, "_DIS", 0, false);
    aml_or(aml);
    aml_path(aml, route);
    aml_integer(aml, PIRQ_DISABLED);
    aml_path(aml, route);
    aml_end(aml);

    aml_method(aml, "_CRS", 0, true);
    aml_dword_field(aml);
    aml_path(aml, "CRSB");
    aml_integer(aml, LINK_INTERRUPT_OFFSET);
    aml_path(aml, "CRSI");
    aml_store(aml);
    aml_path(aml, route);
    aml_path(aml, "CRSI");
    if_disabled(aml, route);
    aml_store(aml);
    aml_integer(aml, 0);
    aml_path(aml, "CRSI");
    aml_end(aml);
    aml_return(aml);
    aml_path(aml, "CRSB");
    aml_end(aml);

    aml_method(aml, "_SRS", 1, true);
    aml_dword_field(aml);
    aml_argument(aml, 0);
    aml_integer(aml, LINK_INTERRUPT_OFFSET);
    aml_path(aml, "SRSI");
    aml_store(aml);
    aml_path(aml, "SRSI");
    aml_path(aml, route);
    aml_end(aml);
    aml_end(aml);
}

/* _PRT: INTA# of slot 1 is PIRQA, of slot 2 PIRQB, and so on, and the other pins of a
 * slot follow; except that INTA# of slot 1 is the power management's SCI. */
static void write_routing(struct aml *aml)
{
    aml_name(aml, "_PRT");
    aml_package(aml, PCI_SLOTS_ROUTED * PCI_PINS);
    for (unsigned slot = 0; slot < PCI_SLOTS_ROUTED; slot++) {
        for (unsigned pin = 0; pin < PCI_PINS; pin++) {
            unsigned link = (slot + pin + PCI_PINS - 1) % PCI_PINS;
            const char name[] = {'L', 'N', 'K', (char)('A' + link), 0};
            aml_package(aml, 4);
            aml_integer(aml, slot << 16 | 0xffff);
            aml_integer(aml, pin);
            if (slot == POWER_MANAGEMENT_SLOT && pin == 0) {
                aml_integer(aml, 0);
                aml_integer(aml, ACPI_SCI_IRQ);
            } else {
                aml_path(aml, name);
                aml_integer(aml, 0);
            }
            aml_end(aml);
        }
    }
    aml_end(aml);
}

static void write_fw_cfg(struct aml *aml)
{
    aml_device(aml, "FWCF");
    aml_name(aml, "_HID");
    aml_string(aml, "QEMU0002");
    name_integer(aml, "_STA", STATUS_WORKING);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_resource_ports(aml, FW_CFG_PORT, FW_CFG_PORTS);
    aml_end(aml);
    aml_end(aml);
}

/* As a device, which newer specifications want. _UID is the MADT's number. */
static void write_processor(struct aml *aml)
{
    aml_device(aml, "CPU0");
    aml_name(aml, "_HID");
    aml_string(aml, "ACPI0007");
    name_integer(aml, "_UID", 0);
    aml_end(aml);
}

static void write_hpet(struct aml *aml)
{
    aml_device(aml, "HPET");
    name_eisa_id(aml, "PNP0103");
    name_integer(aml, "_UID", 0);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_resource_memory(aml, HPET_ADDRESS, HPET_BYTES);
    aml_end(aml);
    aml_end(aml);
}

/* PIIX4 has no sleep button of its own: a general purpose event tells of it. */
static void write_sleep_button(struct aml *aml)
{
    aml_scope(aml, "\\_SB");
    aml_device(aml, "SLPB");
    name_eisa_id(aml, "PNP0C0E");
    /* It wakes the system from S0 only: _PRW is its event, and the deepest state. */
    aml_name(aml, "_PRW");
    aml_package(aml, 2);
    aml_integer(aml, ACPI_SLEEP_BUTTON_EVENT);
    aml_integer(aml, 0);
    aml_end(aml);
    aml_end(aml);
    aml_end(aml);

    const char method[] = {'_', 'L', '0', '0' + ACPI_SLEEP_BUTTON_EVENT, 0};
    aml_scope(aml, "\\_GPE");
    aml_method(aml, method, 0, false);
    aml_notify(aml);
    aml_path(aml, "\\_SB.SLPB");
    aml_integer(aml, NOTIFY_PRESSED);
    aml_end(aml);
    aml_end(aml);
}

void dsdt_write(struct aml *aml, const struct dsdt_machine *machine)
{
    aml_scope(aml, "\\_SB");
    write_processor(aml);
    write_pci_root(aml, machine->pci_memory_first);
    if (machine->hpet) {
        write_hpet(aml);
    }
    for (unsigned i = 0; i < PCI_PINS; i++) {
        write_link(aml, i);
    }
    write_fw_cfg(aml);
    aml_end(aml);

    aml_scope(aml, "\\_SB.PCI0");
    write_routing(aml);
    aml_end(aml);

    write_sleep_button(aml);

    aml_name(aml, "\\_S5");
    aml_package(aml, 4);
    aml_integer(aml, ACPI_S5_SLEEP_TYPE);
    aml_integer(aml, ACPI_S5_SLEEP_TYPE);
    aml_integer(aml, 0);
    aml_integer(aml, 0);
    aml_end(aml);
}
