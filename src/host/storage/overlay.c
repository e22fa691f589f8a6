#define _GNU_SOURCE
#include "host/storage/storage_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A file without a name, for as long as it is open. */
static int open_temporary(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) {
        return fd;
    }
    /* The file system has no such thing: make a file and remove its name. */
    char *path;
    if (asprintf(&path, "%s/faumachine-XXXXXX", directory) < 0) {
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    free(path);
    return fd;
}

bool overlay_open(struct overlay *overlay, uint64_t sectors, struct error *error)
{
    const char *directory = getenv("TMPDIR");
    directory = directory && *directory ? directory : "/var/tmp";
    overlay->fd = open_temporary(directory);
    if (overlay->fd < 0) {
        return error_set_errno(error, errno,
                               "cannot create a file for -snapshot in %s (set TMPDIR)",
                               directory);
    }
    overlay->written = calloc(sectors / 8 + 1, 1);
    if (!overlay->written) {
        close(overlay->fd);
        return error_set(error, "not enough memory for -snapshot of %llu sectors",
                         (unsigned long long)sectors);
    }
    return true;
}

void overlay_close(struct overlay *overlay)
{
    close(overlay->fd);
    free(overlay->written);
}

static bool is_written(const struct overlay *overlay, uint64_t sector)
{
    return overlay->written[sector / 8] >> sector % 8 & 1;
}

int overlay_read(const struct overlay *overlay, const struct image_file *image,
                 uint64_t sector, uint32_t count, uint8_t *buffer)
{
    while (count) {
        bool here = is_written(overlay, sector);
        uint32_t run = 1;
        while (run < count && is_written(overlay, sector + run) == here) {
            run++;
        }
        int why = file_read(here ? overlay->fd : image->fd, sector, run, buffer);
        if (why) {
            return why;
        }
        sector += run;
        count -= run;
        buffer += (size_t)run * BLOCK_SECTOR_BYTES;
    }
    return 0;
}

int overlay_write(struct overlay *overlay, uint64_t sector, uint32_t count,
                  const uint8_t *buffer)
{
    int why = file_write(overlay->fd, sector, count, buffer);
    for (uint32_t i = 0; !why && i < count; i++) {
        overlay->written[(sector + i) / 8] |= (uint8_t)(1 << (sector + i) % 8);
    }
    return why;
}
