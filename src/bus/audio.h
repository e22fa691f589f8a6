/* bus/audio.h: the seam between what makes sound and who lets it be heard.
 *
 * A device has a line out, given by value when it is created, and plays pieces of sound
 * on it: frames of 16-bit stereo at a rate of its own, each piece with the virtual time
 * of its first frame. Nothing is lost or shifted by how late a piece comes, within
 * AUDIO_LATENESS_NS. From start() on the device is asked again and again, in virtual
 * time, to play what has sounded until now, until it says that it has fallen silent; it
 * may play on its own in between. A device that nobody listens to need not compute
 * samples, but does everything else that it does.
 * Thread: any that holds the machine lock. Saved by: nobody; a device that sounds
 * starts again when it has been loaded. */
#ifndef BUS_AUDIO_H
#define BUS_AUDIO_H

#include "base/types.h"

enum {
    AUDIO_MINIMUM_RATE = 2000, /* frames per second */
    AUDIO_MAXIMUM_RATE = 200000,
    AUDIO_LATENESS_NS = 10000000,
};

struct audio_frame {
    int16_t left, right;
};

struct audio_piece {
    uint64_t start_ns; /* virtual time of the first frame */
    uint32_t rate;     /* frames per second */
    const struct audio_frame *frames;
    unsigned count;
};

struct audio_line_ops {
    void (*start)(void *opaque);
    void (*play)(void *opaque, const struct audio_piece *piece);
};

struct audio_line {
    const struct audio_line_ops *ops; /* NULL: nobody listens */
    void *opaque;
};

/* The device's side: plays what has sounded until now. Returns whether it goes on to
 * sound; if not, it is asked again only after the next start(). */
typedef bool audio_advance(void *device);

static inline bool audio_is_heard(const struct audio_line *line)
{
    return line->ops;
}

/* The device begins to sound now, or goes on to. */
static inline void audio_start(const struct audio_line *line)
{
    if (line->ops) {
        line->ops->start(line->opaque);
    }
}

static inline void audio_play(const struct audio_line *line,
                              const struct audio_piece *piece)
{
    if (line->ops && piece->count) {
        line->ops->play(line->opaque, piece);
    }
}

/* Virtual time counted in frames, without drift: frame n is due at start + n / rate. A
 * device saves it as part of its state. */
struct audio_pace {
    uint64_t start_ns;
    uint64_t done; /* frames since the start */
    uint32_t rate;
};

static inline void audio_pace_start(struct audio_pace *pace, uint64_t now_ns,
                                    uint32_t rate)
{
    *pace = (struct audio_pace){.start_ns = now_ns, .rate = rate};
}

/* When frame `frame` begins: the first nanosecond. */
static inline uint64_t audio_pace_ns(const struct audio_pace *pace, uint64_t frame)
{
    return pace->start_ns +
           (uint64_t)(((unsigned __int128)frame * NS_PER_SECOND + pace->rate - 1) /
                      pace->rate);
}

/* How many frames have passed by `now_ns` that are not done. */
static inline uint64_t audio_pace_due(const struct audio_pace *pace, uint64_t now_ns)
{
    if (now_ns <= pace->start_ns) {
        return 0;
    }
    uint64_t passed = (uint64_t)((unsigned __int128)(now_ns - pace->start_ns) *
                                 pace->rate / NS_PER_SECOND);
    return passed > pace->done ? passed - pace->done : 0;
}

/* After the pace of a stream that runs at `rate` has been loaded: one that no device
 * can have come to starts anew. */
static inline void audio_pace_loaded(struct audio_pace *pace, uint64_t now_ns,
                                     uint32_t rate)
{
    const uint64_t longest_s = 60;
    if (pace->rate != rate || pace->start_ns > now_ns ||
        audio_pace_due(pace, now_ns) > longest_s * rate ||
        audio_pace_ns(pace, pace->done) > now_ns + NS_PER_SECOND) {
        audio_pace_start(pace, now_ns, rate);
    }
}

#endif
