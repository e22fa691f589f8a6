/* devices/sb16_internal.h: what the files of the Sound Blaster 16 share.
 *
 * sb16.c: ports, interrupts, the device. sb16_dsp.c: the DSP's commands. sb16_stream.c:
 * blocks by DMA, and single samples. sb16_mixer.c: the CT1745. */
#ifndef DEVICES_SB16_INTERNAL_H
#define DEVICES_SB16_INTERNAL_H

#include "bus/device.h"
#include "devices/sb16.h"
#include "devices/sound_level.h"

enum {
    SB16_ANSWERS = 64,
    SB16_ARGUMENTS = 3,
    SB16_MIXER_REGISTERS = 0x100,
    /* Interrupts that wait, as the mixer shows them. */
    SB16_PENDING_8 = 0x01,
    SB16_PENDING_16 = 0x02,
    /* Formats of a stream. */
    SB16_STEREO = 0x01,
    SB16_16_BITS = 0x02,
    SB16_SIGNED = 0x04,
};

/* A block transfer that has been commanded. */
struct sb16_stream {
    bool active, paused;
    bool starved; /* the DMA controller gives nothing */
    bool repeats, input;
    bool silent; /* the command "silence": no DMA */
    uint8_t format;
    uint32_t block, left; /* samples: bytes, or words of a 16-bit format */
    struct audio_pace pace;
};

struct sb16 {
    struct device device;
    struct clock *clock;
    struct i8237 *dma;
    struct opl3 *opl;
    struct irq_line lines[SB16_INTERRUPTS];
    struct sb16_settings settings;
    struct audio_line line;
    struct timer timer; /* the end of the block */
    struct sound_gain gain;
    struct audio_pace direct_pace; /* of single samples that are being heard */
    uint64_t direct_end_ns;        /* and until when, if there are no more */
    bool direct_sounds;
    /* saved */
    struct sb16_stream stream;
    int16_t direct_level;
    uint32_t rate;  /* of samples or frames: see rate_is_of_samples */
    uint32_t block; /* of commands that do not name one */
    uint8_t pending;
    bool rate_is_of_samples; /* set by the old command */
    bool speaker, in_reset;
    uint8_t command, argument_count, arguments[SB16_ARGUMENTS];
    bool in_command; /* arguments are to come */
    uint8_t answer_count, answers[SB16_ANSWERS], last_answer, test;
    uint8_t mixer_index, mixer[SB16_MIXER_REGISTERS];
};

/* -- sb16.c -- */

/* The end of a block. */
void sb16_interrupt(struct sb16 *sb16, uint8_t pending);
void sb16_update_lines(struct sb16 *sb16);

/* -- sb16_dsp.c -- */

void sb16_dsp_reset(struct sb16 *sb16);
void sb16_dsp_write(struct sb16 *sb16, uint8_t value);
uint8_t sb16_dsp_read(struct sb16 *sb16);
bool sb16_dsp_loaded(struct sb16 *sb16, struct error *error);

/* -- sb16_stream.c -- */

void sb16_stream_start(struct sb16 *sb16, struct sb16_stream stream, uint32_t rate);
void sb16_stream_stop(struct sb16 *sb16);
void sb16_stream_pause(struct sb16 *sb16, bool paused);
/* Moves what is due. Before anything that the guest sees or changes. */
void sb16_stream_advance(struct sb16 *sb16);
void sb16_stream_loaded(struct sb16 *sb16);
/* The mixer has changed which channel it is, or the controller lets it go on. */
void sb16_stream_resume(struct sb16 *sb16);
void sb16_play_direct(struct sb16 *sb16, uint8_t sample);

/* -- sb16_mixer.c -- */

void sb16_mixer_power_on(struct sb16 *sb16);
uint8_t sb16_mixer_read(struct sb16 *sb16);
void sb16_mixer_write(struct sb16 *sb16, uint8_t value);
/* What the mixer's registers say. 16-bit samples may use an 8-bit channel. */
unsigned sb16_mixer_dma(const struct sb16 *sb16, bool words);
int sb16_mixer_interrupt(const struct sb16 *sb16); /* index; -1: none */
bool sb16_mixer_old_stereo(const struct sb16 *sb16);
void sb16_mixer_apply(struct sb16 *sb16);

#endif
