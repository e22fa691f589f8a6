/* The VGA's picture: random settings of text, graphics and VBE modes against models
 * that work pixel by pixel; what is drawn in parts is what is drawn in one go. */
#include "vga_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum {
    PLANE_WORDS = 0x10000,
    MODE3_WIDTH = 720,
    MODE3_HEIGHT = 400,
    COLUMNS = 80,
    NO_SPLIT = 0x3ff,
    FONT_BYTES = 8192,
    CURSOR_BLINK_FRAMES = 8,
    TEXT_BLINK_FRAMES = 16,
};

/* -- screens -- */

struct screen {
    struct display_size size;
    struct display_pixels pixels;
    struct display_rectangle changed;
};

static struct display_size size_now(struct bench *bench)
{
    struct display_source source = vga_display(bench->vga);
    return source.size(source.opaque);
}

static void free_screen(struct screen *screen)
{
    free(screen->pixels.first);
    *screen = (struct screen){.pixels.first = NULL};
}

/* Draws what has changed; everything if the size is another one. */
static bool draw(struct bench *bench, struct screen *screen, bool everything)
{
    struct display_source source = vga_display(bench->vga);
    struct display_size size = size_now(bench);
    if (size.width != screen->size.width || size.height != screen->size.height) {
        free_screen(screen);
        screen->size = size;
        screen->pixels.stride = size.width + 3;
        screen->pixels.first =
            malloc(screen->pixels.stride * size.height * sizeof(uint32_t));
        everything = true;
    }
    return source.draw(source.opaque, &screen->pixels, everything, &screen->changed);
}

static uint32_t pixel(const struct screen *screen, unsigned x, unsigned y)
{
    assert_true(x < screen->size.width && y < screen->size.height);
    return screen->pixels.first[y * screen->pixels.stride + x];
}

static bool in_rectangle(const struct display_rectangle *rectangle, unsigned x,
                         unsigned y)
{
    return x >= rectangle->x && x - rectangle->x < rectangle->width &&
           y >= rectangle->y && y - rectangle->y < rectangle->height;
}

typedef uint32_t pixel_model(const void *model, unsigned x, unsigned y);

static void assert_drawn(struct bench *bench, pixel_model *expected, const void *model)
{
    struct screen screen = {.pixels.first = NULL};
    assert_true(draw(bench, &screen, true));
    for (unsigned y = 0; y < screen.size.height; y++) {
        for (unsigned x = 0; x < screen.size.width; x++) {
            uint32_t drawn = pixel(&screen, x, y), wanted = expected(model, x, y);
            if (drawn != wanted) {
                fail_msg("%u,%u is %06x, not %06x", x, y, drawn, wanted);
            }
        }
    }
    free_screen(&screen);
}

static unsigned below(unsigned limit)
{
    return (unsigned)rand() % limit;
}

static void seed_random(void)
{
    unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : 4711;
    printf("seed %u (set SEED to change it)\n", seed);
    srand(seed);
}

/* -- colors -- */

struct colors {
    uint8_t palette[16], mode, plane_enable, select, mask;
    uint8_t dac[256][3];
};

static void set_dac(struct bench *bench, const struct colors *colors)
{
    out(bench, 0x3c6, colors->mask);
    out(bench, 0x3c8, 0);
    for (unsigned i = 0; i < 256; i++) {
        for (unsigned component = 0; component < 3; component++) {
            out(bench, 0x3c9, colors->dac[i][component]);
        }
    }
}

static void set_colors(struct bench *bench, const struct colors *colors)
{
    for (uint8_t i = 0; i < 16; i++) {
        attribute(bench, i, colors->palette[i]);
    }
    attribute(bench, 0x10, colors->mode);
    attribute(bench, 0x12, colors->plane_enable);
    attribute(bench, 0x14, colors->select);
    set_dac(bench, colors);
    in(bench, 0x3da);
    out(bench, 0x3c0, 0x20);
}

