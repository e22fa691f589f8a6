/* devices/vga_timing.c: where the beam is, from the CRT controller and the clock.
 *
 * Source: IBM VGA XGA Technical Reference, CRT controller registers, "Input Status
 * Register 1", "Miscellaneous Output Register" (clock select). */
#include "devices/vga_internal.h"

enum {
    CLOCK_0_HZ = 25175000,
    CLOCK_1_HZ = 28322000,
    CLOCK_SELECT_SHIFT = 2,
    STATUS_NOT_DISPLAYING = 0x01,
    STATUS_RETRACE = 0x08,
};

/* A ten-bit vertical value: its low byte, bits 8 and 9 in the overflow register. */
static unsigned vertical(const struct vga *vga, unsigned index, unsigned bit8,
                         unsigned bit9)
{
    unsigned overflow = vga->crtc[CRTC_OVERFLOW];
    return vga->crtc[index] | (overflow >> bit8 & 1) << 8 | (overflow >> bit9 & 1) << 9;
}

unsigned vga_vertical_display_lines(const struct vga *vga)
{
    return vertical(vga, CRTC_VERTICAL_DISPLAY_END, 1, 6) + 1;
}

/* A frame, in characters and lines; each line begins with what is displayed. */
struct raster {
    uint64_t character_hz; /* characters a second */
    unsigned characters, shown_characters;
    unsigned lines, shown_lines, retrace_start, retrace_lines;
};

/* Bochs VBE knows no monitor: one of 60 Hz, with a fifth of the line and a twentieth of
 * the frame not displayed, as is usual. */
static void get_vbe_raster(const struct vga *vga, struct raster *raster)
{
    enum { REFRESH_HZ = 60, RETRACE_LINES = 3 };
    raster->shown_characters = vga->dispi[DISPI_X_RESOLUTION] / 8U;
    raster->characters = raster->shown_characters * 5 / 4 + 1;
    raster->shown_lines = vga->dispi[DISPI_Y_RESOLUTION];
    raster->lines = raster->shown_lines * 21 / 20 + 2 * RETRACE_LINES;
    raster->retrace_start = raster->shown_lines + RETRACE_LINES;
    raster->retrace_lines = RETRACE_LINES;
    raster->character_hz = (uint64_t)REFRESH_HZ * raster->characters * raster->lines;
}

static void get_standard_raster(const struct vga *vga, struct raster *raster)
{
    uint8_t clocking = vga->sequencer[SEQUENCER_CLOCKING_MODE];
    uint64_t clock_hz =
        (vga->miscellaneous >> CLOCK_SELECT_SHIFT & 3) == 1 ? CLOCK_1_HZ : CLOCK_0_HZ;
    unsigned character_dots = clocking & CLOCKING_8_DOTS ? 8 : 9;
    if (clocking & CLOCKING_HALF_RATE) {
        character_dots *= 2;
    }
    raster->character_hz = clock_hz / character_dots;
    raster->characters = vga->crtc[CRTC_HORIZONTAL_TOTAL] + 5U;
    raster->shown_characters = vga->crtc[CRTC_HORIZONTAL_DISPLAY_END] + 1U;
    raster->lines = vertical(vga, CRTC_VERTICAL_TOTAL, 0, 5) + 2;
    raster->shown_lines = vga_vertical_display_lines(vga);
    raster->retrace_start = vertical(vga, CRTC_RETRACE_START, 2, 7);
    /* Retrace ends when the line counter's low four bits equal the end value. */
    raster->retrace_lines =
        ((vga->crtc[CRTC_RETRACE_END] - raster->retrace_start - 1) & 0xf) + 1;
}

static void get_raster(const struct vga *vga, struct raster *raster)
{
    if (vga_vbe_enabled(vga)) {
        get_vbe_raster(vga, raster);
    } else {
        get_standard_raster(vga, raster);
    }
}

/* Characters since time 0. */
static uint64_t beam_position(struct vga *vga, const struct raster *raster)
{
    return clock_scale(clock_now_ns(vga->clock), raster->character_hz, NS_PER_SECOND);
}

uint8_t vga_input_status_1(struct vga *vga)
{
    struct raster raster;
    get_raster(vga, &raster);
    uint64_t position =
        beam_position(vga, &raster) % ((uint64_t)raster.characters * raster.lines);
    unsigned line = (unsigned)(position / raster.characters);
    unsigned character = (unsigned)(position % raster.characters);

    uint8_t status = 0;
    if (line >= raster.shown_lines || character >= raster.shown_characters) {
        status |= STATUS_NOT_DISPLAYING;
    }
    if (line >= raster.retrace_start &&
        line - raster.retrace_start < raster.retrace_lines) {
        status |= STATUS_RETRACE | STATUS_NOT_DISPLAYING;
    }
    return status;
}

uint64_t vga_frame_number(struct vga *vga)
{
    struct raster raster;
    get_raster(vga, &raster);
    return beam_position(vga, &raster) / ((uint64_t)raster.characters * raster.lines);
}
