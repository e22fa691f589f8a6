/* host/storage/storage_internal.h: what the files of the image back end share.
 *
 * block.c: the interface. image_file.c: opening, locking, reading and writing of files.
 * overlay.c: the temporary file of -snapshot. Results: 0 or a positive errno. */
#ifndef HOST_STORAGE_STORAGE_INTERNAL_H
#define HOST_STORAGE_STORAGE_INTERNAL_H

#include "host/storage/block.h"

/* -- image_file.c -- */

struct image_file {
    int fd;
    uint64_t sectors;
};

/* Opens, checks and locks an image: for one writer, or for any number of readers. */
bool image_file_open(struct image_file *image, const char *path, bool writable,
                     struct error *error);
void image_file_close(struct image_file *image);

/* All of it or an error; the end of the file where data should be is EIO. */
int file_read(int fd, uint64_t sector, uint32_t count, uint8_t *buffer);
int file_write(int fd, uint64_t sector, uint32_t count, const uint8_t *buffer);

/* -- overlay.c -- */

/* Sectors that were written lie in an unlinked file, at the place they have in the
 * image; a bitmap knows which. */
struct overlay {
    int fd;
    uint8_t *written; /* a bit for each sector */
};

/* The file is made in $TMPDIR, or in /var/tmp. */
bool overlay_open(struct overlay *overlay, uint64_t sectors, struct error *error);
void overlay_close(struct overlay *overlay);
int overlay_read(const struct overlay *overlay, const struct image_file *image,
                 uint64_t sector, uint32_t count, uint8_t *buffer);
int overlay_write(struct overlay *overlay, uint64_t sector, uint32_t count,
                  const uint8_t *buffer);

#endif
