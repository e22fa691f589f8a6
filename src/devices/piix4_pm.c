#include "devices/piix4_pm.h"

#include "devices/piix4_smbus.h"

enum {
    PM_BASE = 0x40, /* PMBA */
    PM_BASE_MASK = 0xffc0,
    PM_PORTS = 64,
    MONITORS_FIRST = 0x44,
    MONITORS_LAST = 0x67,
    DEVICE_ACTIVITY_B3 = 0x5b, /* DEVACTB, byte 3 */
    DEVICE_ACTIVITY_APMC = 0x02,
    PM_ENABLE = 0x80, /* PMREGMISC */
    SMBUS_BASE = 0x90,
    SMBUS_BASE_MASK = 0xfff0,
    SMBUS_HOST_CONFIG = 0xd2,
    SMBUS_ENABLE = 0x01,
    SMBUS_ROUTE_MASK = 0x0e,
    SMBUS_ROUTE_IRQ9 = 0x08,

    PM1_STATUS = 0x00, /* PMSTS, PMEN, PMCNTRL, PMTMR: offsets from PM_BASE */
    PM1_ENABLE = 0x02,
    PM1_CONTROL = 0x04,
    PM1_TIMER = 0x08,
    EVENT_TIMER = 0x0001,
    EVENT_GLOBAL = 0x0020,
    EVENT_POWER_BUTTON = 0x0100,
    EVENT_RTC = 0x0400,
    EVENT_CLEARABLE = 0x8531, /* and bus master and wake status */
    EVENT_ENABLES = EVENT_TIMER | EVENT_GLOBAL | EVENT_POWER_BUTTON | EVENT_RTC,
    CONTROL_SCI_ENABLE = 0x0001,
    CONTROL_STORED = 0x1c03, /* SLP_TYP, BM_RLD, SCI_EN */
    CONTROL_SLEEP_TYPE_SHIFT = 10,
    CONTROL_SLEEP_ENABLE = 0x2000, /* reads as zero */

    TIMER_HZ = 3579545,
    TIMER_MASK = 0xffffff,
    TIMER_OVERFLOW = 1 << 23, /* the top bit toggles every so many ticks */
};

/* Ports that configuration registers place and enable. */
struct window {
    bool mapped;
    uint16_t first;
    unsigned handle;
};

struct piix4_pm {
    struct device device;
    struct port_space *ports;
    struct clock *clock;
    struct irq_line sci;
    void (*power_off)(void *opaque);
    void *power_off_opaque;
    struct timer overflow_timer; /* armed while an overflow would raise SCI */
    struct window pm_window, smbus_window;
    /* saved */
    struct pci_function function;
    uint16_t pm1_status, pm1_enable, pm1_control;
    uint16_t gpe_status, gpe_enable;
    uint64_t overflow_tick; /* PM timer ticks at which TMR_STS is next set */
    uint8_t apm_control, apm_status;
    struct piix4_smbus smbus;
};

static const struct state_field piix4_pm_fields[] = {
    STATE_FIELD(struct piix4_pm, function.config, 1),
    STATE_FIELD(struct piix4_pm, pm1_status, 1),
    STATE_FIELD(struct piix4_pm, pm1_enable, 1),
    STATE_FIELD(struct piix4_pm, pm1_control, 1),
    STATE_FIELD(struct piix4_pm, gpe_status, 1),
    STATE_FIELD(struct piix4_pm, gpe_enable, 1),
    STATE_FIELD(struct piix4_pm, overflow_tick, 1),
    STATE_FIELD(struct piix4_pm, apm_control, 1),
    STATE_FIELD(struct piix4_pm, apm_status, 1),
    STATE_FIELD(struct piix4_pm, smbus, 1),
    STATE_END,
};

/* -- timer and SCI -- */

static uint64_t timer_ticks(const struct piix4_pm *pm)
{
    return clock_scale(clock_now_ns(pm->clock), TIMER_HZ, NS_PER_SECOND);
}

/* Sets TMR_STS if the timer's top bit has toggled since the last look. */
static void catch_up(struct piix4_pm *pm)
{
    uint64_t ticks = timer_ticks(pm);
    if (ticks >= pm->overflow_tick) {
        pm->pm1_status |= EVENT_TIMER;
        pm->overflow_tick = (ticks / TIMER_OVERFLOW + 1) * TIMER_OVERFLOW;
    }
}

