#define _GNU_SOURCE
#include "host/storage/storage_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

bool overlay_open(struct overlay *overlay, uint64_t sectors,
                  struct block_engine *engine, struct error *error)
{
    const char *directory = getenv("TMPDIR");
    directory = directory && *directory ? directory : "/var/tmp";
    int fd = open_temporary(directory);
    if (fd < 0) {
        return error_set_errno(error, errno,
                               "cannot create a file for -snapshot in %s (set TMPDIR)",
                               directory);
    }
    /* As long as the image, so that a hole in it can be told from its end. */
    overlay->written = calloc(sectors / 8 + 1, 1);
    if (!overlay->written || ftruncate(fd, (off_t)(sectors * BLOCK_SECTOR_BYTES)) < 0) {
        free(overlay->written);
        close(fd);
        return error_set(error, "no room for -snapshot of %llu sectors in %s",
                         (unsigned long long)sectors, directory);
    }
    overlay->store = file_store_create(fd, sectors, engine);
    return true;
}

void overlay_close(struct overlay *overlay)
{
    struct error ignored;
    overlay->store->ops->close(overlay->store, false, &ignored);
    free(overlay->written);
}

static bool is_written(const struct overlay *overlay, uint64_t sector)
{
    return overlay->written[sector / 8] >> sector % 8 & 1;
}

uint32_t overlay_run(const struct overlay *overlay, uint64_t sector, uint32_t count,
                     bool *written)
{
    uint32_t run = 1;
    *written = is_written(overlay, sector);
    while (run < count && is_written(overlay, sector + run) == *written) {
        run++;
    }
    return run;
}

void overlay_note_written(struct overlay *overlay, uint64_t sector, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        overlay->written[(sector + i) / 8] |= (uint8_t)(1 << (sector + i) % 8);
    }
}

uint64_t overlay_next_written(const struct overlay *overlay, uint64_t sector,
                              uint64_t end)
{
    while (sector < end && !is_written(overlay, sector)) {
        bool eight = sector % 8 == 0 && !overlay->written[sector / 8];
        sector += eight ? 8 : 1;
    }
    return sector < end ? sector : end;
}

void overlay_forget(struct overlay *overlay, uint64_t sectors)
{
    memset(overlay->written, 0, sectors / 8 + 1);
}
