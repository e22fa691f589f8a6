/* The Sound Blaster 16 by its registers, with a real DMA controller. */
#include "recorder.h"

#include <math.h>
#include <string.h>

#include "devices/i8237.h"
#include "devices/mpu401.h"
#include "devices/opl3.h"
#include "devices/sb16.h"

enum {
    RAM_BYTES = 1 << 20,
    BUFFER = 0x21000,
    PORT = 0x220,
    IRQ_5 = 1, /* index of the line */
    LINE_OFFSET = 4,
};

struct setting {
    struct bench *bench;
    struct ram ram;
    struct memory_map map;
    struct i8237 *dma;
    struct opl3 *opl;
    struct sb16 *sb16;
    struct mpu401 *mpu;
    struct recorder *recorder, *fm;
};

static int set_up(void **state)
{
    static const struct sb16_settings settings = {PORT, 5, 1, 5};
    struct setting *s = calloc(1, sizeof(*s));
    struct irq_line lines[SB16_INTERRUPTS];
    struct error error;
    s->bench = bench_create(0);
    struct bench *b = s->bench;
    assert_true(ram_create(&s->ram, "test", RAM_BYTES, &error));
    s->map.ram = &s->ram;
    memory_add(&s->map, &(struct memory_region){.name = "ram",
                                                .bytes = RAM_BYTES,
                                                .read = s->ram.host,
                                                .write = s->ram.host});
    s->recorder = recorder_create();
    s->fm = recorder_create();
    s->dma = i8237_create(&b->log, &b->ports, &s->map);
    out8(b, 0xd6, 0xc0); /* as firmware: the cascade, open */
    out8(b, 0xd4, 0x00);
    for (unsigned i = 0; i < SB16_INTERRUPTS; i++) {
        lines[i] = bench_line(b, LINE_OFFSET + i);
    }
    s->opl = opl3_create(&b->log, &b->ports, &b->clock, s->fm->line);
    s->sb16 = sb16_create(&b->log, &b->ports, &b->clock, s->dma, s->opl, lines,
                          &settings, s->recorder->line);
    s->mpu = mpu401_create(&b->log, &b->ports, 0x330);
    s->recorder->advance = sb16_advance;
    s->recorder->device = s->sb16;
    s->fm->advance = opl3_advance;
    s->fm->device = s->opl;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    device_destroy((struct device *)s->mpu);
    device_destroy((struct device *)s->sb16);
    device_destroy((struct device *)s->opl);
    device_destroy((struct device *)s->dma);
    ram_destroy(&s->ram);
    free(s->recorder);
    free(s->fm);
    free(s->bench);
    free(s);
    return 0;
}

static void dsp(struct setting *s, uint8_t value)
{
    assert_int_equal(in8(s->bench, PORT + 0xc) & 0x80, 0);
    out8(s->bench, PORT + 0xc, value);
}

static uint8_t dsp_answer(struct setting *s)
{
    assert_int_equal(in8(s->bench, PORT + 0xe) & 0x80, 0x80);
    return in8(s->bench, PORT + 0xa);
}

static void set_mixer(struct setting *s, uint8_t index, uint8_t value)
{
    out8(s->bench, PORT + 4, index);
    out8(s->bench, PORT + 5, value);
}

static uint8_t get_mixer(struct setting *s, uint8_t index)
{
    out8(s->bench, PORT + 4, index);
    return in8(s->bench, PORT + 5);
}

/* Channel 1, from BUFFER. */
static void program_dma_1(struct setting *s, uint8_t mode, uint16_t bytes)
{
    struct bench *b = s->bench;
    out8(b, 0x0a, 5);
    out8(b, 0x0c, 0);
    out8(b, 0x0b, mode | 1);
    out8(b, 0x02, (uint8_t)BUFFER);
    out8(b, 0x02, (uint8_t)(BUFFER >> 8));
    out8(b, 0x83, BUFFER >> 16);
    out8(b, 0x03, (uint8_t)(bytes - 1));
    out8(b, 0x03, (uint8_t)((bytes - 1) >> 8));
    out8(b, 0x0a, 1);
}

