/* Mixers, and the WAV files that they write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/audio/audio.h"

enum {
    RATE = 48000,
    HEADER_BYTES = 44,
    MS = 1000000,
    MAXIMUM_FRAMES = 1 << 18,
};

/* A device that plays a tone from its start on, until it is told not to. */
struct tone {
    struct clock *clock;
    struct audio_line line;
    struct audio_pace pace;
    double frequency;
    int amplitude;
    bool sounds;
};

struct setting {
    struct clock clock;
    struct log log;
    struct audio_mixer *mixer;
    char path[64];
    struct tone tones[2];
    struct audio_frame frames[MAXIMUM_FRAMES]; /* of the file */
    uint32_t rate;
    unsigned count;
};

static bool advance(void *opaque)
{
    struct tone *tone = opaque;
    uint64_t due = audio_pace_due(&tone->pace, clock_now_ns(tone->clock));
    while (due > 0) {
        struct audio_frame frames[100];
        unsigned count = due < 100 ? (unsigned)due : 100;
        for (unsigned i = 0; i < count; i++) {
            double phase = 2 * M_PI * tone->frequency * (double)(tone->pace.done + i) /
                           tone->pace.rate;
            int16_t value = (int16_t)lrint(tone->amplitude * cos(phase));
            frames[i] = (struct audio_frame){value, (int16_t)-value};
        }
        const struct audio_piece piece = {
            .start_ns = audio_pace_ns(&tone->pace, tone->pace.done),
            .rate = tone->pace.rate,
            .frames = frames,
            .count = count,
        };
        audio_play(&tone->line, &piece);
        tone->pace.done += count;
        due -= count;
    }
    return tone->sounds;
}

static void open_mixer(struct setting *s, const char *more)
{
    struct properties properties;
    struct error error = {.text = ""};
    char text[128];
    snprintf(text, sizeof(text), "wav,path=%s%s", s->path, more);
    assert_true(properties_parse(&properties, "-audiodev", text, &error));
    s->mixer = audio_open(&properties, &s->clock, &s->log, &error);
    assert_string_equal(error.text, "");
    assert_non_null(s->mixer);
    for (unsigned i = 0; i < 2; i++) {
        unsigned number;
        s->tones[i].clock = &s->clock;
        s->tones[i].line = audio_add_line(s->mixer, &number);
        audio_connect(s->mixer, number, advance, &s->tones[i]);
    }
}

static void begin(struct tone *tone, uint32_t rate, double frequency, int amplitude)
{
    tone->frequency = frequency;
    tone->amplitude = amplitude;
    tone->sounds = true;
    audio_pace_start(&tone->pace, clock_now_ns(tone->clock), rate);
    audio_start(&tone->line);
}

static void end(struct tone *tone)
{
    advance(tone);
    tone->sounds = false;
}

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* Reads the file; it must be what its header says. */
static void read_file(struct setting *s)
{
    uint8_t header[HEADER_BYTES];
    FILE *file = fopen(s->path, "r");
    assert_non_null(file);
    assert_int_equal(fread(header, 1, sizeof(header), file), sizeof(header));
    s->count = (unsigned)fread(s->frames, sizeof(s->frames[0]), MAXIMUM_FRAMES, file);
    fclose(file);
    assert_memory_equal(header, "RIFF", 4);
    assert_memory_equal(header + 8, "WAVEfmt \x10\0\0\0\x01\0\x02\0", 16);
    assert_memory_equal(header + 32, "\x04\0\x10\0data", 8);
    assert_int_equal(get32(header + 40), s->count * 4);
    assert_int_equal(get32(header + 4), s->count * 4 + 36);
    s->rate = get32(header + 24);
    assert_int_equal(get32(header + 28), s->rate * 4);
}

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    clock_init(&s->clock, CLOCK_KIND_MANUAL, 0);
    clock_step_ns(&s->clock, 1234567);
    strcpy(s->path, "/tmp/audio-test-XXXXXX");
    int fd = mkstemp(s->path);
    assert_true(fd >= 0);
    close(fd);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    audio_close(s->mixer);
    unlink(s->path);
    free(s);
    return 0;
}

