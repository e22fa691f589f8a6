/* devices/vga_picture.h: the way from video memory to pixels.
 *
 * A frame is all that the registers say about the picture. What video memory says is
 * fetched row by row, as the CRT controller does, and kept: a row is drawn again only
 * if it is another one than the last time. A row is what stands on one scan line, or
 * on several where the controller fetches the same for them: characters with their
 * attributes, or words of planes. Linear frame buffers are kept by the line.
 *
 * Video memory may be written while it is read here. So it is read once, into what is
 * kept, and drawn from there. Thread: any that holds the machine lock. Saved by:
 * nobody. */
#ifndef DEVICES_VGA_PICTURE_H
#define DEVICES_VGA_PICTURE_H

#include "bus/display.h"

struct vga;

enum {
    VGA_FONT_CHARACTERS = 256,
    VGA_FONT_LINES = 32,
    VGA_KEPT_BYTES = 16 << 20, /* of the largest frame, of 32 bits a pixel */
};

enum vga_frame_kind {
    VGA_FRAME_BLANK,
    VGA_FRAME_TEXT,
    VGA_FRAME_DOTS,
    VGA_FRAME_LINEAR
};

/* How the graphics controller and the attribute controller make dots of four planes. */
enum vga_shift { VGA_SHIFT_PLANES, VGA_SHIFT_PAIRS, VGA_SHIFT_BYTES };

/* Has no padding: frames are compared as bytes. */
struct vga_frame {
    uint32_t kind; /* enum vga_frame_kind */
    uint32_t width, height;
    uint32_t colors[256];

    /* Text and dots: what the CRT controller counts. */
    uint32_t columns;      /* characters that are shown, some in part */
    uint32_t dots, repeat; /* of a character in a line, and how often each is shown */
    uint32_t pan;          /* dots that are left out on the left */
    uint32_t split;        /* scan line after which the picture begins at address 0 */
    uint32_t split_counter, split_pan;
    uint32_t start, pitch; /* address counter: at the top, from row to row */
    uint32_t counter_mask, offset_mask;
    uint32_t column_shift; /* the counter counts every 2^n-th character */
    uint32_t first_row_scan, last_row_scan, twice; /* twice: each line is shown so */
    uint32_t mode_control, double_word;

    /* Text. */
    uint32_t fonts[2]; /* plane offsets: for attribute bit 3 clear and set */
    uint32_t cursor_first, cursor_last; /* row scans */
    uint32_t underline;
    uint32_t line_graphics; /* the ninth dot of box characters is like the eighth */
    uint32_t blinks;        /* attribute bit 7 blinks */

    uint32_t shift;     /* dots: enum vga_shift */
    uint32_t byte_dots; /* dots: pairs of them are one pixel of 8 bits */

    uint32_t bits, first_byte, pitch_bytes; /* linear */
};

/* What has been drawn last. */
struct vga_picture {
    bool valid;
    struct vga_frame frame;
    uint8_t fonts[2][VGA_FONT_CHARACTERS][VGA_FONT_LINES];
    uint8_t *kept; /* VGA_KEPT_BYTES: rows one after the other */
};

/* Which columns, or bytes, of a row have changed: none if first >= end. */
struct vga_span {
    uint32_t first, end;
};

/* Where in a frame the CRT controller is. */
struct vga_scan {
    uint32_t line, counter, row_scan, pan;
    bool second; /* of a line that is shown twice */
};

static inline uint32_t vga_lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* vga_frame.c: the frame that the registers describe. A blank one has no size. */
void vga_frame_get(const struct vga *vga, struct vga_frame *frame);

/* vga_scan.c */
void vga_scan_begin(const struct vga_frame *frame, struct vga_scan *scan);
void vga_scan_next(const struct vga_frame *frame, struct vga_scan *scan);
/* The word of four planes that is fetched for a column. */
uint32_t vga_scan_fetch(const struct vga *vga, const struct vga_frame *frame,
                        const struct vga_scan *scan, unsigned column);

/* Both draw what differs from the last picture, or everything; false: nothing does. */
bool vga_scan_draw(struct vga *vga, const struct display_pixels *pixels,
                   bool everything, struct display_rectangle *changed);
/* vga_linear.c */
bool vga_linear_draw(struct vga *vga, const struct display_pixels *pixels,
                     bool everything, struct display_rectangle *changed);

/* Makes `changed` (width 0: nothing yet) include `width` pixels of a line. */
void vga_picture_add(struct display_rectangle *changed, unsigned x, unsigned width,
                     unsigned line);

#endif
