/* machine/consoles.h: the serial lines' other ends, for those who share one, and for
 * those who listen to them.
 *
 * Thread: before the machine runs, where nothing else is said. Saved by: nobody. */
#ifndef MACHINE_CONSOLES_H
#define MACHINE_CONSOLES_H

#include "host/console/character.h"
#include "machine/machine.h"

/* The console on which Ctrl-A is an escape; NULL: there is none. */
struct character *machine_shared_console(const struct machine *machine);
/* Serial line `number`, NULL: there is none such, and its specification. */
const char *machine_serial_specification(const struct machine *machine,
                                         unsigned number);

/* Consoles by number: serial lines from 0 on, then these. */
enum {
    CONSOLE_DEBUG = MACHINE_SERIAL_LINES,
    CONSOLE_PARALLEL,
    MACHINE_CONSOLES,
};

/* Who hears what devices send, on the CPU's thread or by a timer, lock held. */
struct console_listener {
    void (*sent)(void *opaque, unsigned console, uint8_t byte);
    void *opaque;
};

/* `listener` is copied; NULL: nobody. Before the machine runs. */
void machine_listen_to_consoles(struct machine *machine,
                                const struct console_listener *listener);
/* Whether there is such a console. */
bool machine_console_exists(const struct machine *machine, unsigned console);
/* As if the bytes had come in by that serial line: the UART takes them as it has room.
 * Returns how many there was room for in the queue. Lock held. */
size_t machine_console_type(struct machine *machine, unsigned console,
                            const uint8_t *bytes, size_t count);

/* Whether something that came in waits for a UART that has room. Lock held. */
bool machine_consoles_have_input(const struct machine *machine);
/* It does not come any more. Lock held. */
void machine_consoles_forget_input(struct machine *machine);

#endif
