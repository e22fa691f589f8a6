#define _GNU_SOURCE
#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

static void *map(size_t bytes, int protection)
{
    void *memory = mmap(NULL, bytes, protection,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Cuts off what lies before the first multiple of the huge page's size, and behind
 * `bytes` from there. */
static void *align(uint8_t *memory, size_t bytes)
{
    size_t before = -(uintptr_t)memory % PAGES_HUGE_BYTES;
    if (before) {
        munmap(memory, before);
    }
    munmap(memory + before + bytes, PAGES_HUGE_BYTES - before);
    return memory + before;
}

static size_t whole_pages(size_t bytes)
{
    enum { PAGE = 4096 };
    return (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void *map_aligned(size_t bytes, int protection)
{
    void *memory = map(bytes + PAGES_HUGE_BYTES, protection);
    return memory ? align(memory, bytes) : NULL;
}

void *pages_allocate(size_t bytes)
{
    bytes = whole_pages(bytes);
    if (bytes < PAGES_HUGE_BYTES) {
        return map(bytes, PROT_READ | PROT_WRITE);
    }
    void *memory = map_aligned(bytes, PROT_READ | PROT_WRITE);
    if (memory) {
        madvise(memory, bytes, MADV_HUGEPAGE);
    }
    return memory;
}

void *pages_reserve(size_t bytes)
{
    return map_aligned(whole_pages(bytes), PROT_NONE);
}

void pages_free(void *memory, size_t bytes)
{
    if (memory) {
        munmap(memory, whole_pages(bytes));
    }
}

void pages_gather(void *memory)
{
    (void)*(volatile uint8_t *)memory;
    madvise(memory, PAGES_HUGE_BYTES, MADV_COLLAPSE);
}
