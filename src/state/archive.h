/* state/archive.h: a file of named pieces with a checksum: a saved machine.
 *
 * Format, little endian: the magic "FAUsaved" and what archive_header has; then
 * sections: a name of 32 bytes (the rest is zeros), the length of what follows, that,
 * and zeros up to a multiple of 8. The checksum is of everything behind the header; it
 * finds damage, and is no signature: who reads a section takes it for hostile input.
 * Thread: any, one at a time. */
#ifndef STATE_ARCHIVE_H
#define STATE_ARCHIVE_H

#include "base/error.h"
#include "base/types.h"

enum { ARCHIVE_VERSION = 1, ARCHIVE_NAME_BYTES = 32, ARCHIVE_MAGIC_BYTES = 8 };

struct archive_header {
    char magic[ARCHIVE_MAGIC_BYTES];
    uint32_t version, unused;
    uint64_t bytes; /* behind the header */
    uint64_t checksum;
};

struct archive_section {
    char name[ARCHIVE_NAME_BYTES];
    uint64_t bytes; /* of what follows, without padding */
};

/* -- writing -- */

enum { ARCHIVE_BUFFER_BYTES = 1 << 16 };

struct archive_writer {
    int fd;
    uint64_t bytes, checksum; /* written so far, behind the header */
    uint64_t section_end;
    int why; /* it cannot be written: errno; or 0 */
    size_t held;
    _Alignas(8) uint8_t buffer[ARCHIVE_BUFFER_BYTES];
};

/* `fd`: a file that can be read back, at its beginning. */
void archive_begin(struct archive_writer *writer, int fd);
/* The next section; exactly `bytes` have to follow by archive_write(). */
void archive_begin_section(struct archive_writer *writer, const char *name,
                           uint64_t bytes);
void archive_write(struct archive_writer *writer, const void *bytes, size_t length);
/* All is on the disk; or a line in `error`, with `file` for its name. */
bool archive_finish(struct archive_writer *writer, const char *file,
                    struct error *error);

/* -- reading -- */

/* A whole file in memory. */
struct archive {
    const char *file; /* its name, for messages */
    uint8_t *bytes;   /* behind the header */
    size_t length;
    size_t allocated;
};

/* Reads a file of at most `most` bytes, and checks header, checksum and sections. False
 * with a line in `error`; then there is nothing to free. */
bool archive_read(struct archive *archive, int fd, const char *file, uint64_t most,
                  struct error *error);
/* The same with what is in memory, and stays the caller's. */
bool archive_check(struct archive *archive, const char *file,
                   const struct archive_header *header, const uint8_t *bytes,
                   size_t length, struct error *error);
void archive_free(struct archive *archive);

/* The section of that name; NULL: there is none. A multiple of 8 from the start of the
 * file. */
const uint8_t *archive_find(const struct archive *archive, const char *name,
                            size_t *length);

uint64_t archive_checksum(uint64_t before, const uint8_t *bytes, size_t length);

#endif
