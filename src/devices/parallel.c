#include "devices/parallel.h"

#include "bus/device.h"

enum {
    OFFSET_DATA = 0,
    OFFSET_STATUS = 1,
    OFFSET_CONTROL = 2,
    PORTS = 3,
};

/* Pins whose names begin with "not" read as 1 while they are not asserted. */
enum {
    STATUS_READY = 0xdf, /* not busy, not acknowledging, paper, selected, no error */
    CONTROL_STROBE = 0x01,
    CONTROL_NOT_INITIALIZE = 0x04,
    CONTROL_SELECT = 0x08,
    CONTROL_INTERRUPT = 0x10,
    CONTROL_INPUT = 0x20,
    CONTROL_DEFINED = 0x3f,
    CONTROL_UNDEFINED = 0xc0,
};

struct parallel {
    struct device device;
    struct irq_line irq;
    struct serial_line line;
    /* saved */
    uint8_t data, control;
};

static const struct state_field parallel_fields[] = {
    STATE_FIELD(struct parallel, data, 1),
    STATE_FIELD(struct parallel, control, 1),
    STATE_END,
};

static void write_control(struct parallel *port, uint8_t value)
{
    uint8_t changed = value ^ port->control;
    uint8_t listening = CONTROL_NOT_INITIALIZE | CONTROL_SELECT;
    port->control = value & CONTROL_DEFINED;
    if (!(changed & CONTROL_STROBE) || (value & listening) != listening) {
        return;
    }
    if (value & CONTROL_STROBE) {
        serial_transmit(&port->line, port->data);
    } else if (value & CONTROL_INTERRUPT) {
        irq_pulse(&port->irq);
    }
}

static uint32_t parallel_read(void *opaque, uint16_t offset, unsigned width)
{
    const struct parallel *port = opaque;
    switch (offset) {
    case OFFSET_DATA:
        return port->control & CONTROL_INPUT ? 0xff : port->data;
    case OFFSET_STATUS:
        return STATUS_READY;
    default:
        return port->control | CONTROL_UNDEFINED;
    }
}

static void parallel_write(void *opaque, uint16_t offset, uint32_t value,
                           unsigned width)
{
    struct parallel *port = opaque;
    if (offset == OFFSET_DATA) {
        port->data = (uint8_t)value;
    } else if (offset == OFFSET_CONTROL) {
        write_control(port, (uint8_t)value);
    }
}

static const struct port_ops parallel_ops = {parallel_read, parallel_write, 1};

static void parallel_reset(void *device)
{
    struct parallel *port = device;
    port->data = 0;
    port->control = CONTROL_NOT_INITIALIZE | CONTROL_SELECT;
}

static bool parallel_loaded(void *device, struct error *error)
{
    struct parallel *port = device;
    port->control &= CONTROL_DEFINED;
    return true;
}

static const struct device_class parallel_class = {
    .name = "parallel",
    .version = 1,
    .size = sizeof(struct parallel),
    .fields = parallel_fields,
    .reset = parallel_reset,
    .loaded = parallel_loaded,
};

struct parallel *parallel_create(struct log *log, struct port_space *ports,
                                 uint16_t base, struct irq_line irq,
                                 struct serial_line line)
{
    struct parallel *port = device_allocate(&parallel_class, log);
    port->irq = irq;
    port->line = line;
    port_map(ports, "parallel", base, PORTS, &parallel_ops, port);
    parallel_reset(port);
    return port;
}
