/* tests/devices/vga_screen.h: a VGA's picture, and modes with random settings whose
 * picture a model knows pixel by pixel. The models go by the manual, not by the code
 * that is tested. Thread: one. */
#ifndef TESTS_DEVICES_VGA_SCREEN_H
#define TESTS_DEVICES_VGA_SCREEN_H

#include "vga_bench.h"

enum {
    PLANE_WORDS = 0x10000,
    MODE3_WIDTH = 720,
    MODE3_HEIGHT = 400,
    COLUMNS = 80,
    NO_SPLIT = 0x3ff,
};

/* -- vga_screen.c: what has been drawn -- */

struct screen {
    struct display_size size;
    struct display_pixels pixels;
    struct display_rectangle changed;
};

void seed_random(void);
unsigned below(unsigned limit);

struct display_size size_now(struct bench *bench);
/* Draws what has changed; everything if the size is another one. */
bool draw(struct bench *bench, struct screen *screen, bool everything);
uint32_t pixel(const struct screen *screen, unsigned x, unsigned y);
void free_screen(struct screen *screen);

typedef uint32_t pixel_model(const void *model, unsigned x, unsigned y);
/* Draws everything; it is what the model says. */
void assert_drawn(struct bench *bench, pixel_model *expected, const void *model);

/* -- vga_colors.c: what all modes have in common -- */

struct colors {
    uint8_t palette[16], mode, plane_enable, select, mask;
    uint8_t dac[256][3];
};

void plain_colors(struct colors *colors);
void random_colors(struct colors *colors);
void set_colors(struct bench *bench, const struct colors *colors);
/* Of a value for the DAC; of four bits for the attribute controller. */
uint32_t dac_color(const struct colors *colors, unsigned index);
uint32_t color_16(const struct colors *colors, unsigned index);
/* A component of fewer bits, to 8: all ones stay all ones. */
uint32_t widen(unsigned value, unsigned from);

/* What the CRT controller counts. */
struct counting {
    unsigned rows, twice; /* lines of a row */
    unsigned start, pitch, byte_pan, preset, pan, split;
    bool pan_top_only;
};

void random_counting(struct counting *counting);
void set_counting(struct bench *bench, const struct counting *counting);

/* What is counted at a scan line. */
struct counted {
    unsigned counter, line, pan;
};

/* With characters of so many dots. */
struct counted count(const struct counting *counting, unsigned dots, unsigned y);

/* -- vga_modes.c -- */

struct text {
    struct colors colors;
    struct counting counting;
    unsigned dots, repeat;
    bool blinks, line_graphics;
    uint8_t fonts; /* as the register has it */
    unsigned cursor, cursor_first, cursor_last, underline;
    bool cursor_shown, hidden; /* of what blinks */
    uint16_t cells[16384];
    uint8_t glyphs[8][256][32];
};

/* Mode 3, with fonts and characters at random. */
void create_text(struct bench *bench, struct text *text);
void set_text(struct bench *bench, struct text *text);
uint32_t text_pixel(const void *text, unsigned x, unsigned y);

struct dots {
    struct colors colors;
    struct counting counting;
    unsigned repeat, shift, column_shift;
    bool bytes;           /* 256 colors */
    uint8_t mode_control; /* CRT controller */
    bool double_word;
    uint32_t planes[PLANE_WORDS];
};

void set_dots(struct bench *bench, struct dots *dots);
uint32_t dots_pixel(const void *dots, unsigned x, unsigned y);

/* Bochs VBE. */
struct vbe {
    struct colors colors;
    unsigned width, height, bits, virtual_width, x, y;
    bool wide_dac;
    uint8_t *memory; /* all of it */
};

void set_vbe(struct bench *bench, const struct vbe *vbe);
uint32_t vbe_pixel(const void *vbe, unsigned x, unsigned y);

#endif
