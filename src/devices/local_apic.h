/* devices/local_apic.h: the local APIC of the one processor, an xAPIC.
 *
 * Its registers are a page of memory at the address that IA32_APIC_BASE names. It takes
 * interrupts from its own timer (1 GHz, divided), from its pins LINT0 (INTR of the
 * 8259) and LINT1, and messages of the I/O APIC and of its own command register, and
 * asks the CPU to take the one of highest priority. While it is switched off in
 * IA32_APIC_BASE, LINT0 is the CPU's INTR pin.
 *
 * After a reset LINT0 passes INTR on although the APIC is not enabled yet: what
 * firmware has to set up on a board ("virtual wire mode") is there for kernels that are
 * started without. There is no SMM, no TSC deadline and no second processor. Source:
 * Intel SDM vol. 3, chapter 10. Thread: any that holds the machine lock;
 * local_apic_set_base(), reset and loading change the memory map and are the CPU's.
 * Saved by: itself. */
#ifndef DEVICES_LOCAL_APIC_H
#define DEVICES_LOCAL_APIC_H

#include "base/log.h"
#include "bus/interrupt_message.h"
#include "bus/irq.h"
#include "bus/memory.h"
#include "clock/clock.h"

struct local_apic; /* begins with a struct device */

struct local_apic_wiring {
    struct irq_line intr; /* to the CPU */
    void (*nmi)(void *opaque);
    void (*init)(void *opaque); /* INIT: the CPU is to start anew */
    /* The interrupt acknowledge cycle of the 8259 on LINT0. */
    uint8_t (*acknowledge_external)(void *opaque);
    /* A level-triggered interrupt has ended. */
    void (*end_of_interrupt)(void *opaque, uint8_t vector);
    void *opaque;
};

enum local_apic_pin { LOCAL_APIC_LINT0, LOCAL_APIC_LINT1, LOCAL_APIC_PINS };

struct local_apic *local_apic_create(struct log *log, struct memory_map *memory,
                                     struct clock *clock,
                                     const struct local_apic_wiring *wiring);

/* IA32_APIC_BASE has been written. */
void local_apic_set_base(struct local_apic *apic, uint64_t base);

/* An irq_sink: pin `number` (enum local_apic_pin) has `level`. */
void local_apic_set_pin(void *local_apic, unsigned number, bool level);

/* An interrupt_message_sink. */
bool local_apic_receive(void *local_apic, const struct interrupt_message *message);

/* The CPU takes an interrupt: returns its vector. */
uint8_t local_apic_acknowledge(struct local_apic *apic);

#endif