/* Channel 5, likewise; in words. */
static void program_dma_5(struct setting *s, uint8_t mode, uint16_t words)
{
    struct bench *b = s->bench;
    out8(b, 0xd4, 5);
    out8(b, 0xd8, 0);
    out8(b, 0xd6, mode | 1);
    out8(b, 0xc4, (uint8_t)(BUFFER >> 1));
    out8(b, 0xc4, (uint8_t)(BUFFER >> 9));
    out8(b, 0x8b, BUFFER >> 16);
    out8(b, 0xc6, (uint8_t)(words - 1));
    out8(b, 0xc6, (uint8_t)((words - 1) >> 8));
    out8(b, 0xd4, 1);
}

static void run(struct setting *s, uint64_t ns)
{
    recorder_run(s->recorder, &s->bench->clock, ns);
}

static void test_reset_and_identity(void **state)
{
    struct setting *s = *state;
    out8(s->bench, PORT + 6, 1);
    assert_int_equal(in8(s->bench, PORT + 0xe) & 0x80, 0);
    out8(s->bench, PORT + 6, 0);
    assert_int_equal(dsp_answer(s), 0xaa);
    dsp(s, 0xe1);
    assert_int_equal(dsp_answer(s), 4);
    assert_int_equal(dsp_answer(s), 5);
    dsp(s, 0xe0);
    dsp(s, 0x5a);
    assert_int_equal(dsp_answer(s), 0xa5);
    dsp(s, 0xe4);
    dsp(s, 0x77);
    dsp(s, 0xe8);
    assert_int_equal(dsp_answer(s), 0x77);
    dsp(s, 0xd8);
    assert_int_equal(dsp_answer(s), 0);
    dsp(s, 0xe3);
    assert_int_equal(dsp_answer(s), 'C');
    /* A command that is not there has no arguments. */
    dsp(s, 0x01);
    dsp(s, 0xe1);
}

static void test_mixer(void **state)
{
    struct setting *s = *state;
    assert_int_equal(get_mixer(s, 0x80), 0x02); /* IRQ 5 */
    assert_int_equal(get_mixer(s, 0x81), 0x22); /* DMA 1 and 5 */
    set_mixer(s, 0x22, 0x85);                   /* the old master shows the new ones */
    assert_int_equal(get_mixer(s, 0x30), 0x88);
    assert_int_equal(get_mixer(s, 0x31), 0x50);
    assert_int_equal(get_mixer(s, 0x22), 0x85);
    set_mixer(s, 0x00, 0);
    assert_int_equal(get_mixer(s, 0x30), 0xf8);
    assert_int_equal(get_mixer(s, 0x80), 0x02);
}

/* 8 bits, mono, once: each frame is what memory has, the interrupt comes with the last
 * one, and not before. */
static void test_single_8_bit(void **state)
{
    enum { COUNT = 1000, RATE = 20000, FRAME_NS = 50000 };
    struct setting *s = *state;
    for (unsigned i = 0; i < COUNT; i++) {
        s->ram.host[BUFFER + i] = (uint8_t)(i * 7);
    }
    program_dma_1(s, 0x48, COUNT);
    dsp(s, 0x41);
    dsp(s, RATE >> 8);
    dsp(s, RATE & 0xff);
    dsp(s, 0xc0);
    dsp(s, 0x00);
    dsp(s, (uint8_t)(COUNT - 1));
    dsp(s, (COUNT - 1) >> 8);
    run(s, (uint64_t)COUNT * FRAME_NS - 1);
    assert_false(s->bench->levels[LINE_OFFSET + IRQ_5]);
    run(s, 1);
    assert_true(s->bench->levels[LINE_OFFSET + IRQ_5]);
    assert_int_equal(s->bench->rise_ns[LINE_OFFSET + IRQ_5],
                     (uint64_t)COUNT * FRAME_NS);
    assert_int_equal(get_mixer(s, 0x82), 1);
    in8(s->bench, PORT + 0xf); /* the other acknowledge does not do */
    assert_true(s->bench->levels[LINE_OFFSET + IRQ_5]);
    in8(s->bench, PORT + 0xe);
    assert_false(s->bench->levels[LINE_OFFSET + IRQ_5]);

    run(s, 100000000);
    const struct recorder *recorder = s->recorder;
    assert_int_equal(recorder->count, COUNT);
    assert_int_equal(recorder->rate, RATE);
    assert_int_equal(recorder->gaps, 0);
    assert_false(recorder->sounds);
    for (unsigned i = 0; i < COUNT; i++) {
        int16_t expected = (int16_t)((uint8_t)(i * 7) * 256 - 32768);
        assert_int_equal(recorder->frames[i].left, expected);
        assert_int_equal(recorder->frames[i].right, expected);
    }
}

