#include "machine/checkpoint_pages.h"

#include "base/pages.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_PAGES = PAGES_HUGE_BYTES / PAGE_BYTES, PAGES_AT_ONCE = 8 };

/* -- the pool -- */

static uint8_t *page_at(const struct page_pool *pool, uint32_t page)
{
    uint32_t index = page - 1;
    return pool->chunks[index / CHUNK_PAGES] +
           (size_t)(index % CHUNK_PAGES) * PAGE_BYTES;
}

static bool add_chunk(struct page_pool *pool)
{
    unsigned count = pool->chunk_count + 1;
    uint8_t **chunks = realloc(pool->chunks, count * sizeof(*chunks));
    pool->chunks = chunks ? chunks : pool->chunks;
    uint32_t *uses = realloc(pool->uses, (size_t)count * CHUNK_PAGES * sizeof(*uses));
    pool->uses = uses ? uses : pool->uses;
    uint8_t *chunk = chunks && uses ? pages_allocate(PAGES_HUGE_BYTES) : NULL;
    if (!chunk) {
        return false;
    }
    uint32_t first = pool->chunk_count * CHUNK_PAGES;
    for (uint32_t i = first + CHUNK_PAGES; i > first; i--) {
        pool->uses[i - 1] = pool->first_free;
        pool->first_free = i;
    }
    pool->chunks[pool->chunk_count++] = chunk;
    return true;
}

/* PAGE_OF_ZEROS: out of memory. */
static uint32_t take_page(struct page_pool *pool)
{
    if (!pool->first_free && !add_chunk(pool)) {
        return PAGE_OF_ZEROS;
    }
    uint32_t page = pool->first_free;
    pool->first_free = pool->uses[page - 1];
    pool->uses[page - 1] = 1;
    pool->held++;
    return page;
}

static void drop_page(struct page_pool *pool, uint32_t page)
{
    if (page != PAGE_OF_ZEROS && --pool->uses[page - 1] == 0) {
        pool->uses[page - 1] = pool->first_free;
        pool->first_free = page;
        pool->held--;
    }
}

void page_pool_destroy(struct page_pool *pool)
{
    for (unsigned i = 0; i < pool->chunk_count; i++) {
        pages_free(pool->chunks[i], PAGES_HUGE_BYTES);
    }
    free(pool->chunks);
    free(pool->uses);
    *pool = (struct page_pool){0};
}

/* -- images -- */

static uint64_t pages_of(const struct ram *ram)
{
    return ram->bytes >> PAGE_SHIFT;
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

static bool copy_page(struct page_pool *pool, const uint8_t *from, uint32_t *place)
{
    if (is_zero(from)) {
        *place = PAGE_OF_ZEROS;
        return true;
    }
    *place = take_page(pool);
    if (*place != PAGE_OF_ZEROS) {
        memcpy(page_at(pool, *place), from, PAGE_BYTES);
    }
    return *place != PAGE_OF_ZEROS;
}

/* The first page from `page` on that has been written, or the end, which is a multiple
 * of eight. */
static uint64_t next_written(const struct ram *ram, uint64_t page)
{
    uint64_t end = pages_of(ram), eight = 1; /* not looked at yet */
    while (page < end) {
        if (page % PAGES_AT_ONCE == 0) {
            memcpy(&eight, ram->written + page, sizeof(eight));
        }
        if (eight == 0) {
            page = (page | (PAGES_AT_ONCE - 1)) + 1;
        } else if (ram->written[page]) {
            break;
        } else {
            page++;
        }
    }
    return page;
}

/* The first page from `page` on that may have to be copied. */
static uint64_t next_candidate(const struct ram *ram, uint64_t page, bool has_base)
{
    return has_base ? next_written(ram, page)
                    : ram_next_page(ram, page << PAGE_SHIFT) >> PAGE_SHIFT;
}

static bool copy_memory(struct page_pool *pool, const struct ram *ram, uint32_t *pages,
                        bool has_base)
{
    for (uint64_t page = next_candidate(ram, 0, has_base); page < pages_of(ram);
         page = next_candidate(ram, page + 1, has_base)) {
        drop_page(pool, pages[page]);
        if (!copy_page(pool, ram->host + (page << PAGE_SHIFT), &pages[page])) {
            return false;
        }
    }
    return true;
}

static struct memory_image *start_image(struct page_pool *pool,
                                        struct ram *const rams[CHECKPOINT_RAMS],
                                        const struct memory_image *base)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < CHECKPOINT_RAMS; i++) {
        count += pages_of(rams[i]);
    }
    struct memory_image *image =
        calloc(1, sizeof(*image) + count * sizeof(image->pages[0]));
    if (!image) {
        return NULL;
    }
    image->uses = 1;
    image->count = count;
    for (uint64_t i = 0; base && i < count; i++) {
        image->pages[i] = base->pages[i];
        if (image->pages[i] != PAGE_OF_ZEROS) {
            pool->uses[image->pages[i] - 1]++;
        }
    }
    return image;
}

