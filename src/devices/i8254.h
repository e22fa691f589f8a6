/* devices/i8254.h: the programmable interval timer, ports 0x40-0x43.
 *
 * Three counters clocked at 1,193,182 Hz. Counter 0 drives IRQ 0, counter 1 was once
 * for memory refresh, counter 2 is gated and read through port 0x61. Counts follow from
 * virtual time when somebody looks; only edges of counter 0 need a timer, and their
 * deadlines are computed from whole ticks since time 0, so that no period drifts.
 * Source: Intel 82C54 data sheet.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_I8254_H
#define DEVICES_I8254_H

#include "base/log.h"
#include "bus/irq.h"
#include "bus/port.h"
#include "clock/clock.h"

enum { I8254_FREQUENCY_HZ = 1193182, I8254_CHANNELS = 3 };

struct i8254; /* begins with a struct device */

/* The gates of channels 0 and 1 are high, that of channel 2 is low after reset. */
struct i8254 *i8254_create(struct log *log, struct port_space *ports,
                           struct clock *clock, struct irq_line irq0);

/* The level of a channel's OUT pin now. `channel`: 0-2. */
bool i8254_channel_output(struct i8254 *pit, unsigned channel);

/* Drives a channel's GATE pin. `channel`: 0-2. */
void i8254_set_gate(struct i8254 *pit, unsigned channel, bool level);

/* For who wants to know how OUT of channel 2, the speaker's, has moved: `before` is
 * called before anybody looks at the channel or changes it. Then, and at any other
 * time, one may look back to where one has looked last, from there on in order. */
void i8254_follow_speaker(struct i8254 *pit, void (*before)(void *opaque),
                          void *opaque);
bool i8254_speaker_output_at(struct i8254 *pit, uint64_t ns);
/* When the level after `ns` changes if nobody touches the channel, or CLOCK_NEVER. */
uint64_t i8254_speaker_next_edge_ns(struct i8254 *pit, uint64_t ns);

#endif
