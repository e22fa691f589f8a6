/* tests/devices/recorder.h: a line that keeps what a device plays. */
#ifndef TESTS_DEVICES_RECORDER_H
#define TESTS_DEVICES_RECORDER_H

#include "bench.h"

#include "bus/audio.h"

enum { RECORDER_FRAMES = 1 << 18, RECORDER_STEP_NS = 10000000 };

struct recorder {
    struct audio_line line;
    audio_advance *advance;
    void *device;
    unsigned starts;
    bool sounds;
    uint32_t rate;
    uint64_t start_ns; /* of the first frame */
    uint64_t end_ns;   /* of the last one */
    unsigned gaps;     /* pieces that did not follow the one before */
    unsigned count;
    struct audio_frame frames[RECORDER_FRAMES];
};

static inline void recorder_start(void *opaque)
{
    struct recorder *recorder = opaque;
    recorder->starts++;
    recorder->sounds = true;
}

static inline void recorder_play(void *opaque, const struct audio_piece *piece)
{
    struct recorder *recorder = opaque;
    assert_true(recorder->count + piece->count <= RECORDER_FRAMES);
    if (recorder->count == 0) {
        recorder->start_ns = piece->start_ns;
        recorder->rate = piece->rate;
    } else if (piece->start_ns > recorder->end_ns + 2 ||
               piece->start_ns + 2 < recorder->end_ns) {
        recorder->gaps++;
    }
    assert_int_equal(piece->rate, recorder->rate);
    for (unsigned i = 0; i < piece->count; i++) {
        recorder->frames[recorder->count++] = piece->frames[i];
    }
    recorder->end_ns = piece->start_ns + piece->count * NS_PER_SECOND / piece->rate;
}

static inline struct recorder *recorder_create(void)
{
    static const struct audio_line_ops ops = {recorder_start, recorder_play};
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    assert_non_null(recorder);
    recorder->line = (struct audio_line){&ops, recorder};
    return recorder;
}

/* Lets time pass, as a mixer does. */
static inline void recorder_run(struct recorder *recorder, struct clock *clock,
                                uint64_t ns)
{
    for (uint64_t end_ns = clock_now_ns(clock) + ns; clock_now_ns(clock) < end_ns;) {
        uint64_t left_ns = end_ns - clock_now_ns(clock);
        clock_step_ns(clock, left_ns < RECORDER_STEP_NS ? left_ns : RECORDER_STEP_NS);
        if (recorder->sounds) {
            recorder->sounds = recorder->advance(recorder->device);
        }
    }
}

/* From the first to the last time that the left side crosses zero upwards, between two
 * frames. */
static inline double recorder_frequency(const struct recorder *recorder, unsigned from,
                                        unsigned to)
{
    unsigned crossings = 0;
    double first = 0, last = 0;
    for (unsigned i = from + 1; i < to; i++) {
        int before = recorder->frames[i - 1].left, after = recorder->frames[i].left;
        if (before < 0 && after >= 0) {
            last = i - 1 + (double)before / (before - after);
            first = crossings++ ? first : last;
        }
    }
    return crossings > 1 ? (crossings - 1) * (double)recorder->rate / (last - first)
                         : 0;
}

#endif
