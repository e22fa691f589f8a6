/* NBD servers, by libnbd's asynchronous calls: its socket is watched by the event loop.
 *
 * What libnbd calls back may not call libnbd, so answers wait in a queue until it has
 * returned. Source: libnbd(3), the NBD protocol. */
#include "host/storage/storage_internal.h"

#include <assert.h>
#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct nbd_store {
    struct store store;
    struct nbd_handle *handle;
    struct event_loop *loop; /* NULL: everything is waited for */
    int watched;             /* descriptor; -1: none */
    struct piece *answers;
    bool flushes;           /* it knows how to; asked while it was alive */
    struct qemu_nbd server; /* of our own, or no process */
    char *name;
};

/* -- answers -- */

static int answered(void *opaque, int *why)
{
    struct piece *piece = opaque;
    struct nbd_store *store = piece->place;
    piece->result = *why;
    piece->next = store->answers;
    store->answers = piece;
    return 1; /* libnbd may forget it */
}

static unsigned deliver(struct nbd_store *store)
{
    unsigned count = 0;
    for (struct piece *piece; (piece = store->answers); count++) {
        store->answers = piece->next;
        piece->done(piece, piece->result);
    }
    return count;
}

static void socket_is_ready(void *opaque, unsigned events);

/* Watches the socket for what libnbd waits for; a dead one no more. */
static void watch(struct nbd_store *store)
{
    unsigned direction = nbd_aio_get_direction(store->handle);
    bool alive = !nbd_aio_is_dead(store->handle) && !nbd_aio_is_closed(store->handle);
    unsigned events = 0;
    events |= direction & LIBNBD_AIO_DIRECTION_READ ? EVENT_READABLE : 0;
    events |= direction & LIBNBD_AIO_DIRECTION_WRITE ? EVENT_WRITABLE : 0;
    if (store->loop && store->watched >= 0) {
        event_loop_watch(store->loop, store->watched, alive ? events : 0,
                         socket_is_ready, store);
    }
}

static void socket_is_ready(void *opaque, unsigned events)
{
    struct nbd_store *store = opaque;
    unsigned direction = nbd_aio_get_direction(store->handle);
    if ((events & EVENT_READABLE) && (direction & LIBNBD_AIO_DIRECTION_READ)) {
        nbd_aio_notify_read(store->handle);
    } else if ((events & EVENT_WRITABLE) && (direction & LIBNBD_AIO_DIRECTION_WRITE)) {
        nbd_aio_notify_write(store->handle);
    }
    deliver(store);
    watch(store);
}

static void wait_for_answer(struct store *base)
{
    struct nbd_store *store = (struct nbd_store *)base;
    while (deliver(store) == 0) {
        /* If this fails, the connection is lost, and every piece has its answer. */
        nbd_poll(store->handle, -1);
    }
    watch(store);
}

/* -- submission -- */

static int64_t begin(struct nbd_store *store, struct piece *piece)
{
    nbd_completion_callback callback = {.callback = answered, .user_data = piece};
    switch (piece->operation) {
    case BLOCK_READ:
        return nbd_aio_pread(store->handle, piece->buffer, piece->length, piece->offset,
                             callback, 0);
    case BLOCK_WRITE:
        return nbd_aio_pwrite(store->handle, piece->buffer, piece->length,
                              piece->offset, callback, 0);
    case BLOCK_DISCARD:
        return nbd_aio_trim(store->handle, piece->length, piece->offset, callback, 0);
    case BLOCK_FLUSH:
        break;
    }
    return nbd_aio_flush(store->handle, callback, 0);
}

static void submit(struct store *base, struct piece *piece)
{
    struct nbd_store *store = (struct nbd_store *)base;
    piece->place = store;
    if (piece->operation == BLOCK_FLUSH && !store->flushes) {
        piece->done(piece, 0);
        return;
    }
    if (begin(store, piece) < 0) {
        int why = nbd_get_errno();
        piece->done(piece, why ? why : EIO);
        return;
    }
    if (store->loop) {
        deliver(store);
        watch(store);
    } else {
        wait_for_answer(base);
    }
}

/* -- opening and closing -- */