struct memory_image *memory_image_take(struct page_pool *pool,
                                       struct ram *const rams[CHECKPOINT_RAMS],
                                       const struct memory_image *base,
                                       struct error *error)
{
    struct memory_image *image = start_image(pool, rams, base);
    uint32_t *pages = image ? image->pages : NULL;
    for (unsigned i = 0; pages && i < CHECKPOINT_RAMS; i++) {
        pages =
            copy_memory(pool, rams[i], pages, base) ? pages + pages_of(rams[i]) : NULL;
    }
    if (!pages) {
        memory_image_free(pool, image);
        error_set(error, "out of memory for a checkpoint: free others, or use a "
                         "smaller -m");
        return NULL;
    }
    return image;
}

void memory_image_free(struct page_pool *pool, struct memory_image *image)
{
    if (image && --image->uses == 0) {
        for (uint64_t i = 0; i < image->count; i++) {
            drop_page(pool, image->pages[i]);
        }
        free(image);
    }
}

/* -- back to an image -- */

/* The first page from `page` on that may differ from `pages`, as what memory held in
 * the beginning is `before`; or the end. */
static uint64_t next_different(const struct ram *ram, uint64_t page,
                               const uint32_t *before, const uint32_t *pages)
{
    if (before == pages) {
        return next_written(ram, page);
    }
    while (page < pages_of(ram) && before[page] == pages[page] && !ram->written[page]) {
        page++;
    }
    return page;
}

struct restoring {
    const struct page_pool *pool;
    memory_image_listener *listener;
    void *opaque;
    uint64_t copied;
};

static void restore_page(struct restoring *restoring, struct ram *ram, uint64_t page,
                         uint32_t place)
{
    uint64_t offset = page << PAGE_SHIFT;
    const uint8_t *now =
        place == PAGE_OF_ZEROS ? NULL : page_at(restoring->pool, place);
    restoring->listener(restoring->opaque, ram, offset, now);
    if (now) {
        memcpy(ram->host + offset, now, PAGE_BYTES);
    } else {
        memset(ram->host + offset, 0, PAGE_BYTES);
    }
    restoring->copied++;
}

static void restore_memory(struct restoring *restoring, struct ram *ram,
                           const uint32_t *before, const uint32_t *pages)
{
    for (uint64_t page = next_different(ram, 0, before, pages); page < pages_of(ram);
         page = next_different(ram, page + 1, before, pages)) {
        restore_page(restoring, ram, page, pages[page]);
    }
}

uint64_t memory_image_restore(const struct page_pool *pool,
                              struct ram *const rams[CHECKPOINT_RAMS],
                              const struct memory_image *base,
                              const struct memory_image *image,
                              memory_image_listener *listener, void *opaque)
{
    struct restoring restoring = {.pool = pool, .listener = listener, .opaque = opaque};
    uint64_t first = 0;
    for (unsigned i = 0; i < CHECKPOINT_RAMS; i++) {
        restore_memory(&restoring, rams[i], base->pages + first, image->pages + first);
        first += pages_of(rams[i]);
    }
    return restoring.copied;
}

/* -- and the difference to one -- */

static uint64_t hash_page(uint64_t hash, const uint8_t *page)
{
    uint64_t words[PAGE_BYTES / sizeof(uint64_t)];
    memcpy(words, page, sizeof(words));
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash;
}

/* Who hears of a page that differs from what it was in an image; false: it is enough.
 */
typedef bool difference_listener(void *opaque, uint64_t page, const uint8_t *now);

/* Tells of all pages that differ from those of the image; false: it was enough. */
static bool find_differences(const struct page_pool *pool,
                             struct ram *const rams[CHECKPOINT_RAMS],
                             const struct memory_image *base,
                             const struct memory_image *image,
                             difference_listener *listener, void *opaque)
{
    static const uint8_t zeros[PAGE_BYTES];
    uint64_t first = 0;
    for (unsigned i = 0; i < CHECKPOINT_RAMS; i++) {
        const struct ram *ram = rams[i];
        const uint32_t *before = base->pages + first, *pages = image->pages + first;
        for (uint64_t page = next_different(ram, 0, before, pages);
             page < pages_of(ram);
             page = next_different(ram, page + 1, before, pages)) {
            const uint8_t *now = ram->host + (page << PAGE_SHIFT);
            const uint8_t *then =
                pages[page] == PAGE_OF_ZEROS ? zeros : page_at(pool, pages[page]);
            if (memcmp(now, then, PAGE_BYTES) != 0 &&
                !listener(opaque, first + page, now)) {
                return false;
            }
        }
        first += pages_of(ram);
    }
    return true;
}

static bool add_to_hash(void *opaque, uint64_t page, const uint8_t *now)
{
    uint64_t *hash = opaque;
    *hash = hash_page(*hash + page, now);
    return true;
}

uint64_t memory_image_hash(const struct page_pool *pool,
                           struct ram *const rams[CHECKPOINT_RAMS],
                           const struct memory_image *base,
                           const struct memory_image *image, uint64_t seed)
{
    uint64_t hash = seed;
    find_differences(pool, rams, base, image, add_to_hash, &hash);
    return hash;
}

static bool stop_at_once(void *opaque, uint64_t page, const uint8_t *now)
{
    (void)opaque, (void)page, (void)now;
    return false;
}

bool memory_image_is_now(const struct page_pool *pool,
                         struct ram *const rams[CHECKPOINT_RAMS],
                         const struct memory_image *base,
                         const struct memory_image *image)
{
    return find_differences(pool, rams, base, image, stop_at_once, NULL);
}
