#include "host/audio/audio_internal.h"

#include <assert.h>
#include <samplerate.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_RATE = 48000,
    LOWEST_RATE = 8000,
    HIGHEST_RATE = 192000,
    LINES = 16,
    TICK_NS = 10000000,
    BLOCK_FRAMES = 512,
    RING_FRAMES = 1 << 16, /* of the sum: more than all that is on its way */
    STEREO = 2,
};

struct line {
    struct audio_mixer *mixer;
    audio_advance *advance;
    void *device;
    bool sounds;
    SRC_STATE *resampler;
    uint32_t rate;     /* of the stream that is coming in; 0: there is none */
    uint64_t start_ns; /* of that stream */
    uint64_t taken;    /* frames of it so far */
    uint64_t position; /* where its next frame goes in the sum */
};

struct audio_mixer {
    struct audio_back_end *back_end; /* NULL: driver none */
    struct clock *clock;
    struct timer timer;
    uint32_t rate;
    struct line lines[LINES];
    unsigned line_count;
    bool running;
    uint64_t first; /* frame of the sum that has not been handed on */
    uint64_t late;  /* frames that came when their time was over */
    int32_t sum[RING_FRAMES]
               [STEREO]; /* from `first` on, at index frame % RING_FRAMES */
};

static uint64_t frame_at(const struct audio_mixer *mixer, uint64_t ns)
{
    return clock_scale(ns, mixer->rate, NS_PER_SECOND);
}

/* Up to which frame the sum is complete. */
static uint64_t complete(const struct audio_mixer *mixer)
{
    uint64_t now_ns = clock_now_ns(mixer->clock);
    return now_ns > AUDIO_LATENESS_NS ? frame_at(mixer, now_ns - AUDIO_LATENESS_NS) : 0;
}

static void add(struct line *line, const int16_t (*frames)[STEREO], unsigned count)
{
    struct audio_mixer *mixer = line->mixer;
    for (unsigned i = 0; i < count; i++) {
        uint64_t position = line->position++;
        if (position < mixer->first || position - mixer->first >= RING_FRAMES) {
            mixer->late++;
            continue;
        }
        int32_t *sum = mixer->sum[position % RING_FRAMES];
        sum[0] += frames[i][0];
        sum[1] += frames[i][1];
    }
}

/* `last`: nothing follows, so what is still in the filter comes out. */
static void resample(struct line *line, const struct audio_frame *frames,
                     unsigned count, bool last)
{
    float in[BLOCK_FRAMES * STEREO], out[BLOCK_FRAMES * STEREO];
    int16_t rounded[BLOCK_FRAMES][STEREO];
    SRC_DATA data = {
        .data_in = in,
        .data_out = out,
        .input_frames = count,
        .output_frames = BLOCK_FRAMES,
        .end_of_input = last,
        .src_ratio = (double)line->mixer->rate / line->rate,
    };
    assert(count <= BLOCK_FRAMES);
    src_short_to_float_array((const short *)frames, in, (int)count * STEREO);
    do {
        int why = src_process(line->resampler, &data);
        assert(why == 0);
        data.data_in += data.input_frames_used * STEREO;
        data.input_frames -= data.input_frames_used;
        src_float_to_short_array(out, rounded[0], (int)data.output_frames_gen * STEREO);
        add(line, (const int16_t(*)[STEREO])rounded, (unsigned)data.output_frames_gen);
    } while (data.input_frames > 0 || data.output_frames_gen == BLOCK_FRAMES);
}

static void end_stream(struct line *line)
{
    if (line->rate && line->rate != line->mixer->rate) {
        resample(line, NULL, 0, true);
        src_reset(line->resampler);
    }
    line->rate = 0;
}

/* Whether a piece follows what has come in, give or take two frames. */
static bool continues(const struct line *line, const struct audio_piece *piece)
{
    if (line->rate != piece->rate) {
        return false;
    }
    uint64_t end_ns =
        line->start_ns + clock_scale(line->taken, NS_PER_SECOND, line->rate);
    uint64_t distance_ns =
        end_ns > piece->start_ns ? end_ns - piece->start_ns : piece->start_ns - end_ns;
    return distance_ns <= 2 * NS_PER_SECOND / line->rate;
}

static void begin_stream(struct line *line, const struct audio_piece *piece)
{
    end_stream(line);
    line->rate = piece->rate;
    line->start_ns = piece->start_ns;
    line->taken = 0;
    line->position =
        frame_at(line->mixer, piece->start_ns + NS_PER_SECOND / line->mixer->rate / 2);
}

static void play(void *opaque, const struct audio_piece *piece)
{
    struct line *line = opaque;
    if (!continues(line, piece)) {
        begin_stream(line, piece);
    }
    line->taken += piece->count;
    if (piece->rate == line->mixer->rate) {
        add(line, (const int16_t(*)[STEREO])piece->frames, piece->count);
        return;
    }
    for (unsigned done = 0; done < piece->count; done += BLOCK_FRAMES) {
        unsigned left = piece->count - done;
        resample(line, piece->frames + done, left < BLOCK_FRAMES ? left : BLOCK_FRAMES,
                 false);
    }
}

static void start(void *opaque)
{
    struct line *line = opaque;
    struct audio_mixer *mixer = line->mixer;
    line->sounds = true;
    if (!mixer->running) {
        mixer->running = true;
        mixer->first = complete(mixer);
        timer_set_ns(&mixer->timer, clock_now_ns(mixer->clock) + TICK_NS);
    }
}

static const struct audio_line_ops line_ops = {.start = start, .play = play};

