/* Raw images: files and block devices of the host. */
#define _GNU_SOURCE
#include "host/storage/storage_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_store {
    struct store store;
    struct block_engine *engine;
    int fd;
    char *path; /* NULL: it has no name, and nobody waits for it */
};

/* Why open() failed, and what to do about it. */
static bool open_failed(const char *path, bool writable, int why, struct error *error)
{
    switch (why) {
    case ENOENT:
        return error_set(error,
                         "disk image %s does not exist: create one, for example with "
                         "'faumachine image create %s 8G'",
                         path, path);
    case EISDIR:
        return error_set(error, "disk image %s is a directory: name a file", path);
    case EACCES:
    case EPERM:
    case EROFS:
        return writable
                   ? error_set_errno(error, why,
                                     "cannot open disk image %s for writing (use "
                                     "-snapshot to leave it unchanged)",
                                     path)
                   : error_set_errno(error, why, "cannot read disk image %s", path);
    default:
        return error_set_errno(error, why, "cannot open disk image %s", path);
    }
}

/* Locks belong to the open file, so that two disks of one process exclude each other
 * too. A file system without locks gets none. */
static bool lock_image(int fd, const char *path, bool writable, struct error *error)
{
    struct flock lock = {
        .l_type = writable ? F_WRLCK : F_RDLCK,
        .l_whence = SEEK_SET,
    };
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0 && (errno == EAGAIN || errno == EACCES)) {
        return error_set(error,
                         "disk image %s is in use%s: end the other machine, or give "
                         "each a copy",
                         path, writable ? "" : " by somebody who may write to it");
    }
    return true;
}

static bool check_length(uint64_t bytes, const char *path, struct error *error)
{
    if (bytes == 0) {
        return error_set(error,
                         "disk image %s is empty: give it a size, for example with "
                         "'truncate -s 8G %s'",
                         path, path);
    }
    if (bytes % BLOCK_SECTOR_BYTES) {
        return error_set(error,
                         "disk image %s is %llu bytes long, not a multiple of %d: pad "
                         "it with 'truncate -s %%%d %s'",
                         path, (unsigned long long)bytes, BLOCK_SECTOR_BYTES,
                         BLOCK_SECTOR_BYTES, path);
    }
    return true;
}

static bool check_image(int fd, const char *path, bool writable, uint64_t *sectors,
                        struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return error_set_errno(error, errno, "cannot examine disk image %s", path);
    }
    if (S_ISDIR(status.st_mode)) {
        return open_failed(path, writable, EISDIR, error);
    }
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
        return error_set(error, "disk image %s is neither a file nor a block device",
                         path);
    }
    off_t bytes = lseek(fd, 0, SEEK_END);
    if (bytes < 0) {
        return error_set_errno(error, errno, "cannot find the length of disk image %s",
                               path);
    }
    *sectors = (uint64_t)bytes / BLOCK_SECTOR_BYTES;
    return check_length((uint64_t)bytes, path, error);
}

/* -- the store -- */

static void submit(struct store *store, struct piece *piece)
{
    struct file_store *file = (struct file_store *)store;
    piece->fd = file->fd;
    engine_submit(file->engine, piece);
}

static void wait_for_one(struct store *store)
{
    engine_wait(((struct file_store *)store)->engine);
}

static bool close_file(struct store *store, bool flush, struct error *error)
{
    struct file_store *file = (struct file_store *)store;
    bool flushed = true;
    if (flush && fdatasync(file->fd) < 0) {
        flushed =
            error_set_errno(error, errno,
                            "disk image %s could not be flushed, the guest's last "
                            "writes may be lost: check the host's disk",
                            file->path);
    }
    close(file->fd);
    free(file->path);
    free(file);
    return flushed;
}

static const struct store_ops file_ops = {
    .submit = submit,
    .wait = wait_for_one,
    .close = close_file,
};

struct store *file_store_create(int fd, uint64_t sectors, struct block_engine *engine)
{
    struct file_store *file = calloc(1, sizeof(*file));
    assert(file);
    file->store = (struct store){.ops = &file_ops, .sectors = sectors};
    file->store.discards = true;
    file->engine = engine;
    file->fd = fd;
    return &file->store;
}

struct store *file_store_adopt(int fd, const char *path, bool writable,
                               struct block_engine *engine, struct error *error)
{
    uint64_t sectors = 0;
    if (!check_image(fd, path, writable, &sectors, error)) {
        close(fd);
        return NULL;
    }
    struct store *store = file_store_create(fd, sectors, engine);
    struct file_store *file = (struct file_store *)store;
    file->path = strdup(path);
    assert(file->path);
    return store;
}

struct store *file_store_open(const char *path, bool writable,
                              struct block_engine *engine, struct error *error)
{
    /* Non-blocking, for the sake of a named pipe that would wait for its other end. */
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        open_failed(path, writable, errno, error);
        return NULL;
    }
    if (!lock_image(fd, path, writable, error)) {
        close(fd);
        return NULL;
    }
    return file_store_adopt(fd, path, writable, engine, error);
}
