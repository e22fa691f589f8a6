/* devices/speaker.h: the PC's speaker: a membrane that is out or in.
 *
 * It is out while both OUT of timer channel 2 and the data bit of port 0x61 are high:
 * square waves come from the one, pulses from the other, and speech from widths of
 * pulses. Each frame is the share of its time for which the membrane was out, so that
 * edges between two frames are heard where they are; what does not move is silence.
 * Source: IBM PC AT Technical Reference, speaker interface.
 * Thread: any that holds the machine lock. Saved by: nobody; the port drives it again.
 */
#ifndef DEVICES_SPEAKER_H
#define DEVICES_SPEAKER_H

#include "bus/audio.h"
#include "clock/clock.h"
#include "devices/i8254.h"

struct speaker;

/* NULL if nobody listens to `line`. */
struct speaker *speaker_create(struct clock *clock, struct i8254 *pit,
                               struct audio_line line);
/* NULL is fine. */
void speaker_destroy(struct speaker *speaker);

/* The data bit. */
void speaker_set_data(struct speaker *speaker, bool level);

/* An audio_advance. */
bool speaker_advance(void *speaker);

#endif
