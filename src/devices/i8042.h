/* devices/i8042.h: the keyboard controller of a PS/2, with keyboard and mouse on it.
 *
 * Ports 0x60 (data) and 0x64 (status, command). Source: IBM PS/2 Hardware Interface
 * Technical Reference, keyboard and auxiliary device controller.
 *
 * A byte takes 300 us from a device to the output buffer, after which its interrupt is
 * raised; a guest that polls the status register gets it at once. Bytes to a device and
 * the controller's own answers take no time.
 * Thread: any that holds the machine lock. Saved by: itself, keyboard and mouse too. */
#ifndef DEVICES_I8042_H
#define DEVICES_I8042_H

#include "base/log.h"
#include "bus/irq.h"
#include "bus/port.h"
#include "clock/clock.h"
#include "devices/ps2_keyboard.h"
#include "devices/ps2_mouse.h"

struct i8042; /* begins with a struct device */

/* `a20` is high while the controller enables address line 20 (after reset, too).
 * `reset` gets a pulse when the guest pulls the CPU's reset; the sink must not reset
 * devices before the port access ends. */
struct i8042 *i8042_create(struct log *log, struct port_space *ports,
                           struct clock *clock, struct irq_line irq1,
                           struct irq_line irq12, struct irq_line a20,
                           struct irq_line reset);

/* The devices, for the host's input. */
struct ps2_keyboard *i8042_keyboard(struct i8042 *controller);
struct ps2_mouse *i8042_mouse(struct i8042 *controller);

#endif
