/* What a Sound Blaster 16 plays: blocks that it has fetched by DMA, and samples that
 * software writes one by one. */
#include "devices/sb16_internal.h"

#include <string.h>

enum {
    CHUNK_FRAMES = 256,
    DIRECT_RATE = 44100, /* at which single samples are held until the next */
    DIRECT_HOLD_NS = 100000000,
    LOWEST_RATE = 4000,
    HIGHEST_RATE = 48000,
};

static bool runs(const struct sb16_stream *stream)
{
    return stream->active && !stream->paused && !stream->starved;
}

static unsigned channels_of(const struct sb16_stream *stream)
{
    return stream->format & SB16_STEREO ? 2 : 1;
}

static uint32_t frames_left(const struct sb16_stream *stream)
{
    return (stream->left + channels_of(stream) - 1) / channels_of(stream);
}

static unsigned channel_of(const struct sb16 *sb16)
{
    return sb16_mixer_dma(sb16, sb16->stream.format & SB16_16_BITS);
}

static void arm(struct sb16 *sb16)
{
    const struct sb16_stream *stream = &sb16->stream;
    if (runs(stream)) {
        uint64_t end = stream->pace.done + frames_left(stream);
        timer_set_ns(&sb16->timer, audio_pace_ns(&stream->pace, end));
    } else {
        timer_cancel(&sb16->timer);
    }
}

static void request(struct sb16 *sb16)
{
    const struct sb16_stream *stream = &sb16->stream;
    for (unsigned i = 0; i < I8237_CHANNELS; i++) {
        if (i != 2 && i != 4) {
            i8237_set_request(sb16->dma, i,
                              stream->active && !stream->paused && !stream->silent &&
                                  i == channel_of(sb16));
        }
    }
}

/* -- formats -- */

static int16_t sample_at(const uint8_t *bytes, unsigned index, uint8_t format)
{
    uint16_t value = format & SB16_16_BITS
                         ? (uint16_t)(bytes[2 * index] | bytes[2 * index + 1] << 8)
                         : (uint16_t)(bytes[index] << 8);
    return (int16_t)(format & SB16_SIGNED ? value : value ^ 0x8000);
}

static void convert(const struct sb16_stream *stream, const uint8_t *bytes,
                    struct audio_frame *frames, unsigned count)
{
    unsigned channels = channels_of(stream);
    for (unsigned i = 0; i < count; i++) {
        frames[i].left = sample_at(bytes, i * channels, stream->format);
        frames[i].right = sample_at(bytes, i * channels + channels - 1, stream->format);
    }
}

static void fill_with_silence(const struct sb16_stream *stream, uint8_t *bytes,
                              size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool high = !(stream->format & SB16_16_BITS) || i % 2;
        bytes[i] = high && !(stream->format & SB16_SIGNED) ? 0x80 : 0;
    }
}

static void play(struct sb16 *sb16, const uint8_t *bytes, unsigned count)
{
    struct audio_frame frames[CHUNK_FRAMES];
    const struct sb16_stream *stream = &sb16->stream;
    if (stream->input || !audio_is_heard(&sb16->line)) {
        return;
    }
    const struct audio_piece piece = {
        .start_ns = audio_pace_ns(&stream->pace, stream->pace.done),
        .rate = stream->pace.rate,
        .frames = frames,
        .count = count,
    };
    convert(stream, bytes, frames, count);
    sound_apply(&sb16->gain, frames, count);
    audio_play(&sb16->line, &piece);
}

/* -- blocks -- */

static void end_block(struct sb16 *sb16)
{
    struct sb16_stream *stream = &sb16->stream;
    if (stream->repeats) {
        stream->left = stream->block;
    } else {
        stream->active = false;
        request(sb16);
    }
    sb16_interrupt(sb16,
                   stream->format & SB16_16_BITS ? SB16_PENDING_16 : SB16_PENDING_8);
}

/* Moves up to `count` frames; returns how many samples those were, 0 if the controller
 * gives nothing. */
static unsigned move(struct sb16 *sb16, unsigned count)
{
    uint8_t bytes[CHUNK_FRAMES * 4];
    const struct sb16_stream *stream = &sb16->stream;
    unsigned samples = count * channels_of(stream);
    unsigned sample_bytes = stream->format & SB16_16_BITS ? 2 : 1;
    samples = samples < stream->left ? samples : stream->left;
    fill_with_silence(stream, bytes, sizeof(bytes));
    if (!stream->silent) {
        bool terminal_count;
        unsigned moved = i8237_transfer(sb16->dma, channel_of(sb16), bytes,
                                        samples * sample_bytes, &terminal_count);
        samples = moved / sample_bytes;
    }
    play(sb16, bytes, (samples + channels_of(stream) - 1) / channels_of(stream));
    return samples;
}