/* Drives SCI as the registers say, and arms the timer if its overflow will matter. */
static void drive_sci(struct piix4_pm *pm)
{
    bool acpi = (pm->pm1_status & pm->pm1_enable & EVENT_ENABLES) ||
                (pm->gpe_status & pm->gpe_enable);
    uint8_t smbus_config = pm->function.config[SMBUS_HOST_CONFIG];
    bool smbus = (smbus_config & SMBUS_ROUTE_MASK) == SMBUS_ROUTE_IRQ9 &&
                 piix4_smbus_interrupt(&pm->smbus);
    irq_set(&pm->sci, (acpi && (pm->pm1_control & CONTROL_SCI_ENABLE)) || smbus);
    bool wanted = (pm->pm1_enable & EVENT_TIMER) && !(pm->pm1_status & EVENT_TIMER);
    timer_set_ns(&pm->overflow_timer,
                 wanted ? clock_scale(pm->overflow_tick, NS_PER_SECOND, TIMER_HZ) + 1
                        : CLOCK_NEVER);
}

static void update_sci(struct piix4_pm *pm)
{
    catch_up(pm);
    drive_sci(pm);
}

static void overflow_timer_fired(void *opaque)
{
    update_sci(opaque);
}

void piix4_pm_power_button(struct piix4_pm *pm)
{
    pm->pm1_status |= EVENT_POWER_BUTTON;
    update_sci(pm);
}

void piix4_pm_sleep_button(struct piix4_pm *pm)
{
    pm->gpe_status |= 1U << PIIX4_PM_SLEEP_BUTTON_EVENT;
    update_sci(pm);
}

void piix4_pm_rtc_alarm(struct piix4_pm *pm)
{
    pm->pm1_status |= EVENT_RTC;
    update_sci(pm);
}

/* -- PM registers -- */

static void control_write(struct piix4_pm *pm, uint16_t value)
{
    pm->pm1_control = value & CONTROL_STORED;
    unsigned type = value >> CONTROL_SLEEP_TYPE_SHIFT & 7;
    if (!(value & CONTROL_SLEEP_ENABLE)) {
        return;
    }
    if (type == PIIX4_PM_SLEEP_TYPE_S5 || type == PIIX4_PM_SLEEP_TYPE_S4) {
        pm->power_off(pm->power_off_opaque);
    } else {
        log_guest_error(pm->device.log, "piix4_pm", "sleep type %u is not there", type);
    }
}

/* The aligned 16-bit register at `offset` of the PM block, when the timer is at
 * `ticks`. */
static uint16_t pm_register(const struct piix4_pm *pm, unsigned offset, uint32_t ticks)
{
    switch (offset) {
    case PM1_STATUS:
        return pm->pm1_status;
    case PM1_ENABLE:
        return pm->pm1_enable;
    case PM1_CONTROL:
        return pm->pm1_control;
    case PM1_TIMER:
        return (uint16_t)ticks;
    case PM1_TIMER + 2:
        return (uint16_t)(ticks >> 16);
    default:
        return 0;
    }
}

static uint32_t pm_read(void *opaque, uint16_t offset, unsigned width)
{
    struct piix4_pm *pm = opaque;
    catch_up(pm);
    /* Once for all bytes: a host's clock goes on between two looks, and a timer that
     * seems to go back has gone round for who reads it. */
    const uint32_t ticks = (uint32_t)timer_ticks(pm) & TIMER_MASK;
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++) {
        unsigned at = offset + i;
        uint32_t byte = pm_register(pm, at & ~1U, ticks) >> (at % 2 * 8) & 0xff;
        value |= byte << (8 * i);
    }
    return value;
}

/* `value` and `mask`: the bytes written, in the place they have in the register. */
static void pm_register_write(struct piix4_pm *pm, unsigned offset, uint16_t value,
                              uint16_t mask)
{
    switch (offset) {
    case PM1_STATUS:
        catch_up(pm);
        pm->pm1_status &= (uint16_t) ~(value & mask & EVENT_CLEARABLE);
        break;
    case PM1_ENABLE:
        pm->pm1_enable =
            (uint16_t)((pm->pm1_enable & ~mask) | (value & mask & EVENT_ENABLES));
        break;
    case PM1_CONTROL:
        control_write(pm, (uint16_t)((pm->pm1_control & ~mask) | (value & mask)));
        break;
    default:
        break;
    }
}

