#include "devices/port92.h"

#include "bus/device.h"

enum { FAST_RESET = 0x01, FAST_A20 = 0x02, WRITABLE = 0xcb };

struct port92 {
    struct device device;
    struct irq_line a20, reset;
    uint8_t control;
};

static const struct state_field port92_fields[] = {
    STATE_FIELD(struct port92, control, 1),
    STATE_END,
};

static uint32_t port92_read(void *opaque, uint16_t offset, unsigned width)
{
    struct port92 *port = opaque;
    return port->control;
}

static void port92_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct port92 *port = opaque;
    bool reset = (value & FAST_RESET) && !(port->control & FAST_RESET);
    port->control = value & WRITABLE;
    irq_set(&port->a20, port->control & FAST_A20);
    if (reset) {
        irq_pulse(&port->reset);
    }
}

static const struct port_ops port92_ops = {port92_read, port92_write, 1};

static void port92_reset(void *device)
{
    struct port92 *port = device;
    port->control = 0;
}

static void port92_reset_lines(void *device)
{
    struct port92 *port = device;
    irq_set(&port->a20, port->control & FAST_A20);
}

static bool port92_loaded(void *device, struct error *error)
{
    struct port92 *port = device;
    port->control &= WRITABLE;
    port92_reset_lines(port);
    return true;
}

static const struct device_class port92_class = {
    .name = "port92",
    .version = 1,
    .size = sizeof(struct port92),
    .fields = port92_fields,
    .reset = port92_reset,
    .reset_lines = port92_reset_lines,
    .loaded = port92_loaded,
};

struct port92 *port92_create(struct log *log, struct port_space *ports,
                             struct irq_line a20, struct irq_line reset)
{
    struct port92 *port = device_allocate(&port92_class, log);
    port->a20 = a20;
    port->reset = reset;
    port_map(ports, "system control port A", 0x92, 1, &port92_ops, port);
    return port;
}
