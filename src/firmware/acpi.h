/* firmware/acpi.h: the ACPI tables, handed to the firmware through fw_cfg.
 *
 * The tables are one file, etc/acpi/tables; etc/table-loader tells SeaBIOS how to place
 * it, which pointers to relocate and which checksums to set; the root pointer is
 * etc/acpi/rsdp. There are RSDT, FADT (revision 1), FACS and DSDT.
 * Source: Advanced Configuration and Power Interface Specification 1.0b, chapters 5
 * and 19 (AML); the linker/loader commands are QEMU's (hw/acpi, "bios-linker-loader").
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
    ACPI_S5_SLEEP_TYPE = 0, /* in PM1a control: soft off */
};

/* Adds the three files. `ram_bytes` (below 4 GiB) tells where SeaBIOS will let the PCI
 * memory window begin. */
void acpi_add_tables(struct fw_cfg *fw_cfg, uint64_t ram_bytes);

#endif
