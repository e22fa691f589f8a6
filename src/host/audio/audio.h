/* host/audio/audio.h: mixers: where the sound of devices meets the host.
 *
 * A mixer joins any number of lines, resampled to one rate (libsamplerate), and hands
 * the sum to a back end: a WAV file, or the host's sound by SDL in a process of its
 * own. Its clock is virtual time: frame n of the sum is heard at n / rate, and leaves
 * AUDIO_LATENESS_NS later. While no device sounds nothing happens.
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef HOST_AUDIO_AUDIO_H
#define HOST_AUDIO_AUDIO_H

#include "base/log.h"
#include "base/properties.h"
#include "bus/audio.h"
#include "clock/clock.h"

#include <stdio.h>

struct audio_mixer;

/* Opens what -audiodev says: a driver (wav, sdl, none) and its properties, but for
 * "id", which is the caller's. NULL with one line for the user. */
struct audio_mixer *audio_open(struct properties *properties, struct clock *clock,
                               struct log *log, struct error *error);
/* Ends what is being played, and the file. NULL is fine. */
void audio_close(struct audio_mixer *mixer);

/* A new line into the mixer. Nobody listens to it if the driver is none, or there is no
 * mixer. `*number` is for audio_connect(). */
struct audio_line audio_add_line(struct audio_mixer *mixer, unsigned *number);
/* Who plays on the line. Before anything is played. */
void audio_connect(struct audio_mixer *mixer, unsigned number, audio_advance *advance,
                   void *device);

/* What went wrong with continuity so far, for -stats. */
void audio_print_statistics(struct audio_mixer *mixer,
                            void (*print)(void *opaque, const char *name,
                                          uint64_t count),
                            void *opaque);

#endif
