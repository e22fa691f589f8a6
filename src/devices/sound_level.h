/* devices/sound_level.h: attenuators and amplifiers of sound chips.
 *
 * A gain is a factor of 2^16. Thread: any. */
#ifndef DEVICES_SOUND_LEVEL_H
#define DEVICES_SOUND_LEVEL_H

#include "bus/audio.h"

#include <math.h>

enum { SOUND_UNITY = 1 << 16 };

struct sound_gain {
    uint32_t left, right;
};

/* `halves`: of a decibel. */
static inline uint32_t sound_gain_of(int halves)
{
    return (uint32_t)lround(SOUND_UNITY * pow(10, halves / 40.0));
}

static inline int16_t sound_scale(int16_t value, uint32_t gain)
{
    int64_t scaled = (int64_t)value * gain / SOUND_UNITY;
    return (int16_t)(scaled < INT16_MIN   ? INT16_MIN
                     : scaled > INT16_MAX ? INT16_MAX
                                          : scaled);
}

static inline void sound_apply(const struct sound_gain *gain,
                               struct audio_frame *frames, unsigned count)
{
    if (gain->left == SOUND_UNITY && gain->right == SOUND_UNITY) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        frames[i].left = sound_scale(frames[i].left, gain->left);
        frames[i].right = sound_scale(frames[i].right, gain->right);
    }
}

#endif