static void free_store(struct nbd_store *store)
{
    if (store->loop && store->watched >= 0) {
        event_loop_watch(store->loop, store->watched, 0, NULL, NULL);
    }
    nbd_close(store->handle);
    free(store->name);
    free(store);
}

static bool close_nbd(struct store *base, bool flush, struct error *error)
{
    struct nbd_store *store = (struct nbd_store *)base;
    bool lost = flush && store->flushes && nbd_flush(store->handle, 0) < 0;
    if (lost) {
        error_set(error,
                  "disk image %s could not be flushed, the guest's last writes may be "
                  "lost: %s",
                  store->name, nbd_get_error());
    }
    nbd_shutdown(store->handle, 0);
    struct qemu_nbd server = store->server;
    char *name = store->name;
    store->name = NULL;
    free_store(store);
    if (!qemu_nbd_end(&server) && !lost && flush) {
        error_set(error,
                  "disk image %s: qemu-nbd has not ended well; examine it with "
                  "'qemu-img check %s'",
                  name, name);
        lost = true;
    }
    free(name);
    return !lost;
}

static const struct store_ops nbd_ops = {
    .submit = submit,
    .wait = wait_for_answer,
    .close = close_nbd,
};

static struct nbd_store *create(const char *name, struct event_loop *loop)
{
    struct nbd_store *store = calloc(1, sizeof(*store));
    assert(store);
    store->store.ops = &nbd_ops;
    store->handle = nbd_create();
    store->loop = loop;
    store->watched = -1;
    store->name = strdup(name);
    assert(store->handle && store->name);
    return store;
}

/* The connection stands: finds out what is behind it. */
static bool examine(struct nbd_store *store, bool writable, struct error *error)
{
    struct nbd_handle *handle = store->handle;
    int64_t bytes = nbd_get_size(handle);
    if (bytes <= 0 || bytes % BLOCK_SECTOR_BYTES) {
        return error_set(error, "disk image %s: its length, %lld, is no multiple of %d",
                         store->name, (long long)bytes, BLOCK_SECTOR_BYTES);
    }
    if (nbd_get_block_size(handle, LIBNBD_SIZE_MINIMUM) > BLOCK_SECTOR_BYTES) {
        return error_set(error, "disk image %s: the server has larger sectors than %d",
                         store->name, BLOCK_SECTOR_BYTES);
    }
    if (writable && nbd_is_read_only(handle) > 0) {
        return error_set(error,
                         "disk image %s is read-only (use -snapshot to leave it "
                         "unchanged)",
                         store->name);
    }
    store->store.sectors = (uint64_t)bytes / BLOCK_SECTOR_BYTES;
    store->store.discards = nbd_can_trim(handle) > 0;
    store->flushes = nbd_can_flush(handle) > 0;
    store->watched = nbd_aio_get_fd(handle);
    watch(store);
    return true;
}

bool nbd_store_is_address(const char *file)
{
    return strncmp(file, "nbd:", 4) == 0 || strncmp(file, "nbd+unix:", 9) == 0 ||
           strncmp(file, "nbds:", 5) == 0 || strncmp(file, "nbds+unix:", 10) == 0;
}

struct store *nbd_store_open(const char *address, bool writable,
                             struct event_loop *loop, struct error *error)
{
    struct nbd_store *store = create(address, loop);
    if (nbd_connect_uri(store->handle, address) < 0) {
        error_set(error, "cannot connect to disk %s: %s", address, nbd_get_error());
        free_store(store);
        return NULL;
    }
    if (!examine(store, writable, error)) {
        free_store(store);
        return NULL;
    }
    return &store->store;
}

struct store *nbd_store_open_image(const char *path, const char *format, bool writable,
                                   bool discard, struct event_loop *loop,
                                   struct error *error)
{
    struct nbd_store *store = create(path, loop);
    bool opened =
        qemu_nbd_start(&store->server, path, format, writable, discard, error);
    if (opened && nbd_connect_socket(store->handle, store->server.socket) < 0) {
        char line[512];
        qemu_nbd_complaint(&store->server, line, sizeof(line));
        opened =
            error_set(error, "cannot open disk image %s (%s): %s", path, format, line);
    }
    if (opened && examine(store, writable, error)) {
        return &store->store;
    }
    struct qemu_nbd server = store->server;
    free_store(store);
    qemu_nbd_end(&server);
    return NULL;
}
