/* devices/ac97_internal.h: what the files of the AC'97 controller share.
 *
 * ac97.c: the PCI function and its global registers. ac97_stream.c: a bus master.
 * ac97_codec.c: the codec's registers, a mixer. */
#ifndef DEVICES_AC97_INTERNAL_H
#define DEVICES_AC97_INTERNAL_H

#include "bus/dma.h"
#include "clock/clock.h"
#include "devices/ac97.h"
#include "devices/sound_level.h"
#include "state/state.h"

/* -- ac97_codec.c -- */

enum { AC97_CODEC_BYTES = 0x80, AC97_STATE_VERSION = 1 };

enum ac97_rate { AC97_RATE_OUT, AC97_RATE_IN, AC97_RATE_MICROPHONE };

struct ac97_codec {
    uint16_t registers[AC97_CODEC_BYTES / 2];
};

void ac97_codec_reset(struct ac97_codec *codec);
/* Words; `offset` is even. */
uint16_t ac97_codec_read(const struct ac97_codec *codec, unsigned offset);
void ac97_codec_write(struct ac97_codec *codec, unsigned offset, uint16_t value);
/* Frames per second. */
uint32_t ac97_codec_rate(const struct ac97_codec *codec, enum ac97_rate which);
/* Of what the bus master plays, PCM out and master volume together. */
struct sound_gain ac97_codec_gain(const struct ac97_codec *codec);
/* After a load: registers that are impossible become possible. */
void ac97_codec_loaded(struct ac97_codec *codec);

/* -- ac97_stream.c -- */

enum { AC97_STREAM_PORTS = 0x10 };

struct ac97_stream {
    struct memory_map *memory;
    struct clock *clock;
    struct timer timer; /* the end of the present buffer */
    /* Frames that have been fetched, NULL for an input. */
    void (*play)(void *opaque, struct audio_frame *frames, unsigned count);
    uint32_t (*rate)(void *opaque);
    void (*interrupt)(void *opaque); /* interrupt_level() may have changed */
    void *opaque;
    unsigned channels;
    /* saved */
    uint32_t base;    /* of the list */
    uint32_t address; /* of what is next in the present buffer */
    uint16_t left;    /* samples of it */
    uint16_t status;
    uint8_t current, prefetched, last; /* indices in the list */
    uint8_t control;
    uint8_t flags;          /* of the present buffer: bits 31-24 of its second word */
    bool fetched;           /* there is a present buffer, even if it has ended */
    struct audio_pace pace; /* while it runs */
};

extern const struct state_field ac97_stream_fields[];

void ac97_stream_reset(struct ac97_stream *stream);
/* Moves what is due. Before any access, and before the rate changes. */
void ac97_stream_advance(struct ac97_stream *stream);
/* The rate may have changed. */
void ac97_stream_set_rate(struct ac97_stream *stream);
/* Byte accesses, offset 0-0xf. */
uint8_t ac97_stream_read(const struct ac97_stream *stream, unsigned offset);
void ac97_stream_write(struct ac97_stream *stream, unsigned offset, uint8_t value);
bool ac97_stream_runs(const struct ac97_stream *stream);
bool ac97_stream_interrupt_level(const struct ac97_stream *stream);
/* After a load: checks, and arms the timer. */
void ac97_stream_loaded(struct ac97_stream *stream);

#endif
