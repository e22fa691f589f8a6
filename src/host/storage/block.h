/* host/storage/block.h: a disk's content, behind one interface.
 *
 * Back ends: a raw image file; a temporary overlay on one (-snapshot). Requests are
 * synchronous here: the caller holds the machine lock and gets the result at once; the
 * interface is asynchronous in form (completion callback), so that a back end may
 * answer later. Sectors have 512 bytes. Saved by: the owner of the device. */
#ifndef HOST_STORAGE_BLOCK_H
#define HOST_STORAGE_BLOCK_H

#include "base/error.h"
#include "base/types.h"

enum { BLOCK_SECTOR_BYTES = 512 };

struct block_backend;

enum block_operation { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

/* `result`: 0, or a positive host errno (EIO, ENOSPC, …). */
typedef void block_completion(void *opaque, int result);

struct block_request {
    enum block_operation operation;
    uint64_t sector;
    uint32_t count;  /* sectors */
    uint8_t *buffer; /* count * 512 bytes; stays valid until completion */
    block_completion *completion;
    void *opaque;
};

/* Opens an image. A file that is not a multiple of 512 bytes long is refused, with the
 * remedy; so is one that another process has locked for writing. `snapshot`: changes go
 * to a temporary file that disappears. An image that cannot be opened for writing is
 * refused unless `snapshot` or `read_only`. */
struct block_backend *block_open(const char *path, bool read_only, bool snapshot,
                                 struct error *error);
/* Flushes and closes. NULL is fine. */
void block_close(struct block_backend *backend);

uint64_t block_sectors(const struct block_backend *backend);
bool block_is_read_only(const struct block_backend *backend);

/* The completion may run before this returns. Out of range: EINVAL. */
void block_submit(struct block_backend *backend, const struct block_request *request);

#endif
