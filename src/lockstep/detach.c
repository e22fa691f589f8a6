#define _GNU_SOURCE /* memfd_create() */
#include "lockstep/detach.h"

#include "base/types.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { MOST_FILES = 64, COPY_BYTES = 1 << 20 };

/* A file without a name, and our copy of it. */
struct copied_file {
    dev_t device;
    ino_t inode;
    int fd; /* of the copy */
};

struct copied_files {
    struct copied_file files[MOST_FILES];
    unsigned count;
    unsigned by_descriptor; /* the first so many; others are known by mappings only */
};

/* A line of /proc/self/maps. */
struct mapping {
    uint8_t *start;
    uint64_t bytes, offset;
    int protection;
    bool is_shared;
    dev_t device;
    ino_t inode;
};

static const struct copied_file *find_file(const struct copied_files *files,
                                           dev_t device, ino_t inode)
{
    for (unsigned i = 0; i < files->count; i++) {
        const struct copied_file *file = &files->files[i];
        if (file->device == device && file->inode == inode) {
            return file;
        }
    }
    return NULL;
}

/* An empty file for the contents of that one; NULL: the host refuses. */
static const struct copied_file *add_file(struct copied_files *files, dev_t device,
                                          ino_t inode)
{
    if (files->count == MOST_FILES) {
        return NULL;
    }
    struct copied_file *file = &files->files[files->count];
    *file = (struct copied_file){.device = device, .inode = inode};
    file->fd = memfd_create("faumachine-copy", MFD_CLOEXEC);
    if (file->fd < 0) {
        return NULL;
    }
    files->count++;
    return file;
}

static bool write_all(int fd, const void *bytes, size_t length, uint64_t offset)
{
    const char *next = bytes;
    while (length > 0) {
        ssize_t written = pwrite(fd, next, length, (off_t)offset);
        if (written <= 0) {
            return false;
        }
        next += written;
        length -= (size_t)written;
        offset += (uint64_t)written;
    }
    return true;
}

/* Copies what there is of a file; its holes stay holes. */
static bool copy_contents(int from, int to, uint64_t bytes)
{
    char *buffer = malloc(COPY_BYTES);
    bool good = buffer && ftruncate(to, (off_t)bytes) == 0;
    off_t at = 0;
    while (good && (at = lseek(from, at, SEEK_DATA)) >= 0) {
        off_t end = lseek(from, at, SEEK_HOLE);
        while (good && at < end) {
            size_t wanted = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
            ssize_t got = pread(from, buffer, wanted, at);
            good = got > 0 && write_all(to, buffer, (size_t)got, (uint64_t)at);
            at += got;
        }
    }
    free(buffer);
    return good;
}

static bool is_writable(int fd)
{
    return (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

/* Puts something else behind the descriptor. */
static bool replace(int fd, int by)
{
    return by >= 0 && dup3(by, fd, O_CLOEXEC) == fd;
}

static bool detach_descriptor(struct copied_files *files, int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || fd <= STDERR_FILENO) {
        return true;
    }
    if (status.st_nlink > 0) {
        if (!is_writable(fd)) {
            return true;
        }
        int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
        bool good = replace(fd, nowhere);
        close(nowhere);
        return good;
    }
    const struct copied_file *file = find_file(files, status.st_dev, status.st_ino);
    if (!file) {
        file = add_file(files, status.st_dev, status.st_ino);
        if (!file || !copy_contents(fd, file->fd, (uint64_t)status.st_size)) {
            return false;
        }
    }
    return replace(fd, file->fd);
}

/* All descriptors but our own, before there are more of them. */
static unsigned list_descriptors(int *descriptors, unsigned most)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (!*end && fd != dirfd(folder) && count < most) {
            descriptors[count++] = (int)fd;
        }
    }
    if (folder) {
        closedir(folder);
    }
    return count;
}