static void plain_colors(struct colors *colors)
{
    *colors = (struct colors){.plane_enable = 0xf, .mask = 0xff};
    for (unsigned i = 0; i < 256; i++) {
        colors->palette[i % 16] = i % 16;
        colors->dac[i][0] = i & 0x3f;
        colors->dac[i][1] = i * 5 & 0x3f;
        colors->dac[i][2] = i * 11 & 0x3f;
    }
}

static void random_colors(struct colors *colors)
{
    for (unsigned i = 0; i < 256; i++) {
        colors->palette[i % 16] = below(64);
        for (unsigned component = 0; component < 3; component++) {
            colors->dac[i][component] = below(64);
        }
    }
    colors->mode = below(2) * 0x80;
    colors->plane_enable = below(3) ? 0xf : below(16);
    colors->select = below(16);
    colors->mask = below(3) ? 0xff : below(256);
}

/* The high bits once more as low ones: all ones stay all ones. */
static uint32_t widen(unsigned value, unsigned from)
{
    return value << (8 - from) | value >> (2 * from - 8);
}

static uint32_t dac_color(const struct colors *colors, unsigned index)
{
    const uint8_t *entry = colors->dac[index & colors->mask];
    uint32_t color = 0;
    for (unsigned component = 0; component < 3; component++) {
        color = color << 8 | widen(entry[component], 6);
    }
    return color;
}

static uint32_t color_16(const struct colors *colors, unsigned index)
{
    unsigned palette = colors->palette[index & colors->plane_enable];
    if (colors->mode & 0x80) {
        palette = (palette & 0xf) + (colors->select & 3) * 16;
    }
    return dac_color(colors, palette + (colors->select >> 2) * 64);
}

/* -- what the CRT controller counts -- */

struct counting {
    unsigned rows, twice; /* lines of a row */
    unsigned start, pitch, byte_pan, preset, pan, split;
    bool pan_top_only;
};

static void random_counting(struct counting *counting)
{
    *counting = (struct counting){
        .rows = 1 + below(below(2) ? 4 : 32),
        .twice = below(2),
        .start = below(4000),
        .pitch = 2 * (20 + below(60)),
        .byte_pan = below(4),
        .pan = below(16),
        .split = below(2) ? below(MODE3_HEIGHT) : NO_SPLIT,
        .pan_top_only = below(2),
    };
    counting->preset = below(counting->rows);
}

static void set_counting(struct bench *bench, const struct counting *counting)
{
    crtc(bench, 0x11, 0x0e); /* unprotected */
    crtc(bench, 0x07, (uint8_t)(0x0f | (counting->split >> 4 & 0x10)));
    crtc(bench, 0x08, (uint8_t)(counting->preset | counting->byte_pan << 5));
    crtc(bench, 0x09,
         (uint8_t)((counting->rows - 1) | (counting->split >> 3 & 0x40) |
                   counting->twice << 7));
    crtc(bench, 0x0c, (uint8_t)(counting->start >> 8));
    crtc(bench, 0x0d, (uint8_t)counting->start);
    crtc(bench, 0x13, (uint8_t)(counting->pitch / 2));
    crtc(bench, 0x18, (uint8_t)counting->split);
    attribute(bench, 0x13, (uint8_t)counting->pan);
    in(bench, 0x3da);
    out(bench, 0x3c0, 0x20);
}

/* What is counted at a scan line. */
struct counted {
    unsigned counter, line, pan;
};

static struct counted count(const struct counting *counting, unsigned dots, unsigned y)
{
    unsigned pan = dots == 8 ? counting->pan % 8 : (counting->pan + 1) % 9;
    unsigned preset = counting->preset, start = counting->start + counting->byte_pan;
    if (dots == 9 && counting->pan >= 8) {
        pan = 0;
    }
    if (y > counting->split) {
        y -= counting->split + 1;
        preset = 0;
        start = counting->pan_top_only ? 0 : counting->byte_pan;
        pan = counting->pan_top_only ? 0 : pan;
    }
    unsigned lines = preset + y / (counting->twice + 1);
    return (struct counted){start + lines / counting->rows * counting->pitch,
                            lines % counting->rows, pan};
}

