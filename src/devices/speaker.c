#include "devices/speaker.h"

#include <assert.h>
#include <stdlib.h>

enum {
    RATE = 48000,
    OUT_LEVEL = 16384,
    CHUNK_FRAMES = 256,
    /* The rest position follows the mean: a high pass of RATE / 2 pi / 1024 = 7.5 Hz.
     */
    REST_SHIFT = 10,
    FRACTION_BITS = 16,
    STILL = 1 << FRACTION_BITS, /* a movement that no frame shows */
};

struct speaker {
    struct clock *clock;
    struct i8254 *pit;
    struct audio_line line;
    bool data;
    bool sounds;
    struct audio_pace pace;
    uint64_t cursor_ns; /* up to here it has been listened to */
    uint64_t out_ns;    /* of the present frame, so far */
    int64_t rest;       /* in units of 2^-FRACTION_BITS of a level */
    unsigned count;
    struct audio_frame frames[CHUNK_FRAMES];
};

static void play_chunk(struct speaker *speaker)
{
    const struct audio_piece piece = {
        .start_ns = audio_pace_ns(&speaker->pace, speaker->pace.done - speaker->count),
        .rate = RATE,
        .frames = speaker->frames,
        .count = speaker->count,
    };
    audio_play(&speaker->line, &piece);
    speaker->count = 0;
}

static void end_frame(struct speaker *speaker, uint64_t begin_ns, uint64_t end_ns)
{
    int64_t level = (int64_t)(speaker->out_ns * OUT_LEVEL / (end_ns - begin_ns))
                    << FRACTION_BITS;
    speaker->rest += (level - speaker->rest) >> REST_SHIFT;
    int16_t value = (int16_t)((level - speaker->rest) >> FRACTION_BITS);
    speaker->frames[speaker->count++] = (struct audio_frame){value, value};
    speaker->out_ns = 0;
    speaker->pace.done++;
    if (speaker->count == CHUNK_FRAMES) {
        play_chunk(speaker);
    }
}

/* The membrane has stood still up to `end_ns`. */
static void stand(struct speaker *speaker, bool out, uint64_t end_ns)
{
    while (speaker->cursor_ns < end_ns) {
        uint64_t frame_begin_ns = audio_pace_ns(&speaker->pace, speaker->pace.done);
        uint64_t frame_end_ns = audio_pace_ns(&speaker->pace, speaker->pace.done + 1);
        uint64_t until_ns = end_ns < frame_end_ns ? end_ns : frame_end_ns;
        speaker->out_ns += out ? until_ns - speaker->cursor_ns : 0;
        speaker->cursor_ns = until_ns;
        if (until_ns == frame_end_ns) {
            end_frame(speaker, frame_begin_ns, frame_end_ns);
        }
    }
}

static void listen(struct speaker *speaker, uint64_t now_ns)
{
    while (speaker->cursor_ns < now_ns) {
        uint64_t edge_ns = CLOCK_NEVER;
        bool out = false;
        if (speaker->data) {
            out = i8254_speaker_output_at(speaker->pit, speaker->cursor_ns);
            edge_ns = i8254_speaker_next_edge_ns(speaker->pit, speaker->cursor_ns);
        }
        stand(speaker, out, edge_ns < now_ns ? edge_ns : now_ns);
    }
    play_chunk(speaker);
}

static void bring_up_to_date(void *opaque)
{
    struct speaker *speaker = opaque;
    if (speaker->sounds) {
        listen(speaker, clock_now_ns(speaker->clock));
    }
}

/* Whether it moves, or will, or has not come to rest. */
static bool is_moving(struct speaker *speaker)
{
    uint64_t now_ns = speaker->cursor_ns;
    bool out = speaker->data && i8254_speaker_output_at(speaker->pit, now_ns);
    int64_t off = speaker->rest - ((int64_t)(out ? OUT_LEVEL : 0) << FRACTION_BITS);
    return off > STILL || off < -STILL ||
           (speaker->data &&
            i8254_speaker_next_edge_ns(speaker->pit, now_ns) != CLOCK_NEVER);
}

bool speaker_advance(void *opaque)
{
    struct speaker *speaker = opaque;
    bring_up_to_date(speaker);
    speaker->sounds = is_moving(speaker);
    return speaker->sounds;
}

static void begin(struct speaker *speaker)
{
    uint64_t now_ns = clock_now_ns(speaker->clock);
    speaker->sounds = true;
    speaker->cursor_ns = now_ns;
    speaker->out_ns = 0;
    audio_pace_start(&speaker->pace, now_ns, RATE);
    audio_start(&speaker->line);
}

/* The channel is about to change: from now on it may sound. */
static void before_change(void *opaque)
{
    struct speaker *speaker = opaque;
    bring_up_to_date(speaker);
    if (!speaker->sounds && speaker->data) {
        begin(speaker);
    }
}

void speaker_set_data(struct speaker *speaker, bool level)
{
    bring_up_to_date(speaker);
    if (speaker->data != level) {
        speaker->data = level;
        if (!speaker->sounds) {
            begin(speaker);
        }
    }
}

struct speaker *speaker_create(struct clock *clock, struct i8254 *pit,
                               struct audio_line line)
{
    if (!audio_is_heard(&line)) {
        return NULL;
    }
    struct speaker *speaker = calloc(1, sizeof(*speaker));
    assert(speaker);
    speaker->clock = clock;
    speaker->pit = pit;
    speaker->line = line;
    i8254_follow_speaker(pit, before_change, speaker);
    return speaker;
}

void speaker_destroy(struct speaker *speaker)
{
    free(speaker);
}
