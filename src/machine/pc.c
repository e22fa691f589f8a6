/* The PC: which chips there are, and which wire goes where. As QEMU's machine "pc":
 * i440FX, PIIX3 with IDE, PIIX4 power management, a PCI VGA in slot 2. */
#include "bus/pci.h"
#include "devices/i440fx.h"
#include "devices/i8237.h"
#include "devices/i8254.h"
#include "devices/isa_debug_exit.h"
#include "devices/piix3.h"
#include "devices/port61.h"
#include "devices/port92.h"
#include "firmware/acpi.h"
#include "firmware/linux_boot.h"
#include "machine/added_devices.h"
#include "machine/machine_internal.h"
#include "machine/network.h"

#include <assert.h>

enum {
    IRQ_KEYBOARD = 1,
    IRQ_MOUSE = 12,
    IRQ_COPROCESSOR = 13,
    IRQ_IDE_PRIMARY = 14,
    IRQ_IDE_SECONDARY = 15,
    SLOT_VGA = 2,
    DEBUG_EXIT_DEFAULT_PORT = 0x501, /* QEMU's */
};

/* CMOS bytes that SeaBIOS and older systems read sizes from. */
enum {
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KIB = 0x15,
    CMOS_EXTENDED_KIB = 0x17,
    CMOS_EXTENDED_KIB_2 = 0x30,
    CMOS_ABOVE_16M_64KIB = 0x34,
    EQUIPMENT_FPU = 0x02,
    EQUIPMENT_MOUSE = 0x04,
    BASE_KIB = 640,
};

/* Wires to the machine itself. */

static void reset_line(void *opaque, unsigned number, bool level)
{
    struct machine *machine = opaque;
    (void)number;
    if (level) {
        machine->reset_requested = true;
        machine_wake_cpu(machine);
    }
}

static void a20_line(void *opaque, unsigned source, bool level)
{
    struct machine *machine = opaque;
    bool open = false;
    machine->a20_sources[source] = level;
    for (unsigned i = 0; i < A20_SOURCES; i++) {
        open |= machine->a20_sources[i];
    }
    cpu_set_a20(&machine->cpu, open);
}

static void debug_exit(void *opaque, uint32_t value)
{
    struct machine *machine = opaque;
    machine->debug_exit_requested = true;
    machine->debug_exit_value = value;
    machine_wake_cpu(machine);
}

static void set_ferr(void *opaque, bool level)
{
    struct machine *machine = opaque;
    coprocessor_error_set(machine->coprocessor_error, level);
}

void *pc_add_device(struct machine *machine, void *device)
{
    assert(machine->device_count < MACHINE_DEVICES);
    if (device) {
        machine->devices[machine->device_count++] = device;
    }
    return device;
}

int pc_free_slot(const struct machine *machine)
{
    for (int slot = 0; slot < PCI_SLOTS; slot++) {
        if (!machine->pci->functions[slot * PCI_FUNCTIONS_PER_SLOT]) {
            return slot;
        }
    }
    return -1;
}

static bool add_debug_exit(struct machine *machine, struct properties *properties,
                           struct error *error)
{
    uint64_t port = DEBUG_EXIT_DEFAULT_PORT, bytes = 0;
    /* The port answers to any width of access. */
    if (!properties_take_number(properties, "iobase", 1, UINT16_MAX, &port, error) ||
        !properties_take_number(properties, "iosize", 1, 4, &bytes, error)) {
        return false;
    }
    pc_add_device(machine, isa_debug_exit_create(&machine->log, &machine->ports,
                                                 (uint16_t)port, debug_exit, machine));
    return true;
}

const struct added_device isa_debug_exit_added = {
    .name = "isa-debug-exit",
    .properties = "iobase and iosize",
    .help = "a port that ends the run",
    .create = add_debug_exit,
};

static void create_isa_devices(struct machine *machine)
{
    struct log *log = &machine->log;
    struct port_space *ports = &machine->ports;
    struct clock *clock = &machine->clock, *views = machine->views;
    struct isa_interrupts *isa = &machine->isa;

    interrupts_create(machine);
    struct i8254 *pit =
        pc_add_device(machine, i8254_create(log, ports, &views[MACHINE_CLOCK_PIT],
                                            interrupts_timer_line(machine)));
    machine->pit = pit;
    machine->port61 = pc_add_device(machine, port61_create(log, ports, clock, pit));
    pc_add_device(machine,
                  port92_create(log, ports, irq_line_to(a20_line, machine, A20_PORT92),
                                irq_line_to(reset_line, machine, 0)));
    machine->rtc =
        pc_add_device(machine, mc146818_create(log, ports, &views[MACHINE_CLOCK_RTC],
                                               interrupts_rtc_line(machine)));
    machine->dma = pc_add_device(machine, i8237_create(log, ports, &machine->memory));
    machine->i8042 = pc_add_device(
        machine, i8042_create(log, ports, clock, isa_interrupts_line(isa, IRQ_KEYBOARD),
                              isa_interrupts_line(isa, IRQ_MOUSE),
                              irq_line_to(a20_line, machine, A20_KEYBOARD),
                              irq_line_to(reset_line, machine, 0)));
    machine->coprocessor_error = pc_add_device(
        machine, coprocessor_error_create(log, ports,
                                          isa_interrupts_line(isa, IRQ_COPROCESSOR)));
    communication_create(machine);
}

