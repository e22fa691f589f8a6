/* The PC's speaker, behind port 0x61 and the timer. */
#include "recorder.h"

#include <math.h>

#include "devices/i8254.h"
#include "devices/port61.h"
#include "devices/speaker.h"

enum { RATE = 48000, OUT_LEVEL = 16384, MS = 1000000 };

struct setting {
    struct bench *bench;
    struct i8254 *pit;
    struct port61 *port61;
    struct speaker *speaker;
    struct recorder *recorder;
};

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    s->bench = bench_create(0);
    s->recorder = recorder_create();
    s->pit = i8254_create(&s->bench->log, &s->bench->ports, &s->bench->clock,
                          bench_line(s->bench, 0));
    s->port61 =
        port61_create(&s->bench->log, &s->bench->ports, &s->bench->clock, s->pit);
    s->speaker = speaker_create(&s->bench->clock, s->pit, s->recorder->line);
    s->recorder->advance = speaker_advance;
    s->recorder->device = s->speaker;
    port61_connect_speaker(s->port61, s->speaker);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    device_destroy((struct device *)s->port61);
    device_destroy((struct device *)s->pit);
    speaker_destroy(s->speaker);
    free(s->recorder);
    free(s->bench);
    free(s);
    return 0;
}

static void set_count(struct setting *s, uint16_t count)
{
    out8(s->bench, 0x42, (uint8_t)count);
    out8(s->bench, 0x42, (uint8_t)(count >> 8));
}

static void run(struct setting *s, uint64_t ns)
{
    recorder_run(s->recorder, &s->bench->clock, ns);
}

static void test_frequencies(void **state)
{
    static const uint16_t counts[] = {65535, 2711, 1193, 119};
    struct setting *s = *state;
    out8(s->bench, 0x43, 0xb6);
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        set_count(s, counts[i]);
        out8(s->bench, 0x61, 3);
        unsigned from = s->recorder->count;
        run(s, 1000 * (uint64_t)MS);
        double found =
            recorder_frequency(s->recorder, from + RATE / 5, s->recorder->count);
        double expected = (double)I8254_FREQUENCY_HZ / counts[i];
        assert_true(fabs(found - expected) < expected * 0.001);
    }
    assert_int_equal(s->recorder->gaps, 0);
    assert_int_equal(s->recorder->count, 4 * RATE);
    out8(s->bench, 0x61, 0);
    run(s, 500 * (uint64_t)MS);
    assert_false(s->recorder->sounds); /* the membrane has come to rest */
}

/* Between two frames: each is the share of time, to one part in the level's. The rest
 * position hardly moves in so few frames. */
static void test_edges_are_where_they_are(void **state)
{
    struct setting *s = *state;
    clock_step_ns(&s->bench->clock, 5 * MS);
    out8(s->bench, 0x43, 0xb6);
    set_count(s, 0); /* high for 27 ms: the data bit decides */
    out8(s->bench, 0x61, 3);
    clock_step_ns(&s->bench->clock, 31250); /* one frame and a half */
    out8(s->bench, 0x61, 1);
    clock_step_ns(&s->bench->clock, 31250);
    out8(s->bench, 0x61, 0);
    run(s, MS);
    const struct audio_frame *frames = s->recorder->frames;
    assert_int_equal(s->recorder->start_ns, 5 * MS);
    assert_in_range(frames[0].left, OUT_LEVEL - 40, OUT_LEVEL);
    assert_in_range(frames[1].left, OUT_LEVEL / 2 - 40, OUT_LEVEL / 2);
    assert_in_range(-frames[2].left, 0, 60);
}

/* Without the timer's gate its output stays high. */
static void test_pulses(void **state)
{
    struct setting *s = *state;
    out8(s->bench, 0x43, 0xb6);
    for (unsigned i = 0; i < 400; i++) {
        out8(s->bench, 0x61, i % 2 ? 0 : 2);
        run(s, MS);
    }
    double found = recorder_frequency(s->recorder, RATE / 10, s->recorder->count);
    assert_true(fabs(found - 500) < 0.5);
    assert_int_equal(s->recorder->gaps, 0);
}

/* Speech by widths of pulses: mode 0, a count for each sample. */
static void test_pulse_widths(void **state)
{
    enum { SAMPLES = 2000, PERIOD_NS = 62500, PERIOD_TICKS = 74 };
    struct setting *s = *state;
    out8(s->bench, 0x43, 0x90); /* low byte, mode 0 */
    out8(s->bench, 0x61, 3);
    for (unsigned i = 0; i < SAMPLES; i++) {
        double wave = sin(2 * M_PI * 1000 * i / 16000);
        out8(s->bench, 0x42, (uint8_t)lrint(PERIOD_TICKS / 2.0 * (1 - 0.8 * wave)));
        run(s, PERIOD_NS);
    }
    /* The mean of three frames, one pulse, is the wave. */
    double largest = 0, smallest = 0;
    const struct audio_frame *frames = s->recorder->frames;
    for (unsigned i = RATE / 20; i + 3 < s->recorder->count; i += 3) {
        double mean = (frames[i].left + frames[i + 1].left + frames[i + 2].left) / 3.0;
        largest = mean > largest ? mean : largest;
        smallest = mean < smallest ? mean : smallest;
    }
    assert_true(largest > OUT_LEVEL * 0.35 && largest < OUT_LEVEL * 0.5);
    assert_true(smallest < -OUT_LEVEL * 0.35 && smallest > -OUT_LEVEL * 0.5);
}

/* A membrane that is held out does not sound for ever. */
static void test_held_out(void **state)
{
    struct setting *s = *state;
    out8(s->bench, 0x43, 0xb6);
    out8(s->bench, 0x61, 2);
    assert_true(s->recorder->sounds);
    run(s, 1000 * (uint64_t)MS);
    assert_false(s->recorder->sounds);
    assert_int_equal(s->recorder->frames[s->recorder->count - 1].left, 0);
}

static void test_nobody_listens(void **state)
{
    struct setting *s = *state;
    assert_null(speaker_create(&s->bench->clock, s->pit, (struct audio_line){NULL}));
    speaker_destroy(NULL);
}

#define SPEAKER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPEAKER_TEST(test_frequencies), SPEAKER_TEST(test_edges_are_where_they_are),
        SPEAKER_TEST(test_pulses),      SPEAKER_TEST(test_pulse_widths),
        SPEAKER_TEST(test_held_out),    SPEAKER_TEST(test_nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