static bool advance_by_chunk(struct sb16 *sb16, uint64_t *due)
{
    struct sb16_stream *stream = &sb16->stream;
    uint32_t count = frames_left(stream);
    count = count < CHUNK_FRAMES ? count : CHUNK_FRAMES;
    count = count < *due ? count : (uint32_t)*due;
    unsigned samples = move(sb16, count);
    if (samples == 0) {
        stream->starved = true;
        return false;
    }
    unsigned frames = (samples + channels_of(stream) - 1) / channels_of(stream);
    stream->left -= samples;
    stream->pace.done += frames;
    *due -= frames;
    if (stream->left == 0) {
        end_block(sb16);
    }
    return runs(stream);
}

static void advance_blocks(struct sb16 *sb16)
{
    struct sb16_stream *stream = &sb16->stream;
    if (runs(stream)) {
        uint64_t due = audio_pace_due(&stream->pace, clock_now_ns(sb16->clock));
        while (due > 0 && advance_by_chunk(sb16, &due)) {
        }
        arm(sb16);
    }
}

static void start_pace(struct sb16 *sb16)
{
    struct sb16_stream *stream = &sb16->stream;
    audio_pace_start(&stream->pace, clock_now_ns(sb16->clock), stream->pace.rate);
    if (!stream->input) {
        audio_start(&sb16->line);
    }
    arm(sb16);
}

void sb16_stream_start(struct sb16 *sb16, struct sb16_stream stream, uint32_t rate)
{
    rate = rate < LOWEST_RATE ? LOWEST_RATE : rate > HIGHEST_RATE ? HIGHEST_RATE : rate;
    stream.active = true;
    stream.left = stream.block;
    stream.pace.rate = rate;
    sb16->stream = stream;
    request(sb16);
    start_pace(sb16);
}

void sb16_stream_stop(struct sb16 *sb16)
{
    sb16->stream.active = false;
    request(sb16);
    arm(sb16);
}

void sb16_stream_pause(struct sb16 *sb16, bool paused)
{
    struct sb16_stream *stream = &sb16->stream;
    if (stream->active && stream->paused != paused) {
        stream->paused = paused;
        stream->starved = false;
        request(sb16);
        if (paused) {
            arm(sb16);
        } else {
            start_pace(sb16);
        }
    }
}

void sb16_stream_resume(struct sb16 *sb16)
{
    struct sb16_stream *stream = &sb16->stream;
    request(sb16);
    if (stream->active && stream->starved &&
        i8237_is_ready(sb16->dma, channel_of(sb16))) {
        stream->starved = false;
        start_pace(sb16);
    }
}

void sb16_stream_loaded(struct sb16 *sb16)
{
    struct sb16_stream *stream = &sb16->stream;
    uint32_t rate = stream->pace.rate;
    if (runs(stream)) {
        audio_pace_loaded(&stream->pace, clock_now_ns(sb16->clock), rate);
        audio_start(&sb16->line);
    }
    request(sb16);
    arm(sb16);
}

/* -- single samples -- */

static void advance_direct(struct sb16 *sb16)
{
    struct audio_frame frames[CHUNK_FRAMES];
    struct audio_pace *pace = &sb16->direct_pace;
    const struct audio_frame held = {sound_scale(sb16->direct_level, sb16->gain.left),
                                     sound_scale(sb16->direct_level, sb16->gain.right)};
    for (unsigned i = 0; i < CHUNK_FRAMES; i++) {
        frames[i] = held;
    }
    uint64_t due = audio_pace_due(pace, clock_now_ns(sb16->clock));
    while (due > 0) {
        unsigned count = due < CHUNK_FRAMES ? (unsigned)due : CHUNK_FRAMES;
        const struct audio_piece piece = {
            .start_ns = audio_pace_ns(pace, pace->done),
            .rate = DIRECT_RATE,
            .frames = frames,
            .count = count,
        };
        audio_play(&sb16->line, &piece);
        pace->done += count;
        due -= count;
    }
}

void sb16_play_direct(struct sb16 *sb16, uint8_t sample)
{
    uint64_t now_ns = clock_now_ns(sb16->clock);
    sb16_stream_advance(sb16);
    sb16->direct_level = sample_at(&sample, 0, 0);
    sb16->direct_end_ns = now_ns + DIRECT_HOLD_NS;
    /* One line plays one thing at a time, as the chip does. */
    if (!sb16->direct_sounds && !sb16->stream.active && audio_is_heard(&sb16->line)) {
        sb16->direct_sounds = true;
        audio_pace_start(&sb16->direct_pace, now_ns, DIRECT_RATE);
        audio_start(&sb16->line);
    }
}

void sb16_stream_advance(struct sb16 *sb16)
{
    if (sb16->direct_sounds) {
        advance_direct(sb16);
        sb16->direct_sounds =
            !sb16->stream.active && clock_now_ns(sb16->clock) < sb16->direct_end_ns;
    }
    advance_blocks(sb16);
}

bool sb16_advance(void *opaque)
{
    struct sb16 *sb16 = opaque;
    sb16_stream_advance(sb16);
    return sb16->direct_sounds || (runs(&sb16->stream) && !sb16->stream.input);
}
