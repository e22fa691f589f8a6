/* bus/serial.h: where a device's outgoing bytes go.
 *
 * A line out of a UART or debug port, given by value when the device is created.
 * Incoming bytes are the device's own functions (see there), which fit the receiver of
 * a host's character device.
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef BUS_SERIAL_H
#define BUS_SERIAL_H

#include "base/types.h"

struct serial_line {
    void (*transmit)(void *opaque, uint8_t byte); /* NULL: bytes are dropped */
    /* The device has room for input again; may be NULL. May deliver input at once. */
    void (*accept_input)(void *opaque);
    void *opaque;
};

static inline void serial_transmit(const struct serial_line *line, uint8_t byte)
{
    if (line->transmit) {
        line->transmit(line->opaque, byte);
    }
}

static inline void serial_accept_input(const struct serial_line *line)
{
    if (line->accept_input) {
        line->accept_input(line->opaque);
    }
}

#endif
