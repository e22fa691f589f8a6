/* devices/vga_frame.c: what the registers say about the picture.
 *
 * Source: IBM VGA XGA Technical Reference, "VGA Registers": sequencer 1, 3, 4; CRT
 * controller; graphics controller 5, 6; attribute controller; DAC. */
#include "devices/vga_internal.h"

#include <string.h>

enum {
    START_BYTE_PAN_SHIFT = 5,
    ROW_SCAN_MASK = 0x1f,
    SCAN_LINE_TWICE = 0x80,
    CURSOR_OFF = 0x20,
    PALETTE_COLORS = 16,
    GRAPHICS_SHIFT_PAIRS = 0x20,
    GRAPHICS_SHIFT_BYTES = 0x40,
};

/* -- colors -- */

/* 6 bits to 8, so that all ones are white. */
static uint32_t widen(uint8_t component)
{
    component &= 0x3f;
    return (uint32_t)component << 2 | component >> 4;
}

static uint32_t dac_color(const struct vga *vga, unsigned pixel)
{
    const uint8_t *entry = vga->palette[pixel & vga->dac_mask];
    if (vga_dac_is_wide(vga)) {
        return (uint32_t)entry[0] << 16 | (uint32_t)entry[1] << 8 | entry[2];
    }
    return widen(entry[0]) << 16 | widen(entry[1]) << 8 | widen(entry[2]);
}

/* Of a pixel of 4 bits, by the attribute controller's palette and color select. */
static uint32_t attribute_color(const struct vga *vga, unsigned pixel)
{
    unsigned select = vga->attribute[ATTRIBUTE_COLOR_SELECT];
    unsigned color = vga->attribute[pixel & vga->attribute[ATTRIBUTE_PLANE_ENABLE]];
    if (vga->attribute[ATTRIBUTE_MODE_CONTROL] & ATTRIBUTE_MODE_SELECT_54) {
        color = (color & 0x0f) | (select & 3) << 4;
    }
    return dac_color(vga, color | (select & 0xc) << 4);
}

static void set_colors(const struct vga *vga, struct vga_frame *frame)
{
    bool whole_bytes = frame->byte_dots || frame->kind == VGA_FRAME_LINEAR;
    for (unsigned i = 0; i < (whole_bytes ? 256 : PALETTE_COLORS); i++) {
        frame->colors[i] = whole_bytes ? dac_color(vga, i) : attribute_color(vga, i);
    }
}

/* -- the CRT controller -- */

/* Of 9 dots, 8 pans by nothing, and 0 by one dot. */
static unsigned panning(const struct vga *vga, unsigned dots)
{
    unsigned pan = vga->attribute[ATTRIBUTE_PANNING];
    if (dots == 9) {
        return pan >= 8 ? 0 : pan + 1;
    }
    return pan & 7;
}

static void set_split(const struct vga *vga, struct vga_frame *frame, unsigned byte_pan)
{
    const uint8_t *crtc = vga->crtc;
    bool top_only = vga->attribute[ATTRIBUTE_MODE_CONTROL] & ATTRIBUTE_MODE_PAN_TOP;
    frame->split = crtc[CRTC_LINE_COMPARE] | (crtc[CRTC_OVERFLOW] & 0x10U) << 4 |
                   (crtc[CRTC_MAXIMUM_SCAN_LINE] & 0x40U) << 3;
    frame->split_counter = top_only ? 0 : byte_pan;
    frame->split_pan = top_only ? 0 : frame->pan;
}

static unsigned column_shift(const uint8_t *crtc)
{
    if (crtc[CRTC_UNDERLINE] & UNDERLINE_COUNT_BY_4) {
        return 2;
    }
    return crtc[CRTC_MODE_CONTROL] & MODE_CONTROL_COUNT_BY_2 ? 1 : 0;
}

