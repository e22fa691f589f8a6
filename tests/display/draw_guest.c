/* Runs a guest that says by port 0x501 when its picture is complete, and draws it then
 * into a file: FOLDER/<what it said>.ppm.
 *
 *   draw_guest FOLDER word ... */
#include "../engine.h"
#include "machine/machine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* One word of the command line. */
static bool take_word(struct machine_config *config, const char *word)
{
    const char *value = strchr(word, '=');
    const struct {
        const char *name;
        const char **to;
    } words[] = {
        {"disk=", &config->drives[0].image.file},
        {"kernel=", &config->kernel},
        {"initrd=", &config->initrd},
        {"append=", &config->append},
        {"serial=", &config->serial[0]},
    };
    for (unsigned i = 0; value && i < ARRAY_LENGTH(words); i++) {
        if (strncmp(word, words[i].name, strlen(words[i].name)) == 0) {
            *words[i].to = value + 1;
            return true;
        }
    }
    if (strcmp(word, "host-clock") == 0) {
        config->clock = CLOCK_KIND_HOST;
        config->halt_ends = false;
        return true;
    }
    return false;
}

static bool run(struct machine *machine, const char *folder)
{
    bool good = true;
    struct machine_result result = machine_run(machine, 0);
    while (good && result.end == MACHINE_END_DEBUG_EXIT) {
        good = draw(machine, folder, result.exit_code >> 1);
        result = machine_run(machine, 0);
    }
    return good &&
           (result.end == MACHINE_END_HALTED || result.end == MACHINE_END_POWER_OFF);
}

int main(int argc, char **argv)
{
    struct machine_config config = {
        .ram_bytes = 128 << 20,
        .engine = tested_engine_name(),
        .clock = CLOCK_KIND_COUNTED,
        .halt_ends = true,
        .devices = {"isa-debug-exit,iobase=0x501"},
    };
    bool good = argc > 1;
    for (int i = 2; i < argc; i++) {
        good &= take_word(&config, argv[i]);
    }
    if (!good) {
        fprintf(stderr, "usage: draw_guest FOLDER [disk=FILE] [kernel=FILE] "
                        "[initrd=FILE] [append=TEXT] [serial=WHERE] [host-clock]\n");
        return 2;
    }
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    struct error error;
    struct machine *machine = machine_create(&config, &error);
    if (!machine) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    alarm(LIMIT_S);
    good = run(machine, argv[1]);
    machine_destroy(machine);
    return good ? 0 : 1;
}
