/* Requests, their order, and how they fall into pieces for what holds the sectors. */
#include "host/storage/block.h"

#include "host/storage/layers.h"
#include "host/storage/storage_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct request {
    struct piece piece; /* first: its completion finds the request so */
    struct block_backend *backend;
    struct block_request block;
    struct request *next;
    struct store *store; /* of the piece */
    uint32_t done, part; /* sectors that pieces have dealt with, and deal with now */
    bool started, flushing;
    bool running, answered;
    int result;
};

struct block_backend {
    struct block_device device;
    struct store *store;
    struct overlay overlay; /* only with `snapshot` */
    struct layers layers;   /* on top of all, while somebody may want to go back */
    bool snapshot;
    bool probed; /* raw because nobody has said so, and it did not look like anything */
    enum block_cache cache;
    char *path;
    struct request *first, **last; /* submitted and waiting for their turn */
    struct request *kept_back;     /* failed, the last one first */
    enum block_on_error on_read_error, on_write_error;
    struct block_listener listener;
    unsigned under_way;
    bool alone; /* what is under way lets nothing else be */
};

/* -- pieces -- */

static void piece_done(struct piece *piece, int result);

static void set_piece(struct request *request, uint32_t sectors)
{
    const struct block_request *block = &request->block;
    uint64_t start = (uint64_t)request->done * BLOCK_SECTOR_BYTES;
    request->part = sectors;
    request->piece = (struct piece){
        .operation = block->operation,
        .offset = block->sector * BLOCK_SECTOR_BYTES + start,
        .length = (uint64_t)sectors * BLOCK_SECTOR_BYTES,
        .buffer = block->buffer ? block->buffer + start : NULL,
        .done = piece_done,
    };
}

/* What -snapshot keeps disappears anyway: only an image is worth waiting for. */
static bool flush_is_worth_it(const struct block_backend *backend)
{
    return !backend->snapshot && !backend->device.read_only &&
           backend->cache != BLOCK_CACHE_UNSAFE;
}

static struct store *begin_flush(struct request *request)
{
    if (request->flushing || !flush_is_worth_it(request->backend)) {
        return NULL;
    }
    request->flushing = true;
    set_piece(request, 0);
    request->piece.operation = BLOCK_FLUSH;
    return request->backend->store;
}

/* How many of the sectors that are left the next piece can have; where it goes. */
static uint32_t find_store(struct request *request, uint32_t left, struct store **store)
{
    struct block_backend *backend = request->backend;
    const struct block_request *block = &request->block;
    uint64_t sector = block->sector + request->done;
    bool reads = block->operation == BLOCK_READ, held = !reads;
    if (backend->layers.top) {
        left = reads ? layers_run(&backend->layers, sector, left, &held) : left;
        if (held) {
            *store = &backend->layers.store;
            return left;
        }
    }
    held = backend->snapshot;
    if (backend->snapshot && reads) {
        left = overlay_run(&backend->overlay, sector, left, &held);
    }
    *store = held ? backend->overlay.store : backend->store;
    return left;
}

/* Prepares the next piece and tells where it goes; NULL: there is none. */
static struct store *next_piece(struct request *request)
{
    struct block_backend *backend = request->backend;
    const struct block_request *block = &request->block;
    if (block->operation == BLOCK_FLUSH) {
        return begin_flush(request);
    }
    uint32_t left = block->count - request->done;
    if (left == 0) {
        bool through = block->operation == BLOCK_WRITE &&
                       backend->cache == BLOCK_CACHE_WRITETHROUGH;
        return through ? begin_flush(request) : NULL;
    }
    struct store *store;
    set_piece(request, find_store(request, left, &store));
    return store;
}

