/* bus/interrupt_message.h: an interrupt as a message on the APIC bus.
 *
 * The I/O APIC sends them, and so does a local APIC by its interrupt command register.
 * Source: Intel SDM vol. 3, sections 10.6 and 10.11 (the same fields in all places).
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef BUS_INTERRUPT_MESSAGE_H
#define BUS_INTERRUPT_MESSAGE_H

#include "base/types.h"

enum interrupt_mode {
    INTERRUPT_FIXED = 0,
    INTERRUPT_LOWEST_PRIORITY = 1,
    INTERRUPT_SMI = 2,
    INTERRUPT_NMI = 4,
    INTERRUPT_INIT = 5,
    INTERRUPT_STARTUP = 6,
    INTERRUPT_EXTINT = 7,
};

struct interrupt_message {
    uint8_t destination;
    bool logical;
    uint8_t mode; /* enum interrupt_mode */
    uint8_t vector;
    bool level; /* level triggered: the sender wants to be told of its EOI */
};

/* False if nobody took it. */
typedef bool interrupt_message_sink(void *opaque,
                                    const struct interrupt_message *message);

#endif