static void set_size(const struct vga *vga, struct vga_frame *frame)
{
    uint32_t column_dots = frame->dots * frame->repeat;
    uint32_t columns = vga->crtc[CRTC_HORIZONTAL_DISPLAY_END] + 1U;
    frame->columns = vga_lesser(columns, DISPLAY_MAXIMUM_WIDTH / column_dots);
    frame->width = frame->columns * column_dots;
    frame->height = vga_lesser(vga_vertical_display_lines(vga), DISPLAY_MAXIMUM_HEIGHT);
}

static void set_counters(const struct vga *vga, struct vga_frame *frame)
{
    const uint8_t *crtc = vga->crtc;
    uint8_t preset = crtc[CRTC_PRESET_ROW_SCAN];
    unsigned byte_pan = preset >> START_BYTE_PAN_SHIFT & 3;
    frame->start =
        ((uint32_t)crtc[CRTC_START_HIGH] << 8 | crtc[CRTC_START_LOW]) + byte_pan;
    frame->pitch = 2U * crtc[CRTC_OFFSET];
    frame->counter_mask = frame->offset_mask = VGA_PLANE_BYTES - 1;
    frame->column_shift = column_shift(crtc);
    frame->first_row_scan = preset & ROW_SCAN_MASK;
    frame->last_row_scan = crtc[CRTC_MAXIMUM_SCAN_LINE] & ROW_SCAN_MASK;
    frame->twice = (crtc[CRTC_MAXIMUM_SCAN_LINE] & SCAN_LINE_TWICE) != 0;
    frame->mode_control = crtc[CRTC_MODE_CONTROL];
    frame->double_word = (crtc[CRTC_UNDERLINE] & UNDERLINE_DOUBLE_WORD) != 0;
    frame->pan = panning(vga, frame->dots) * frame->repeat;
    set_split(vga, frame, byte_pan);
}

/* -- kinds of frames -- */

/* Of font 0 to 7, as the character map select register counts them. */
static uint32_t font_offset(const struct vga *vga, unsigned font)
{
    const uint32_t font_bytes = VGA_FONT_CHARACTERS * VGA_FONT_LINES;
    if (!(vga->sequencer[SEQUENCER_MEMORY_MODE] & MEMORY_MODE_EXTENDED)) {
        font = 0;
    }
    return (2 * (font & 3) + (font >> 2)) * font_bytes;
}

static void set_text(const struct vga *vga, struct vga_frame *frame)
{
    const uint8_t *crtc = vga->crtc;
    uint8_t select = vga->sequencer[SEQUENCER_FONTS];
    uint8_t control = vga->attribute[ATTRIBUTE_MODE_CONTROL];
    frame->kind = VGA_FRAME_TEXT;
    frame->fonts[0] = font_offset(vga, (select & 3) | (select >> 2 & 4));
    frame->fonts[1] = font_offset(vga, (select >> 2 & 3) | (select >> 3 & 4));
    /* A cursor that is off begins behind its end. */
    frame->cursor_first = crtc[CRTC_CURSOR_START] & (ROW_SCAN_MASK | CURSOR_OFF);
    frame->cursor_last = crtc[CRTC_CURSOR_END] & ROW_SCAN_MASK;
    frame->underline = crtc[CRTC_UNDERLINE] & ROW_SCAN_MASK;
    frame->line_graphics = (control & ATTRIBUTE_MODE_LINE_GRAPHICS) != 0;
    frame->blinks = (control & ATTRIBUTE_MODE_BLINK) != 0;
}

static void set_dots(const struct vga *vga, struct vga_frame *frame)
{
    uint8_t mode = vga->graphics[GRAPHICS_MODE];
    frame->kind = VGA_FRAME_DOTS;
    frame->shift = mode & GRAPHICS_SHIFT_PAIRS ? VGA_SHIFT_PAIRS : VGA_SHIFT_PLANES;
    if (mode & GRAPHICS_SHIFT_BYTES) {
        frame->shift = VGA_SHIFT_BYTES;
    }
    frame->byte_dots =
        (vga->attribute[ATTRIBUTE_MODE_CONTROL] & ATTRIBUTE_MODE_8_BITS) != 0;
}