/* 16 bits, stereo, repeated: a ring of two blocks, and the counter of the DMA
 * controller tells where it is. */
static void test_repeated_16_bit(void **state)
{
    enum { FRAMES = 512, RATE = 44100 };
    struct setting *s = *state;
    int16_t *samples = (int16_t *)(s->ram.host + BUFFER);
    for (int i = 0; i < 2 * FRAMES; i++) {
        samples[i] = (int16_t)(i % 2 ? -i * 30 : i * 30);
    }
    program_dma_5(s, 0x58, 2 * FRAMES);
    dsp(s, 0x41);
    dsp(s, RATE >> 8);
    dsp(s, RATE & 0xff);
    dsp(s, 0xb6);
    dsp(s, 0x30);
    dsp(s, (uint8_t)(FRAMES - 1)); /* words: half of the ring */
    dsp(s, (FRAMES - 1) >> 8);
    run(s, (uint64_t)10 * FRAMES * NS_PER_SECOND / RATE + 1);
    assert_int_equal(s->recorder->count, 10 * FRAMES);
    assert_int_equal(s->recorder->gaps, 0);
    for (unsigned i = 0; i < s->recorder->count; i++) {
        assert_int_equal(s->recorder->frames[i].left, samples[i % FRAMES * 2]);
        assert_int_equal(s->recorder->frames[i].right, samples[i % FRAMES * 2 + 1]);
    }
    assert_int_equal(s->bench->rises[LINE_OFFSET + IRQ_5], 1); /* nobody acknowledges */
    assert_int_equal(get_mixer(s, 0x82), 2);
    in8(s->bench, PORT + 0xf);
    assert_false(s->bench->levels[LINE_OFFSET + IRQ_5]);

    clock_step_ns(&s->bench->clock, 100 * NS_PER_SECOND / RATE + 1);
    out8(s->bench, 0xd8, 0);
    uint16_t left = in8(s->bench, 0xc6);
    left |= (uint16_t)(in8(s->bench, 0xc6) << 8);
    assert_int_equal(left, 2 * FRAMES - 200 - 1);

    dsp(s, 0xd9); /* the block under way is the last */
    run(s, 1000000000);
    assert_int_equal(s->recorder->count, 10 * FRAMES + FRAMES / 2);
    assert_false(s->recorder->sounds);
}

/* Time constants count samples; the old stereo is the mixer's. */
static void test_old_commands(void **state)
{
    struct setting *s = *state;
    set_mixer(s, 0x0e, 0x02);
    memset(s->ram.host + BUFFER, 0xff, 100);
    program_dma_1(s, 0x48, 100);
    dsp(s, 0x40);
    dsp(s, 256 - 25); /* 40000 samples */
    dsp(s, 0x14);
    dsp(s, 99);
    dsp(s, 0);
    run(s, 10000000);
    assert_int_equal(s->recorder->rate, 20000);
    assert_int_equal(s->recorder->count, 50);
    assert_int_equal(s->recorder->frames[0].right, 0x7f00);
    assert_int_equal(get_mixer(s, 0x82), 1);
}