static int expected(const struct tone *tone, uint32_t rate, unsigned frame)
{
    return (int)lrint(tone->amplitude * cos(2 * M_PI * tone->frequency * frame / rate));
}

/* The first frame that is not silent. */
static unsigned first_sound(const struct setting *s)
{
    unsigned first = 0;
    while (first < s->count && s->frames[first].left == 0) {
        first++;
    }
    return first;
}

/* At the mixer's own rate each frame is what the device has played. */
static void test_same_rate(void **state)
{
    struct setting *s = *state;
    open_mixer(s, "");
    begin(&s->tones[0], RATE, 440, 20000);
    clock_step_ns(&s->clock, 1000 * (uint64_t)MS);
    end(&s->tones[0]);
    clock_step_ns(&s->clock, 1000 * (uint64_t)MS);
    assert_int_equal(clock_next_deadline_ns(&s->clock), CLOCK_NEVER);
    read_file(s);
    assert_int_equal(s->rate, RATE);
    unsigned first = first_sound(s);
    assert_true(first < RATE / 100);
    for (unsigned i = 0; i < RATE; i++) {
        assert_int_equal(s->frames[first + i].left, expected(&s->tones[0], RATE, i));
        assert_int_equal(s->frames[first + i].right, -s->frames[first + i].left);
    }
    assert_true(s->count < first + RATE + RATE / 50);
}

/* From other rates the wave is the same, to a hundredth of a percent, and as long. */
static void test_other_rates(void **state)
{
    static const uint32_t rates[] = {8000, 11025, 22050, 44100, 49716, 96000};
    struct setting *s = *state;
    open_mixer(s, "");
    for (size_t i = 0; i < ARRAY_LENGTH(rates); i++) {
        begin(&s->tones[0], rates[i], 440, 20000);
        clock_step_ns(&s->clock, 500 * (uint64_t)MS);
        end(&s->tones[0]);
        clock_step_ns(&s->clock, 100 * (uint64_t)MS);
    }
    read_file(s);
    for (size_t i = 0; i < ARRAY_LENGTH(rates); i++) {
        unsigned start = first_sound(s) + (unsigned)i * (RATE / 10 * 6);
        for (unsigned j = 500; j < RATE / 2 - 500; j++) {
            int off = s->frames[start + j].left - expected(&s->tones[0], RATE, j);
            assert_in_range(off + 3000, 0, 6000); /* a frame's shift at most */
        }
        assert_true(abs(s->frames[start + RATE / 2 + 1000].left) < 2);
    }
}

/* Distances between crossings of zero show kinks that amplitudes hide. */
static void test_resampled_wave_is_smooth(void **state)
{
    struct setting *s = *state;
    open_mixer(s, "");
    begin(&s->tones[0], 22050, 440, 20000);
    clock_step_ns(&s->clock, 2000 * (uint64_t)MS);
    read_file(s);
    double bend = 20000 * pow(2 * M_PI * 440 / RATE, 2);
    for (unsigned i = RATE / 2; i + 1 < s->count; i++) {
        int second =
            s->frames[i + 1].left - 2 * s->frames[i].left + s->frames[i - 1].left;
        assert_true(abs(second) < bend * 1.02 + 3);
    }
}

static void test_sum_is_clipped(void **state)
{
    struct setting *s = *state;
    open_mixer(s, "");
    begin(&s->tones[0], RATE, 1000, 20000);
    begin(&s->tones[1], RATE, 1000, 20000);
    clock_step_ns(&s->clock, 100 * (uint64_t)MS);
    end(&s->tones[0]);
    end(&s->tones[1]);
    clock_step_ns(&s->clock, 100 * (uint64_t)MS);
    read_file(s);
    unsigned first = first_sound(s);
    for (unsigned i = 0; i < RATE / 10; i++) {
        int sum = 2 * expected(&s->tones[0], RATE, i);
        int clipped = sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum;
        assert_int_equal(s->frames[first + i].left, clipped);
    }
}

