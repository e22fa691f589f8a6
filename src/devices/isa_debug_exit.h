/* devices/isa_debug_exit.h: a port by which a guest program ends the run.
 *
 * What is written to the port is handed to the machine, which makes an exit status of
 * it. Reads give 0. Keeps no state.
 * Thread: any that holds the machine lock. */
#ifndef DEVICES_ISA_DEBUG_EXIT_H
#define DEVICES_ISA_DEBUG_EXIT_H

#include "base/log.h"
#include "bus/port.h"

struct isa_debug_exit; /* begins with a struct device */

/* Takes four ports from `iobase`, so that bytes, words and double words may be written;
 * `exit` is called in the middle of the access, with the value. */
struct isa_debug_exit *isa_debug_exit_create(struct log *log, struct port_space *ports,
                                             uint16_t iobase,
                                             void (*exit)(void *opaque, uint32_t value),
                                             void *opaque);

#endif
