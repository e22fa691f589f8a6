/* devices/vga_scan.c: text and planes, as the CRT controller scans them.
 *
 * Source: IBM VGA XGA Technical Reference, CRT controller registers 8 to 0x18, graphics
 * controller register 5, "Alphanumeric Modes", "Attribute Controller". */
#include "devices/vga_internal.h"

#include <string.h>

enum {
    /* A cell of text as it is kept: character, attribute, and what these show now. */
    CELL_ATTRIBUTE_SHIFT = 8,
    CELL_CURSOR = 0x10000,
    CELL_HIDDEN = 0x20000, /* blinks, and is off */
    ATTRIBUTE_BLINKS = 0x80,
    ATTRIBUTE_UNDERLINE_MASK = 0x77,
    ATTRIBUTE_UNDERLINED = 0x01,
    FONT_PLANE = 2,
    /* In frames: half the period. */
    CURSOR_BLINK_SHIFT = 3,
    TEXT_BLINK_SHIFT = 4,
    BOX_FIRST = 0xc0,
    BOX_LAST = 0xdf,
    LINE_DOTS = DISPLAY_MAXIMUM_WIDTH + 32, /* the last column is shown in part */
};

/* What one picture is drawn with. */
struct drawing {
    const struct vga *vga;
    const struct vga_frame *frame;
    const uint8_t (*fonts)[VGA_FONT_CHARACTERS][VGA_FONT_LINES];
    const struct display_pixels *pixels;
    bool everything;
    uint32_t cursor; /* address counter; UINT32_MAX: not shown now */
    bool hidden;     /* what blinks is */
    uint32_t *row;   /* kept */
    struct vga_span span;
    uint32_t line[LINE_DOTS];
};

/* -- the CRT controller -- */

void vga_scan_begin(const struct vga_frame *frame, struct vga_scan *scan)
{
    *scan = (struct vga_scan){
        .counter = frame->start, .row_scan = frame->first_row_scan, .pan = frame->pan};
}

void vga_scan_next(const struct vga_frame *frame, struct vga_scan *scan)
{
    if (scan->line++ == frame->split) {
        scan->counter = frame->split_counter;
        scan->pan = frame->split_pan;
        scan->row_scan = 0;
        scan->second = false;
    } else if (frame->twice && !scan->second) {
        scan->second = true;
    } else {
        scan->second = false;
        if (scan->row_scan == frame->last_row_scan) {
            scan->row_scan = 0;
            scan->counter += frame->pitch;
        } else {
            scan->row_scan = (scan->row_scan + 1) % VGA_FONT_LINES;
        }
    }
}

/* Byte, word and double-word mode turn the address counter into a plane offset. */
static uint32_t plane_offset(const struct vga_frame *frame, uint32_t counter,
                             uint32_t row_scan)
{
    uint32_t offset = counter & frame->counter_mask;
    if (frame->double_word) {
        offset = offset << 2 | (offset >> 14 & 3);
    } else if (!(frame->mode_control & MODE_CONTROL_BYTE)) {
        unsigned wrapped = frame->mode_control & MODE_CONTROL_WRAP_MA15 ? 15 : 13;
        offset = offset << 1 | (offset >> wrapped & 1);
    }
    if (!(frame->mode_control & MODE_CONTROL_NO_ROW_SCAN_0)) {
        offset = (offset & ~(1U << 13)) | (row_scan & 1) << 13;
    }
    if (!(frame->mode_control & MODE_CONTROL_NO_ROW_SCAN_1)) {
        offset = (offset & ~(1U << 14)) | (row_scan & 2) << 13;
    }
    return offset & frame->offset_mask;
}

uint32_t vga_scan_fetch(const struct vga *vga, const struct vga_frame *frame,
                        const struct vga_scan *scan, unsigned column)
{
    uint32_t counter = scan->counter + (column >> frame->column_shift);
    uint32_t offset = plane_offset(frame, counter, scan->row_scan);
    return ((const uint32_t *)(const void *)vga->memory.host)[offset];
}

/* Whether the controller fetches the same for a line as for the one before it. */
static bool same_row(const struct vga_frame *frame, const struct vga_scan *scan,
                     const struct vga_scan *before)
{
    unsigned counted = (frame->mode_control & MODE_CONTROL_NO_ROW_SCAN_0 ? 0 : 1U) |
                       (frame->mode_control & MODE_CONTROL_NO_ROW_SCAN_1 ? 0 : 2U);
    return scan->line != 0 && scan->counter == before->counter &&
           !((scan->row_scan ^ before->row_scan) & counted);
}