/* Bochs VBE of 4 bits a pixel: planes, but of any size. */
static void set_vbe_planes(const struct vga *vga, struct vga_frame *frame)
{
    const uint16_t *dispi = vga->dispi;
    frame->kind = VGA_FRAME_DOTS;
    frame->shift = VGA_SHIFT_PLANES;
    frame->dots = 8;
    frame->repeat = 1;
    frame->columns = (frame->width + 7) / 8;
    frame->pan = dispi[DISPI_X_OFFSET] & 7U;
    frame->pitch = dispi[DISPI_VIRTUAL_WIDTH] / 8U;
    frame->start = dispi[DISPI_Y_OFFSET] * frame->pitch + dispi[DISPI_X_OFFSET] / 8U;
    frame->counter_mask = frame->offset_mask = VGA_MEMORY_BYTES / 4 - 1;
    frame->mode_control =
        MODE_CONTROL_BYTE | MODE_CONTROL_NO_ROW_SCAN_0 | MODE_CONTROL_NO_ROW_SCAN_1;
    frame->split = UINT32_MAX;
}

static void set_vbe(const struct vga *vga, struct vga_frame *frame)
{
    const uint16_t *dispi = vga->dispi;
    unsigned bytes = (dispi[DISPI_BITS_PER_PIXEL] + 7U) / 8;
    frame->width = vga_lesser(dispi[DISPI_X_RESOLUTION], DISPLAY_MAXIMUM_WIDTH);
    frame->height = vga_lesser(dispi[DISPI_Y_RESOLUTION], DISPLAY_MAXIMUM_HEIGHT);
    if (dispi[DISPI_BITS_PER_PIXEL] == 4) {
        set_vbe_planes(vga, frame);
        return;
    }
    frame->kind = VGA_FRAME_LINEAR;
    frame->bits = dispi[DISPI_BITS_PER_PIXEL];
    frame->pitch_bytes = dispi[DISPI_VIRTUAL_WIDTH] * bytes;
    frame->first_byte =
        dispi[DISPI_Y_OFFSET] * frame->pitch_bytes + dispi[DISPI_X_OFFSET] * bytes;
}

static void set_standard(const struct vga *vga, struct vga_frame *frame)
{
    uint8_t clocking = vga->sequencer[SEQUENCER_CLOCKING_MODE];
    bool dots = vga->graphics[GRAPHICS_MISCELLANEOUS] & MISCELLANEOUS_GRAPHICS;
    frame->dots = dots || (clocking & CLOCKING_8_DOTS) ? 8 : 9;
    frame->repeat = clocking & CLOCKING_HALF_RATE ? 2 : 1;
    set_size(vga, frame);
    set_counters(vga, frame);
    if (dots) {
        set_dots(vga, frame);
    } else {
        set_text(vga, frame);
    }
}

static bool is_blank(const struct vga *vga)
{
    return !(vga->attribute_index & ATTRIBUTE_PALETTE_SOURCE) ||
           (vga->sequencer[SEQUENCER_CLOCKING_MODE] & CLOCKING_SCREEN_OFF) ||
           (!vga_vbe_enabled(vga) &&
            !(vga->crtc[CRTC_MODE_CONTROL] & MODE_CONTROL_RUN));
}

void vga_frame_get(const struct vga *vga, struct vga_frame *frame)
{
    memset(frame, 0, sizeof(*frame));
    if (is_blank(vga)) {
        frame->kind = VGA_FRAME_BLANK;
        return;
    }
    if (vga_vbe_enabled(vga)) {
        set_vbe(vga, frame);
    } else {
        set_standard(vga, frame);
    }
    set_colors(vga, frame);
}
