#define _GNU_SOURCE
#include "host/storage/storage_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Why open() failed, and what to do about it. */
static bool open_failed(const char *path, bool writable, int why, struct error *error)
{
    switch (why) {
    case ENOENT:
        return error_set(error,
                         "disk image %s does not exist: create one, for example with "
                         "'truncate -s 8G %s'",
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

/* A container format would look like a disk full of nonsense to the guest. */
static bool check_format(int fd, const char *path, struct error *error)
{
    static const char qcow_magic[4] = {'Q', 'F', 'I', (char)0xfb};
    char start[sizeof(qcow_magic)];
    if (pread(fd, start, sizeof(start), 0) == (ssize_t)sizeof(start) &&
        memcmp(start, qcow_magic, sizeof(start)) == 0) {
        return error_set(error,
                         "disk image %s is in qcow2 format, only raw images are read: "
                         "convert it with 'qemu-img convert -O raw %s disk.img'",
                         path, path);
    }
    return true;
}

static bool check_image(struct image_file *image, const char *path, bool writable,
                        struct error *error)
{
    struct stat status;
    if (fstat(image->fd, &status) < 0) {
        return error_set_errno(error, errno, "cannot examine disk image %s", path);
    }
    if (S_ISDIR(status.st_mode)) {
        return open_failed(path, writable, EISDIR, error);
    }
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
        return error_set(error, "disk image %s is neither a file nor a block device",
                         path);
    }
    off_t bytes = lseek(image->fd, 0, SEEK_END);
    if (bytes < 0) {
        return error_set_errno(error, errno, "cannot find the length of disk image %s",
                               path);
    }
    image->sectors = (uint64_t)bytes / BLOCK_SECTOR_BYTES;
    return check_length((uint64_t)bytes, path, error) &&
           check_format(image->fd, path, error) &&
           lock_image(image->fd, path, writable, error);
}

bool image_file_open(struct image_file *image, const char *path, bool writable,
                     struct error *error)
{
    /* Non-blocking, for the sake of a named pipe that would wait for its other end. */
    image->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (image->fd < 0) {
        return open_failed(path, writable, errno, error);
    }
    if (!check_image(image, path, writable, error)) {
        image_file_close(image);
        return false;
    }
    return true;
}

void image_file_close(struct image_file *image)
{
    close(image->fd);
    image->fd = -1;
}

int file_read(int fd, uint64_t sector, uint32_t count, uint8_t *buffer)
{
    off_t offset = (off_t)(sector * BLOCK_SECTOR_BYTES);
    size_t left = (size_t)count * BLOCK_SECTOR_BYTES;
    while (left) {
        ssize_t got = pread(fd, buffer, left, offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? errno : EIO;
        }
        buffer += got;
        offset += got;
        left -= (size_t)got;
    }
    return 0;
}

int file_write(int fd, uint64_t sector, uint32_t count, const uint8_t *buffer)
{
    off_t offset = (off_t)(sector * BLOCK_SECTOR_BYTES);
    size_t left = (size_t)count * BLOCK_SECTOR_BYTES;
    while (left) {
        ssize_t put = pwrite(fd, buffer, left, offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return put < 0 ? errno : EIO;
        }
        buffer += put;
        offset += put;
        left -= (size_t)put;
    }
    return 0;
}