static bool create_pci_devices(struct machine *machine, struct error *error)
{
    struct log *log = &machine->log;
    struct port_space *ports = &machine->ports;
    struct isa_interrupts *isa = &machine->isa;
    struct i440fx *bridge = pc_add_device(
        machine, i440fx_create(log, ports, &machine->memory, &machine->ram));
    struct pci_bus *bus = i440fx_bus(bridge);
    machine->pci = bus;
    pc_add_device(machine, piix3_create(log, ports, bus, isa_interrupts_from_pci, isa,
                                        irq_line_to(reset_line, machine, 0)));
    machine->ide = pc_add_device(
        machine, piix3_ide_create(log, ports, bus, &machine->memory,
                                  isa_interrupts_line(isa, IRQ_IDE_PRIMARY),
                                  isa_interrupts_line(isa, IRQ_IDE_SECONDARY)));
    power_create(machine);
    const struct firmware_image *rom = &machine->roms.vga_bios;
    machine->vga = pc_add_device(machine, vga_create(log, ports, &machine->memory,
                                                     &machine->clock, bus, SLOT_VGA,
                                                     rom->bytes, rom->length, error));
    return machine->vga != NULL;
}

bool pc_create(struct machine *machine, struct error *error)
{
    machine->cpu.wiring = (struct cpu_wiring){
        .lock = &machine->lock,
        .log = &machine->log,
        .clock = &machine->clock,
        .tsc_clock = &machine->views[MACHINE_CLOCK_TSC],
        .memory = &machine->memory,
        .ports = &machine->ports,
        .trace = machine->trace.items ? &machine->trace : NULL,
        .syscall_redirect = machine->config.syscall_redirect,
        .set_ferr = set_ferr,
        .opaque = machine,
        .escaped = machine->config.escaped,
    };
    if (!firmware_load_bios(&machine->memory, machine->config.bios, &machine->roms,
                            error) ||
        !firmware_load_vga_bios(machine->config.vga_bios, &machine->roms, error)) {
        return false;
    }
    create_isa_devices(machine);
    return create_pci_devices(machine, error) && disks_open(machine, error) &&
           media_create(machine, error) && sound_create(machine, error) &&
           networks_create(machine, error) && virtio_disks_create(machine, error) &&
           added_devices_create(machine, error);
}

static void set_cmos16(struct machine *machine, uint8_t index, uint64_t value)
{
    uint16_t shown = value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
    mc146818_set(machine->rtc, index, (uint8_t)shown);
    mc146818_set(machine->rtc, (uint8_t)(index + 1), (uint8_t)(shown >> 8));
}

static void fill_cmos(struct machine *machine)
{
    uint64_t bytes = machine->ram.bytes;
    uint64_t extended_kib = bytes > (1 << 20) ? (bytes >> 10) - 1024 : 0;
    uint64_t above_16m = bytes > (16 << 20) ? (bytes - (16 << 20)) >> 16 : 0;
    set_cmos16(machine, CMOS_BASE_KIB, BASE_KIB);
    set_cmos16(machine, CMOS_EXTENDED_KIB, extended_kib);
    set_cmos16(machine, CMOS_EXTENDED_KIB_2, extended_kib);
    set_cmos16(machine, CMOS_ABOVE_16M_64KIB, above_16m);
    mc146818_set(machine->rtc, CMOS_EQUIPMENT,
                 EQUIPMENT_FPU | EQUIPMENT_MOUSE | media_floppy_equipment(machine));
    media_fill_cmos(machine);
}

bool pc_prepare_firmware(struct machine *machine, struct error *error)
{
    const struct machine_config *config = &machine->config;
    machine->fw_cfg = pc_add_device(
        machine, fw_cfg_create(&machine->log, &machine->ports, &machine->memory));
    fill_cmos(machine);
    fw_cfg_add_i64(machine->fw_cfg, FW_CFG_RAM_SIZE, machine->ram.bytes);
    fw_cfg_add_i16(machine->fw_cfg, FW_CFG_NOGRAPHIC, config->serial_multiplexed);
    boot_order_tell_firmware(machine);
    const struct acpi_machine described = {
        .ram_bytes = machine->ram.bytes,
        .apic = !config->no_apic,
        .hpet = !config->no_hpet,
    };
    if (!config->no_acpi) {
        acpi_add_tables(machine->fw_cfg, &described);
    }
    return !config->kernel ||
           linux_boot_prepare(machine->fw_cfg, machine->ram.bytes, config->kernel,
                              config->initrd, config->append, error);
}

void pc_reset(struct machine *machine)
{
    for (unsigned i = 0; i < machine->device_count; i++) {
        const struct device_class *class = machine->devices[i]->class;
        if (class->reset) {
            class->reset(machine->devices[i]);
        }
    }
    for (unsigned i = 0; i < machine->device_count; i++) {
        const struct device_class *class = machine->devices[i]->class;
        if (class->reset_lines) {
            class->reset_lines(machine->devices[i]);
        }
    }
    boot_order_reset(machine);
}
