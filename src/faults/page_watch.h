/* faults/page_watch.h: pages of guest-physical memory whose every access is seen.
 *
 * A watched page is a region of the memory map above all others, so that the CPU takes
 * it for registers of a device, by whatever engine, and so does DMA. What was there
 * before gets the access then. Everything else runs as before.
 * Thread: the CPU's own between two instructions, for users to come and go; they are
 * called by any that holds the machine lock. */
#ifndef FAULTS_PAGE_WATCH_H
#define FAULTS_PAGE_WATCH_H

#include "bus/memory.h"

enum { PAGE_WATCHES = 16 };

/* Who wants to see accesses to a range, which lies within one page. Accesses come in
 * pieces of 1, 2 or 4 bytes, aligned. Callbacks may be NULL, and must not let users
 * come or go. */
struct page_user {
    gpa_t first;
    uint64_t bytes;
    bool is_watching;
    void *opaque;
    /* Before memory is read, and the value that it gave. */
    void (*reads)(void *opaque, gpa_t address, unsigned width);
    void (*has_read)(void *opaque, gpa_t address, unsigned width, uint32_t *value);
    /* Before it is written: false drops that; and afterwards. */
    bool (*writes)(void *opaque, gpa_t address, unsigned width, uint32_t *value);
    void (*has_written)(void *opaque, gpa_t address, unsigned width);
    struct page_user *next;
};

struct page_watches {
    struct memory_map *map;
    struct page_watch {
        struct page_watches *owner;
        struct page_user *first; /* NULL: free */
        gpa_t page;
        unsigned handle;
    } watches[PAGE_WATCHES];
};

/* False: there are too many pages. */
bool page_watch_add(struct page_watches *watches, struct page_user *user);
/* One that does not watch is fine. */
void page_watch_remove(struct page_watches *watches, struct page_user *user);

/* Whether the map has room for one more region. */
bool page_watch_may_add(const struct page_watches *watches);

/* Host memory of RAM that is seen at `address`, watched or not, up to the page's end;
 * NULL: none, or some that cannot be written. */
uint8_t *page_watch_ram(const struct page_watches *watches, gpa_t address);
/* It has been changed: decoded code is forgotten, checkpoints are told. */
void page_watch_changed(const struct page_watches *watches, const uint8_t *host,
                        unsigned bytes);

#endif
