#include "vga_screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct display_size size_now(struct bench *bench)
{
    struct display_source source = vga_display(bench->vga);
    return source.size(source.opaque);
}

void free_screen(struct screen *screen)
{
    free(screen->pixels.first);
    *screen = (struct screen){.pixels.first = NULL};
}

bool draw(struct bench *bench, struct screen *screen, bool everything)
{
    struct display_source source = vga_display(bench->vga);
    struct display_size size = size_now(bench);
    if (size.width != screen->size.width || size.height != screen->size.height) {
        free_screen(screen);
        screen->size = size;
        screen->pixels.stride = size.width + 3;
        screen->pixels.first =
            malloc(screen->pixels.stride * size.height * sizeof(uint32_t));
        everything = true;
    }
    return source.draw(source.opaque, &screen->pixels, everything, &screen->changed);
}

uint32_t pixel(const struct screen *screen, unsigned x, unsigned y)
{
    assert_true(x < screen->size.width && y < screen->size.height);
    return screen->pixels.first[y * screen->pixels.stride + x];
}

void assert_drawn(struct bench *bench, pixel_model *expected, const void *model)
{
    struct screen screen = {.pixels.first = NULL};
    assert_true(draw(bench, &screen, true));
    for (unsigned y = 0; y < screen.size.height; y++) {
        for (unsigned x = 0; x < screen.size.width; x++) {
            uint32_t drawn = pixel(&screen, x, y), wanted = expected(model, x, y);
            if (drawn != wanted) {
                fail_msg("%u,%u is %06x, not %06x", x, y, drawn, wanted);
            }
        }
    }
    free_screen(&screen);
}

unsigned below(unsigned limit)
{
    return (unsigned)rand() % limit;
}

void seed_random(void)
{
    unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : 4711;
    printf("seed %u (set SEED to change it)\n", seed);
    srand(seed);
}
