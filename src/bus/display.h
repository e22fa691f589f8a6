/* bus/display.h: the seam between a display adapter and who shows its picture.
 *
 * The adapter draws when it is asked to, into the pixels of whoever shows them, what
 * has changed since it was asked last. Nothing happens while nobody looks. Thread: any
 * that holds the machine lock. Saved by: nobody. */
#ifndef BUS_DISPLAY_H
#define BUS_DISPLAY_H

#include "base/types.h"

enum { DISPLAY_MAXIMUM_WIDTH = 2560, DISPLAY_MAXIMUM_HEIGHT = 1600 };

struct display_size {
    unsigned width, height; /* pixels; never 0, never beyond the maximum */
};

/* 32 bits a pixel: 0x00RRGGBB in the host's byte order. */
struct display_pixels {
    uint32_t *first;
    size_t stride; /* pixels from one line to the next */
};

struct display_rectangle {
    unsigned x, y, width, height;
};

struct display_source {
    /* What draw() would draw now; a mode without a picture (blanked, in reset) has the
     * size of the last one, and is drawn black. */
    struct display_size (*size)(void *opaque);
    /* Draws at least what has changed since the last call, all of it if `everything`
     * (another size, other pixels). `pixels` have room for size(). Returns false if
     * nothing has changed; else `*changed` has been drawn. */
    bool (*draw)(void *opaque, const struct display_pixels *pixels, bool everything,
                 struct display_rectangle *changed);
    /* The text screen, as vga_text_screen() has it; 0 in a graphics mode. */
    size_t (*text)(void *opaque, char *utf8, size_t bytes);
    void *opaque;
};

#endif
