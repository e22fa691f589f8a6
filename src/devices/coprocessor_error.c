#include "devices/coprocessor_error.h"

enum { PORT_CLEAR = 0xf0, PORT_COUNT_CLEAR = 2 };

struct coprocessor_error {
    struct device device;
    struct irq_line irq;
    bool pending;
};

static const struct state_field coprocessor_error_fields[] = {
    STATE_FIELD(struct coprocessor_error, pending, 1),
    STATE_END,
};

static void update(struct coprocessor_error *error)
{
    irq_set(&error->irq, error->pending);
}

static void coprocessor_error_reset(void *device)
{
    struct coprocessor_error *error = device;
    error->pending = false;
}

static void coprocessor_error_reset_lines(void *device)
{
    update(device);
}

static bool coprocessor_error_loaded(void *device, struct error *error)
{
    (void)error;
    update(device);
    return true;
}

static const struct device_class coprocessor_error_class = {
    .name = "coprocessor-error",
    .version = 1,
    .size = sizeof(struct coprocessor_error),
    .fields = coprocessor_error_fields,
    .reset = coprocessor_error_reset,
    .reset_lines = coprocessor_error_reset_lines,
    .loaded = coprocessor_error_loaded,
};

static uint32_t coprocessor_error_read(void *opaque, uint16_t offset, unsigned width)
{
    (void)opaque, (void)offset, (void)width;
    return 0xff;
}

static void coprocessor_error_write(void *opaque, uint16_t offset, uint32_t value,
                                    unsigned width)
{
    struct coprocessor_error *error = opaque;
    (void)offset, (void)value, (void)width;
    error->pending = false;
    update(error);
}

static const struct port_ops coprocessor_error_ports = {
    .read = coprocessor_error_read,
    .write = coprocessor_error_write,
    .widths = 1,
};

struct coprocessor_error *coprocessor_error_create(struct log *log,
                                                   struct port_space *ports,
                                                   struct irq_line irq13)
{
    struct coprocessor_error *error = device_allocate(&coprocessor_error_class, log);
    error->irq = irq13;
    port_map(ports, "coprocessor-error", PORT_CLEAR, PORT_COUNT_CLEAR,
             &coprocessor_error_ports, error);
    return error;
}

void coprocessor_error_set(struct coprocessor_error *error, bool level)
{
    if (level) {
        error->pending = true;
        update(error);
    }
}
