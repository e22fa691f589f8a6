#include "devices/ac97_internal.h"

#include <string.h>

enum {
    RESET = 0x00,
    MASTER_VOLUME = 0x02,
    HEADPHONE_VOLUME = 0x04,
    MONO_VOLUME = 0x06,
    PCM_VOLUME = 0x18,
    POWER_DOWN = 0x26,
    POWER_READY = 0x000f,
    EXTENDED_CONTROL = 0x2a,
    VARIABLE_RATE = 0x0001,
    VARIABLE_MICROPHONE_RATE = 0x0008,
    RATE_OUT = 0x2c,
    RATE_IN = 0x32,
    RATE_MICROPHONE = 0x34,
    FIXED_RATE = 48000,
    LOWEST_RATE = 8000,

    MUTE = 0x8000,
    LEVEL = 0x1f,
    PCM_LEVEL_UNITY = 8,
    HALVES_PER_STEP = 3, /* a step is 1.5 dB */
};

/* What is there: all others read as zero. */
static const struct {
    uint8_t offset;
    uint16_t initial, writable;
} rows[] = {
    {RESET, 0x6940, 0}, /* 18 bits each way, SigmaTel 3D */
    {MASTER_VOLUME, 0x8000, 0x9f1f},
    {HEADPHONE_VOLUME, 0x8000, 0x9f1f},
    {MONO_VOLUME, 0x8000, 0x801f},
    {0x0a, 0x0000, 0x801e}, /* PC beep */
    {0x0c, 0x8008, 0x801f}, /* phone */
    {0x0e, 0x8008, 0x805f}, /* microphone */
    {0x10, 0x8808, 0x9f1f}, /* line in */
    {0x12, 0x8808, 0x9f1f}, /* CD */
    {0x14, 0x8808, 0x9f1f}, /* video */
    {0x16, 0x8808, 0x9f1f}, /* aux */
    {PCM_VOLUME, 0x8808, 0x9f1f},
    {0x1a, 0x0000, 0x0707}, /* record select */
    {0x1c, 0x8000, 0x8f0f}, /* record gain */
    {0x20, 0x0000, 0xa380}, /* general purpose */
    {0x22, 0x0000, 0x000c}, /* 3D */
    {POWER_DOWN, POWER_READY, 0xff00},
    {0x28, 0x0809, 0}, /* variable rates, AC'97 2.3 */
    {EXTENDED_CONTROL, 0x0000, VARIABLE_RATE | VARIABLE_MICROPHONE_RATE},
    {RATE_OUT, FIXED_RATE, 0xffff},
    {RATE_IN, FIXED_RATE, 0xffff},
    {RATE_MICROPHONE, FIXED_RATE, 0xffff},
    {0x7c, 0x8384, 0}, /* SigmaTel */
    {0x7e, 0x7600, 0}, /* STAC9700 */
};

void ac97_codec_reset(struct ac97_codec *codec)
{
    memset(codec->registers, 0, sizeof(codec->registers));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        codec->registers[rows[i].offset / 2] = rows[i].initial;
    }
}

uint16_t ac97_codec_read(const struct ac97_codec *codec, unsigned offset)
{
    return codec->registers[offset / 2];
}

/* Volumes have five bits of six: more than can be is all that can be. */
static uint16_t saturated(uint16_t value)
{
    value = value & 0x2000 ? value | LEVEL << 8 : value;
    return value & 0x0020 ? value | LEVEL : value;
}

static uint16_t possible_rate(const struct ac97_codec *codec, unsigned offset,
                              uint16_t value)
{
    uint16_t variable =
        offset == RATE_MICROPHONE ? VARIABLE_MICROPHONE_RATE : VARIABLE_RATE;
    if (!(codec->registers[EXTENDED_CONTROL / 2] & variable)) {
        return FIXED_RATE;
    }
    return value < LOWEST_RATE ? LOWEST_RATE : value > FIXED_RATE ? FIXED_RATE : value;
}

static void limit_rates(struct ac97_codec *codec)
{
    static const uint8_t rates[] = {RATE_OUT, RATE_IN, RATE_MICROPHONE};
    for (size_t i = 0; i < ARRAY_LENGTH(rates); i++) {
        uint16_t *rate = &codec->registers[rates[i] / 2];
        *rate = possible_rate(codec, rates[i], *rate);
    }
}

void ac97_codec_write(struct ac97_codec *codec, unsigned offset, uint16_t value)
{
    if (offset == RESET) {
        ac97_codec_reset(codec);
        return;
    }
    if (offset == MASTER_VOLUME || offset == HEADPHONE_VOLUME ||
        offset == MONO_VOLUME) {
        value = saturated(value);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].offset == offset) {
            codec->registers[offset / 2] =
                (uint16_t)((value & rows[i].writable) |
                           (rows[i].initial & ~rows[i].writable));
        }
    }
    limit_rates(codec);
}

uint32_t ac97_codec_rate(const struct ac97_codec *codec, enum ac97_rate which)
{
    static const uint8_t offsets[] = {[AC97_RATE_OUT] = RATE_OUT,
                                      [AC97_RATE_IN] = RATE_IN,
                                      [AC97_RATE_MICROPHONE] = RATE_MICROPHONE};
    return codec->registers[offsets[which] / 2];
}

struct sound_gain ac97_codec_gain(const struct ac97_codec *codec)
{
    uint16_t pcm = codec->registers[PCM_VOLUME / 2];
    uint16_t master = codec->registers[MASTER_VOLUME / 2];
    if ((pcm | master) & MUTE) {
        return (struct sound_gain){0, 0};
    }
    int left = PCM_LEVEL_UNITY - (pcm >> 8 & LEVEL) - (master >> 8 & LEVEL);
    int right = PCM_LEVEL_UNITY - (pcm & LEVEL) - (master & LEVEL);
    return (struct sound_gain){sound_gain_of(left * HALVES_PER_STEP),
                               sound_gain_of(right * HALVES_PER_STEP)};
}

void ac97_codec_loaded(struct ac97_codec *codec)
{
    struct ac97_codec loaded = *codec;
    ac97_codec_reset(codec);
    codec->registers[EXTENDED_CONTROL / 2] = loaded.registers[EXTENDED_CONTROL / 2] &
                                             (VARIABLE_RATE | VARIABLE_MICROPHONE_RATE);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].writable) {
            ac97_codec_write(codec, rows[i].offset,
                             loaded.registers[rows[i].offset / 2]);
        }
    }
}
