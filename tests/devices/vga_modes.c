/* Text, dots and Bochs VBE: how they are set, and what they show. */
#include "vga_screen.h"

#include <stdlib.h>
#include <string.h>

enum { FONT_BYTES = 8192 };

/* -- text -- */

uint32_t text_pixel(const void *opaque, unsigned x, unsigned y)
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

void set_text(struct bench *bench, struct text *text)
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

void create_text(struct bench *bench, struct text *text)
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

/* -- graphics -- */

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

uint32_t dots_pixel(const void *opaque, unsigned x, unsigned y)
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

void set_dots(struct bench *bench, struct dots *dots)
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

/* -- Bochs VBE -- */

uint32_t vbe_pixel(const void *opaque, unsigned x, unsigned y)
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

void set_vbe(struct bench *bench, const struct vbe *vbe)
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
