/* What kind of image a file is, by how it begins. Sources: the formats' specifications;
 * QEMU's names. */
#define _GNU_SOURCE /* asprintf() */
#include "host/storage/storage_internal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct format {
    const char *name;
    size_t offset, length;
    const char *magic; /* NULL: cannot be recognised by its beginning */
} formats[] = {
    {"raw", 0, 0, NULL},
    {"qcow2", 0, 8, "QFI\xfb\0\0\0\2"},
    {"qcow2", 0, 8, "QFI\xfb\0\0\0\3"},
    {"qcow", 0, 8, "QFI\xfb\0\0\0\1"},
    {"qed", 0, 4, "QED\0"},
    {"vdi", 64, 4, "\x7f\x10\xda\xbe"},
    {"vhdx", 0, 8, "vhdxfile"},
    {"vmdk", 0, 4, "KDMV"},
    {"vmdk", 0, 4, "COWD"},
    {"vmdk", 0, 21, "# Disk DescriptorFile"},
    {"vpc", 0, 8, "conectix"},
};

const char *image_format_of(const uint8_t *start, size_t bytes)
{
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        const struct format *format = &formats[i];
        if (format->magic && format->offset + format->length <= bytes &&
            memcmp(start + format->offset, format->magic, format->length) == 0) {
            return format->name;
        }
    }
    return NULL;
}

const char *image_format_of_file(const char *path)
{
    uint8_t start[BLOCK_SECTOR_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? 0 : pread(fd, start, sizeof(start), 0);
    if (fd >= 0) {
        close(fd);
    }
    return got > 0 ? image_format_of(start, (size_t)got) : NULL;
}

bool block_format_is_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

char *image_plain_path(const char *path)
{
    char *plain;
    int length = asprintf(&plain, "%s%s", *path == '/' ? "" : "./", path);
    assert(length >= 0);
    return plain;
}
