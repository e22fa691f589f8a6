/* The picture as a file: binary PPM, which needs no library. */
#include "machine/picture.h"

#include "machine/machine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool write_all(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, data, bytes);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        data += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static bool write_pixels(int fd, const uint32_t *pixels, struct display_size size)
{
    size_t count = (size_t)size.width * size.height;
    uint8_t *bytes = malloc(3 * count);
    char header[64];
    int length =
        snprintf(header, sizeof(header), "P6\n%u %u\n255\n", size.width, size.height);
    for (size_t i = 0; bytes && i < count; i++) {
        bytes[3 * i] = (uint8_t)(pixels[i] >> 16);
        bytes[3 * i + 1] = (uint8_t)(pixels[i] >> 8);
        bytes[3 * i + 2] = (uint8_t)pixels[i];
    }
    bool good = bytes && write_all(fd, (const uint8_t *)header, (size_t)length) &&
                write_all(fd, bytes, 3 * count);
    free(bytes);
    return good;
}

bool picture_screenshot(struct machine *machine, int fd, bool png, struct error *error)
{
    if (png) {
        return error_set(error, "pictures are written as PPM: leave out the format");
    }
    struct display_source source = vga_display(machine->vga);
    struct display_size size = source.size(source.opaque);
    struct display_rectangle changed;
    uint32_t *pixels = calloc((size_t)size.width * size.height, sizeof(*pixels));
    if (!pixels) {
        return error_set(error, "no memory for the picture");
    }
    const struct display_pixels target = {.first = pixels, .stride = size.width};
    source.draw(source.opaque, &target, true, &changed);
    bool good = write_pixels(fd, pixels, size);
    int why = errno;
    free(pixels);
    return good || error_set_errno(error, why, "cannot write the picture");
}
