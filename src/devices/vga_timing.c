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

uint8_t vga_input_status_1(struct vga *vga)
{
    uint8_t clocking = vga->sequencer[SEQUENCER_CLOCKING_MODE];
    uint64_t clock_hz =
        (vga->miscellaneous >> CLOCK_SELECT_SHIFT & 3) == 1 ? CLOCK_1_HZ : CLOCK_0_HZ;
    unsigned character_dots = clocking & CLOCKING_8_DOTS ? 8 : 9;
    if (clocking & CLOCKING_HALF_RATE) {
        character_dots *= 2;
    }
    unsigned characters = vga->crtc[CRTC_HORIZONTAL_TOTAL] + 5U;
    unsigned lines = vertical(vga, CRTC_VERTICAL_TOTAL, 0, 5) + 2;
    unsigned retrace_start = vertical(vga, CRTC_RETRACE_START, 2, 7);
    /* Retrace ends when the line counter's low four bits equal the end value. */
    unsigned retrace_lines =
        ((vga->crtc[CRTC_RETRACE_END] - retrace_start - 1) & 0xf) + 1;

    uint64_t dots = clock_scale(clock_now_ns(vga->clock), clock_hz, NS_PER_SECOND);
    uint64_t position = dots / character_dots % ((uint64_t)characters * lines);
    unsigned line = (unsigned)(position / characters);
    unsigned character = (unsigned)(position % characters);

    uint8_t status = 0;
    if (line >= vga_vertical_display_lines(vga) ||
        character > vga->crtc[CRTC_HORIZONTAL_DISPLAY_END]) {
        status |= STATUS_NOT_DISPLAYING;
    }
    if (line >= retrace_start && line - retrace_start < retrace_lines) {
        status |= STATUS_RETRACE | STATUS_NOT_DISPLAYING;
    }
    return status;
}
