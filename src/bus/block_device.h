/* bus/block_device.h: the seam between a disk controller and what holds the sectors.
 *
 * A back end (an image file, an overlay, the memory of a test) offers a struct
 * block_device; a controller submits requests to it and is called back. The interface
 * is asynchronous: the completion may run before submit() returns, or later. Requests
 * that are under way together may be carried out in any order, but for a flush: it
 * covers all that was submitted before it, and what comes after waits. Sectors have 512
 * bytes. Thread: any that holds the machine lock. Saved by: nobody; a machine is saved
 * only when no request is under way. */
#ifndef BUS_BLOCK_DEVICE_H
#define BUS_BLOCK_DEVICE_H

#include "base/types.h"

enum { BLOCK_SECTOR_BYTES = 512 };

/* A discard says that nobody will read these sectors again before they are written:
 * advice, which may do nothing. */
enum block_operation { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD };

/* `result`: 0, or a positive host errno: EINVAL out of range, EROFS not writable,
 * ENOSPC, EIO, … */
typedef void block_completion(void *opaque, int result);

struct block_request {
    enum block_operation operation;
    uint64_t sector;
    uint32_t count;  /* sectors; flush: ignored, like sector and buffer */
    uint8_t *buffer; /* count * 512 bytes; stays valid until completion; not discard */
    block_completion *completion;
    void *opaque;
};

struct block_device_ops {
    void (*submit)(void *opaque, const struct block_request *request);
};

struct block_device {
    const struct block_device_ops *ops;
    void *opaque;
    const char *name; /* for messages to the user: the path of the image */
    uint64_t sectors;
    bool read_only;
    bool discards; /* a discard does something: worth offering to the guest */
};

static inline void block_device_submit(const struct block_device *device,
                                       const struct block_request *request)
{
    device->ops->submit(device->opaque, request);
}

#endif
