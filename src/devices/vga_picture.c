/* devices/vga_picture.c: the VGA as a struct display_source. */
#include "devices/vga_internal.h"

#include <string.h>

void vga_picture_add(struct display_rectangle *changed, unsigned x, unsigned width,
                     unsigned line)
{
    if (!changed->width) {
        *changed = (struct display_rectangle){x, line, width, 1};
        return;
    }
    unsigned end = changed->x + changed->width;
    end = end > x + width ? end : x + width;
    changed->x = changed->x < x ? changed->x : x;
    changed->width = end - changed->x;
    changed->height = line - changed->y + 1;
}

static void get_frame(const struct vga *vga, struct vga_frame *frame)
{
    vga_frame_get(vga, frame);
    if (frame->kind == VGA_FRAME_BLANK) {
        frame->width = vga->picture.frame.width;
        frame->height = vga->picture.frame.height;
    }
}

static struct display_size size(void *opaque)
{
    struct vga_frame frame;
    get_frame(opaque, &frame);
    return (struct display_size){frame.width, frame.height};
}

static bool draw_black(const struct vga_frame *frame,
                       const struct display_pixels *pixels, bool everything)
{
    if (everything) {
        for (unsigned line = 0; line < frame->height; line++) {
            memset(pixels->first + line * pixels->stride, 0,
                   frame->width * sizeof(*pixels->first));
        }
    }
    return everything;
}

static bool draw(void *opaque, const struct display_pixels *pixels, bool everything,
                 struct display_rectangle *changed)
{
    struct vga *vga = opaque;
    struct vga_picture *picture = &vga->picture;
    struct vga_frame frame;
    get_frame(vga, &frame);
    if (!picture->valid || memcmp(&frame, &picture->frame, sizeof(frame)) != 0) {
        picture->frame = frame;
        picture->valid = everything = true;
    }
    *changed = (struct display_rectangle){.width = 0};
    bool drawn;
    switch (frame.kind) {
    case VGA_FRAME_LINEAR:
        drawn = vga_linear_draw(vga, pixels, everything, changed);
        break;
    case VGA_FRAME_TEXT:
    case VGA_FRAME_DOTS:
        drawn = vga_scan_draw(vga, pixels, everything, changed);
        break;
    default:
        drawn = draw_black(&frame, pixels, everything);
        break;
    }
    if (everything) {
        *changed = (struct display_rectangle){0, 0, frame.width, frame.height};
    }
    return drawn;
}

static size_t text(void *opaque, char *utf8, size_t bytes)
{
    return vga_text_screen(opaque, utf8, bytes);
}

struct display_source vga_display(struct vga *vga)
{
    return (struct display_source){size, draw, text, vga};
}
