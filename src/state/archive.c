#define _GNU_SOURCE
#include "state/archive.h"

#include "base/pages.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ALIGNMENT = 8 };

static const char magic[ARCHIVE_MAGIC_BYTES] = {'F', 'A', 'U', 's', 'a', 'v', 'e', 'd'};

static uint64_t padded(uint64_t bytes)
{
    return (bytes + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

uint64_t archive_checksum(uint64_t before, const uint8_t *bytes, size_t length)
{
    const uint64_t multiplier = 0x9e3779b97f4a7c15ULL;
    assert(length % ALIGNMENT == 0);
    for (size_t i = 0; i < length; i += ALIGNMENT) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof(word));
        before = (before ^ word) * multiplier;
        before ^= before >> 29;
    }
    return before;
}

/* -- writing -- */

static void write_at(struct archive_writer *writer, const void *bytes, size_t length,
                     uint64_t offset)
{
    const uint8_t *next = bytes;
    while (length > 0 && !writer->why) {
        ssize_t written = pwrite(writer->fd, next, length, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            writer->why = written < 0 ? errno : EIO;
            return;
        }
        next += written;
        length -= (size_t)written;
        offset += (uint64_t)written;
    }
}

static void put_out(struct archive_writer *writer)
{
    writer->checksum = archive_checksum(writer->checksum, writer->buffer, writer->held);
    write_at(writer, writer->buffer, writer->held,
             sizeof(struct archive_header) + writer->bytes - writer->held);
    writer->held = 0;
}

static void put_in(struct archive_writer *writer, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    while (length > 0) {
        size_t room = ARCHIVE_BUFFER_BYTES - writer->held;
        size_t part = length < room ? length : room;
        memcpy(writer->buffer + writer->held, from, part);
        writer->held += part;
        writer->bytes += part;
        from += part;
        length -= part;
        if (writer->held == ARCHIVE_BUFFER_BYTES) {
            put_out(writer);
        }
    }
}

static void end_section(struct archive_writer *writer)
{
    static const uint8_t zeros[ALIGNMENT];
    assert(writer->bytes == writer->section_end);
    put_in(writer, zeros, padded(writer->bytes) - writer->bytes);
}

void archive_begin(struct archive_writer *writer, int fd)
{
    memset(writer, 0, offsetof(struct archive_writer, buffer));
    writer->fd = fd;
}

void archive_begin_section(struct archive_writer *writer, const char *name,
                           uint64_t bytes)
{
    struct archive_section section = {.bytes = bytes};
    end_section(writer);
    assert(strlen(name) < sizeof(section.name));
    memcpy(section.name, name, strlen(name));
    put_in(writer, &section, sizeof(section));
    writer->section_end = writer->bytes + bytes;
}

void archive_write(struct archive_writer *writer, const void *bytes, size_t length)
{
    put_in(writer, bytes, length);
    assert(writer->bytes <= writer->section_end);
}

bool archive_finish(struct archive_writer *writer, const char *file,
                    struct error *error)
{
    end_section(writer);
    put_out(writer);
    struct archive_header header = {
        .version = ARCHIVE_VERSION,
        .bytes = writer->bytes,
        .checksum = writer->checksum,
    };
    memcpy(header.magic, magic, sizeof(magic));
    write_at(writer, &header, sizeof(header), 0);
    if (!writer->why && fdatasync(writer->fd) < 0 && errno != EINVAL) {
        writer->why = errno;
    }
    return !writer->why ||
           error_set_errno(error, writer->why, "cannot write snapshot %s", file);
}

/* -- reading -- */

static bool damaged(const char *file, struct error *error)
{
    return error_set(
        error, "snapshot %s is damaged: take another one, or save it again", file);
}

/* Every section lies within the file, and has a name that ends. */
static bool sections_fit(const uint8_t *bytes, size_t length)
{
    struct archive_section section;
    while (length > 0) {
        if (length < sizeof(section)) {
            return false;
        }
        memcpy(&section, bytes, sizeof(section));
        bytes += sizeof(section);
        length -= sizeof(section);
        if (section.bytes > length || padded(section.bytes) > length ||
            section.name[ARCHIVE_NAME_BYTES - 1] != 0) {
            return false;
        }
        bytes += padded(section.bytes);
        length -= padded(section.bytes);
    }
    return true;
}

static bool check_header(const struct archive_header *header, const char *file,
                         struct error *error)
{
    if (memcmp(header->magic, magic, sizeof(magic)) != 0) {
        return error_set(error, "%s is not a snapshot of a machine", file);
    }
    return header->version == ARCHIVE_VERSION ||
           error_set(error,
                     "snapshot %s has version %u of the format, this program reads "
                     "%d: load it with the program that wrote it",
                     file, header->version, ARCHIVE_VERSION);
}

bool archive_check(struct archive *archive, const char *file,
                   const struct archive_header *header, const uint8_t *bytes,
                   size_t length, struct error *error)
{
    if (!check_header(header, file, error)) {
        return false;
    }
    if (header->bytes != length) {
        return error_set(error, "snapshot %s is truncated: it has not been saved whole",
                         file);
    }
    if (length % ALIGNMENT || archive_checksum(0, bytes, length) != header->checksum ||
        !sections_fit(bytes, length)) {
        return damaged(file, error);
    }
    *archive = (struct archive){
        .file = file, .bytes = (uint8_t *)bytes, .length = length, .allocated = 0};
    return true;
}

static bool read_all(int fd, void *bytes, size_t length, uint64_t offset)
{
    uint8_t *to = bytes;
    while (length > 0) {
        ssize_t got = pread(fd, to, length, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got < 0 ? errno : ENODATA;
            return false;
        }
        to += got;
        length -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

bool archive_read(struct archive *archive, int fd, const char *file, uint64_t most,
                  struct error *error)
{
    struct archive_header header;
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0) {
        return error_set_errno(error, errno, "cannot read snapshot %s", file);
    }
    uint64_t bytes = (uint64_t)end;
    if (bytes < sizeof(header)) {
        return error_set(error, "%s is not a snapshot of a machine", file);
    }
    bytes -= sizeof(header);
    if (!read_all(fd, &header, sizeof(header), 0)) {
        return error_set_errno(error, errno, "cannot read snapshot %s", file);
    }
    if (!check_header(&header, file, error)) {
        return false;
    }
    if (bytes > most) {
        return error_set(error,
                         "snapshot %s is larger than this machine can be: give "
                         "it the memory and disks that were saved",
                         file);
    }
    uint8_t *memory = pages_allocate(bytes ? bytes : 1);
    if (!memory) {
        return error_set(error, "out of memory for snapshot %s", file);
    }
    if (!read_all(fd, memory, bytes, sizeof(header))) {
        error_set_errno(error, errno, "cannot read snapshot %s", file);
    } else if (archive_check(archive, file, &header, memory, bytes, error)) {
        archive->allocated = bytes ? bytes : 1;
        return true;
    }
    pages_free(memory, bytes ? bytes : 1);
    return false;
}

void archive_free(struct archive *archive)
{
    if (archive->allocated) {
        pages_free(archive->bytes, archive->allocated);
    }
    *archive = (struct archive){0};
}

const uint8_t *archive_find(const struct archive *archive, const char *name,
                            size_t *length)
{
    const uint8_t *next = archive->bytes, *end = next + archive->length;
    while (next < end) {
        struct archive_section section;
        memcpy(&section, next, sizeof(section));
        next += sizeof(section);
        if (strcmp(section.name, name) == 0) {
            *length = section.bytes;
            return next;
        }
        next += padded(section.bytes);
    }
    return NULL;
}
