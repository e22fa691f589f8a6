/* firmware/acpi.h: the ACPI tables, handed to the firmware through fw_cfg.
 *
 * The tables are one file, etc/acpi/tables; etc/table-loader tells SeaBIOS how to place
 * it, which pointers to relocate and which checksums to set; the root pointer is
 * etc/acpi/rsdp. There are RSDT, FADT (revision 1), FACS and DSDT, and MADT and HPET
 * where the machine has these.
 *
 * What the tables offer: soft off (S5), the power button as fixed hardware, a sleep
 * button as a device that a general purpose event tells of, the RTC's alarm as fixed
 * hardware. There is no S1 to S4: a system that is to sleep stays in S0 (Linux:
 * s2idle), and both buttons and the alarm wake it up. Interrupts of PCI are the same
 * with and without the I/O APIC, so that nobody needs to be told which is used (_PIC).
 * Source: Advanced Configuration and Power Interface Specification 1.0b, chapters 5
 * and 19 (AML); IA-PC HPET specification 1.0a, section 3.2.4; the linker/loader
 * commands are QEMU's (hw/acpi, "bios-linker-loader").
 */
#ifndef FIRMWARE_ACPI_H
#define FIRMWARE_ACPI_H

#include "devices/fw_cfg.h"

/* Where SeaBIOS 1.16 puts the PIIX4's power management, and the PC's fixed numbers. */
enum {
    ACPI_PM_BASE = 0x600, /* PM1a event +0, PM1a control +4, PM timer +8 */
    ACPI_GPE0_BASE = 0xafe0,
    ACPI_GPE0_BYTES = 4, /* two status, two enable */
    ACPI_SMI_COMMAND_PORT = 0xb2,
    ACPI_SMI_ENABLE = 0xf1,
    ACPI_SMI_DISABLE = 0xf0,
    ACPI_SCI_IRQ = 9,
    ACPI_S5_SLEEP_TYPE = 0,      /* in PM1a control: soft off */
    ACPI_SLEEP_BUTTON_EVENT = 1, /* general purpose event */
};

struct acpi_machine {
    uint64_t ram_bytes; /* below 4 GiB: where SeaBIOS lets PCI memory begin */
    bool apic, hpet;
};

/* Adds the three files. */
void acpi_add_tables(struct fw_cfg *fw_cfg, const struct acpi_machine *machine);

#endif