/* -- text -- */

struct text {
    struct colors colors;
    struct counting counting;
    unsigned dots, repeat;
    bool blinks, line_graphics;
    uint8_t fonts; /* as the register has it */
    unsigned cursor, cursor_first, cursor_last, underline;
    bool cursor_shown, hidden; /* of what blinks */
    uint16_t cells[16384];
    uint8_t glyphs[8][256][32];
};

static uint32_t text_pixel(const void *opaque, unsigned x, unsigned y)
{
    const struct text *text = opaque;
    struct counted at = count(&text->counting, text->dots, y);
    unsigned dot = x / text->repeat + at.pan;
    unsigned place = at.counter + dot / text->dots;
    unsigned character = text->cells[place] & 0xff, attribute = text->cells[place] >> 8;
    static const unsigned font_bits[2][3] = {{0, 1, 4}, {2, 3, 5}};
    unsigned font = 0, column = dot % text->dots;
    for (unsigned i = 0; i < 3; i++) {
        font |= (text->fonts >> font_bits[attribute >> 3 & 1][i] & 1) << i;
    }
    const uint8_t *glyph = text->glyphs[font][character];
    bool box = text->line_graphics && character >= 0xc0 && character < 0xe0;
    bool lit =
        column < 8 ? glyph[at.line] >> (7 - column) & 1 : box && (glyph[at.line] & 1);
    if (text->blinks && text->hidden && attribute >= 0x80) {
        lit = false;
    }
    if (text->cursor_shown && place == text->cursor && at.line >= text->cursor_first &&
        at.line <= text->cursor_last) {
        lit = true;
    }
    if (at.line == text->underline && (attribute & 7) == 1 && !(attribute & 0x70)) {
        lit = true;
    }
    unsigned back = text->blinks ? attribute >> 4 & 7 : attribute >> 4;
    return color_16(&text->colors, lit ? attribute & 0xf : back);
}

/* Where each of the eight fonts is, in plane 2. */
static const uint32_t font_places[8] = {0x0000, 0x4000, 0x8000, 0xc000,
                                        0x2000, 0x6000, 0xa000, 0xe000};

static void set_fonts(struct bench *bench, struct text *text)
{
    for (unsigned font = 0; font < 8; font++) {
        for (unsigned i = 0; i < FONT_BYTES; i++) {
            uint8_t bits = (uint8_t)rand();
            text->glyphs[font][i / 32][i % 32] = bits;
            poke(bench, FRAME_BUFFER + 4 * (gpa_t)(font_places[font] + i) + 2, bits, 1);
        }
    }
}

static void set_cells(struct bench *bench, struct text *text)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(text->cells); i++) {
        text->cells[i] = (uint16_t)rand();
        poke(bench, TEXT + 2 * i, text->cells[i], 2);
    }
}

static void set_text(struct bench *bench, struct text *text)
{
    text->colors.mode =
        (uint8_t)((text->colors.mode & 0x80) | text->line_graphics << 2 |
                  text->blinks << 3 | text->counting.pan_top_only << 5);
    set_colors(bench, &text->colors);
    set_counting(bench, &text->counting);
    sequencer(bench, 1, (uint8_t)((text->dots == 8) | (text->repeat == 2) << 3));
    sequencer(bench, 3, text->fonts);
    crtc(bench, 0x01, (uint8_t)(COLUMNS / text->repeat - 1));
    crtc(bench, 0x0a, (uint8_t)text->cursor_first);
    crtc(bench, 0x0b, (uint8_t)text->cursor_last);
    crtc(bench, 0x0e, (uint8_t)(text->cursor >> 8));
    crtc(bench, 0x0f, (uint8_t)text->cursor);
    crtc(bench, 0x14, (uint8_t)text->underline);
}

