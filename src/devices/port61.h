/* devices/port61.h: system control port B of a PC AT, port 0x61.
 *
 * Gate of timer channel 2 and the speaker's data bit, the memory refresh toggle, the
 * output of timer channel 2, and the bits that keep memory errors from becoming an NMI.
 * Source: IBM PC AT Technical Reference; Intel 82371SB (PIIX3) data sheet, register
 * NMISC. The chipset makes no errors of its own: whoever injects one reports it.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_PORT61_H
#define DEVICES_PORT61_H

#include "base/log.h"
#include "bus/port.h"
#include "clock/clock.h"
#include "devices/i8254.h"

/* Sources of an NMI and their status bits. */
enum { PORT61_CHANNEL_CHECK = 0x40, PORT61_SYSTEM_ERROR = 0x80 };

struct port61; /* begins with a struct device */
struct speaker;

struct port61 *port61_create(struct log *log, struct port_space *ports,
                             struct clock *clock, struct i8254 *pit);

/* The speaker that the port's data bit drives, beside the timer. */
void port61_connect_speaker(struct port61 *port, struct speaker *speaker);

/* Records an error of `source` (one of the enum above) unless the guest has disabled
 * its check; the guest clears it by disabling it. Returns whether it is an NMI (the
 * RTC's index port may still mask that). */
bool port61_report_error(struct port61 *port, uint8_t source);

#endif
