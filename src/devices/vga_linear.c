/* devices/vga_linear.c: linear frame buffers of 8 to 32 bits a pixel.
 *
 * Each line is compared with what was drawn last: that costs less than to have the
 * host tell which pages were written, and nothing while nobody looks. */
#include "devices/vga_internal.h"

#include <string.h>

enum { BLOCK_BYTES = 256 };

/* -- pixels -- */

/* A component of `bits` bits at `shift`, to 8 so that all ones stay all ones. */
static uint32_t component(uint32_t pixel, unsigned shift, unsigned bits)
{
    uint32_t value = (pixel >> shift & ((1U << bits) - 1)) << (8 - bits);
    return value | value >> bits;
}

static void draw_16_bits(const uint8_t *from, uint32_t *to, uint32_t count,
                         unsigned green_bits)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pixel = from[2 * i] | (uint32_t)from[2 * i + 1] << 8;
        to[i] = component(pixel, 5 + green_bits, 5) << 16 |
                component(pixel, 5, green_bits) << 8 | component(pixel, 0, 5);
    }
}

static void draw_pixels(const struct vga_frame *frame, const uint8_t *from,
                        uint32_t *to, uint32_t count)
{
    switch (frame->bits) {
    case 8:
        for (uint32_t i = 0; i < count; i++) {
            to[i] = frame->colors[from[i]];
        }
        break;
    case 15:
        draw_16_bits(from, to, count, 5);
        break;
    case 16:
        draw_16_bits(from, to, count, 6);
        break;
    case 24:
        for (uint32_t i = 0; i < count; i++, from += 3) {
            to[i] = from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16;
        }
        break;
    default:
        for (uint32_t i = 0; i < count; i++, from += 4) {
            to[i] = from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16;
        }
        break;
    }
}

/* -- lines -- */

static bool block_differs(const uint8_t *kept, const uint8_t *from, uint32_t at,
                          uint32_t bytes)
{
    return memcmp(kept + at, from + at, vga_lesser(BLOCK_BYTES, bytes - at)) != 0;
}

/* To within a block; empty if the line is what is kept of it. */
static struct vga_span find_changes(const uint8_t *kept, const uint8_t *from,
                                    uint32_t bytes)
{
    struct vga_span span = {0, 0};
    if (memcmp(kept, from, bytes) == 0) {
        return span;
    }
    uint32_t last = (bytes - 1) / BLOCK_BYTES * BLOCK_BYTES;
    while (span.first < last && !block_differs(kept, from, span.first, bytes)) {
        span.first += BLOCK_BYTES;
    }
    while (last > span.first && !block_differs(kept, from, last, bytes)) {
        last -= BLOCK_BYTES;
    }
    span.end = vga_lesser(last + BLOCK_BYTES, bytes);
    return span;
}

bool vga_linear_draw(struct vga *vga, const struct display_pixels *pixels,
                     bool everything, struct display_rectangle *changed)
{
    const struct vga_frame *frame = &vga->picture.frame;
    uint32_t pixel_bytes = (frame->bits + 7) / 8, bytes = frame->width * pixel_bytes;
    const uint8_t *from = vga->memory.host + frame->first_byte;
    uint8_t *kept = vga->picture.kept;
    for (unsigned line = 0; line < frame->height; line++) {
        struct vga_span span = {0, bytes};
        if (!everything) {
            span = find_changes(kept, from, bytes);
        }
        if (span.first < span.end) {
            uint32_t x = span.first / pixel_bytes;
            uint32_t end = (span.end + pixel_bytes - 1) / pixel_bytes;
            memcpy(kept + span.first, from + span.first, span.end - span.first);
            draw_pixels(frame, kept + (size_t)x * pixel_bytes,
                        pixels->first + line * pixels->stride + x, end - x);
            vga_picture_add(changed, x, end - x, line);
        }
        from += frame->pitch_bytes;
        kept += bytes;
    }
    return changed->width != 0;
}