/* Silence between two sounds is as long as it was, and costs no work. */
static void test_silence_is_kept(void **state)
{
    struct setting *s = *state;
    open_mixer(s, "");
    begin(&s->tones[0], RATE, 1000, 20000);
    clock_step_ns(&s->clock, 100 * (uint64_t)MS);
    end(&s->tones[0]);
    clock_step_ns(&s->clock, 1900 * (uint64_t)MS);
    assert_int_equal(clock_next_deadline_ns(&s->clock), CLOCK_NEVER);
    begin(&s->tones[0], RATE, 1000, 20000);
    clock_step_ns(&s->clock, 100 * (uint64_t)MS);
    end(&s->tones[0]);
    audio_close(s->mixer);
    s->mixer = NULL;
    read_file(s);
    unsigned first = first_sound(s);
    assert_int_equal(s->frames[first + RATE].left, 0);
    for (unsigned i = 0; i < RATE / 10 - 2; i++) {
        assert_int_equal(s->frames[first + 2 * RATE + i].left,
                         expected(&s->tones[0], RATE, i));
    }
}

/* The file is good while it grows, and other rates can be had. */
static void test_file_is_always_good(void **state)
{
    struct setting *s = *state;
    open_mixer(s, ",out.frequency=22050");
    read_file(s);
    assert_int_equal(s->count, 0);
    begin(&s->tones[0], 22050, 440, 20000);
    for (unsigned i = 1; i <= 20; i++) {
        clock_step_ns(&s->clock, 100 * (uint64_t)MS);
        read_file(s);
        assert_int_equal(s->rate, 22050);
        assert_true(s->count + 4096 + 500 > i * 2205);
    }
}

static void test_errors(void **state)
{
    static const char *const bad[] = {
        "wav",         "wav,path=/nonexistent/x",
        "oss",         "",
        "none,path=x", "wav,path=/dev/null,out.frequency=7",
    };
    struct setting *s = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct properties properties;
        struct error error = {.text = ""};
        assert_true(properties_parse(&properties, "-audiodev", bad[i], &error));
        assert_null(audio_open(&properties, &s->clock, &s->log, &error));
        assert_true(error.text[0]);
    }
}

/* A machine that is loaded is at another time, and its devices have not played up to
 * there. What was held is kept; the years between take no time. */
static void test_time_jumps(void **state)
{
    enum { PLAYED_MS = 100 };
    struct setting *s = *state;
    open_mixer(s, "");
    begin(&s->tones[0], RATE, 440, 20000);
    clock_step_ns(&s->clock, PLAYED_MS * (uint64_t)MS);
    clock_skip_to_ns(&s->clock, UINT64_C(1) << 62);
    audio_pace_start(&s->tones[0].pace, UINT64_C(1) << 62, RATE);
    clock_run_timers(&s->clock);
    end(&s->tones[0]);
    audio_close(s->mixer);
    s->mixer = NULL;
    read_file(s);
    assert_in_range(s->count, RATE / 1000 * (PLAYED_MS - 20), 2 * RATE);
    assert_int_equal(s->frames[first_sound(s) + 100].left,
                     expected(&s->tones[0], RATE, 100));
}

/* Driver none: nobody listens, devices need not bother. */
static void test_none(void **state)
{
    struct setting *s = *state;
    struct properties properties;
    struct error error;
    unsigned number;
    assert_true(properties_parse(&properties, "-audiodev", "none", &error));
    s->mixer = audio_open(&properties, &s->clock, &s->log, &error);
    assert_non_null(s->mixer);
    struct audio_line line = audio_add_line(s->mixer, &number);
    assert_false(audio_is_heard(&line));
    audio_connect(s->mixer, number, advance, NULL);
    line = audio_add_line(NULL, &number);
    assert_false(audio_is_heard(&line));
    audio_start(&line);
}

#define AUDIO_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUDIO_TEST(test_same_rate),
        AUDIO_TEST(test_other_rates),
        AUDIO_TEST(test_resampled_wave_is_smooth),
        AUDIO_TEST(test_sum_is_clipped),
        AUDIO_TEST(test_silence_is_kept),
        AUDIO_TEST(test_file_is_always_good),
        AUDIO_TEST(test_errors),
        AUDIO_TEST(test_time_jumps),
        AUDIO_TEST(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
