/* host/storage/block.h: image files behind the interface of bus/block_device.h.
 *
 * Back ends: a raw image file; a temporary overlay on one (-snapshot). Requests are
 * synchronous: the caller holds the machine lock and gets the result at once. Holes of
 * an image are kept. Saved by: the owner of the device. */
#ifndef HOST_STORAGE_BLOCK_H
#define HOST_STORAGE_BLOCK_H

#include "base/error.h"
#include "base/types.h"
#include "bus/block_device.h"

struct block_backend;

/* Opens an image. A file that is not a multiple of 512 bytes long is refused, with the
 * remedy; so is one that another process has locked for writing. `snapshot`: changes go
 * to a temporary file that disappears. An image that cannot be opened for writing is
 * refused unless `snapshot` or `read_only`. */
struct block_backend *block_open(const char *path, bool read_only, bool snapshot,
                                 struct error *error);
/* Flushes and closes. NULL is fine. False, with a line in `error`, if the host could
 * not flush: what the guest wrote last may not be in the image. Closed it is in any
 * case. */
bool block_close(struct block_backend *backend, struct error *error);

/* What a disk controller is given; lives as long as the back end. Completions run
 * before block_device_submit() returns; out of range: EINVAL. */
struct block_device *block_device_of(struct block_backend *backend);

#endif