static uint32_t text_cell(const struct drawing *drawing, uint32_t word,
                          uint32_t counter)
{
    uint32_t cell = word & 0xffff;
    if (counter == drawing->cursor) {
        cell |= CELL_CURSOR;
    }
    if (drawing->hidden && (cell >> CELL_ATTRIBUTE_SHIFT & ATTRIBUTE_BLINKS)) {
        cell |= CELL_HIDDEN;
    }
    return cell;
}

/* Renews what is kept of the row; the span gets what has changed. */
static void fetch_row(struct drawing *drawing, const struct vga_scan *scan)
{
    const struct vga_frame *frame = drawing->frame;
    struct vga_span span = {.first = UINT32_MAX};
    for (unsigned column = 0; column <= frame->columns; column++) {
        uint32_t word = vga_scan_fetch(drawing->vga, frame, scan, column);
        if (frame->kind == VGA_FRAME_TEXT) {
            uint32_t counter = scan->counter + (column >> frame->column_shift);
            word = text_cell(drawing, word, counter & frame->counter_mask);
        }
        if (word != drawing->row[column]) {
            drawing->row[column] = word;
            span.first = column < span.first ? column : span.first;
            span.end = column + 1;
        }
    }
    if (drawing->everything) {
        span = (struct vga_span){0, frame->columns + 1};
    }
    drawing->span = span;
}

/* -- dots -- */

static uint32_t *put(uint32_t *dot, uint32_t color, uint32_t repeat)
{
    *dot++ = color;
    if (repeat == 2) {
        *dot++ = color;
    }
    return dot;
}

static void draw_cell(const struct drawing *drawing, uint32_t cell, uint32_t row_scan,
                      uint32_t *dot)
{
    const struct vga_frame *frame = drawing->frame;
    unsigned character = cell & 0xff;
    unsigned attribute = cell >> CELL_ATTRIBUTE_SHIFT & 0xff;
    unsigned back = frame->blinks ? attribute >> 4 & 7 : attribute >> 4;
    unsigned glyph = drawing->fonts[attribute >> 3 & 1][character][row_scan] << 1;
    bool box = frame->line_graphics && character >= BOX_FIRST && character <= BOX_LAST;
    if (box && (glyph & 2)) {
        glyph |= 1;
    }
    if (cell & CELL_HIDDEN) {
        glyph = 0;
    }
    bool underlined = row_scan == frame->underline &&
                      (attribute & ATTRIBUTE_UNDERLINE_MASK) == ATTRIBUTE_UNDERLINED;
    bool cursor = (cell & CELL_CURSOR) && row_scan >= frame->cursor_first &&
                  row_scan <= frame->cursor_last;
    if (underlined || cursor) {
        glyph = 0x1ff;
    }
    const uint32_t colors[2] = {frame->colors[back], frame->colors[attribute & 0xf]};
    for (unsigned i = 0; i < frame->dots; i++) {
        dot = put(dot, colors[glyph >> (8 - i) & 1], frame->repeat);
    }
}

/* Bit 7 - n of a byte as the lowest bit of byte n. */
static uint64_t spread(uint8_t bits)
{
    const uint64_t each = 0x0101010101010101, one_each = 0x0102040810204080;
    return ((bits * each & one_each) + 0x7f * each) >> 7 & each;
}

static uint8_t plane(uint32_t word, unsigned number)
{
    return (uint8_t)(word >> 8 * number);
}

/* The eight dots of a word, 4 bits each, in the bytes of the result from the lowest. */
static uint64_t dots_of(uint32_t shift, uint32_t word)
{
    uint64_t dots = 0;
    switch (shift) {
    case VGA_SHIFT_PLANES:
        for (unsigned i = 0; i < 4; i++) {
            dots |= spread(plane(word, i)) << i;
        }
        break;
    case VGA_SHIFT_PAIRS:
        for (unsigned i = 0; i < 8; i++) {
            unsigned low = plane(word, i / 4) >> (6 - 2 * (i % 4)) & 3;
            unsigned high = plane(word, 2 + i / 4) >> (6 - 2 * (i % 4)) & 3;
            dots |= (uint64_t)(low | high << 2) << 8 * i;
        }
        break;
    default:
        for (unsigned i = 0; i < 8; i++) {
            dots |= (uint64_t)(plane(word, i / 2) >> (i % 2 ? 0 : 4) & 0xf) << 8 * i;
        }
        break;
    }
    return dots;
}

static void draw_word(const struct vga_frame *frame, uint32_t word, uint32_t *dot)
{
    uint64_t dots = dots_of(frame->shift, word);
    for (unsigned i = 0; i < 8; i++, dots >>= 8) {
        unsigned color = dots & 0xf;
        if (frame->byte_dots) {
            color = (dots & 0xf) << 4 | (dots >> 8 & 0xf);
            dot = put(dot, frame->colors[color], frame->repeat);
            i++;
            dots >>= 8;
        }
        dot = put(dot, frame->colors[color], frame->repeat);
    }
}

