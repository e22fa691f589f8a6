#define _GNU_SOURCE /* O_NOFOLLOW */
#include "host/display/picture_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char suffix[] = ".png", part_suffix[] = ".part";

enum {
    SUFFIX_LENGTH = sizeof(suffix) - 1,
    SIGNATURE_BYTES = 8,
    COLORS = 3,
    PPM_HEAD_BYTES = 64
};

static bool is_replaceable(const char *path)
{
    uint8_t signature[SIGNATURE_BYTES];
    struct stat status;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT;
    }
    bool good = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    ssize_t length = good ? read(fd, signature, sizeof(signature)) : -1;
    close(fd);
    return length == 0 || (length == SIGNATURE_BYTES &&
                           png_sig_cmp(signature, 0, SIGNATURE_BYTES) == 0);
}

bool picture_file_allowed(const char *path, struct error *error)
{
    char folder[PATH_MAX];
    size_t length = strlen(path);
    if (length <= SUFFIX_LENGTH ||
        strcasecmp(path + length - SUFFIX_LENGTH, suffix) != 0) {
        return error_set(error, "'%s': give a picture a name that ends in .png", path);
    }
    if (length + sizeof(part_suffix) > sizeof(folder)) {
        return error_set(error, "'%s': that name is too long", path);
    }
    if (!is_replaceable(path)) {
        return error_set(error,
                         "'%s' is there and no PNG file; it is not replaced: remove "
                         "it, or take another name",
                         path);
    }
    strcpy(folder, path);
    return access(dirname(folder), W_OK | X_OK) == 0 ||
           error_set_errno(error, errno, "cannot write '%s'", path);
}

/* Neither format has pixels with a byte left over. */
static void pack(uint8_t *packed, const uint32_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        packed[COLORS * i] = (uint8_t)(pixels[i] >> 16);
        packed[COLORS * i + 1] = (uint8_t)(pixels[i] >> 8);
        packed[COLORS * i + 2] = (uint8_t)pixels[i];
    }
}

static uint8_t *encode_png(const uint8_t *packed, const struct display_size *size,
                           size_t *bytes)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = size->width,
        .height = size->height,
        .format = PNG_FORMAT_RGB,
    };
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *file = malloc(room);
    if (file && !png_image_write_to_memory(&image, file, &room, 0, packed, 0, NULL)) {
        free(file);
        return NULL;
    }
    *bytes = room;
    return file;
}

uint8_t *picture_encode(const uint32_t *pixels, const struct display_size *size,
                        bool png, size_t *bytes)
{
    size_t count = (size_t)size->width * size->height;
    char head[PPM_HEAD_BYTES];
    int length = png ? 0
                     : snprintf(head, sizeof(head), "P6\n%u %u\n255\n", size->width,
                                size->height);
    uint8_t *packed = malloc((size_t)length + count * COLORS);
    if (!packed) {
        return NULL;
    }
    memcpy(packed, head, (size_t)length);
    pack(packed + length, pixels, count);
    if (!png) {
        *bytes = (size_t)length + count * COLORS;
        return packed;
    }
    uint8_t *file = encode_png(packed, size, bytes);
    free(packed);
    return file;
}

bool picture_file_write(const char *path, const uint32_t *pixels,
                        const struct display_size *size, struct error *error)
{
    char part[PATH_MAX];
    if (!picture_file_allowed(path, error)) {
        return false;
    }
    snprintf(part, sizeof(part), "%s%s", path, part_suffix);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!file) {
        return error_set_errno(error, errno, "cannot write '%s'", part);
    }
    size_t bytes;
    uint8_t *content = picture_encode(pixels, size, true, &bytes);
    bool good = content && fwrite(content, 1, bytes, file) == bytes;
    int why = content ? errno : ENOMEM;
    free(content);
    if (fclose(file) != 0 && good) {
        good = false;
        why = errno;
    }
    if (good && rename(part, path) == 0) {
        return true;
    }
    why = good ? errno : why;
    unlink(part);
    return error_set_errno(error, why, "cannot write '%s'", path);
}

void picture_file_name(char *name, size_t bytes, const char *path, unsigned number)
{
    char date[32];
    time_t now = time(NULL);
    struct tm local;
    if (path) {
        int stem = (int)strlen(path) - SUFFIX_LENGTH;
        snprintf(name, bytes, "%.*s-%u%s", stem, path, number, path + stem);
        return;
    }
    strftime(date, sizeof(date), "%Y%m%d-%H%M%S", localtime_r(&now, &local));
    snprintf(name, bytes, "faumachine-%s-%u%s", date, number, suffix);
}
