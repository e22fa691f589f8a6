/* host/storage/block.h: disk images behind the interface of bus/block_device.h.
 *
 * Where the sectors are: a raw file or block device; an NBD server; an image in another
 * format, by a qemu-nbd of our own. On top of any, with `snapshot`, a temporary
 * overlay. How requests are carried out: by a block engine, while the CPU runs, or
 * (counted clock) at once, so that a run is the same twice. NBD servers have a socket
 * instead. Thread: any that holds the machine lock. Saved by: the owner of the device.
 */
#ifndef HOST_STORAGE_BLOCK_H
#define HOST_STORAGE_BLOCK_H

#include "base/error.h"
#include "base/types.h"
#include "bus/block_device.h"
#include "host/event_loop.h"

/* -- engines: one per machine, for all its files -- */

struct block_engine;

enum block_engine_kind {
    BLOCK_ENGINE_AUTO, /* io_uring, or threads where the host does not let us */
    BLOCK_ENGINE_IO_URING,
    BLOCK_ENGINE_THREADS,
};

/* Until it is started, requests are carried out within their submission. */
struct block_engine *block_engine_create(void);
/* Call it before the sandbox closes: it makes a ring, or starts threads. Completions
 * then run in the event loop's callbacks, or within the submission if the host has the
 * data at hand. Fails if the host refuses. */
bool block_engine_start(struct block_engine *engine, enum block_engine_kind kind,
                        struct event_loop *loop, struct error *error);
/* No request is under way, and the event loop has stopped. NULL is fine. */
void block_engine_destroy(struct block_engine *engine);
/* What is used: "io_uring", "threads" or "none". */
const char *block_engine_name(const struct block_engine *engine);

/* -- images -- */

struct block_backend;

enum block_cache {
    BLOCK_CACHE_WRITEBACK,    /* safe once the guest flushes */
    BLOCK_CACHE_WRITETHROUGH, /* each write is flushed */
    BLOCK_CACHE_UNSAFE,       /* flushes do nothing */
};

/* What a request that the host has failed comes to. */
enum block_on_error {
    BLOCK_ON_ERROR_ENOSPC, /* STOP where room is missing, REPORT otherwise */
    BLOCK_ON_ERROR_REPORT, /* the guest sees an error */
    BLOCK_ON_ERROR_IGNORE, /* it does not: reads give zeros, writes are lost */
    BLOCK_ON_ERROR_STOP,   /* it is kept back, and tried again by block_retry() */
};

struct block_options {
    /* A path, or nbd://HOST[:PORT][/EXPORT], nbd+unix:///[EXPORT]?socket=PATH. */
    const char *file;
    const char *format; /* "raw", "qcow2", …; NULL: as the file's first bytes say */
    enum block_cache cache;
    bool read_only;
    bool snapshot; /* changes go to a temporary file that disappears */
    bool discard;  /* a discard gives room back to the host */
    enum block_on_error on_read_error, on_write_error; /* flushes, discards: write */
    bool raw_only; /* refuse what takes a server: a fork would share its connection */
};

/* The names that `format` may have, for messages. */
#define BLOCK_FORMATS "raw, qcow2, qcow, qed, vdi, vhdx, vmdk, vpc"
bool block_format_is_known(const char *name);

/* Opens an image. A raw file that is not a multiple of 512 bytes long is refused, with
 * the remedy; so is one that another process has locked for writing, and one that
 * cannot be opened for writing unless `snapshot` or `read_only`. `engine`: NULL carries
 * everything out at once. `loop`: for what has a socket; NULL likewise. */
struct block_backend *block_open(const struct block_options *options,
                                 struct block_engine *engine, struct event_loop *loop,
                                 struct error *error);
/* A raw file that somebody else has opened and locked; takes `fd` over, even if it
 * fails. Makes no system call that a confined process may not make. `file`: what to
 * call it. */
struct block_backend *block_open_descriptor(int fd, const char *file, bool read_only,
                                            struct block_engine *engine,
                                            struct error *error);

/* -- failures of the host -- */

struct block_failure {
    enum block_operation operation;
    int why;                    /* errno */
    bool out_of_room;           /* a full file system, or a quota that is used up */
    enum block_on_error action; /* what becomes of it; not ENOSPC */
};

/* Who hears of failures; within the completion of a request, with the lock. */
struct block_listener {
    void (*failed)(void *opaque, const struct block_failure *failure);
    void *opaque;
};

/* Without a listener (NULL) there is nobody to retry: then STOP is REPORT. */
void block_listen(struct block_backend *backend, const struct block_listener *listener);
/* Submits again what was kept back. */
void block_retry(struct block_backend *backend);
/* Completes it with an error: who has submitted it has been reset. */
void block_give_up(struct block_backend *backend);

/* Waits for all requests that are under way; what is kept back is not. */
void block_settle(struct block_backend *backend);
/* Settles, flushes and closes; nothing is kept back. NULL is fine. False, with a line
 * in `error`, if the host could not flush: what the guest wrote last may not be in the
 * image. Closed it is in any case. */
bool block_close(struct block_backend *backend, struct error *error);

/* -- going back, and what has been written -- */

/* What an image held at some time, as far as it was written by then. */
struct block_layer;

/* Whether requests have failed, and wait for block_retry(). */
bool block_waits_for_host(const struct block_backend *backend);
/* Whether what is written goes somewhere temporary (`snapshot`), or nothing may be. */
bool block_keeps_image(const struct block_backend *backend);
/* The image as it is now; to be released. From now on what is written stays in memory.
 * No request is under way; block_keeps_image(). */
struct block_layer *block_freeze(struct block_backend *backend);
/* Makes it that again; likewise. */
void block_return_to(struct block_backend *backend, struct block_layer *layer);
/* Whether it is that, for certain. Likewise. */
bool block_is_now(const struct block_backend *backend, const struct block_layer *layer);
void block_layer_release(struct block_layer *layer); /* NULL is fine */

/* The first sector at or behind `sector` that was written since the image was opened
 * with `snapshot`; the image's length: none. */
uint64_t block_next_written(const struct block_backend *backend, uint64_t sector);
/* Reads at once; false: the host cannot. No other request is under way. */
bool block_read_now(struct block_backend *backend, uint64_t sector, uint32_t count,
                    uint8_t *bytes);
/* Nothing has been written but these sectors: for block_replace_written(). */
struct block_layer *block_layer_make(void);
void block_layer_put(struct block_layer *layer, uint64_t sector, const uint8_t *bytes);
/* Forgets all that was written, in favour of that; block_keeps_image(). */
void block_replace_written(struct block_backend *backend, struct block_layer *layer);

/* What a disk controller is given; lives as long as the back end. Out of range:
 * EINVAL. */
struct block_device *block_device_of(struct block_backend *backend);

#endif