static void pm_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct piix4_pm *pm = opaque;
    unsigned end = offset + width;
    for (unsigned at = offset; at < end;) {
        unsigned bytes = at % 2 == 0 && at + 2 <= end ? 2 : 1;
        uint16_t mask = bytes == 2 ? 0xffff : (uint16_t)(0xff << (at % 2 * 8));
        uint16_t shifted = (uint16_t)(value << (at % 2 * 8));
        pm_register_write(pm, at & ~1U, shifted, mask);
        at += bytes;
        value >>= 8 * bytes;
    }
    update_sci(pm);
}

static const struct port_ops pm_ops = {
    .read = pm_read,
    .write = pm_write,
    .widths = 1 | 2 | 4,
};

/* -- general purpose events: status (2 bytes, ones clear), then enable -- */

static uint32_t gpe_read(void *opaque, uint16_t offset, unsigned width)
{
    const struct piix4_pm *pm = opaque;
    uint32_t both = pm->gpe_status | (uint32_t)pm->gpe_enable << 16;
    return both >> (8 * offset) & 0xff;
}

static void gpe_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct piix4_pm *pm = opaque;
    unsigned shift = offset % 2 * 8;
    if (offset < 2) {
        pm->gpe_status &= (uint16_t) ~(value << shift);
    } else {
        pm->gpe_enable =
            (uint16_t)((pm->gpe_enable & ~(0xff << shift)) | value << shift);
    }
    update_sci(pm);
}

static const struct port_ops gpe_ops = {
    .read = gpe_read,
    .write = gpe_write,
    .widths = 1,
};

/* -- SMI command (APMC, APMS): data sheet section 7.2 -- */

static uint32_t apm_read(void *opaque, uint16_t offset, unsigned width)
{
    const struct piix4_pm *pm = opaque;
    return offset == 0 ? pm->apm_control : pm->apm_status;
}

/* What the BIOS's SMI handler would do for ACPI is done here. */
static void apm_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct piix4_pm *pm = opaque;
    if (offset == 1) {
        pm->apm_status = (uint8_t)value;
        return;
    }
    pm->apm_control = (uint8_t)value;
    if (value == PIIX4_PM_ACPI_ENABLE) {
        pm->pm1_control |= CONTROL_SCI_ENABLE;
    } else if (value == PIIX4_PM_ACPI_DISABLE) {
        pm->pm1_control &= (uint16_t)~CONTROL_SCI_ENABLE;
    }
    update_sci(pm);
}

static const struct port_ops apm_ops = {
    .read = apm_read,
    .write = apm_write,
    .widths = 1,
};

/* -- SMBus -- */

static uint32_t smbus_read(void *opaque, uint16_t offset, unsigned width)
{
    struct piix4_pm *pm = opaque;
    return piix4_smbus_read(&pm->smbus, offset);
}

static void smbus_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct piix4_pm *pm = opaque;
    piix4_smbus_write(&pm->smbus, offset, (uint8_t)value);
    update_sci(pm);
}

static const struct port_ops smbus_ops = {
    .read = smbus_read,
    .write = smbus_write,
    .widths = 1,
};

/* -- the function -- */

static void place_window(struct piix4_pm *pm, struct window *window, bool enabled,
                         uint16_t first, uint32_t count, const struct port_ops *ops)
{
    enabled = enabled && first;
    if (window->mapped && (!enabled || first != window->first)) {
        port_unmap(pm->ports, window->handle);
        window->mapped = false;
    }
    if (enabled && !window->mapped) {
        window->handle = port_map(pm->ports, "piix4_pm", first, count, ops, pm);
        window->first = first;
        window->mapped = true;
    }
}

static void place_windows(struct piix4_pm *pm)
{
    const struct pci_function *function = &pm->function;
    place_window(pm, &pm->pm_window, function->config[PM_ENABLE] & 1,
                 pci_get16(function, PM_BASE) & PM_BASE_MASK, PM_PORTS, &pm_ops);
    bool smbus = (function->config[SMBUS_HOST_CONFIG] & SMBUS_ENABLE) &&
                 (function->config[PCI_COMMAND] & PCI_COMMAND_IO);
    place_window(pm, &pm->smbus_window, smbus,
                 pci_get16(function, SMBUS_BASE) & SMBUS_BASE_MASK, PIIX4_SMBUS_PORTS,
                 &smbus_ops);
}

static void config_written(void *opaque, unsigned offset, unsigned width)
{
    place_windows(opaque);
    update_sci(opaque);
}

/* Registers with their reset values and the bits that can be written: data sheet
 * section 7.1. Those between PM_BASE and PM_ENABLE that are not named (counters and
 * device monitors) are plain storage that resets to zero. */
