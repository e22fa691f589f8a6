#include "host/audio/drift.h"

#include <samplerate.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_TARGET_MS = 70,
    TARGET_STEP_MS = 20,
    LAST_TARGET_MS = 250,
    MS_PER_SECOND = 1000,
    BLOCK_FRAMES = 256,
    STEREO = 2,
};

/* Of the controller: how long it looks back, how fast it is when it is a second off,
 * and how fast it learns that the clocks differ. */
#define SMOOTHING_S 1.0
#define PROPORTIONAL_PER_S 0.3
#define INTEGRAL_PER_S2 0.02

struct drift {
    struct audio_ring *ring;
    uint32_t rate;
    uint32_t target; /* frames */
    SRC_STATE *resampler;
    bool flows;
    double filled;   /* low-passed frames in the ring */
    double integral; /* part of the speed */
    double speed;    /* how much faster than it was told: 0.01 is a hundredth */
    unsigned left;   /* frames of `in` from `next` on */
    unsigned next;
    float in[BLOCK_FRAMES * STEREO];
};

struct drift *drift_create(struct audio_ring *ring, uint32_t rate)
{
    struct drift *drift = calloc(1, sizeof(*drift));
    int why;
    if (drift) {
        drift->ring = ring;
        drift->rate = rate;
        drift->target = rate / MS_PER_SECOND * FIRST_TARGET_MS;
        drift->resampler = src_new(SRC_SINC_FASTEST, STEREO, &why);
    }
    if (drift && !drift->resampler) {
        free(drift);
        drift = NULL;
    }
    return drift;
}

void drift_destroy(struct drift *drift)
{
    if (drift) {
        src_delete(drift->resampler);
        free(drift);
    }
}

static double limited(double value)
{
    const double most = DRIFT_MAXIMUM_PPM / 1e6;
    return value < -most ? -most : value > most ? most : value;
}

/* `count` frames are about to be played. */
static void control(struct drift *drift, unsigned count)
{
    double passed_s = (double)count / drift->rate;
    double part = passed_s / SMOOTHING_S < 1 ? passed_s / SMOOTHING_S : 1;
    drift->filled += (ring_filled(drift->ring) - drift->filled) * part;
    double off_s = (drift->filled - drift->target) / drift->rate;
    drift->integral = limited(drift->integral + off_s * INTEGRAL_PER_S2 * passed_s);
    drift->speed = limited(drift->integral + off_s * PROPORTIONAL_PER_S);
    atomic_store(&drift->ring->speed_ppm, (int32_t)(drift->speed * 1e6));
}

/* Begins when enough has come, or all there will be. */
static bool may_flow(struct drift *drift)
{
    uint32_t filled = ring_filled(drift->ring);
    if (!drift->flows && filled > 0 &&
        (filled >= drift->target || !atomic_load(&drift->ring->playing))) {
        if (filled > drift->target) {
            ring_skip(drift->ring, filled - drift->target);
        }
        drift->flows = true;
        drift->filled = ring_filled(drift->ring);
        drift->left = 0;
        src_reset(drift->resampler);
        src_set_ratio(drift->resampler, 1 / (1 + drift->speed));
    }
    return drift->flows;
}

static void run_dry(struct drift *drift)
{
    drift->flows = false;
    if (atomic_load(&drift->ring->playing)) {
        uint32_t step = drift->rate / MS_PER_SECOND * TARGET_STEP_MS;
        uint32_t last = drift->rate / MS_PER_SECOND * LAST_TARGET_MS;
        atomic_fetch_add(&drift->ring->underruns, 1);
        drift->target = drift->target + step < last ? drift->target + step : last;
    }
}

static bool fetch(struct drift *drift)
{
    struct audio_frame frames[BLOCK_FRAMES];
    if (drift->left == 0) {
        drift->next = 0;
        drift->left = ring_read(drift->ring, frames, BLOCK_FRAMES);
        src_short_to_float_array((const short *)frames, drift->in,
                                 (int)drift->left * STEREO);
    }
    return drift->left > 0;
}

/* Up to BLOCK_FRAMES; fewer if the ring has run dry. */
static unsigned resample(struct drift *drift, struct audio_frame *frames,
                         unsigned count)
{
    float out[BLOCK_FRAMES * STEREO];
    unsigned done = 0;
    while (done < count && fetch(drift)) {
        SRC_DATA data = {
            .data_in = drift->in + drift->next * STEREO,
            .data_out = out + done * STEREO,
            .input_frames = drift->left,
            .output_frames = count - done,
            .src_ratio = 1 / (1 + drift->speed),
        };
        if (src_process(drift->resampler, &data) != 0) {
            break;
        }
        drift->next += (unsigned)data.input_frames_used;
        drift->left -= (unsigned)data.input_frames_used;
        done += (unsigned)data.output_frames_gen;
    }
    src_float_to_short_array(out, (short *)frames, (int)done * STEREO);
    return done;
}

void drift_read(struct drift *drift, struct audio_frame *frames, unsigned count)
{
    unsigned done = 0;
    atomic_store(&drift->ring->target, drift->target);
    if (may_flow(drift)) {
        control(drift, count);
    }
    while (done < count && drift->flows) {
        unsigned part = count - done < BLOCK_FRAMES ? count - done : BLOCK_FRAMES;
        unsigned got = resample(drift, frames + done, part);
        done += got;
        if (got < part) {
            run_dry(drift);
        }
    }
    memset(frames + done, 0, (count - done) * sizeof(*frames));
}
