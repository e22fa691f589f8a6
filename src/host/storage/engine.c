/* How the pieces of files are carried out: at once, or by the way that was started. */
#define _GNU_SOURCE /* fallocate(), preadv2() */
#include "host/storage/storage_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

struct block_engine {
    const struct engine_ops *ops; /* NULL: not started */
    void *opaque;
};

/* -- at once -- */

static int move(const struct piece *piece)
{
    uint64_t done = 0;
    while (done < piece->length) {
        size_t left = piece->length - done;
        off_t offset = (off_t)(piece->offset + done);
        ssize_t moved = piece->operation == BLOCK_READ
                            ? pread(piece->fd, piece->buffer + done, left, offset)
                            : pwrite(piece->fd, piece->buffer + done, left, offset);
        if (moved < 0 && errno == EINTR) {
            continue;
        }
        if (moved <= 0) {
            return moved < 0 ? errno : EIO;
        }
        done += (uint64_t)moved;
    }
    return 0;
}

int engine_discard_result(int result)
{
    return result == EOPNOTSUPP || result == ENOSYS || result == ENODEV ? 0 : result;
}

int engine_carry_out(const struct piece *piece)
{
    switch (piece->operation) {
    case BLOCK_FLUSH:
        return fdatasync(piece->fd) < 0 ? errno : 0;
    case BLOCK_DISCARD:
        return engine_discard_result(
            fallocate(piece->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)piece->offset, (off_t)piece->length) < 0
                ? errno
                : 0);
    case BLOCK_READ:
    case BLOCK_WRITE:
        break;
    }
    return move(piece);
}

/* -- whoever does it -- */

/* Reads what the host has in memory, as far as it has; true if that was all. */
static bool read_what_is_there(struct piece *piece)
{
    struct iovec into = {.iov_base = piece->buffer, .iov_len = piece->length};
    ssize_t got = preadv2(piece->fd, &into, 1, (off_t)piece->offset, RWF_NOWAIT);
    if (got > 0) {
        piece->offset += (uint64_t)got;
        piece->buffer += got;
        piece->length -= (uint64_t)got;
    }
    return piece->length == 0;
}

void engine_submit(struct block_engine *engine, struct piece *piece)
{
    if (!engine || !engine->ops) {
        piece->done(piece, engine_carry_out(piece));
    } else if (piece->operation == BLOCK_READ && read_what_is_there(piece)) {
        piece->done(piece, 0);
    } else {
        engine->ops->submit(engine->opaque, piece);
    }
}

void engine_wait(struct block_engine *engine)
{
    engine->ops->wait(engine->opaque);
}

struct block_engine *block_engine_create(void)
{
    struct block_engine *engine = calloc(1, sizeof(*engine));
    assert(engine);
    return engine;
}

bool block_engine_start(struct block_engine *engine, enum block_engine_kind kind,
                        struct event_loop *loop, struct error *error)
{
    if (kind != BLOCK_ENGINE_THREADS) {
        engine->opaque = engine_io_uring_create(loop, error);
        engine->ops = engine->opaque ? &engine_io_uring_ops : NULL;
    }
    if (!engine->ops && kind != BLOCK_ENGINE_IO_URING) {
        engine->opaque = engine_threads_create(loop, error);
        engine->ops = engine->opaque ? &engine_threads_ops : NULL;
    }
    return engine->ops != NULL;
}

void block_engine_destroy(struct block_engine *engine)
{
    if (engine && engine->ops) {
        engine->ops->destroy(engine->opaque);
    }
    free(engine);
}

const char *block_engine_name(const struct block_engine *engine)
{
    return engine->ops ? engine->ops->name : "none";
}
