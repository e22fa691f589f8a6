#define _GNU_SOURCE /* pipe2() */
#include "host/storage/image.h"

#include "host/storage/storage_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_THERE = 127, MAXIMUM_ARGUMENTS = 16 };

/* -- qemu-img -- */

static _Noreturn void be_qemu_img(char *const arguments[], int errors)
{
    dup2(errors, STDERR_FILENO);
    execvp("qemu-img", arguments);
    _exit(NOT_THERE);
}

/* All that comes, as far as there is room. */
static void read_text(int fd, char *text, size_t bytes)
{
    char more[256];
    size_t length = 0;
    ssize_t got;
    while ((got = read(fd, more, sizeof(more))) > 0) {
        size_t part =
            (size_t)got < bytes - 1 - length ? (size_t)got : bytes - 1 - length;
        memcpy(text + length, more, part);
        length += part;
    }
    text[length] = '\0';
}

/* Runs it; what it complains about, in its first line, becomes the error. */
static bool run_qemu_img(const char *what, const char *path, char *const arguments[],
                         struct error *error)
{
    static const char prefix[] = "qemu-img: ";
    int errors[2], status;
    char text[512];
    if (pipe2(errors, O_CLOEXEC) < 0) {
        return error_set_errno(error, errno, "cannot start qemu-img");
    }
    fflush(NULL);
    pid_t process = fork();
    if (process == 0) {
        be_qemu_img(arguments, errors[1]);
    }
    close(errors[1]);
    read_text(errors[0], text, sizeof(text));
    close(errors[0]);
    if (process < 0 || waitpid(process, &status, 0) < 0) {
        return error_set_errno(error, errno, "cannot start qemu-img");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE) {
        return error_set(error,
                         "cannot %s %s: qemu-img is not installed (Debian has it in "
                         "qemu-utils)",
                         what, path);
    }
    text[strcspn(text, "\n")] = '\0';
    size_t skipped = strncmp(text, prefix, sizeof(prefix) - 1) ? 0 : sizeof(prefix) - 1;
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           error_set(error, "cannot %s %s: %s", what, path, text + skipped);
}

/* -- making -- */

static bool check_size(const char *path, uint64_t bytes, struct error *error)
{
    return (bytes && bytes % BLOCK_SECTOR_BYTES == 0) ||
           error_set(error, "disk image %s: give it a size that is a multiple of %d",
                     path, BLOCK_SECTOR_BYTES);
}

static bool refuse_existing(const char *path, struct error *error)
{
    struct stat status;
    return lstat(path, &status) != 0 ||
           error_set(error, "%s is there already: remove it, or choose another name",
                     path);
}

bool image_create(const char *path, uint64_t bytes, struct error *error)
{
    if (!check_size(path, bytes, error) || !refuse_existing(path, error)) {
        return false;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return error_set_errno(error, errno, "cannot create disk image %s", path);
    }
    if (ftruncate(fd, (off_t)bytes) < 0) {
        int why = errno;
        close(fd);
        unlink(path);
        return error_set_errno(error, why, "cannot give disk image %s %llu bytes", path,
                               (unsigned long long)bytes);
    }
    close(fd);
    return true;
}

static bool create_by_qemu(const char *path, const char *format, const char *base,
                           const char *base_format, uint64_t bytes, struct error *error)
{
    char size[32];
    char *arguments[MAXIMUM_ARGUMENTS] = {"qemu-img", "create", "-q", "-f",
                                          (char *)format};
    unsigned count = 5;
    if (base) {
        arguments[count++] = "-b";
        arguments[count++] = (char *)base;
        arguments[count++] = "-F";
        arguments[count++] = (char *)base_format;
    }
    char *plain = image_plain_path(path);
    arguments[count++] = plain;
    snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
    arguments[count] = bytes ? size : NULL;
    bool created = run_qemu_img("create disk image", path, arguments, error);
    free(plain);
    return created;
}

bool image_create_as(const char *path, const char *format, uint64_t bytes,
                     struct error *error)
{
    if (strcmp(format, "raw") == 0) {
        return image_create(path, bytes, error);
    }
    return check_size(path, bytes, error) && refuse_existing(path, error) &&
           create_by_qemu(path, format, NULL, NULL, bytes, error);
}

bool image_create_overlay(const char *path, const char *base, const char *base_format,
                          uint64_t bytes, struct error *error)
{
    if ((bytes && !check_size(path, bytes, error)) || !refuse_existing(path, error)) {
        return false;
    }
    /* A relative name would be taken from where the overlay is. */
    char *whole = realpath(base, NULL);
    if (!whole) {
        return error_set_errno(error, errno, "cannot make an overlay of %s", base);
    }
    const char *found = image_format_of_file(base);
    base_format = base_format ? base_format : found ? found : "raw";
    bool created = create_by_qemu(path, "qcow2", whole, base_format, bytes, error);
    free(whole);
    return created;
}

/* -- looking -- */

static uint64_t big_endian(const uint8_t *bytes, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* Source: the qcow2 specification, header: where the name of the backing file is. */
static bool read_qcow2_backing(const char *path, struct image_info *info,
                               struct error *error)
{
    uint8_t header[24];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && pread(fd, header, sizeof(header), 0) == sizeof(header);
    uint64_t offset = good ? big_endian(header + 8, 8) : 0;
    uint64_t length = offset ? big_endian(header + 16, 4) : 0;
    good = good && length < sizeof(info->backing) &&
           pread(fd, info->backing, length, (off_t)offset) == (ssize_t)length;
    if (fd >= 0) {
        close(fd);
    }
    info->backing[good ? length : 0] = '\0';
    return good || error_set(error, "disk image %s: its qcow2 header is damaged", path);
}

bool image_get_info(const char *path, struct image_info *info, struct error *error)
{
    const struct block_options options = {.file = path, .read_only = true};
    struct stat status;
    struct error ignored;
    const char *format = image_format_of_file(path);
    *info = (struct image_info){.format = format ? format : "raw"};
    if (stat(path, &status) < 0) {
        return error_set_errno(error, errno, "cannot examine disk image %s", path);
    }
    struct block_backend *backend = block_open(&options, NULL, NULL, error);
    if (!backend) {
        return false;
    }
    info->bytes = block_device_of(backend)->sectors * BLOCK_SECTOR_BYTES;
    info->allocated = (uint64_t)status.st_blocks * 512;
    block_close(backend, &ignored);
    return strcmp(info->format, "qcow2") != 0 || read_qcow2_backing(path, info, error);
}

/* -- committing -- */

bool image_commit(const char *path, bool progress, struct error *error)
{
    struct image_info info;
    if (!image_get_info(path, &info, error)) {
        return false;
    }
    if (!*info.backing) {
        return error_set(error,
                         "disk image %s (%s) is no overlay: there is nothing to commit "
                         "it to",
                         path, info.format);
    }
    char *plain = image_plain_path(path);
    char *const arguments[] = {
        "qemu-img", "commit", progress ? "-p" : "-q", "-f", "qcow2", plain, NULL};
    bool committed = run_qemu_img("commit", path, arguments, error);
    free(plain);
    return committed;
}
