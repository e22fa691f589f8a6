/* The VGA's picture: random settings of text, graphics and VBE modes against models
 * that work pixel by pixel. */
#include "vga_screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CURSOR_BLINK_FRAMES = 8,
    TEXT_BLINK_FRAMES = 16,
};

/* -- text -- */

static void test_text(void **state)
{
    struct bench *bench = *state;
    static struct text text;
    create_text(bench, &text);
    struct display_size size = size_now(bench);
    assert_int_equal(size.width, MODE3_WIDTH);
    assert_int_equal(size.height, MODE3_HEIGHT);
    assert_drawn(bench, text_pixel, &text);
    for (unsigned round = 0; round < 30; round++) {
        random_colors(&text.colors);
        random_counting(&text.counting);
        /* So that there are cells enough for all rows. */
        text.counting.rows += text.counting.rows < 8 ? 8 : 0;
        text.dots = 8 + below(2);
        text.repeat = 1 + below(2);
        text.blinks = below(2);
        text.line_graphics = below(2);
        text.fonts = below(64);
        text.cursor = text.counting.start + below(500);
        text.cursor_first = below(32);
        text.cursor_last = below(32);
        text.underline = below(32);
        set_text(bench, &text);
        size = size_now(bench);
        assert_int_equal(size.width, COLUMNS * text.dots);
        assert_drawn(bench, text_pixel, &text);
    }
}

static void test_cursor(void **state)
{
    struct bench *bench = *state;
    static struct text text;
    struct screen screen = {.pixels.first = NULL};
    create_text(bench, &text);
    text.cursor = 2 * COLUMNS + 5;
    text.cursor_first = 13;
    text.cursor_last = 14;
    set_text(bench, &text);
    assert_drawn(bench, text_pixel, &text);
    draw(bench, &screen, true);
    /* It moves: two cells change, whose rows are drawn. */
    text.cursor = 4 * COLUMNS + 7;
    set_text(bench, &text);
    assert_true(draw(bench, &screen, false));
    assert_int_equal(screen.changed.x, 5 * 9);
    assert_int_equal(screen.changed.width, 3 * 9);
    assert_int_equal(screen.changed.y, 2 * 16);
    assert_int_equal(screen.changed.height, 3 * 16);
    assert_false(draw(bench, &screen, false));
    text.cursor_first |= 0x20; /* off */
    set_text(bench, &text);
    assert_drawn(bench, text_pixel, &text);
    free_screen(&screen);
}

/* 70.09 frames a second; the cursor changes every 8, text every 16. */
static void test_blinking(void **state)
{
    struct bench *bench = *state;
    static struct text text;
    struct screen screen = {.pixels.first = NULL};
    const uint64_t frame_ns = 14268223;
    create_text(bench, &text);
    text.cursor = 3;
    text.cursor_first = 0;
    text.cursor_last = 15;
    text.blinks = true;
    set_text(bench, &text);
    clock_step_ns(&bench->clock, frame_ns / 2);
    for (unsigned frame = 0; frame < 4 * TEXT_BLINK_FRAMES; frame++) {
        text.cursor_shown = frame / CURSOR_BLINK_FRAMES % 2 == 0;
        text.hidden = frame / TEXT_BLINK_FRAMES % 2;
        bool changes = draw(bench, &screen, false);
        assert_int_equal(changes, frame % CURSOR_BLINK_FRAMES == 0);
        if (changes) {
            for (unsigned x = 0; x < MODE3_WIDTH; x++) {
                assert_int_equal(pixel(&screen, x, 5), text_pixel(&text, x, 5));
            }
        }
        clock_step_ns(&bench->clock, frame_ns);
    }
    free_screen(&screen);
}

/* -- graphics -- */

static void fill_planes(struct bench *bench, uint32_t *planes)
{
    for (unsigned i = 0; i < PLANE_WORDS; i++) {
        planes[i] = (uint32_t)rand() << 16 ^ (uint32_t)rand();
        poke(bench, FRAME_BUFFER + 4 * (gpa_t)i, planes[i], 4);
    }
}

static void test_dots(void **state)
{
    struct bench *bench = *state;
    static struct dots dots;
    set_text_mode(bench);
    fill_planes(bench, dots.planes);
    for (unsigned round = 0; round < 40; round++) {
        random_colors(&dots.colors);
        random_counting(&dots.counting);
        dots.repeat = 1 + below(2);
        dots.shift = below(3);
        dots.bytes = dots.shift == 2 ? below(4) : 0;
        dots.column_shift = below(3);
        dots.mode_control = below(2) ? 0x63 : below(128) & 0x63;
        dots.double_word = below(3) == 0;
        set_dots(bench, &dots);
        assert_drawn(bench, dots_pixel, &dots);
    }
}

/* -- Bochs VBE -- */

static void test_vbe(void **state)
{
    struct bench *bench = *state;
    static const unsigned depths[] = {4, 8, 8, 15, 16, 24, 32};
    struct vbe vbe = {.memory = malloc(VGA_MEMORY_BYTES)};
    set_text_mode(bench);
    for (unsigned i = 0; i < VGA_MEMORY_BYTES; i++) {
        vbe.memory[i] = (uint8_t)rand();
    }
    memory_write(&bench->memory, FRAME_BUFFER, vbe.memory, VGA_MEMORY_BYTES);
    for (unsigned round = 0; round < 21; round++) {
        plain_colors(&vbe.colors);
        vbe.bits = depths[round % ARRAY_LENGTH(depths)];
        vbe.wide_dac = round % ARRAY_LENGTH(depths) == 2;
        vbe.width = 8 * (1 + below(100));
        vbe.height = 1 + below(500);
        vbe.virtual_width = vbe.width + 8 * below(30);
        vbe.x = below(vbe.virtual_width - vbe.width + 1);
        vbe.y = below(200);
        set_vbe(bench, &vbe);
        assert_int_equal(size_now(bench).width, vbe.width);
        assert_int_equal(size_now(bench).height, vbe.height);
        assert_drawn(bench, vbe_pixel, &vbe);
    }
    free(vbe.memory);
}

/* More than a display can show is cut off. */
static void test_large(void **state)
{
    struct bench *bench = *state;
    struct screen screen = {.pixels.first = NULL};
    set_text_mode(bench);
    struct vbe vbe = {.width = 8000, .height = 2000, .bits = 8, .virtual_width = 8000};
    set_vbe(bench, &vbe);
    struct display_size size = size_now(bench);
    assert_int_equal(size.width, DISPLAY_MAXIMUM_WIDTH);
    assert_int_equal(size.height, DISPLAY_MAXIMUM_HEIGHT);
    poke(bench, FRAME_BUFFER + 1599 * 8000 + 2559, 0xff, 1);
    assert_true(draw(bench, &screen, true));
    poke(bench, FRAME_BUFFER + 1599 * 8000 + 2560, 0xff, 1);
    assert_false(draw(bench, &screen, false));
    poke(bench, FRAME_BUFFER + 1599 * 8000 + 2559, 0xfe, 1);
    assert_true(draw(bench, &screen, false));
    assert_int_equal(screen.changed.y, 1599);
    assert_int_equal(screen.changed.height, 1);
    assert_int_equal(screen.changed.x + screen.changed.width, 2560);
    free_screen(&screen);
}

int main(void)
{
#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, vga_bench_set_up, vga_bench_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_text), TEST(test_cursor), TEST(test_blinking),
        TEST(test_dots), TEST(test_vbe),    TEST(test_large),
    };
    seed_random();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
