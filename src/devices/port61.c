#include "devices/port61.h"

#include "bus/device.h"
#include "devices/speaker.h"

enum {
    TIMER_GATE = 0x01,
    SPEAKER_DATA = 0x02,
    SYSTEM_ERROR_DISABLE = 0x04,
    CHANNEL_CHECK_DISABLE = 0x08,
    WRITABLE = 0x0f,
    REFRESH_TOGGLE = 0x10,
    TIMER_OUTPUT = 0x20,
    SPEAKER_CHANNEL = 2,
    REFRESH_NS = 15085, /* 18 ticks of the timer: what channel 1 once gave */
};

struct port61 {
    struct device device;
    struct clock *clock;
    struct i8254 *pit;
    struct speaker *speaker; /* NULL: nobody listens */
    uint8_t control;         /* bits 3-0 as written */
    uint8_t errors;          /* bits 7-6 */
};

static const struct state_field port61_fields[] = {
    STATE_FIELD(struct port61, control, 1),
    STATE_FIELD(struct port61, errors, 1),
    STATE_END,
};

bool port61_report_error(struct port61 *port, uint8_t source)
{
    uint8_t disable =
        source == PORT61_SYSTEM_ERROR ? SYSTEM_ERROR_DISABLE : CHANNEL_CHECK_DISABLE;
    if (port->control & disable) {
        return false;
    }
    port->errors |= source;
    return true;
}

static void drive_speaker(struct port61 *port)
{
    if (port->speaker) {
        speaker_set_data(port->speaker, port->control & SPEAKER_DATA);
    }
}

static uint32_t port61_read(void *opaque, uint16_t offset, unsigned width)
{
    struct port61 *port = opaque;
    bool refresh = (clock_now_ns(port->clock) / REFRESH_NS) & 1;
    bool output = i8254_channel_output(port->pit, SPEAKER_CHANNEL);
    return port->control | port->errors | (refresh ? REFRESH_TOGGLE : 0U) |
           (output ? TIMER_OUTPUT : 0U);
}

static void port61_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct port61 *port = opaque;
    port->control = value & WRITABLE;
    if (port->control & SYSTEM_ERROR_DISABLE) {
        port->errors &= (uint8_t)~PORT61_SYSTEM_ERROR;
    }
    if (port->control & CHANNEL_CHECK_DISABLE) {
        port->errors &= (uint8_t)~PORT61_CHANNEL_CHECK;
    }
    i8254_set_gate(port->pit, SPEAKER_CHANNEL, port->control & TIMER_GATE);
    drive_speaker(port);
}

static const struct port_ops port61_ops = {port61_read, port61_write, 1};

static void port61_reset(void *device)
{
    struct port61 *port = device;
    port->control = 0;
    port->errors = 0;
}

static void port61_reset_lines(void *device)
{
    struct port61 *port = device;
    i8254_set_gate(port->pit, SPEAKER_CHANNEL, false);
    drive_speaker(port);
}

/* The gate is part of the timer's own saved state. */
static bool port61_loaded(void *device, struct error *error)
{
    struct port61 *port = device;
    port->control &= WRITABLE;
    port->errors &= PORT61_CHANNEL_CHECK | PORT61_SYSTEM_ERROR;
    drive_speaker(port);
    return true;
}

static const struct device_class port61_class = {
    .name = "port61",
    .version = 1,
    .size = sizeof(struct port61),
    .fields = port61_fields,
    .reset = port61_reset,
    .reset_lines = port61_reset_lines,
    .loaded = port61_loaded,
};

struct port61 *port61_create(struct log *log, struct port_space *ports,
                             struct clock *clock, struct i8254 *pit)
{
    struct port61 *port = device_allocate(&port61_class, log);
    port->clock = clock;
    port->pit = pit;
    port_map(ports, "system control port B", 0x61, 1, &port61_ops, port);
    port61_reset_lines(port);
    return port;
}

void port61_connect_speaker(struct port61 *port, struct speaker *speaker)
{
    port->speaker = speaker;
}