/* A piece has come to a good end. */
static void account(struct request *request)
{
    const struct block_request *block = &request->block;
    bool changes = block->operation == BLOCK_WRITE || block->operation == BLOCK_DISCARD;
    if (changes && request->part && request->store == request->backend->overlay.store) {
        overlay_note_written(&request->backend->overlay, block->sector + request->done,
                             request->part);
    }
    request->done += request->part;
    request->part = 0;
}

static void finish(struct request *request);

/* Goes on for as long as answers are there: a loop where pieces that are done at once
 * would recurse. */
static void carry_on(struct request *request)
{
    if (request->running) {
        return;
    }
    request->running = true;
    while (request->answered) {
        request->answered = false;
        if (!request->result) {
            account(request);
        }
        struct store *store = request->result ? NULL : next_piece(request);
        if (!store) {
            finish(request);
            return;
        }
        request->store = store;
        store->pieces++;
        store->ops->submit(store, &request->piece);
    }
    request->running = false;
}

static void piece_done(struct piece *piece, int result)
{
    struct request *request = (struct request *)piece;
    request->store->pieces--;
    request->answered = true;
    request->result = result;
    carry_on(request);
}

/* -- failures -- */

static enum block_on_error action_for(const struct request *request, bool out_of_room)
{
    const struct block_backend *backend = request->backend;
    enum block_on_error action = request->block.operation == BLOCK_READ
                                     ? backend->on_read_error
                                     : backend->on_write_error;
    if (action == BLOCK_ON_ERROR_ENOSPC) {
        action = out_of_room ? BLOCK_ON_ERROR_STOP : BLOCK_ON_ERROR_REPORT;
    }
    bool nobody_retries = action == BLOCK_ON_ERROR_STOP && !backend->listener.failed;
    return nobody_retries ? BLOCK_ON_ERROR_REPORT : action;
}

static void forget_failure(struct request *request)
{
    const struct block_request *block = &request->block;
    request->result = 0;
    if (block->operation == BLOCK_READ) {
        memset(block->buffer, 0, (size_t)block->count * BLOCK_SECTOR_BYTES);
    }
}

/* The host has failed a request. False: it is over, with the result that it has now. */
static bool keep_back(struct request *request)
{
    struct block_backend *backend = request->backend;
    struct block_failure failure = {
        .operation = request->block.operation,
        .why = request->result,
        .out_of_room = request->result == ENOSPC || request->result == EDQUOT,
    };
    failure.action = action_for(request, failure.out_of_room);
    if (backend->listener.failed) {
        backend->listener.failed(backend->listener.opaque, &failure);
    }
    if (failure.action == BLOCK_ON_ERROR_IGNORE) {
        forget_failure(request);
    } else if (failure.action == BLOCK_ON_ERROR_STOP) {
        request->next = backend->kept_back;
        backend->kept_back = request;
    }
    return failure.action == BLOCK_ON_ERROR_STOP;
}

/* -- order -- */

static bool wants_to_be_alone(const struct request *request)
{
    return request->block.operation == BLOCK_FLUSH;
}

static void start_waiting(struct block_backend *backend)
{
    struct request *request;
    while ((request = backend->first) && !backend->alone &&
           !(wants_to_be_alone(request) && backend->under_way)) {
        backend->first = request->next;
        backend->last = backend->first ? backend->last : &backend->first;
        backend->alone = wants_to_be_alone(request);
        backend->under_way++;
        request->answered = true;
        carry_on(request);
    }
}

static void complete(struct request *request)
{
    struct block_request block = request->block;
    int result = request->result;
    free(request);
    block.completion(block.opaque, result);
}

static void finish(struct request *request)
{
    struct block_backend *backend = request->backend;
    backend->under_way--;
    backend->alone = false;
    if (!request->result || !keep_back(request)) {
        complete(request);
    }
    start_waiting(backend);
}

