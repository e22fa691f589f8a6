/* machine/checkpoint_pages.h: what memory held, as images that share equal pages.
 *
 * An image has a place for each page of memory; pages of zeros have none. Memory is a
 * list of struct ram, one after the other. Thread: one at a time. */
#ifndef MACHINE_CHECKPOINT_PAGES_H
#define MACHINE_CHECKPOINT_PAGES_H

#include "base/error.h"
#include "bus/memory.h"

enum { CHECKPOINT_RAMS = 2, PAGE_OF_ZEROS = 0 };

/* The pages of all images, by numbers from 1 on. They lie in chunks that are allocated
 * when needed, and stay until the pool goes. */
struct page_pool {
    uint8_t **chunks;
    unsigned chunk_count;
    uint32_t *uses; /* of each page: how many images have it; the free ones: the next */
    uint32_t first_free;
    uint64_t held;
};

void page_pool_destroy(struct page_pool *pool);

struct memory_image {
    unsigned uses;
    uint64_t count;
    uint32_t pages[];
};

/* Takes an image of memory as it is. `base`: an image from which it differs in no pages
 * but those that are noted as written; NULL: there is none. NULL: out of memory. */
struct memory_image *memory_image_take(struct page_pool *pool,
                                       struct ram *const rams[CHECKPOINT_RAMS],
                                       const struct memory_image *base,
                                       struct error *error);
void memory_image_free(struct page_pool *pool, struct memory_image *image);

/* Who hears of a page before it is overwritten by `now`; NULL: of a page of zeros. */
typedef void memory_image_listener(void *opaque, struct ram *ram, uint64_t offset,
                                   const uint8_t *now);

/* Makes memory what it was; `base` as above. Returns how many pages were copied. */
uint64_t memory_image_restore(const struct page_pool *pool,
                              struct ram *const rams[CHECKPOINT_RAMS],
                              const struct memory_image *base,
                              const struct memory_image *image,
                              memory_image_listener *listener, void *opaque);

/* Hash of the pages that differ from those of the image; `base` as above. */
uint64_t memory_image_hash(const struct page_pool *pool,
                           struct ram *const rams[CHECKPOINT_RAMS],
                           const struct memory_image *base,
                           const struct memory_image *image, uint64_t seed);
/* Whether memory is what the image says; `base` as above. */
bool memory_image_is_now(const struct page_pool *pool,
                         struct ram *const rams[CHECKPOINT_RAMS],
                         const struct memory_image *base,
                         const struct memory_image *image);

#endif
