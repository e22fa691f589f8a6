#include "vga_screen.h"

#include <stdlib.h>
#include <string.h>

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

void set_colors(struct bench *bench, const struct colors *colors)
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

void plain_colors(struct colors *colors)
{
    *colors = (struct colors){.plane_enable = 0xf, .mask = 0xff};
    for (unsigned i = 0; i < 256; i++) {
        colors->palette[i % 16] = i % 16;
        colors->dac[i][0] = i & 0x3f;
        colors->dac[i][1] = i * 5 & 0x3f;
        colors->dac[i][2] = i * 11 & 0x3f;
    }
}

void random_colors(struct colors *colors)
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

uint32_t widen(unsigned value, unsigned from)
{
    return value << (8 - from) | value >> (2 * from - 8);
}

uint32_t dac_color(const struct colors *colors, unsigned index)
{
    const uint8_t *entry = colors->dac[index & colors->mask];
    uint32_t color = 0;
    for (unsigned component = 0; component < 3; component++) {
        color = color << 8 | widen(entry[component], 6);
    }
    return color;
}

uint32_t color_16(const struct colors *colors, unsigned index)
{
    unsigned palette = colors->palette[index & colors->plane_enable];
    if (colors->mode & 0x80) {
        palette = (palette & 0xf) + (colors->select & 3) * 16;
    }
    return dac_color(colors, palette + (colors->select >> 2) * 64);
}

/* -- what the CRT controller counts -- */

void random_counting(struct counting *counting)
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

void set_counting(struct bench *bench, const struct counting *counting)
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

struct counted count(const struct counting *counting, unsigned dots, unsigned y)
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
