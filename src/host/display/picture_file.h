/* host/display/picture_file.h: one picture as a file.
 *
 * Source: libpng-manual(3), the simplified interface; ppm(5). Thread: any. */
#ifndef HOST_DISPLAY_PICTURE_FILE_H
#define HOST_DISPLAY_PICTURE_FILE_H

#include "base/error.h"
#include "bus/display.h"

/* The picture as a PNG file, or else as a PPM file (netpbm, "P6"), to be freed; NULL if
 * there is no memory. */
uint8_t *picture_encode(const uint32_t *pixels, const struct display_size *size,
                        bool png, size_t *bytes);

/* Whether that name may be written: it ends in .png, its folder lets us, and nothing is
 * there but an empty file or a PNG file. */
bool picture_file_allowed(const char *path, struct error *error);

/* Writes a file that is there all at once, or not at all. */
bool picture_file_write(const char *path, const uint32_t *pixels,
                        const struct display_size *size, struct error *error);

/* The `number`-th name after `path` (shot.png: shot-1.png), or, without one, after the
 * time. */
void picture_file_name(char *name, size_t bytes, const char *path, unsigned number);

#endif
