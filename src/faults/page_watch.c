#include "faults/page_watch.h"

#include <string.h>

static bool overlaps(const struct page_user *user, gpa_t address, unsigned width)
{
    return address < user->first + user->bytes && user->first < address + width;
}

static uint32_t watch_read(void *opaque, uint64_t offset, unsigned width)
{
    const struct page_watch *watch = opaque;
    const gpa_t address = watch->page + offset;
    for (struct page_user *u = watch->first; u; u = u->next) {
        if (u->reads && overlaps(u, address, width)) {
            u->reads(u->opaque, address, width);
        }
    }
    uint32_t value =
        memory_read_below(watch->owner->map, address, width, MEMORY_PRIORITY_WATCH);
    for (struct page_user *u = watch->first; u; u = u->next) {
        if (u->has_read && overlaps(u, address, width)) {
            u->has_read(u->opaque, address, width, &value);
        }
    }
    return value;
}

static void watch_write(void *opaque, uint64_t offset, uint32_t value, unsigned width)
{
    const struct page_watch *watch = opaque;
    const gpa_t address = watch->page + offset;
    bool passes = true;
    for (struct page_user *u = watch->first; u; u = u->next) {
        if (u->writes && overlaps(u, address, width)) {
            passes &= u->writes(u->opaque, address, width, &value);
        }
    }
    if (passes) {
        memory_write_below(watch->owner->map, address, value, width,
                           MEMORY_PRIORITY_WATCH);
    }
    for (struct page_user *u = watch->first; u; u = u->next) {
        if (u->has_written && overlaps(u, address, width)) {
            u->has_written(u->opaque, address, width);
        }
    }
}

static const struct memory_ops watch_ops = {
    .read = watch_read,
    .write = watch_write,
    .widths = 1 | 2 | 4,
};

static unsigned free_regions(const struct memory_map *map)
{
    unsigned free = 0;
    for (unsigned i = 0; i < MEMORY_REGIONS; i++) {
        free += map->regions[i].name == NULL;
    }
    return free;
}

bool page_watch_may_add(const struct page_watches *watches)
{
    enum { SPARE = 4 }; /* regions that devices may still want */
    return free_regions(watches->map) > SPARE;
}

/* That of the page, or a free one; NULL: there is none. */
static struct page_watch *find(struct page_watches *watches, gpa_t page)
{
    struct page_watch *free = NULL;
    for (unsigned i = 0; i < PAGE_WATCHES; i++) {
        struct page_watch *watch = &watches->watches[i];
        if (watch->first && watch->page == page) {
            return watch;
        }
        free = watch->first ? free : watch;
    }
    return free;
}

bool page_watch_add(struct page_watches *watches, struct page_user *user)
{
    const gpa_t page = user->first & ~(gpa_t)PAGE_OFFSET_MASK;
    struct page_watch *watch = find(watches, page);
    if (!watch || (!watch->first && !page_watch_may_add(watches))) {
        return false;
    }
    if (!watch->first) {
        *watch = (struct page_watch){.owner = watches, .page = page};
        watch->handle = memory_add(watches->map, &(struct memory_region){
                                                     .name = "watched-page",
                                                     .start = page,
                                                     .bytes = PAGE_BYTES,
                                                     .priority = MEMORY_PRIORITY_WATCH,
                                                     .ops = &watch_ops,
                                                     .opaque = watch,
                                                 });
    }
    user->next = watch->first;
    user->is_watching = true;
    watch->first = user;
    return true;
}

void page_watch_remove(struct page_watches *watches, struct page_user *user)
{
    if (!user->is_watching) {
        return;
    }
    struct page_watch *watch = find(watches, user->first & ~(gpa_t)PAGE_OFFSET_MASK);
    struct page_user **place = &watch->first;
    while (*place != user) {
        place = &(*place)->next;
    }
    *place = user->next;
    user->is_watching = false;
    if (!watch->first) {
        memory_remove(watches->map, watch->handle);
    }
}

uint8_t *page_watch_ram(const struct page_watches *watches, gpa_t address)
{
    const struct memory_region *region =
        memory_find_below(watches->map, address, MEMORY_PRIORITY_MODULE);
    const struct ram *ram = watches->map->ram;
    if (!region || !region->read || region->read != region->write) {
        return NULL;
    }
    uint8_t *host = region->read + (address - region->start);
    return host >= ram->host && host < ram->host + ram->bytes ? host : NULL;
}

void page_watch_changed(const struct page_watches *watches, const uint8_t *host,
                        unsigned bytes)
{
    const struct memory_map *map = watches->map;
    uint64_t offset;
    if (ram_finds(map->ram, host, &offset)) {
        ram_note_write(map->ram, offset, bytes);
        if (map->listener.code_written) {
            map->listener.code_written(map->listener.opaque, offset, bytes);
        }
    }
}
