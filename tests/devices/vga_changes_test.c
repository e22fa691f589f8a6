/* The VGA's picture when it changes: what is drawn in parts is what is drawn in one go,
 * and what an unchanged picture costs. */
#include "vga_screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_blank(void **state)
{
    struct bench *bench = *state;
    static struct text text;
    struct screen screen = {.pixels.first = NULL};
    assert_int_equal(size_now(bench).width, MODE3_WIDTH); /* before anything is set */
    create_text(bench, &text);
    crtc(bench, 0x12, 0x2b); /* fewer lines */
    assert_true(draw(bench, &screen, false));
    sequencer(bench, 1, 0x20);
    assert_int_equal(size_now(bench).height, 0x12c);
    crtc(bench, 0x01, 10);
    assert_int_equal(size_now(bench).width, MODE3_WIDTH);
    assert_true(draw(bench, &screen, false));
    assert_int_equal(pixel(&screen, 100, 100), 0);
    assert_false(draw(bench, &screen, false));
    crtc(bench, 0x01, COLUMNS - 1);
    sequencer(bench, 1, 0);
    assert_true(draw(bench, &screen, false));
    assert_int_equal(pixel(&screen, 100, 100), text_pixel(&text, 100, 100));
    free_screen(&screen);
}

/* -- parts and wholes -- */

/* Sets a mode of some kind. */
static void random_mode(struct bench *bench)
{
    static struct text text;
    static struct dots dots;
    struct vbe vbe = {.bits = 8, .virtual_width = 800};
    dispi(bench, 4, 0);
    switch (below(3)) {
    case 0:
        create_text(bench, &text);
        random_counting(&text.counting);
        text.blinks = true;
        text.cursor_first = 3;
        text.cursor_last = 9;
        set_text(bench, &text);
        break;
    case 1:
        set_text_mode(bench);
        plain_colors(&dots.colors);
        random_counting(&dots.counting);
        dots = (struct dots){.colors = dots.colors,
                             .counting = dots.counting,
                             .repeat = 1 + below(2),
                             .shift = below(3),
                             .mode_control = below(128) & 0x63};
        set_dots(bench, &dots);
        break;
    default:
        vbe.bits = 8 * (1 + below(4));
        vbe.width = 8 * (1 + below(100));
        vbe.height = 1 + below(400);
        plain_colors(&vbe.colors);
        set_vbe(bench, &vbe);
        break;
    }
}

static void random_change(struct bench *bench)
{
    switch (below(20)) {
    case 0:
        crtc(bench, (uint8_t)(8 + below(0x11)), (uint8_t)rand());
        crtc(bench, 0x17, 0xa3);
        break;
    case 1:
        out(bench, 0x3c8, (uint8_t)rand());
        for (unsigned i = 0; i < 3; i++) {
            out(bench, 0x3c9, (uint8_t)rand());
        }
        break;
    case 2:
        clock_step_ns(&bench->clock, below(300000000));
        break;
    case 3:
        attribute(bench, (uint8_t)below(0x15), (uint8_t)rand());
        out(bench, 0x3c0, 0x20);
        break;
    case 4:
        dispi(bench, 9, (uint16_t)below(10));
        break;
    default:
        poke(bench, FRAME_BUFFER + below(below(2) ? 0x2000 : 0x40000) * 4,
             (uint32_t)rand(), 1 + below(2));
        break;
    }
}

static bool in_rectangle(const struct display_rectangle *rectangle, unsigned x,
                         unsigned y)
{
    return x >= rectangle->x && x - rectangle->x < rectangle->width &&
           y >= rectangle->y && y - rectangle->y < rectangle->height;
}

static void assert_same(const struct screen *parts, const struct screen *whole)
{
    for (unsigned y = 0; y < whole->size.height; y++) {
        assert_memory_equal(parts->pixels.first + y * parts->pixels.stride,
                            whole->pixels.first + y * whole->pixels.stride,
                            whole->size.width * sizeof(uint32_t));
    }
}

/* All that differs from the picture before is in what is said to have changed. */
static void assert_told(const struct screen *before, const struct screen *now)
{
    for (unsigned y = 0; y < now->size.height; y++) {
        for (unsigned x = 0; x < now->size.width; x++) {
            if (pixel(before, x, y) != pixel(now, x, y)) {
                assert_true(in_rectangle(&now->changed, x, y));
            }
        }
    }
}

