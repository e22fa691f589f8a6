/* devices/opl3.h: the FM synthesizer Yamaha YMF262 (OPL3) of a sound card.
 *
 * Registers, timers and virtual time are here; the synthesis is that of Nuked OPL3, as
 * AdPlug's library has it. Each write takes effect between two of the chip's frames, at
 * 49716 Hz. Source: Yamaha YMF262 application manual; AdLib Programming Guide.
 * Thread: any that holds the machine lock. Saved by: itself; but the phases and
 * envelopes of notes are not: those that sound begin anew when it has been loaded. */
#ifndef DEVICES_OPL3_H
#define DEVICES_OPL3_H

#include "base/log.h"
#include "bus/audio.h"
#include "bus/port.h"
#include "clock/clock.h"
#include "devices/sound_level.h"

struct opl3; /* begins with a struct device */

/* The AdLib card's ports 0x388-0x38b. */
struct opl3 *opl3_create(struct log *log, struct port_space *ports, struct clock *clock,
                         struct audio_line line);
/* The same registers once more: `count` 4, or 2 for the first half only. */
void opl3_map(struct opl3 *opl, struct port_space *ports, uint16_t port,
              unsigned count);

/* Of the mixer that its output goes through. */
void opl3_set_gain(struct opl3 *opl, struct sound_gain gain);

/* An audio_advance. */
bool opl3_advance(void *opl3);

#endif
