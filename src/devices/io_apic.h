/* devices/io_apic.h: an I/O APIC with 24 inputs, at 0xfec00000.
 *
 * A table says for each input which message an interrupt there becomes. Edge-triggered
 * inputs send one for each edge that comes while they are not masked, level-triggered
 * ones as long as the line is active, but the next only after the one before has ended.
 * Polarity is kept and has no effect: lines of this house say whether they are active.
 * As version 0x20 it has an EOI register. Messages of mode ExtINT go nowhere: no 8259
 * is wired to an input. Source: Intel 82093AA data sheet; Intel ICH data sheets for the
 * EOI register. Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_IO_APIC_H
#define DEVICES_IO_APIC_H

#include "base/log.h"
#include "bus/interrupt_message.h"
#include "bus/memory.h"

#define IO_APIC_ADDRESS 0xfec00000U
enum { IO_APIC_PINS = 24 };

struct io_apic; /* begins with a struct device */

struct io_apic *io_apic_create(struct log *log, struct memory_map *memory,
                               interrupt_message_sink *send, void *opaque);

/* An irq_sink: input `number` has `level`. */
void io_apic_set_pin(void *io_apic, unsigned number, bool level);

/* A level-triggered interrupt with that vector has ended. */
void io_apic_end_of_interrupt(struct io_apic *apic, uint8_t vector);

#endif
