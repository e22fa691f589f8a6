/* How interrupts reach the CPU, and the timers that share lines with others.
 *
 * Every ISA line ends at an 8259 and at the I/O APIC, where line 0 is input 2 (the
 * override that the ACPI tables tell of). The 8259's INTR goes to the local APIC's pin
 * LINT0, or to the CPU where there are no APICs. */
#include "machine/machine_internal.h"

enum { IRQ_TIMER = 0, IRQ_RTC = 8, IO_APIC_TIMER_PIN = 2 };

/* INTR as the CPU sees it. */
static void cpu_interrupt(void *opaque, unsigned number, bool level)
{
    struct machine *machine = opaque;
    (void)number;
    cpu_set_interrupt_line(&machine->cpu, level);
    if (level) {
        pthread_cond_signal(&machine->wake);
    }
}

static void nmi(void *opaque)
{
    struct machine *machine = opaque;
    cpu_raise_nmi(&machine->cpu);
    pthread_cond_signal(&machine->wake);
}

static void init(void *opaque)
{
    struct machine *machine = opaque;
    machine->init_requested = true;
    machine_wake_cpu(machine);
}

static uint8_t acknowledge_8259(void *opaque)
{
    struct machine *machine = opaque;
    return i8259_acknowledge(machine->pic);
}

static uint8_t acknowledge(void *opaque)
{
    struct machine *machine = opaque;
    return machine->local_apic ? local_apic_acknowledge(machine->local_apic)
                               : i8259_acknowledge(machine->pic);
}

static void end_of_interrupt(void *opaque, uint8_t vector)
{
    struct machine *machine = opaque;
    io_apic_end_of_interrupt(machine->io_apic, vector);
}

static void set_apic_base(void *opaque, uint64_t base)
{
    struct machine *machine = opaque;
    local_apic_set_base(machine->local_apic, base);
}

static void to_io_apic(void *opaque, unsigned number, bool level)
{
    struct machine *machine = opaque;
    const uint32_t *levels = machine->isa.levels;
    if (number == IRQ_TIMER || number == IO_APIC_TIMER_PIN) {
        number = IO_APIC_TIMER_PIN;
        level = levels[IRQ_TIMER] || levels[IO_APIC_TIMER_PIN];
    }
    io_apic_set_pin(machine->io_apic, number, level);
}

/* Returns where the 8259's INTR goes. */
static struct irq_line create_apics(struct machine *machine)
{
    const struct local_apic_wiring wiring = {
        .intr = irq_line_to(cpu_interrupt, machine, 0),
        .nmi = nmi,
        .init = init,
        .acknowledge_external = acknowledge_8259,
        .end_of_interrupt = end_of_interrupt,
        .opaque = machine,
    };
    if (machine->config.no_apic) {
        return wiring.intr;
    }
    machine->local_apic = pc_add_device(
        machine, local_apic_create(&machine->log, &machine->memory,
                                   &machine->views[MACHINE_CLOCK_APIC], &wiring));
    machine->io_apic =
        pc_add_device(machine, io_apic_create(&machine->log, &machine->memory,
                                              local_apic_receive, machine->local_apic));
    machine->isa.controllers[1].sink = to_io_apic;
    machine->isa.controllers[1].opaque = machine;
    machine->cpu.wiring.set_apic_base = set_apic_base;
    return irq_line_to(local_apic_set_pin, machine->local_apic, LOCAL_APIC_LINT0);
}

void interrupts_create(struct machine *machine)
{
    struct isa_interrupts *isa = &machine->isa;
    struct irq_line intr = create_apics(machine);
    machine->cpu.wiring.acknowledge_interrupt = acknowledge;
    machine->pic =
        pc_add_device(machine, i8259_create(&machine->log, &machine->ports, intr));
    isa->controllers[0].sink = i8259_set_irq;
    isa->controllers[0].opaque = machine->pic;
    machine->controllers = machine->device_count;
    if (!machine->config.no_hpet) {
        const struct irq_line legacy[HPET_LEGACY_LINES] = {
            [HPET_TIMER_LINE] = isa_interrupts_line(isa, IRQ_TIMER),
            [HPET_RTC_LINE] = isa_interrupts_line(isa, IRQ_RTC),
        };
        machine->hpet = pc_add_device(
            machine, hpet_create(&machine->log, &machine->memory,
                                 &machine->views[MACHINE_CLOCK_HPET], legacy,
                                 isa_interrupts_line(isa, IO_APIC_TIMER_PIN)));
    }
}

struct irq_line interrupts_timer_line(struct machine *machine)
{
    return machine->hpet
               ? irq_line_to(hpet_set_legacy_source, machine->hpet, HPET_TIMER_LINE)
               : isa_interrupts_line(&machine->isa, IRQ_TIMER);
}

/* Power management listens, too. */
static void from_rtc(void *opaque, unsigned number, bool level)
{
    struct machine *machine = opaque;
    (void)number;
    irq_set(&machine->rtc_line, level);
    if (level && machine->power) {
        piix4_pm_rtc_alarm(machine->power);
    }
}

struct irq_line interrupts_rtc_line(struct machine *machine)
{
    machine->rtc_line = machine->hpet ? irq_line_to(hpet_set_legacy_source,
                                                    machine->hpet, HPET_RTC_LINE)
                                      : isa_interrupts_line(&machine->isa, IRQ_RTC);
    return irq_line_to(from_rtc, machine, 0);
}

void interrupts_raise_nmi(struct machine *machine)
{
    if (!machine->local_apic) {
        nmi(machine);
        return;
    }
    local_apic_set_pin(machine->local_apic, LOCAL_APIC_LINT1, true);
    local_apic_set_pin(machine->local_apic, LOCAL_APIC_LINT1, false);
}
