#include "faults/write_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A write of the guest's. */
struct cached {
    uint64_t sector;
    uint32_t count;
    struct cached *next; /* a younger one */
    uint8_t data[];
};

struct write_cache {
    struct block_device *device;
    struct block_device below; /* as it was */
    struct block_device_ops ops;
    struct cached *first, **last;
    uint64_t bytes, limit;
};

static size_t bytes_of(const struct cached *cached)
{
    return (size_t)cached->count * BLOCK_SECTOR_BYTES;
}

static void written(void *opaque, int result)
{
    (void)result; /* as a disk's: nobody waits for it any more */
    free(opaque);
}

static struct cached *take(struct write_cache *cache)
{
    struct cached *cached = cache->first;
    cache->first = cached->next;
    cache->bytes -= bytes_of(cached);
    if (!cache->first) {
        cache->last = &cache->first;
    }
    return cached;
}

static void write_out(struct write_cache *cache, struct cached *cached)
{
    const struct block_request request = {
        .operation = BLOCK_WRITE,
        .sector = cached->sector,
        .count = cached->count,
        .buffer = cached->data,
        .completion = written,
        .opaque = cached,
    };
    block_device_submit(&cache->below, &request);
}

static void write_oldest(struct write_cache *cache, uint64_t limit)
{
    while (cache->first && cache->bytes > limit) {
        write_out(cache, take(cache));
    }
}

static void keep(struct write_cache *cache, const struct block_request *request)
{
    size_t bytes = (size_t)request->count * BLOCK_SECTOR_BYTES;
    struct cached *cached = malloc(sizeof(*cached) + bytes);
    if (!cached) {
        request->completion(request->opaque, ENOMEM);
        return;
    }
    cached->sector = request->sector;
    cached->count = request->count;
    cached->next = NULL;
    memcpy(cached->data, request->buffer, bytes);
    *cache->last = cached;
    cache->last = &cached->next;
    cache->bytes += bytes;
    write_oldest(cache, cache->limit);
    request->completion(request->opaque, 0);
}

/* What of it is in the cache, the youngest last. */
static void overlay(const struct write_cache *cache,
                    const struct block_request *request)
{
    for (const struct cached *c = cache->first; c; c = c->next) {
        uint64_t first = c->sector > request->sector ? c->sector : request->sector;
        uint64_t a = c->sector + c->count, b = request->sector + request->count;
        uint64_t end = a < b ? a : b;
        if (first < end) {
            memcpy(request->buffer + (first - request->sector) * BLOCK_SECTOR_BYTES,
                   c->data + (first - c->sector) * BLOCK_SECTOR_BYTES,
                   (size_t)(end - first) * BLOCK_SECTOR_BYTES);
        }
    }
}

static bool overlaps(const struct write_cache *cache,
                     const struct block_request *request)
{
    for (const struct cached *c = cache->first; c; c = c->next) {
        if (c->sector < request->sector + request->count &&
            request->sector < c->sector + c->count) {
            return true;
        }
    }
    return false;
}

/* The cached writes as they were when the read was submitted. */
struct cached_read {
    struct block_request request;
    uint8_t *seen; /* the bytes, with a flag for each sector behind them */
};

static void read_done(void *opaque, int result)
{
    struct cached_read *read = opaque;
    const struct block_request *request = &read->request;
    const uint8_t *flags = read->seen + (size_t)request->count * BLOCK_SECTOR_BYTES;
    for (uint32_t i = 0; result == 0 && i < request->count; i++) {
        if (flags[i]) {
            memcpy(request->buffer + (size_t)i * BLOCK_SECTOR_BYTES,
                   read->seen + (size_t)i * BLOCK_SECTOR_BYTES, BLOCK_SECTOR_BYTES);
        }
    }
    request->completion(request->opaque, result);
    free(read->seen);
    free(read);
}

static void note_sectors(const struct write_cache *cache,
                         const struct block_request *request, uint8_t *flags)
{
    for (const struct cached *c = cache->first; c; c = c->next) {
        for (uint32_t i = 0; i < request->count; i++) {
            uint64_t sector = request->sector + i;
            flags[i] |= sector >= c->sector && sector < c->sector + c->count;
        }
    }
}

static void read_through(struct write_cache *cache, const struct block_request *request)
{
    if (!overlaps(cache, request)) {
        block_device_submit(&cache->below, request);
        return;
    }
    struct cached_read *read = calloc(1, sizeof(*read));
    uint8_t *seen = calloc(request->count, BLOCK_SECTOR_BYTES + 1);
    if (!read || !seen) {
        free(read);
        free(seen);
        request->completion(request->opaque, ENOMEM);
        return;
    }
    *read = (struct cached_read){.request = *request, .seen = seen};
    struct block_request shadow = *request;
    shadow.buffer = seen;
    overlay(cache, &shadow);
    note_sectors(cache, request, seen + (size_t)request->count * BLOCK_SECTOR_BYTES);
    shadow = *request;
    shadow.completion = read_done;
    shadow.opaque = read;
    block_device_submit(&cache->below, &shadow);
}

static bool is_inside(const struct write_cache *cache,
                      const struct block_request *request)
{
    return request->count && request->count <= cache->below.sectors &&
           request->sector <= cache->below.sectors - request->count;
}

static void submit(void *opaque, const struct block_request *request)
{
    struct write_cache *cache = opaque;
    bool write = request->operation == BLOCK_WRITE && !cache->below.read_only;
    if (write && is_inside(cache, request)) {
        keep(cache, request);
    } else if (request->operation == BLOCK_READ && is_inside(cache, request)) {
        read_through(cache, request);
    } else {
        write_oldest(cache, 0); /* a flush, or a discard */
        block_device_submit(&cache->below, request);
    }
}

struct write_cache *write_cache_create(struct block_device *device, uint64_t limit)
{
    struct write_cache *cache = calloc(1, sizeof(*cache));
    if (!cache) {
        return NULL;
    }
    cache->device = device;
    cache->below = *device;
    cache->limit = limit;
    cache->last = &cache->first;
    cache->ops.submit = submit;
    device->ops = &cache->ops;
    device->opaque = cache;
    return cache;
}

unsigned write_cache_lose(struct write_cache *cache, struct fault_random *random,
                          double probability)
{
    unsigned lost = 0;
    while (cache->first) {
        struct cached *cached = take(cache);
        if (random_chance(random, probability)) {
            lost++;
            free(cached);
        } else {
            write_out(cache, cached);
        }
    }
    return lost;
}

void write_cache_destroy(struct write_cache *cache)
{
    if (!cache) {
        return;
    }
    write_oldest(cache, 0);
    cache->device->ops = cache->below.ops;
    cache->device->opaque = cache->below.opaque;
    free(cache);
}
