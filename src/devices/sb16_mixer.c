/* The mixer chip CT1745 of a Sound Blaster 16. */
#include "devices/sb16_internal.h"

#include <string.h>

enum {
    RESET = 0x00,
    OLD_VOICE = 0x04, /* two 4-bit levels: these show the 5-bit ones of below */
    OUTPUT_CONTROL = 0x0e,
    OUTPUT_STEREO = 0x02,
    OLD_MASTER = 0x22,
    OLD_SYNTHESIZER = 0x26,
    OLD_CD = 0x28,
    OLD_LINE = 0x2e,
    MASTER = 0x30, /* left; right follows */
    VOICE = 0x32,
    SYNTHESIZER = 0x34,
    CD = 0x36,
    LINE = 0x38,
    OUTPUT_SWITCHES = 0x3c,
    INPUT_SWITCHES_LEFT = 0x3d,
    INPUT_SWITCHES_RIGHT = 0x3e,
    TREBLE = 0x44,
    BASS = 0x46,
    INTERRUPT_SELECT = 0x80,
    DMA_SELECT = 0x81,
    DMA_SELECTABLE = 0xeb,
    INTERRUPT_STATUS = 0x82,
    INTERRUPT_SELECTABLE = 0x0f,

    LEVEL_SHIFT = 3,
    LEVEL_LOUDEST = 31,
    LOUDEST = LEVEL_LOUDEST << LEVEL_SHIFT,
    HALVES_PER_STEP = 4, /* a step is 2 dB */
};

const uint8_t sb16_interrupts[SB16_INTERRUPTS] = {9, 5, 7, 10};

/* Where the 5-bit levels are of which a register shows 4 bits each; 0: none. */
static unsigned levels_of(unsigned index)
{
    static const uint8_t levels[] = {
        [OLD_VOICE] = VOICE, [OLD_MASTER] = MASTER, [OLD_SYNTHESIZER] = SYNTHESIZER,
        [OLD_CD] = CD,       [OLD_LINE] = LINE,
    };
    return index < ARRAY_LENGTH(levels) ? levels[index] : 0;
}

static int channel_bit(unsigned channel)
{
    return channel == 2 || channel == 4 || channel > 7 ? -1 : 1 << channel;
}

static int interrupt_index(unsigned number)
{
    for (int i = 0; i < SB16_INTERRUPTS; i++) {
        if (sb16_interrupts[i] == number) {
            return i;
        }
    }
    return -1;
}

bool sb16_settings_are_possible(const struct sb16_settings *settings)
{
    return interrupt_index(settings->interrupt) >= 0 && settings->dma < 4 &&
           channel_bit(settings->dma) > 0 && channel_bit(settings->dma16) > 0 &&
           (settings->dma16 > 4 || settings->dma16 == settings->dma);
}

/* The chip begins at half its levels; the utility that DOS starts for it sets what the
 * user wants. Here that is all, as software often leaves it alone. */
static void reset(struct sb16 *sb16)
{
    static const uint8_t loud[] = {MASTER,    MASTER + 1,  VOICE,
                                   VOICE + 1, SYNTHESIZER, SYNTHESIZER + 1};
    uint8_t *mixer = sb16->mixer;
    memset(mixer, 0, INTERRUPT_SELECT);
    for (size_t i = 0; i < ARRAY_LENGTH(loud); i++) {
        mixer[loud[i]] = LOUDEST;
    }
    mixer[OUTPUT_SWITCHES] = 0x1f;
    mixer[INPUT_SWITCHES_LEFT] = 0x15;
    mixer[INPUT_SWITCHES_RIGHT] = 0x0b;
    for (unsigned i = TREBLE; i <= BASS + 1; i++) {
        mixer[i] = 0x80;
    }
    sb16_mixer_apply(sb16);
}

void sb16_mixer_power_on(struct sb16 *sb16)
{
    const struct sb16_settings *settings = &sb16->settings;
    memset(sb16->mixer, 0, sizeof(sb16->mixer));
    sb16->mixer_index = 0;
    sb16->mixer[INTERRUPT_SELECT] =
        (uint8_t)(1 << interrupt_index(settings->interrupt));
    sb16->mixer[DMA_SELECT] =
        (uint8_t)(channel_bit(settings->dma) | channel_bit(settings->dma16));
    reset(sb16);
}

static uint32_t gain_of(const struct sb16 *sb16, unsigned index)
{
    int below = LEVEL_LOUDEST - (sb16->mixer[index] >> LEVEL_SHIFT);
    int master_below = LEVEL_LOUDEST - (sb16->mixer[MASTER + index % 2] >> LEVEL_SHIFT);
    return sound_gain_of(-(below + master_below) * HALVES_PER_STEP);
}

void sb16_mixer_apply(struct sb16 *sb16)
{
    sb16->gain = (struct sound_gain){gain_of(sb16, VOICE), gain_of(sb16, VOICE + 1)};
    if (sb16->opl) {
        opl3_set_gain(sb16->opl, (struct sound_gain){gain_of(sb16, SYNTHESIZER),
                                                     gain_of(sb16, SYNTHESIZER + 1)});
    }
}

uint8_t sb16_mixer_read(struct sb16 *sb16)
{
    unsigned levels = levels_of(sb16->mixer_index);
    if (levels) {
        return (uint8_t)((sb16->mixer[levels] & 0xf0) | sb16->mixer[levels + 1] >> 4);
    }
    if (sb16->mixer_index == INTERRUPT_STATUS) {
        return sb16->pending;
    }
    return sb16->mixer[sb16->mixer_index];
}

void sb16_mixer_write(struct sb16 *sb16, uint8_t value)
{
    uint8_t index = sb16->mixer_index;
    unsigned levels = levels_of(index);
    if (index == RESET) {
        reset(sb16);
    } else if (levels) {
        sb16->mixer[levels] = (value & 0xf0) | (value >> 4 & 8);
        sb16->mixer[levels + 1] = (uint8_t)(value << 4 | (value & 8));
    } else if (index == INTERRUPT_SELECT) {
        sb16->mixer[index] = value & INTERRUPT_SELECTABLE;
        sb16_update_lines(sb16);
    } else if (index == DMA_SELECT) {
        sb16->mixer[index] = value & DMA_SELECTABLE;
        sb16_stream_resume(sb16);
    } else if (index != INTERRUPT_STATUS) {
        sb16->mixer[index] = value;
    }
    sb16_mixer_apply(sb16);
}

unsigned sb16_mixer_dma(const struct sb16 *sb16, bool words)
{
    uint8_t selected = sb16->mixer[DMA_SELECT];
    unsigned first = words && selected >> 5 ? 5 : 0;
    for (unsigned i = first; i < I8237_CHANNELS; i++) {
        if ((selected & (1U << i)) && channel_bit(i) > 0) {
            return i;
        }
    }
    return words ? sb16->settings.dma16 : sb16->settings.dma;
}

int sb16_mixer_interrupt(const struct sb16 *sb16)
{
    for (int i = 0; i < SB16_INTERRUPTS; i++) {
        if (sb16->mixer[INTERRUPT_SELECT] & (1 << i)) {
            return i;
        }
    }
    return -1;
}

bool sb16_mixer_old_stereo(const struct sb16 *sb16)
{
    return sb16->mixer[OUTPUT_CONTROL] & OUTPUT_STEREO;
}