static void draw_row(struct drawing *drawing, const struct vga_scan *scan)
{
    const struct vga_frame *frame = drawing->frame;
    uint32_t column_dots = frame->dots * frame->repeat;
    for (uint32_t i = drawing->span.first; i < drawing->span.end; i++) {
        uint32_t *dot = drawing->line + i * column_dots;
        if (frame->kind == VGA_FRAME_TEXT) {
            draw_cell(drawing, drawing->row[i], scan->row_scan, dot);
        } else {
            draw_word(frame, drawing->row[i], dot);
        }
    }
}

/* The columns that have changed, as far as they are shown. */
static void show_row(const struct drawing *drawing, const struct vga_scan *scan,
                     struct display_rectangle *changed)
{
    const struct vga_frame *frame = drawing->frame;
    uint32_t column_dots = frame->dots * frame->repeat;
    if (drawing->span.first >= drawing->span.end) {
        return;
    }
    uint32_t first = drawing->span.first * column_dots;
    uint32_t end = drawing->span.end * column_dots;
    first = first < scan->pan ? scan->pan : first;
    end = end > scan->pan + frame->width ? scan->pan + frame->width : end;
    if (first < end) {
        uint32_t *to = drawing->pixels->first + scan->line * drawing->pixels->stride;
        memcpy(to + (first - scan->pan), drawing->line + first,
               (end - first) * sizeof(*to));
        vga_picture_add(changed, first - scan->pan, end - first, scan->line);
    }
}

/* -- frames -- */

/* False: nothing has changed. */
static bool copy_font(struct vga *vga,
                      uint8_t font[VGA_FONT_CHARACTERS][VGA_FONT_LINES],
                      uint32_t offset)
{
    const uint8_t *from = vga->memory.host + 4 * (size_t)offset + FONT_PLANE;
    uint8_t *to = font[0], changed = 0;
    for (unsigned i = 0; i < VGA_FONT_CHARACTERS * VGA_FONT_LINES; i++) {
        uint8_t byte = from[4 * (size_t)i];
        changed |= byte ^ to[i];
        to[i] = byte;
    }
    return changed;
}

static bool copy_fonts(struct vga *vga, const struct vga_frame *frame)
{
    struct vga_picture *picture = &vga->picture;
    bool changed = copy_font(vga, picture->fonts[0], frame->fonts[0]);
    if (frame->fonts[1] != frame->fonts[0]) {
        changed |= copy_font(vga, picture->fonts[1], frame->fonts[1]);
    } else if (changed || memcmp(picture->fonts[1], picture->fonts[0],
                                 sizeof(picture->fonts[0]))) {
        memcpy(picture->fonts[1], picture->fonts[0], sizeof(picture->fonts[0]));
        changed = true;
    }
    return changed;
}

static void set_blinking(struct vga *vga, struct drawing *drawing)
{
    uint64_t frames = vga_frame_number(vga);
    drawing->hidden = drawing->frame->blinks && (frames >> TEXT_BLINK_SHIFT & 1);
    drawing->cursor =
        frames >> CURSOR_BLINK_SHIFT & 1
            ? UINT32_MAX
            : (uint32_t)vga->crtc[CRTC_CURSOR_HIGH] << 8 | vga->crtc[CRTC_CURSOR_LOW];
}

bool vga_scan_draw(struct vga *vga, const struct display_pixels *pixels,
                   bool everything, struct display_rectangle *changed)
{
    const struct vga_frame *frame = &vga->picture.frame;
    struct drawing drawing = {.vga = vga,
                              .frame = frame,
                              .fonts = (const void *)vga->picture.fonts,
                              .pixels = pixels,
                              .everything = everything,
                              .row = (uint32_t *)(void *)vga->picture.kept};
    if (frame->kind == VGA_FRAME_TEXT) {
        drawing.everything |= copy_fonts(vga, frame);
        set_blinking(vga, &drawing);
    }
    struct vga_scan scan, before = {0};
    for (vga_scan_begin(frame, &scan); scan.line < frame->height;) {
        bool same = same_row(frame, &scan, &before);
        if (!same) {
            drawing.row += scan.line ? frame->columns + 1 : 0;
            fetch_row(&drawing, &scan);
        }
        if (!same || frame->kind == VGA_FRAME_TEXT) {
            draw_row(&drawing, &scan);
        }
        show_row(&drawing, &scan, changed);
        before = scan;
        vga_scan_next(frame, &scan);
    }
    return changed->width != 0;
}
