/* host/audio/audio_internal.h: what the files of the sound back ends share.
 *
 * mixer.c: lines become one sum. wav.c, sdl.c: where it goes. Beside the machine,
 * player.c is the program that plays by SDL, out of ring.h, with drift.c. */
#ifndef HOST_AUDIO_AUDIO_INTERNAL_H
#define HOST_AUDIO_AUDIO_INTERNAL_H

#include "host/audio/audio.h"

struct audio_back_end;

struct audio_back_end_ops {
    /* Frames from `position` on; between two calls it may jump ahead, over silence. */
    void (*write)(struct audio_back_end *back_end, uint64_t position,
                  const struct audio_frame *frames, unsigned count);
    /* Nothing is heard for a while. */
    void (*pause)(struct audio_back_end *back_end);
    void (*print_statistics)(struct audio_back_end *back_end,
                             void (*print)(void *opaque, const char *name,
                                           uint64_t count),
                             void *opaque);         /* may be NULL */
    void (*close)(struct audio_back_end *back_end); /* and frees it */
};

struct audio_back_end {
    const struct audio_back_end_ops *ops;
    struct log *log;
    uint32_t rate;
};

/* They take their properties; NULL with one line for the user. */
struct audio_back_end *audio_open_wav(struct properties *properties, uint32_t rate,
                                      struct log *log, struct error *error);
struct audio_back_end *audio_open_sdl(struct properties *properties, uint32_t rate,
                                      struct log *log, struct error *error);

#endif