static void test_parts_and_wholes(void **state)
{
    struct bench *bench = *state;
    struct screen parts = {.pixels.first = NULL}, whole = {.pixels.first = NULL};
    unsigned drawn = 0, unchanged = 0;
    for (unsigned round = 0; round < 600; round++) {
        if (round % 40 == 0) {
            random_mode(bench);
            draw(bench, &parts, false);
            draw(bench, &whole, true);
        }
        for (unsigned changes = below(4); changes; changes--) {
            random_change(bench);
        }
        struct display_size before = parts.size;
        bool changed = draw(bench, &parts, false);
        bool same_size =
            parts.size.width == before.width && parts.size.height == before.height;
        if (changed && same_size) {
            assert_told(&whole, &parts);
        }
        drawn += changed;
        unchanged += !changed;
        /* The second drawing is of the same: only when all is asked for it draws. */
        assert_false(draw(bench, &parts, false));
        assert_true(draw(bench, &whole, true));
        assert_same(&parts, &whole);
    }
    assert_true(drawn > 100 && unchanged > 50);
    free_screen(&parts);
    free_screen(&whole);
}

/* What has been loaded is drawn, though the registers are the same. */
static void test_state(void **state)
{
    struct bench *bench = *state;
    static struct text text;
    struct device *device = (struct device *)bench->vga;
    struct screen screen = {.pixels.first = NULL}, loaded = {.pixels.first = NULL};
    struct state_buffer buffer = {0};
    struct error error;
    create_text(bench, &text);
    draw(bench, &screen, true);
    device_save(device, &buffer);
    poke(bench, TEXT, 0x0000, 2);
    poke(bench, FRAME_BUFFER + 4 * 100 + 2, 0xff, 1); /* font */
    draw(bench, &loaded, true);
    assert_true(device_load(device, &buffer, &error));
    assert_true(draw(bench, &loaded, false));
    assert_same(&loaded, &screen);
    state_buffer_free(&buffer);
    free_screen(&screen);
    free_screen(&loaded);
}

/* Whatever registers hold, the picture has a size and can be drawn. */
static void test_hostile_state(void **state)
{
    struct bench *bench = *state;
    struct device *device = (struct device *)bench->vga;
    struct screen screen = {.pixels.first = NULL};
    struct state_buffer good = {0};
    struct error error;
    enum { REGISTERS_BYTES = 1300 }; /* come first */
    unsigned drawn = 0;
    random_mode(bench);
    device_save(device, &good);
    for (unsigned round = 0; round < 200; round++) {
        struct state_buffer bad = {.bytes = malloc(good.length), .length = good.length};
        memcpy(bad.bytes, good.bytes, good.length);
        for (unsigned i = below(60); i; i--) {
            bad.bytes[below(REGISTERS_BYTES)] = (uint8_t)below(256);
        }
        if (device_load(device, &bad, &error)) {
            out(bench, 0x3c0, 0x20);
            drawn += draw(bench, &screen, false);
            assert_in_range(screen.size.width, 1, DISPLAY_MAXIMUM_WIDTH);
            assert_in_range(screen.size.height, 1, DISPLAY_MAXIMUM_HEIGHT);
        }
        state_buffer_free(&bad);
    }
    assert_true(drawn > 0);
    state_buffer_free(&good);
    free_screen(&screen);
}

/* -- what it costs -- */

static double draw_us(struct bench *bench, struct screen *screen, bool everything)
{
    enum { ROUNDS = 30 };
    struct timespec start, end;
    draw(bench, screen, true);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (unsigned round = 0; round < ROUNDS; round++) {
        assert_int_equal(draw(bench, screen, everything), everything);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double us = (double)(end.tv_sec - start.tv_sec) * 1e6 +
                (double)(end.tv_nsec - start.tv_nsec) / 1e3;
    return us / ROUNDS;
}

static void show_speed(struct bench *bench, const char *mode)
{
    struct screen screen = {.pixels.first = NULL};
    double unchanged_us = draw_us(bench, &screen, false);
    print_message("%s: unchanged %.0f us, all of it %.0f us\n", mode, unchanged_us,
                  draw_us(bench, &screen, true));
    free_screen(&screen);
}

static void test_speed(void **state)
{
    struct bench *bench = *state;
    static struct text text;
    static struct dots dots = {.repeat = 1, .mode_control = 0x63};
    struct vbe vbe = {.width = 1024, .height = 768, .bits = 32, .virtual_width = 1024};
    create_text(bench, &text);
    show_speed(bench, "720x400, text");
    dots.colors = text.colors;
    dots.counting = (struct counting){.rows = 1, .pitch = COLUMNS, .split = NO_SPLIT};
    set_dots(bench, &dots);
    show_speed(bench, "640x400, 16 colors");
    set_vbe(bench, &vbe);
    for (unsigned i = 0; i < 3 << 20; i += sizeof(uint32_t)) {
        poke(bench, FRAME_BUFFER + i, (uint32_t)rand(), sizeof(uint32_t));
    }
    show_speed(bench, "1024x768, 32 bits");
}

int main(void)
{
#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, vga_bench_set_up, vga_bench_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_blank), TEST(test_parts_and_wholes),
        TEST(test_state), TEST(test_hostile_state),
        TEST(test_speed),
    };
    seed_random();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