static bool detach_descriptors(struct copied_files *files)
{
    int descriptors[16 * MOST_FILES];
    unsigned count = list_descriptors(descriptors, ARRAY_LENGTH(descriptors));
    for (unsigned i = 0; i < count; i++) {
        if (!detach_descriptor(files, descriptors[i])) {
            return false;
        }
    }
    return count > 0;
}

/* Text of a file in /proc, to be freed; NULL: cannot be read. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t length = 0;
    if (file && getdelim(&text, &length, '\0', file) < 0) {
        free(text);
        text = NULL;
    }
    if (file) {
        fclose(file);
    }
    return text;
}

static bool parse_mapping(const char *line, struct mapping *mapping)
{
    uint64_t start, end, offset, inode;
    unsigned major_number, minor_number;
    char flags[5];
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &start,
               &end, flags, &offset, &major_number, &minor_number, &inode) != 7) {
        return false;
    }
    *mapping = (struct mapping){
        .start = (uint8_t *)(uintptr_t)start,
        .bytes = end - start,
        .offset = offset,
        .protection = (flags[0] == 'r' ? PROT_READ : 0) |
                      (flags[1] == 'w' ? PROT_WRITE : 0) |
                      (flags[2] == 'x' ? PROT_EXEC : 0),
        .is_shared = flags[3] == 's',
        .device = makedev(major_number, minor_number),
        .inode = inode,
    };
    return true;
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

/* Of a file that only mappings are left of: what is seen through this one. */
static bool copy_mapping(const struct mapping *mapping, int to)
{
    struct stat status;
    uint64_t end = mapping->offset + mapping->bytes;
    if (fstat(to, &status) < 0 ||
        ((uint64_t)status.st_size < end && ftruncate(to, (off_t)end) < 0)) {
        return false;
    }
    for (uint64_t at = 0; at < mapping->bytes; at += PAGE_BYTES) {
        const uint8_t *page = mapping->start + at;
        if (!is_zero(page) && !write_all(to, page, PAGE_BYTES, mapping->offset + at)) {
            return false;
        }
    }
    return true;
}

/* Calls `visit` for each mapping of a shared file without a name. */
static bool visit_mappings(struct copied_files *files,
                           bool (*visit)(struct copied_files *files,
                                         const struct mapping *mapping))
{
    char *text = read_text("/proc/self/maps"), *rest = NULL;
    bool good = text != NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; good && line;
         line = strtok_r(NULL, "\n", &rest)) {
        struct mapping mapping;
        bool nameless = strstr(line, "/memfd:") || strstr(line, " (deleted)");
        if (nameless && parse_mapping(line, &mapping) && mapping.is_shared) {
            good = visit(files, &mapping);
        }
    }
    free(text);
    return good;
}

/* Files whose descriptors have been closed, once per mapping that can be read. */
static bool copy_if_unknown(struct copied_files *files, const struct mapping *mapping)
{
    const struct copied_file *file = find_file(files, mapping->device, mapping->inode);
    bool has_descriptor = file && file < files->files + files->by_descriptor;
    if (has_descriptor || !(mapping->protection & PROT_READ)) {
        return true;
    }
    if (!file) {
        file = add_file(files, mapping->device, mapping->inode);
    }
    return file && copy_mapping(mapping, file->fd);
}

static bool map_again(struct copied_files *files, const struct mapping *mapping)
{
    const struct copied_file *file = find_file(files, mapping->device, mapping->inode);
    return file && mmap(mapping->start, mapping->bytes, mapping->protection,
                        MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file->fd,
                        (off_t)mapping->offset) == mapping->start;
}

bool detach_files(void)
{
    struct copied_files files = {.count = 0};
    bool good = detach_descriptors(&files);
    files.by_descriptor = files.count;
    good = good && visit_mappings(&files, copy_if_unknown) &&
           visit_mappings(&files, map_again);
    for (unsigned i = 0; i < files.count; i++) {
        close(files.files[i].fd);
    }
    return good;
}