static const struct {
    uint8_t offset, reset, writable;
} config_registers[] = {
    {PM_BASE, 0x01, 0xc0},
    {PM_BASE + 1, 0x00, 0xff},
    /* Nobody handles SMIs: say that the firmware has nothing left to set up. */
    {DEVICE_ACTIVITY_B3, DEVICE_ACTIVITY_APMC, 0xff},
    /* DEVRESB, C, D: both serial ports are there, a parallel port is not. */
    {0x5f, 0x10, 0xff},
    {0x63, 0x60, 0xff},
    {0x67, 0x98, 0xff},
    {PM_ENABLE, 0x00, 0x01},
    {SMBUS_BASE, 0x01, 0xf0},
    {SMBUS_BASE + 1, 0x00, 0xff},
    {SMBUS_HOST_CONFIG, 0x00, 0x0f},
};

static void piix4_pm_reset(void *device)
{
    struct piix4_pm *pm = device;
    pci_function_reset(&pm->function);
    pci_put16(&pm->function, PCI_STATUS, 0x0280);
    for (unsigned i = MONITORS_FIRST; i <= MONITORS_LAST; i++) {
        pm->function.config[i] = 0;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(config_registers); i++) {
        pm->function.config[config_registers[i].offset] = config_registers[i].reset;
    }
    pm->pm1_status = pm->pm1_enable = pm->pm1_control = 0;
    pm->gpe_status = pm->gpe_enable = 0;
    pm->overflow_tick = (timer_ticks(pm) / TIMER_OVERFLOW + 1) * TIMER_OVERFLOW;
    pm->apm_control = pm->apm_status = 0;
    piix4_smbus_reset(&pm->smbus);
    place_windows(pm);
}

static void piix4_pm_reset_lines(void *device)
{
    drive_sci(device);
}

static bool piix4_pm_loaded(void *device, struct error *error)
{
    struct piix4_pm *pm = device;
    uint64_t latest = (timer_ticks(pm) / TIMER_OVERFLOW + 1) * TIMER_OVERFLOW;
    if (pm->overflow_tick > latest) {
        pm->overflow_tick = latest;
    }
    pci_function_loaded(&pm->function);
    place_windows(pm);
    drive_sci(pm);
    return true;
}

static void piix4_pm_destroy(void *device)
{
    struct piix4_pm *pm = device;
    timer_cancel(&pm->overflow_timer);
}

static const struct device_class piix4_pm_class = {
    .name = "piix4_pm",
    .version = 1,
    .size = sizeof(struct piix4_pm),
    .fields = piix4_pm_fields,
    .reset = piix4_pm_reset,
    .reset_lines = piix4_pm_reset_lines,
    .loaded = piix4_pm_loaded,
    .destroy = piix4_pm_destroy,
};

struct piix4_pm *piix4_pm_create(struct log *log, struct port_space *ports,
                                 struct pci_bus *bus, struct clock *clock,
                                 struct irq_line sci, void (*power_off)(void *opaque),
                                 void *opaque)
{
    struct piix4_pm *pm = device_allocate(&piix4_pm_class, log);
    pm->ports = ports;
    pm->clock = clock;
    pm->sci = sci;
    pm->power_off = power_off;
    pm->power_off_opaque = opaque;
    timer_init(&pm->overflow_timer, clock, overflow_timer_fired, pm);
    struct pci_function *function = &pm->function;
    pci_function_init(function, "piix4_pm", 0x8086, 0x7113, 0x03, 0x068000, pm);
    function->config[PCI_INTERRUPT_PIN] = 1;
    function->config_written = config_written;
    function->writable[PCI_COMMAND] = PCI_COMMAND_IO;
    function->writable[PCI_COMMAND + 1] = 0;
    for (unsigned i = MONITORS_FIRST; i <= MONITORS_LAST; i++) {
        function->writable[i] = 0xff;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(config_registers); i++) {
        function->writable[config_registers[i].offset] = config_registers[i].writable;
    }
    pci_bus_add(bus, function, 1, 3);
    port_map(ports, "piix4_pm GPE0", PIIX4_PM_GPE0_PORT, PIIX4_PM_GPE0_BYTES, &gpe_ops,
             pm);
    port_map(ports, "piix4_pm SMI command", PIIX4_PM_SMI_COMMAND_PORT, 2, &apm_ops, pm);
    piix4_pm_reset(pm);
    return pm;
}