static void test_pause_and_wait(void **state)
{
    struct setting *s = *state;
    memset(s->ram.host + BUFFER, 0x40, 400);
    dsp(s, 0x41);
    dsp(s, 8000 >> 8);
    dsp(s, 8000 & 0xff);
    dsp(s, 0x14); /* before the controller has been programmed */
    dsp(s, 399 & 0xff);
    dsp(s, 399 >> 8);
    run(s, 20000000);
    assert_int_equal(s->recorder->count, 0);
    assert_int_equal(in8(s->bench, 0x08) & 0x20, 0x20); /* it asks for data */
    program_dma_1(s, 0x48, 400);
    run(s, 20000000);
    assert_int_equal(s->recorder->count, 160);
    dsp(s, 0xd0);
    run(s, 100000000);
    assert_int_equal(s->recorder->count, 160);
    dsp(s, 0xd4);
    run(s, 30000000);
    assert_int_equal(s->recorder->count, 400);
    assert_int_equal(s->recorder->gaps, 1);
    assert_int_equal(get_mixer(s, 0x82), 1);
}

/* What comes in is silence; the host's memory is not shown. */
static void test_input(void **state)
{
    struct setting *s = *state;
    memset(s->ram.host + BUFFER, 0x11, 64);
    program_dma_1(s, 0x44, 64);
    dsp(s, 0x24);
    dsp(s, 63);
    dsp(s, 0);
    run(s, 100000000);
    assert_int_equal(s->recorder->count, 0);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(s->ram.host[BUFFER + i], 0x80);
    }
    assert_int_equal(get_mixer(s, 0x82), 1);
}

static void test_direct(void **state)
{
    struct setting *s = *state;
    for (unsigned i = 0; i < 100; i++) {
        dsp(s, 0x10);
        dsp(s, i % 2 ? 0xc0 : 0x40);
        run(s, 1000000);
    }
    double found = recorder_frequency(s->recorder, 0, s->recorder->count);
    assert_true(fabs(found - 500) < 1);
    assert_int_equal(s->recorder->gaps, 0);
    run(s, 500000000);
    assert_false(s->recorder->sounds);
}

static void test_other_interrupts_and_volumes(void **state)
{
    struct setting *s = *state;
    set_mixer(s, 0x80, 0x08); /* IRQ 10 */
    set_mixer(s, 0x32, 28 << 3);
    set_mixer(s, 0x33, 0); /* 62 dB less */
    memset(s->ram.host + BUFFER, 0xff, 100);
    program_dma_1(s, 0x48, 100);
    dsp(s, 0x14);
    dsp(s, 99);
    dsp(s, 0);
    run(s, 100000000);
    assert_true(s->bench->levels[LINE_OFFSET + 3]);
    assert_false(s->bench->levels[LINE_OFFSET + IRQ_5]);
    /* 6 dB less: half */
    assert_in_range(s->recorder->frames[0].left, 16280, 16300);
    assert_in_range(s->recorder->frames[0].right, 24, 27);
    dsp(s, 0xf3);
    assert_int_equal(get_mixer(s, 0x82), 3);
}

static void fm(struct setting *s, uint8_t index, uint8_t value)
{
    out8(s->bench, 0x388, index);
    out8(s->bench, 0x389, value);
}

/* How software for AdLib looks for the chip. */
static void test_fm_timers(void **state)
{
    struct setting *s = *state;
    fm(s, 4, 0x60);
    fm(s, 4, 0x80);
    assert_int_equal(in8(s->bench, 0x388) & 0xe0, 0);
    fm(s, 2, 0xff);
    fm(s, 4, 0x21);
    step_ns(s->bench, 79999);
    assert_int_equal(in8(s->bench, 0x388) & 0xe0, 0);
    step_ns(s->bench, 1);
    assert_int_equal(in8(s->bench, 0x388) & 0xe0, 0xc0);
    fm(s, 4, 0x60);
    fm(s, 4, 0x80);
    assert_int_equal(in8(s->bench, PORT + 8) & 0xe0, 0);
    assert_int_equal(in8(s->bench, 0x388) & 0x06, 0); /* an OPL3 */
}

