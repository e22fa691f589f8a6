/* host/storage/storage_internal.h: what the files of the disk back ends share.
 *
 * block.c cuts a request into pieces, one at a time, for a store: file_store.c (by an
 * engine: engine*.c) or nbd_store.c. overlay.c: what -snapshot has written.
 * image_format.c: what kind of image a file is. qemu_nbd.c: a server for those that are
 * not raw. Results: 0 or a positive errno. */
#ifndef HOST_STORAGE_STORAGE_INTERNAL_H
#define HOST_STORAGE_STORAGE_INTERNAL_H

#include "host/storage/block.h"

/* -- pieces and stores -- */

struct piece {
    enum block_operation operation;
    uint64_t offset, length; /* bytes; a flush ignores them */
    uint8_t *buffer;
    /* The lock is held; may be called before the store's submit() returns. */
    void (*done)(struct piece *piece, int result);
    /* the store's */
    void *place;
    int fd, result;
    struct piece *next;
};

struct store;

struct store_ops {
    void (*submit)(struct store *store, struct piece *piece);
    /* Blocks until a piece has been done; one is under way. */
    void (*wait)(struct store *store);
    /* False with a line in `error` if what was written may be lost. */
    bool (*close)(struct store *store, bool flush, struct error *error);
};

struct store {
    const struct store_ops *ops;
    uint64_t sectors;
    bool read_only;  /* it cannot be written to, whoever asks */
    bool discards;   /* it knows what to do with a discard */
    unsigned pieces; /* under way */
};

/* -- file_store.c -- */

/* Opens, checks and locks a raw image: for one writer, or for any number of readers.
 * NULL with a line in `error`. */
struct store *file_store_open(const char *path, bool writable,
                              struct block_engine *engine, struct error *error);
/* Likewise, but it is open and locked; `fd` is taken over, even if that fails. */
struct store *file_store_adopt(int fd, const char *path, bool writable,
                               struct block_engine *engine, struct error *error);
/* The same for a file that is open and nobody else's, such as an overlay's. */
struct store *file_store_create(int fd, uint64_t sectors, struct block_engine *engine);

/* -- engine.c -- */

struct engine_ops {
    const char *name;
    void (*submit)(void *opaque, struct piece *piece);
    void (*wait)(void *opaque);
    void (*destroy)(void *opaque);
};

/* The pieces of files: `piece->fd` is set. NULL is an engine that was not started. */
void engine_submit(struct block_engine *engine, struct piece *piece);
void engine_wait(struct block_engine *engine);

/* All of a piece or an error, by system calls that block; the end of the file where
 * data should be is EIO. */
int engine_carry_out(const struct piece *piece);
/* A discard that the file system does not know is none that has failed. */
int engine_discard_result(int result);

/* -- engine_threads.c, engine_io_uring.c -- */

extern const struct engine_ops engine_threads_ops, engine_io_uring_ops;
void *engine_threads_create(struct event_loop *loop, struct error *error);
/* Fails where the kernel has no io_uring (5.10), or does not let us. */
void *engine_io_uring_create(struct event_loop *loop, struct error *error);

/* -- nbd_store.c -- */

bool nbd_store_is_address(const char *file);
struct store *nbd_store_open(const char *address, bool writable,
                             struct event_loop *loop, struct error *error);
/* By a qemu-nbd of our own. */
struct store *nbd_store_open_image(const char *path, const char *format, bool writable,
                                   bool discard, struct event_loop *loop,
                                   struct error *error);

/* -- qemu_nbd.c -- */

struct qemu_nbd {
    int process; /* 0: none */
    int socket;  /* connected; whoever takes it closes it */
    int errors;  /* what it has to say */
};

bool qemu_nbd_start(struct qemu_nbd *server, const char *path, const char *format,
                    bool writable, bool discard, struct error *error);
/* It has not served us: waits for its end, and tells its first line, without newline.
 */
void qemu_nbd_complaint(struct qemu_nbd *server, char *line, size_t bytes);
/* Waits until it has ended, which it does when its client has gone. False if it is
 * killed because that takes too long, or has failed. */
bool qemu_nbd_end(struct qemu_nbd *server);

/* -- image_format.c -- */

/* The format of an image that begins so: "qcow2", "vdi", …; NULL: raw. */
const char *image_format_of(const uint8_t *start, size_t bytes);
/* The same by a look into the file; NULL also if that cannot be read. */
const char *image_format_of_file(const char *path);

/* The path so that QEMU's tools take it for one, whatever is in it; free() it. */
char *image_plain_path(const char *path);

/* -- overlay.c -- */

/* Sectors that were written lie in an unlinked file, at the place they have in the
 * image; a bitmap knows which. */
struct overlay {
    struct store *store;
    uint8_t *written; /* a bit for each sector */
};

/* The file is made in $TMPDIR, or in /var/tmp. */
bool overlay_open(struct overlay *overlay, uint64_t sectors,
                  struct block_engine *engine, struct error *error);
void overlay_close(struct overlay *overlay);
/* How many of `count` sectors from `sector` on are all in the overlay, or all not. */
uint32_t overlay_run(const struct overlay *overlay, uint64_t sector, uint32_t count,
                     bool *written);
void overlay_note_written(struct overlay *overlay, uint64_t sector, uint32_t count);
/* The first at or behind `sector`, or `end`. */
uint64_t overlay_next_written(const struct overlay *overlay, uint64_t sector,
                              uint64_t end);
/* Nothing has been written. */
void overlay_forget(struct overlay *overlay, uint64_t sectors);

#endif
