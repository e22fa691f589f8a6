/* devices/debug_console.h: a write-only console at one I/O port, for firmware.
 *
 * Every byte written goes to the line; a read gives 0xe9, by which firmware knows that
 * somebody listens. Keeps no state.
 * Thread: any that holds the machine lock. */
#ifndef DEVICES_DEBUG_CONSOLE_H
#define DEVICES_DEBUG_CONSOLE_H

#include "base/log.h"
#include "bus/port.h"
#include "bus/serial.h"

struct debug_console; /* begins with a struct device */

/* `port`: 0x402 is SeaBIOS's, 0xe9 is Bochs's. */
struct debug_console *debug_console_create(struct log *log, struct port_space *ports,
                                           uint16_t port, struct serial_line line);

#endif