void block_retry(struct block_backend *backend)
{
    struct request *kept_back = backend->kept_back, *request;
    backend->kept_back = NULL;
    while ((request = kept_back)) {
        kept_back = request->next;
        request->done = request->part = 0;
        request->running = request->flushing = false;
        request->result = 0;
        request->next = backend->first;
        backend->last = backend->first ? backend->last : &request->next;
        backend->first = request;
    }
    start_waiting(backend);
}

void block_give_up(struct block_backend *backend)
{
    struct request *kept_back = backend->kept_back, *request;
    backend->kept_back = NULL;
    while ((request = kept_back)) {
        kept_back = request->next;
        complete(request);
    }
}

void block_listen(struct block_backend *backend, const struct block_listener *listener)
{
    backend->listener = listener ? *listener : (struct block_listener){.failed = NULL};
}

/* -- submission -- */

/* A guest that could turn its raw disk into another format would have the next run of
 * it open whatever files that names as its base. */
static bool changes_format(const struct block_backend *backend,
                           const struct block_request *block)
{
    return backend->probed && block->sector == 0 && block->count &&
           image_format_of(block->buffer, BLOCK_SECTOR_BYTES);
}

static int refuse(const struct block_backend *backend,
                  const struct block_request *block)
{
    uint64_t sectors = backend->device.sectors;
    bool writes = block->operation == BLOCK_WRITE || block->operation == BLOCK_DISCARD;
    if (block->operation == BLOCK_FLUSH) {
        return 0;
    }
    if (block->sector > sectors || block->count > sectors - block->sector) {
        return EINVAL;
    }
    if (writes && backend->device.read_only) {
        return EROFS;
    }
    return block->operation == BLOCK_WRITE && changes_format(backend, block) ? EPERM
                                                                             : 0;
}

static void submit(void *opaque, const struct block_request *block)
{
    struct block_backend *backend = opaque;
    int why = refuse(backend, block);
    if (why || (block->operation == BLOCK_DISCARD && !backend->device.discards)) {
        block->completion(block->opaque, why);
        return;
    }
    struct request *request = calloc(1, sizeof(*request));
    assert(request);
    request->backend = backend;
    request->block = *block;
    *backend->last = request;
    backend->last = &request->next;
    start_waiting(backend);
}

static const struct block_device_ops device_ops = {.submit = submit};

/* -- opening and closing -- */

static struct store *open_store(const struct block_options *options, bool *probed,
                                struct block_engine *engine, struct event_loop *loop,
                                struct error *error)
{
    bool writable = !options->read_only && !options->snapshot;
    const char *format = options->format;
    bool address = nbd_store_is_address(options->file);
    if (!format && !address) {
        format = image_format_of_file(options->file);
        *probed = !format;
    }
    bool raw = !address && (!format || strcmp(format, "raw") == 0);
    if (!raw && options->raw_only) {
        error_set(error,
                  "disk image %s: only raw images will do here: make one with "
                  "'qemu-img convert -O raw %s disk.img'",
                  options->file, options->file);
        return NULL;
    }
    if (address) {
        return nbd_store_open(options->file, writable, loop, error);
    }
    if (!raw) {
        return nbd_store_open_image(options->file, format, writable, options->discard,
                                    loop, error);
    }
    return file_store_open(options->file, writable, engine, error);
}

static void close_store(struct store *store)
{
    struct error ignored;
    store->ops->close(store, false, &ignored);
}

/* Takes `store` over. */
static struct block_backend *create(struct store *store,
                                    const struct block_options *options, bool probed,
                                    struct block_engine *engine, struct error *error)
{
    struct block_backend *backend = calloc(1, sizeof(*backend));
    char *path = strdup(options->file);
    assert(backend && path);
    *backend = (struct block_backend){
        .store = store,
        .snapshot = options->snapshot,
        .probed = probed && !options->snapshot,
        .cache = options->cache,
        .on_read_error = options->on_read_error,
        .on_write_error = options->on_write_error,
        .path = path,
        .last = &backend->first,
    };
    if (options->snapshot &&
        !overlay_open(&backend->overlay, store->sectors, engine, error)) {
        close_store(store);
        free(path);
        free(backend);
        return NULL;
    }
    const struct store *written =
        options->snapshot ? backend->overlay.store : backend->store;
    layers_init(&backend->layers);
    backend->device = (struct block_device){
        .ops = &device_ops,
        .opaque = backend,
        .name = path,
        .sectors = store->sectors,
        .read_only = options->read_only,
        .discards = options->discard && !options->read_only && written->discards,
    };
    return backend;
}