static void create_text(struct bench *bench, struct text *text)
{
    set_text_mode(bench);
    sequencer(bench, 4, 2);
    memset(text, 0, sizeof(*text));
    set_fonts(bench, text);
    set_cells(bench, text);
    plain_colors(&text->colors);
    text->dots = 9;
    text->repeat = 1;
    text->counting =
        (struct counting){.rows = 16, .pitch = COLUMNS, .split = NO_SPLIT, .pan = 8};
    text->cursor_first = 32; /* off */
    text->underline = 31;
    text->cursor_shown = true;
    set_text(bench, text);
}

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

struct dots {
    struct colors colors;
    struct counting counting;
    unsigned repeat, shift, column_shift;
    bool bytes;           /* 256 colors */
    uint8_t mode_control; /* CRT controller */
    bool double_word;
    uint32_t planes[PLANE_WORDS];
};

static unsigned bits(uint32_t word, unsigned plane, unsigned first, unsigned length)
{
    return word >> (8 * plane + 8 - first - length) & ((1U << length) - 1);
}

static unsigned dot_of(const struct dots *dots, uint32_t word, unsigned dot)
{
    switch (dots->shift) {
    case 0:
        return bits(word, 0, dot, 1) | bits(word, 1, dot, 1) << 1 |
               bits(word, 2, dot, 1) << 2 | bits(word, 3, dot, 1) << 3;
    case 1:
        return bits(word, dot / 4, dot % 4 * 2, 2) |
               bits(word, 2 + dot / 4, dot % 4 * 2, 2) << 2;
    default:
        return bits(word, dot / 2, dot % 2 * 4, 4);
    }
}

static unsigned plane_address(const struct dots *dots, unsigned counter, unsigned line)
{
    unsigned address = counter & 0xffff;
    if (dots->double_word) {
        address = address * 4 + address / 0x4000;
    } else if (!(dots->mode_control & 0x40)) {
        unsigned top = dots->mode_control & 0x20 ? 15 : 13;
        address = address * 2 + (address >> top & 1);
    }
    if (!(dots->mode_control & 1)) {
        address = (address & ~0x2000U) + (line & 1) * 0x2000;
    }
    if (!(dots->mode_control & 2)) {
        address = (address & ~0x4000U) + (line >> 1 & 1) * 0x4000;
    }
    return address & 0xffff;
}

static uint32_t dots_pixel(const void *opaque, unsigned x, unsigned y)
{
    const struct dots *dots = opaque;
    struct counted at = count(&dots->counting, 8, y);
    unsigned dot = x / dots->repeat + at.pan;
    unsigned counter = at.counter + ((dot / 8) >> dots->column_shift);
    uint32_t word = dots->planes[plane_address(dots, counter, at.line)];
    if (dots->bytes) {
        unsigned first = dot % 8 & ~1U;
        return dac_color(&dots->colors, dot_of(dots, word, first) << 4 |
                                            dot_of(dots, word, first + 1));
    }
    return color_16(&dots->colors, dot_of(dots, word, dot % 8));
}

static void fill_planes(struct bench *bench, uint32_t *planes)
{
    for (unsigned i = 0; i < PLANE_WORDS; i++) {
        planes[i] = (uint32_t)rand() << 16 ^ (uint32_t)rand();
        poke(bench, FRAME_BUFFER + 4 * (gpa_t)i, planes[i], 4);
    }
}

