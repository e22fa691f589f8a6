#include "devices/debug_console.h"

#include "bus/device.h"

enum { PRESENT = 0xe9 };

struct debug_console {
    struct device device;
    struct serial_line line;
};

static const struct state_field debug_console_fields[] = {STATE_END};

static uint32_t debug_console_read(void *opaque, uint16_t offset, unsigned width)
{
    return PRESENT;
}

static void debug_console_write(void *opaque, uint16_t offset, uint32_t value,
                                unsigned width)
{
    struct debug_console *console = opaque;
    serial_transmit(&console->line, (uint8_t)value);
}

static const struct port_ops debug_console_ops = {debug_console_read,
                                                  debug_console_write, 1};

static const struct device_class debug_console_class = {
    .name = "debug_console",
    .version = 1,
    .size = sizeof(struct debug_console),
    .fields = debug_console_fields,
};

struct debug_console *debug_console_create(struct log *log, struct port_space *ports,
                                           uint16_t port, struct serial_line line)
{
    struct debug_console *console = device_allocate(&debug_console_class, log);
    console->line = line;
    port_map(ports, "debug console", port, 1, &debug_console_ops, console);
    return console;
}