struct block_backend *block_open(const struct block_options *options,
                                 struct block_engine *engine, struct event_loop *loop,
                                 struct error *error)
{
    bool probed = false;
    struct store *store = open_store(options, &probed, engine, loop, error);
    return store ? create(store, options, probed, engine, error) : NULL;
}

struct block_backend *block_open_descriptor(int fd, const char *file, bool read_only,
                                            struct block_engine *engine,
                                            struct error *error)
{
    const struct block_options options = {.file = file, .read_only = read_only};
    struct store *store = file_store_adopt(fd, file, !read_only, engine, error);
    return store ? create(store, &options, true, engine, error) : NULL;
}

void block_settle(struct block_backend *backend)
{
    while (backend->under_way) {
        struct store *store =
            backend->store->pieces ? backend->store : backend->overlay.store;
        store->ops->wait(store);
    }
}

bool block_close(struct block_backend *backend, struct error *error)
{
    if (!backend) {
        return true;
    }
    assert(!backend->kept_back);
    block_settle(backend);
    layers_destroy(&backend->layers);
    if (backend->snapshot) {
        overlay_close(&backend->overlay);
    }
    bool flushed =
        backend->store->ops->close(backend->store, flush_is_worth_it(backend), error);
    free(backend->path);
    free(backend);
    return flushed;
}

struct block_device *block_device_of(struct block_backend *backend)
{
    return &backend->device;
}

/* -- going back, and what has been written -- */

bool block_waits_for_host(const struct block_backend *backend)
{
    return backend->kept_back;
}

bool block_keeps_image(const struct block_backend *backend)
{
    return backend->snapshot || backend->device.read_only;
}

struct block_layer *block_freeze(struct block_backend *backend)
{
    return layers_freeze(&backend->layers);
}

void block_return_to(struct block_backend *backend, struct block_layer *layer)
{
    layers_return_to(&backend->layers, layer);
}

bool block_is_now(const struct block_backend *backend, const struct block_layer *layer)
{
    return layers_are(&backend->layers, layer);
}

uint64_t block_next_written(const struct block_backend *backend, uint64_t sector)
{
    uint64_t end = backend->device.sectors;
    const struct block_layer *top = backend->layers.top;
    if (!backend->snapshot) {
        return end;
    }
    uint64_t in_overlay = overlay_next_written(&backend->overlay, sector, end);
    while (top && sector < in_overlay && !layer_find(top, sector)) {
        sector++;
    }
    return top ? sector : in_overlay;
}

/* As a completion: that it has come, and what it says. */
struct answer {
    bool here;
    int result;
};

static void note_answer(void *opaque, int result)
{
    *(struct answer *)opaque = (struct answer){true, result};
}

bool block_read_now(struct block_backend *backend, uint64_t sector, uint32_t count,
                    uint8_t *bytes)
{
    struct answer answer = {false, 0};
    const struct block_request request = {
        .operation = BLOCK_READ,
        .sector = sector,
        .count = count,
        .buffer = bytes,
        .completion = note_answer,
        .opaque = &answer,
    };
    submit(backend, &request);
    block_settle(backend);
    return answer.here && answer.result == 0;
}

void block_replace_written(struct block_backend *backend, struct block_layer *layer)
{
    if (backend->snapshot) {
        overlay_forget(&backend->overlay, backend->device.sectors);
    }
    block_return_to(backend, layer);
}