static void set_dots(struct bench *bench, struct dots *dots)
{
    dots->colors.mode = (uint8_t)((dots->colors.mode & 0x80) | 1 | dots->bytes << 6 |
                                  dots->counting.pan_top_only << 5);
    set_colors(bench, &dots->colors);
    set_counting(bench, &dots->counting);
    sequencer(bench, 1, (uint8_t)(1 | (dots->repeat == 2) << 3));
    graphics(bench, 5, (uint8_t)(dots->shift << 5));
    graphics(bench, 6, 5);
    crtc(bench, 0x01, (uint8_t)(COLUMNS / dots->repeat - 1));
    crtc(bench, 0x14,
         (uint8_t)(dots->double_word << 6 | (dots->column_shift == 2) << 5));
    crtc(bench, 0x17,
         (uint8_t)(dots->mode_control | 0x80 | (dots->column_shift == 1) << 3));
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

struct vbe {
    struct colors colors;
    unsigned width, height, bits, virtual_width, x, y;
    bool wide_dac;
    uint8_t *memory; /* all of it */
};

static uint32_t vbe_pixel(const void *opaque, unsigned x, unsigned y)
{
    const struct vbe *vbe = opaque;
    size_t number = (size_t)(vbe->y + y) * vbe->virtual_width + vbe->x + x;
    const uint8_t *from = vbe->memory + number * ((vbe->bits + 7) / 8);
    unsigned value = from[0] | (unsigned)from[1] << 8;
    switch (vbe->bits) {
    case 4: {
        const uint8_t *planes = vbe->memory + number / 8 * 4;
        unsigned color = 0;
        for (unsigned plane = 0; plane < 4; plane++) {
            color |= (planes[plane] >> (7 - number % 8) & 1U) << plane;
        }
        return color_16(&vbe->colors, color);
    }
    case 8:
        if (vbe->wide_dac) {
            const uint8_t *entry = vbe->colors.dac[from[0]];
            return (uint32_t)(entry[0] << 16 | entry[1] << 8 | entry[2]);
        }
        return dac_color(&vbe->colors, from[0]);
    case 15:
        return widen(value >> 10 & 0x1f, 5) << 16 | widen(value >> 5 & 0x1f, 5) << 8 |
               widen(value & 0x1f, 5);
    case 16:
        return widen(value >> 11, 5) << 16 | widen(value >> 5 & 0x3f, 6) << 8 |
               widen(value & 0x1f, 5);
    default:
        return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16;
    }
}

static void set_vbe(struct bench *bench, const struct vbe *vbe)
{
    dispi(bench, 4, 0);
    dispi(bench, 1, (uint16_t)vbe->width);
    dispi(bench, 2, (uint16_t)vbe->height);
    dispi(bench, 3, (uint16_t)vbe->bits);
    dispi(bench, 4, (uint16_t)(0xc1 | vbe->wide_dac << 5));
    dispi(bench, 6, (uint16_t)vbe->virtual_width);
    dispi(bench, 8, (uint16_t)vbe->x);
    dispi(bench, 9, (uint16_t)vbe->y);
    set_colors(bench, &vbe->colors);
}

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

/* What a display that shows a large picture costs while nothing happens. */
static void test_speed(void **state)
{
    struct bench *bench = *state;
    enum { ROUNDS = 50 };
    struct screen screen = {.pixels.first = NULL};
    struct vbe vbe = {.width = 1024, .height = 768, .bits = 32, .virtual_width = 1024};
    const struct {
        const char *what;
        bool everything;
    } kinds[] = {{"unchanged", false}, {"all of it", true}};
    set_text_mode(bench);
    set_vbe(bench, &vbe);
    for (unsigned i = 0; i < 3 << 20; i += PAGE_BYTES) {
        poke(bench, FRAME_BUFFER + i, (uint32_t)rand(), 4);
    }
    draw(bench, &screen, true);
    for (unsigned kind = 0; kind < ARRAY_LENGTH(kinds); kind++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (unsigned round = 0; round < ROUNDS; round++) {
            assert_int_equal(draw(bench, &screen, kinds[kind].everything),
                             kinds[kind].everything);
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        double us = (double)(end.tv_sec - start.tv_sec) * 1e6 +
                    (double)(end.tv_nsec - start.tv_nsec) / 1e3;
        print_message("1024x768, 32 bits, %s: %.0f us\n", kinds[kind].what,
                      us / ROUNDS);
    }
    free_screen(&screen);
}

int main(void)
{
#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, vga_bench_set_up, vga_bench_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_text),  TEST(test_cursor), TEST(test_blinking),
        TEST(test_dots),  TEST(test_vbe),    TEST(test_large),
        TEST(test_blank), TEST(test_speed),  TEST(test_parts_and_wholes),
    };
    seed_random();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
