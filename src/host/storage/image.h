/* host/storage/image.h: disk images that no machine uses: making them, looking at them,
 * and bringing what an overlay has into its base.
 *
 * Raw images are ours. Overlays are qcow2, so that every tool knows them; qemu-img
 * makes and commits them. Thread: any. */
#ifndef HOST_STORAGE_IMAGE_H
#define HOST_STORAGE_IMAGE_H

#include "base/error.h"
#include "base/types.h"

#include <limits.h>

/* What is there already is left alone. A raw image has holes only. */
bool image_create(const char *path, uint64_t bytes, struct error *error);
/* `format`: of the new image. */
bool image_create_as(const char *path, const char *format, uint64_t bytes,
                     struct error *error);
/* An overlay on `base`, of its length or of `bytes` if that is not 0. `base_format`:
 * NULL: as it looks. */
bool image_create_overlay(const char *path, const char *base, const char *base_format,
                          uint64_t bytes, struct error *error);

struct image_info {
    uint64_t bytes;         /* as a guest sees it */
    uint64_t allocated;     /* on the host's disk */
    const char *format;     /* constant */
    char backing[PATH_MAX]; /* what it is an overlay of; "": nothing */
};

bool image_get_info(const char *path, struct image_info *info, struct error *error);

/* Writes what the overlay has into what it is an overlay of, and empties it.
 * `progress`: shown on standard output. */
bool image_commit(const char *path, bool progress, struct error *error);

#endif