/* A sine: block 4, F-number 580, 49716 Hz / 2^16. */
static void play_note(struct setting *s, bool on)
{
    static const uint8_t rows[][2] = {
        {0x20, 0x21}, {0x40, 0x3f}, {0x60, 0xf0}, {0x80, 0x0f}, {0x23, 0x21},
        {0x43, 0x00}, {0x63, 0xf0}, {0x83, 0x0f}, {0xc0, 0x30}, {0xa0, 0x44}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows) && on; i++) {
        fm(s, rows[i][0], rows[i][1]);
    }
    fm(s, 0xb0, on ? 0x32 : 0x12);
}

static void test_fm_tone(void **state)
{
    struct setting *s = *state;
    const double expected = 580 * 49716.0 / (1 << 16);
    play_note(s, true);
    recorder_run(s->fm, &s->bench->clock, 500000000);
    assert_int_equal(s->fm->rate, 49716);
    double found = recorder_frequency(s->fm, 1000, s->fm->count);
    assert_true(fabs(found - expected) < 0.5);
    play_note(s, false);
    recorder_run(s->fm, &s->bench->clock, 3000000000U);
    assert_false(s->fm->sounds);
    assert_int_equal(s->fm->gaps, 0);
}

/* What sounds when the state is saved, sounds when it has been loaded. */
static void test_fm_state(void **state)
{
    struct setting *s = *state;
    play_note(s, true);
    recorder_run(s->fm, &s->bench->clock, 100000000);
    struct recorder *other = recorder_create();
    struct opl3 *copy = opl3_create(&s->bench->log, &(struct port_space){0},
                                    &s->bench->clock, other->line);
    other->advance = opl3_advance;
    other->device = copy;
    bench_copy_state(s->opl, copy);
    recorder_run(other, &s->bench->clock, 100000000);
    assert_true(recorder_frequency(other, 1000, other->count) > 400);
    device_destroy((struct device *)copy);
    free(other);
}

static void test_midi_port(void **state)
{
    struct setting *s = *state;
    assert_int_equal(in8(s->bench, 0x331) & 0xc0, 0x80);
    out8(s->bench, 0x331, 0xff);
    assert_int_equal(in8(s->bench, 0x331) & 0xc0, 0);
    assert_int_equal(in8(s->bench, 0x330), 0xfe);
    assert_int_equal(in8(s->bench, 0x331) & 0xc0, 0x80);
    out8(s->bench, 0x331, 0x3f);
    assert_int_equal(in8(s->bench, 0x330), 0xfe);
    out8(s->bench, 0x330, 0x90);
    out8(s->bench, 0x331, 0xff); /* leaves UART mode without a word */
    assert_int_equal(in8(s->bench, 0x331) & 0xc0, 0x80);
}

static void test_settings(void **state)
{
    assert_true(sb16_settings_are_possible(&(struct sb16_settings){PORT, 9, 0, 7}));
    assert_true(sb16_settings_are_possible(&(struct sb16_settings){PORT, 10, 3, 3}));
    assert_false(sb16_settings_are_possible(&(struct sb16_settings){PORT, 3, 1, 5}));
    assert_false(sb16_settings_are_possible(&(struct sb16_settings){PORT, 5, 2, 5}));
    assert_false(sb16_settings_are_possible(&(struct sb16_settings){PORT, 5, 1, 4}));
}

#define SB16_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SB16_TEST(test_reset_and_identity),
        SB16_TEST(test_mixer),
        SB16_TEST(test_single_8_bit),
        SB16_TEST(test_repeated_16_bit),
        SB16_TEST(test_old_commands),
        SB16_TEST(test_pause_and_wait),
        SB16_TEST(test_input),
        SB16_TEST(test_direct),
        SB16_TEST(test_other_interrupts_and_volumes),
        SB16_TEST(test_fm_timers),
        SB16_TEST(test_fm_tone),
        SB16_TEST(test_fm_state),
        SB16_TEST(test_midi_port),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
