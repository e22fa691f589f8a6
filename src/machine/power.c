/* Power management, and the buttons on the case. */
#include "machine/machine_internal.h"

static void power_off(void *opaque)
{
    struct machine *machine = opaque;
    machine->power_off_requested = true;
    machine_wake_cpu(machine);
}

void power_create(struct machine *machine)
{
    struct irq_line sci = isa_interrupts_line(&machine->isa, PIIX4_PM_SCI_IRQ);
    machine->power = pc_add_device(
        machine,
        piix4_pm_create(&machine->log, &machine->ports, machine->pci,
                        &machine->views[MACHINE_CLOCK_PM], sci, power_off, machine));
}

void machine_press_power_button(struct machine *machine)
{
    piix4_pm_power_button(machine->power);
}

void machine_press_sleep_button(struct machine *machine)
{
    piix4_pm_sleep_button(machine->power);
}