static int16_t clip(int32_t value)
{
    return (int16_t)(value < INT16_MIN   ? INT16_MIN
                     : value > INT16_MAX ? INT16_MAX
                                         : value);
}

/* Hands on the sum up to `end`. Where that is farther than the ring reaches, time has
 * jumped, as a machine was loaded: nobody has played anything there. */
static void hand_on(struct audio_mixer *mixer, uint64_t end)
{
    struct audio_frame frames[BLOCK_FRAMES];
    uint64_t held = mixer->first + RING_FRAMES;
    uint64_t stop = end < held ? end : held;
    while (mixer->first < stop) {
        uint64_t left = stop - mixer->first;
        unsigned count = left < BLOCK_FRAMES ? (unsigned)left : BLOCK_FRAMES;
        for (unsigned i = 0; i < count; i++) {
            int32_t *sum = mixer->sum[(mixer->first + i) % RING_FRAMES];
            frames[i] = (struct audio_frame){clip(sum[0]), clip(sum[1])};
            sum[0] = sum[1] = 0;
        }
        mixer->back_end->ops->write(mixer->back_end, mixer->first, frames, count);
        mixer->first += count;
    }
    mixer->first = end > held ? end : mixer->first;
}

/* Has the devices play; the frame behind the last one that they have played, for all
 * of them that have fallen silent, or UINT64_MAX. */
static uint64_t advance_all(struct audio_mixer *mixer)
{
    bool sounds = false;
    uint64_t end = 0;
    for (unsigned i = 0; i < mixer->line_count; i++) {
        struct line *line = &mixer->lines[i];
        if (line->sounds) {
            line->sounds = line->advance(line->device);
            sounds |= line->sounds;
        }
        if (!line->sounds) {
            end_stream(line);
        }
        end = line->position > end ? line->position : end;
    }
    return sounds ? UINT64_MAX : end;
}

static void tick(void *opaque)
{
    struct audio_mixer *mixer = opaque;
    uint64_t end = advance_all(mixer);
    hand_on(mixer, complete(mixer));
    mixer->running = mixer->first < end;
    if (mixer->running) {
        timer_set_ns(&mixer->timer, clock_now_ns(mixer->clock) + TICK_NS);
    } else {
        mixer->back_end->ops->pause(mixer->back_end);
    }
}

static bool open_back_end(struct audio_mixer *mixer, struct properties *properties,
                          struct log *log, struct error *error)
{
    uint64_t rate = DEFAULT_RATE;
    const char *driver = properties->name;
    const char *known = "id and out.frequency";
    bool is_none = strcmp(driver, "none") == 0;
    if (!properties_take_number(properties, "out.frequency", LOWEST_RATE, HIGHEST_RATE,
                                &rate, error)) {
        return false;
    }
    mixer->rate = (uint32_t)rate;
    if (strcmp(driver, "wav") == 0) {
        known = "id, path and out.frequency";
        mixer->back_end = audio_open_wav(properties, mixer->rate, log, error);
    } else if (strcmp(driver, "sdl") == 0) {
        known = "id, out.frequency and out.buffer-length";
        mixer->back_end = audio_open_sdl(properties, mixer->rate, log, error);
    } else if (!is_none) {
        return error_set(error, "%s %s: the drivers are sdl, wav and none",
                         properties->option, driver);
    }
    return (is_none || mixer->back_end) && properties_finish(properties, known, error);
}

struct audio_mixer *audio_open(struct properties *properties, struct clock *clock,
                               struct log *log, struct error *error)
{
    struct audio_mixer *mixer = calloc(1, sizeof(*mixer));
    assert(mixer);
    mixer->clock = clock;
    timer_init(&mixer->timer, clock, tick, mixer);
    if (!open_back_end(mixer, properties, log, error)) {
        audio_close(mixer);
        return NULL;
    }
    return mixer;
}

void audio_close(struct audio_mixer *mixer)
{
    if (!mixer) {
        return;
    }
    timer_cancel(&mixer->timer);
    if (mixer->back_end) {
        if (mixer->running) {
            advance_all(mixer);
            for (unsigned i = 0; i < mixer->line_count; i++) {
                end_stream(&mixer->lines[i]);
            }
            hand_on(mixer, frame_at(mixer, clock_now_ns(mixer->clock)));
        }
        mixer->back_end->ops->close(mixer->back_end);
    }
    for (unsigned i = 0; i < mixer->line_count; i++) {
        src_delete(mixer->lines[i].resampler);
    }
    free(mixer);
}

struct audio_line audio_add_line(struct audio_mixer *mixer, unsigned *number)
{
    *number = 0;
    if (!mixer || !mixer->back_end) {
        return (struct audio_line){.ops = NULL};
    }
    assert(mixer->line_count < LINES);
    *number = mixer->line_count++;
    struct line *line = &mixer->lines[*number];
    int why;
    *line = (struct line){.mixer = mixer,
                          .resampler = src_new(SRC_SINC_FASTEST, STEREO, &why)};
    assert(line->resampler);
    return (struct audio_line){.ops = &line_ops, .opaque = line};
}

void audio_connect(struct audio_mixer *mixer, unsigned number, audio_advance *advance,
                   void *device)
{
    if (mixer && mixer->back_end) {
        mixer->lines[number].advance = advance;
        mixer->lines[number].device = device;
    }
}

void audio_print_statistics(struct audio_mixer *mixer,
                            void (*print)(void *opaque, const char *name,
                                          uint64_t count),
                            void *opaque)
{
    if (mixer && mixer->back_end) {
        print(opaque, "sound: frames that came late", mixer->late);
        if (mixer->back_end->ops->print_statistics) {
            mixer->back_end->ops->print_statistics(mixer->back_end, print, opaque);
        }
    }
}
