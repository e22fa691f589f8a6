/* Runs a boot disk that says by port 0x501 when its picture is complete, and draws it
 * then into a file: FOLDER/<what it said>.ppm.
 *
 *   draw_modes DISK FOLDER */
#include "../engine.h"
#include "machine/machine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIMIT_S = 240, PATH_BYTES = 4096 };

static void write_pixels(FILE *file, const struct display_pixels *pixels,
                         const struct display_size *size)
{
    fprintf(file, "P6\n%u %u\n255\n", size->width, size->height);
    for (unsigned y = 0; y < size->height; y++) {
        for (unsigned x = 0; x < size->width; x++) {
            uint32_t pixel = pixels->first[y * pixels->stride + x];
            const uint8_t rgb[] = {(uint8_t)(pixel >> 16), (uint8_t)(pixel >> 8),
                                   (uint8_t)pixel};
            fwrite(rgb, 1, sizeof(rgb), file);
        }
    }
}

static bool draw(struct machine *machine, const char *folder, int number)
{
    struct display_source source = vga_display(machine->vga);
    struct display_size size = source.size(source.opaque);
    struct display_pixels pixels = {
        calloc((size_t)size.width * size.height, sizeof(uint32_t)), size.width};
    struct display_rectangle changed;
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%d.ppm", folder, number);
    FILE *file = fopen(path, "wb");
    if (file && pixels.first) {
        source.draw(source.opaque, &pixels, true, &changed);
        write_pixels(file, &pixels, &size);
    }
    free(pixels.first);
    return file && fclose(file) == 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: draw_modes DISK FOLDER\n");
        return 2;
    }
    const struct machine_config config = {
        .ram_bytes = 16 << 20,
        .disks = {argv[1]},
        .engine = tested_engine_name(),
        .clock = CLOCK_KIND_COUNTED,
        .halt_ends = true,
        .devices = {"isa-debug-exit,iobase=0x501"},
    };
    struct error error;
    struct machine *machine = machine_create(&config, &error);
    if (!machine) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    alarm(LIMIT_S);
    bool good = true;
    struct machine_result result = machine_run(machine, 0);
    while (good && result.end == MACHINE_END_DEBUG_EXIT) {
        good = draw(machine, argv[2], result.exit_code >> 1);
        result = machine_run(machine, 0);
    }
    machine_destroy(machine);
    return good && result.end == MACHINE_END_HALTED ? 0 : 1;
}
