#include "host/storage/block.h"

#include "host/storage/storage_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct block_backend {
    struct block_device device;
    struct image_file image;
    struct overlay overlay; /* only with `snapshot` */
    bool snapshot;
    char *path;
};

static int read_sectors(struct block_backend *backend,
                        const struct block_request *request)
{
    return backend->snapshot
               ? overlay_read(&backend->overlay, &backend->image, request->sector,
                              request->count, request->buffer)
               : file_read(backend->image.fd, request->sector, request->count,
                           request->buffer);
}

static int write_sectors(struct block_backend *backend,
                         const struct block_request *request)
{
    if (backend->device.read_only) {
        return EROFS;
    }
    return backend->snapshot ? overlay_write(&backend->overlay, request->sector,
                                             request->count, request->buffer)
                             : file_write(backend->image.fd, request->sector,
                                          request->count, request->buffer);
}

/* What -snapshot keeps disappears anyway: only an image is worth waiting for. */
static int flush(struct block_backend *backend)
{
    if (backend->snapshot || backend->device.read_only) {
        return 0;
    }
    return fdatasync(backend->image.fd) < 0 ? errno : 0;
}

static void submit(void *opaque, const struct block_request *request)
{
    struct block_backend *backend = opaque;
    uint64_t sectors = backend->device.sectors;
    int result = EINVAL;
    bool inside =
        request->sector <= sectors && request->count <= sectors - request->sector;
    if (request->operation == BLOCK_FLUSH) {
        result = flush(backend);
    } else if (inside && request->operation == BLOCK_READ) {
        result = read_sectors(backend, request);
    } else if (inside && request->operation == BLOCK_WRITE) {
        result = write_sectors(backend, request);
    }
    request->completion(request->opaque, result);
}

static const struct block_device_ops device_ops = {.submit = submit};

struct block_backend *block_open(const char *path, bool read_only, bool snapshot,
                                 struct error *error)
{
    struct block_backend *backend = calloc(1, sizeof(*backend));
    char *path_copy = strdup(path);
    assert(backend && path_copy);
    backend->path = path_copy;
    backend->snapshot = snapshot;
    bool opened =
        image_file_open(&backend->image, path, !read_only && !snapshot, error);
    if (opened && snapshot &&
        !overlay_open(&backend->overlay, backend->image.sectors, error)) {
        image_file_close(&backend->image);
        opened = false;
    }
    if (!opened) {
        free(backend->path);
        free(backend);
        return NULL;
    }
    backend->device = (struct block_device){
        .ops = &device_ops,
        .opaque = backend,
        .name = backend->path,
        .sectors = backend->image.sectors,
        .read_only = read_only,
    };
    return backend;
}

bool block_close(struct block_backend *backend, struct error *error)
{
    bool flushed = true;
    if (!backend) {
        return true;
    }
    if (backend->snapshot) {
        overlay_close(&backend->overlay);
    } else if (!backend->device.read_only && fdatasync(backend->image.fd) < 0) {
        flushed =
            error_set_errno(error, errno,
                            "disk image %s could not be flushed, the guest's last "
                            "writes may be lost: check the host's disk",
                            backend->path);
    }
    image_file_close(&backend->image);
    free(backend->path);
    free(backend);
    return flushed;
}

struct block_device *block_device_of(struct block_backend *backend)
{
    return &backend->device;
}
