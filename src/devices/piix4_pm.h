/* devices/piix4_pm.h: Intel 82371AB (PIIX4), function 3: power management at 01.3.
 *
 * ACPI's fixed hardware (PM1 event and control blocks, PM timer) at the port that PMBA
 * names, a general purpose event block at 0xafe0, the SMI command ports 0xb2 and 0xb3,
 * and an SMBus host with nothing on its bus. There is no SMM: the command that turns
 * ACPI on works at once, and the chip says that SMM has been set up already.
 * Source: Intel 82371AB data sheet (290562), chapter 7; ACPI specification 1.0b,
 * chapter 4.7.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_PIIX4_PM_H
#define DEVICES_PIIX4_PM_H

#include "bus/device.h"
#include "bus/irq.h"
#include "bus/pci.h"
#include "bus/port.h"
#include "clock/clock.h"

struct piix4_pm;

enum {
    PIIX4_PM_GPE0_PORT = 0xafe0, /* for the FADT: GPE0_BLK */
    PIIX4_PM_GPE0_BYTES = 4,
    PIIX4_PM_SMI_COMMAND_PORT = 0xb2,
    PIIX4_PM_ACPI_ENABLE = 0xf1,
    PIIX4_PM_ACPI_DISABLE = 0xf0,
    PIIX4_PM_SLEEP_TYPE_S5 = 0, /* SLP_TYP of soft off, */
    PIIX4_PM_SLEEP_TYPE_S4 = 2, /* and of suspend to disk: both cut the power */
    PIIX4_PM_SCI_IRQ = 9,
    PIIX4_PM_SLEEP_BUTTON_EVENT = 1,
};

/* `sci`: level, active high. `power_off` is called when the guest enters S4 or S5. The
 * result's first member is its struct device. */
struct piix4_pm *piix4_pm_create(struct log *log, struct port_space *ports,
                                 struct pci_bus *bus, struct clock *clock,
                                 struct irq_line sci, void (*power_off)(void *opaque),
                                 void *opaque);

/* Somebody has pressed the power button for a moment. */
void piix4_pm_power_button(struct piix4_pm *pm);
/* Likewise the sleep button, which is general purpose event 1. */
void piix4_pm_sleep_button(struct piix4_pm *pm);
/* The RTC asserts its interrupt. */
void piix4_pm_rtc_alarm(struct piix4_pm *pm);

#endif
