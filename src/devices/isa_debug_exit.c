#include "devices/isa_debug_exit.h"

#include "bus/device.h"

enum { PORTS = 4 };

struct isa_debug_exit {
    struct device device;
    void (*exit)(void *opaque, uint32_t value);
    void *opaque;
};

static const struct state_field isa_debug_exit_fields[] = {STATE_END};

static uint32_t isa_debug_exit_read(void *opaque, uint16_t offset, unsigned width)
{
    return 0;
}

static void isa_debug_exit_write(void *opaque, uint16_t offset, uint32_t value,
                                 unsigned width)
{
    struct isa_debug_exit *port = opaque;
    port->exit(port->opaque, value);
}

static const struct port_ops isa_debug_exit_ops = {isa_debug_exit_read,
                                                   isa_debug_exit_write, 1 | 2 | 4};

static const struct device_class isa_debug_exit_class = {
    .name = "isa_debug_exit",
    .version = 1,
    .size = sizeof(struct isa_debug_exit),
    .fields = isa_debug_exit_fields,
};

struct isa_debug_exit *isa_debug_exit_create(struct log *log, struct port_space *ports,
                                             uint16_t iobase,
                                             void (*exit)(void *opaque, uint32_t value),
                                             void *opaque)
{
    struct isa_debug_exit *port = device_allocate(&isa_debug_exit_class, log);
    port->exit = exit;
    port->opaque = opaque;
    port_map(ports, "isa-debug-exit", iobase, PORTS, &isa_debug_exit_ops, port);
    return port;
}
