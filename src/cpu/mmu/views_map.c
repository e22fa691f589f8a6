/* Host mappings of views: made, changed, counted; and where RAM is shown writable.
 *
 * The count is exact, but for the few copies that are shown in place of RAM: the kernel
 * joins neighbours that show consecutive pages of RAM with the same rights, so a
 * mapping is a longest run of such pages. */
#define _GNU_SOURCE
#include "cpu/core/cpu_trace.h"
#include "cpu/mmu/views_internal.h"

#include <inttypes.h>
#include <sys/mman.h>

/* A single page is sure to be touched now; of more pages some may never be. */
enum { POPULATE_PAGES = 1 };

static void *page_host(const struct view *view, uint32_t page)
{
    return (void *)((uintptr_t)view->base + ((uintptr_t)page << PAGE_SHIFT));
}

static int protection_for(enum page_right right)
{
    switch (right) {
    case RIGHT_WRITE:
        return PROT_READ | PROT_WRITE;
    case RIGHT_EXECUTE:
        return PROT_READ | PROT_EXEC;
    case RIGHT_READ:
        break;
    }
    return PROT_READ;
}

static enum page_right right_at(const struct slot *slot, unsigned index)
{
    if (page_in(&slot->writable, index)) {
        return RIGHT_WRITE;
    }
    return page_in(&slot->executable, index) ? RIGHT_EXECUTE : RIGHT_READ;
}

static bool starts_mapping(const struct view *view, uint32_t page)
{
    const struct slot *slot = view_slot(view, page);
    unsigned index = page_index(page);
    if (!slot || !page_in(&slot->mapped, index)) {
        return false;
    }
    const struct slot *before = page ? view_slot(view, page - 1) : NULL;
    unsigned before_index = page_index(page - 1);
    return !before || !page_in(&before->mapped, before_index) ||
           right_at(before, before_index) != right_at(slot, index) ||
           before->ram_page[before_index] + 1 != slot->ram_page[index];
}

/* How many mappings start in the range or just behind it: what changes when pages of
 * the range do. */
static unsigned count_mappings(const struct view *view, uint32_t first, uint32_t last)
{
    unsigned count = 0;
    for (uint32_t page = first; page <= last; page++) {
        if (page_index(page) == 0 || page == first) {
            /* Slots that are not there hold nothing. */
            while (page <= last && !view_slot(view, page)) {
                page = (page | (SLOT_PAGES - 1)) + 1;
            }
            if (page > last) {
                break;
            }
        }
        count += starts_mapping(view, page);
    }
    if (last + 1 < VIEW_PAGES) {
        count += starts_mapping(view, last + 1);
    }
    return count;
}

static void account(struct views *views, struct view *view, unsigned before,
                    unsigned after)
{
    struct views_statistics *statistics = &views->statistics;
    view->mappings += after - (uint64_t)before;
    statistics->mappings += after - (uint64_t)before;
    if (statistics->mappings > statistics->mappings_peak) {
        statistics->mappings_peak = statistics->mappings;
    }
}

static void trace_pages(struct cpu *cpu, const struct view *view, uint32_t first,
                        uint32_t last, const char *what)
{
    CPU_TRACE(cpu, TRACE_MMU, "View %u: %08x-%08x %s\n", view->id, first << PAGE_SHIFT,
              last << PAGE_SHIFT | PAGE_OFFSET_MASK, what);
}

static view_place place_of(const struct view *view, uint32_t page)
{
    return (view->id << 20 | page) + 1;
}

static struct slot *slot_at(struct views *views, view_place place, unsigned *index)
{
    uint32_t page = (place - 1) & (VIEW_PAGES - 1);
    *index = page_index(page);
    return view_slot(&views->view[(place - 1) >> 20], page);
}

static view_place *places_of(struct views *views, const struct slot *slot,
                             unsigned index, enum page_right right)
{
    view_place *places =
        right == RIGHT_WRITE ? views->writable_places : views->executable_places;
    return &places[slot->ram_page[index]];
}

static void note_place(struct views *views, const struct view *view, struct slot *slot,
                       unsigned index, enum page_right right)
{
    if (right == RIGHT_READ) {
        return;
    }
    view_place *head = places_of(views, slot, index, right);
    view_place place = place_of(view, slot->number * SLOT_PAGES + index);
    page_add(right == RIGHT_WRITE ? &slot->writable : &slot->executable, index);
    slot->same_previous[index] = 0;
    slot->same_next[index] = *head;
    if (*head) {
        unsigned other;
        struct slot *next = slot_at(views, *head, &other);
        next->same_previous[other] = place;
    }
    *head = place;
}

void views_forget_place(struct views *views, const struct view *view, struct slot *slot,
                        unsigned index)
{
    view_place next = slot->same_next[index], previous = slot->same_previous[index];
    enum page_right right = right_at(slot, index);
    unsigned other;
    if (right == RIGHT_READ) {
        return;
    }
    if (next) {
        struct slot *of_next = slot_at(views, next, &other);
        of_next->same_previous[other] = previous;
    }
    if (previous) {
        struct slot *of_previous = slot_at(views, previous, &other);
        of_previous->same_next[other] = next;
    } else {
        *places_of(views, slot, index, right) = next;
    }
    page_remove(right == RIGHT_WRITE ? &slot->writable : &slot->executable, index);
}

static bool map_file(struct views *views, const struct view *view, uint32_t first,
                     unsigned count, enum page_right right, int fd, uint64_t file_page)
{
    int flags = MAP_SHARED | MAP_FIXED | (count <= POPULATE_PAGES ? MAP_POPULATE : 0);
    void *mapped = views->host.mmap(page_host(view, first), (size_t)count << PAGE_SHIFT,
                                    protection_for(right), flags, fd,
                                    (off_t)(file_page << PAGE_SHIFT));
    views->statistics.mmaps++;
    views->statistics.failed += mapped == MAP_FAILED;
    return mapped != MAP_FAILED;
}

static void note_pages(struct views *views, const struct view *view, uint32_t first,
                       unsigned count, uint32_t ram_page, enum page_right right)
{
    for (unsigned i = 0; i < count; i++) {
        struct slot *slot = view_slot(view, first + i);
        unsigned index = page_index(first + i);
        slot->ram_page[index] = ram_page + i;
        page_add(&slot->mapped, index);
        note_place(views, view, slot, index, right);
    }
    views->statistics.pages_mapped += count;
}

/* The file that has the page, and which one it is there. */
static int find_file(const struct cpu *cpu, uint32_t ram_page, uint64_t *file_page)
{
    const struct views *views = cpu->views;
    bool video = ram_page >= views->video_first;
    *file_page = video ? ram_page - views->video_first : ram_page;
    return video ? cpu->wiring.memory->video->fd : cpu->wiring.memory->ram->fd;
}

bool views_map(struct cpu *cpu, struct view *view, uint32_t first, unsigned count,
               uint32_t ram_page, enum page_right right)
{
    static const char *const names[] = {"read-only", "writable", "executable"};
    struct views *views = cpu->views;
    uint64_t file_page;
    int fd = find_file(cpu, ram_page, &file_page);
    unsigned before = count_mappings(view, first, first + count - 1);
    if (!map_file(views, view, first, count, right, fd, file_page)) {
        return false;
    }
    note_pages(views, view, first, count, ram_page, right);
    CPU_TRACE(cpu, TRACE_MMU, "View %u: %08x-%08x shows %s %09" PRIx64 ", %s\n",
              view->id, first << PAGE_SHIFT,
              (first + count - 1) << PAGE_SHIFT | PAGE_OFFSET_MASK,
              ram_page == file_page ? "RAM" : "video memory", file_page << PAGE_SHIFT,
              names[right]);
    account(views, view, before, count_mappings(view, first, first + count - 1));
    return true;
}

bool views_map_copy(struct cpu *cpu, struct view *view, uint32_t page,
                    uint32_t ram_page, unsigned copy)
{
    struct views *views = cpu->views;
    unsigned before = count_mappings(view, page, page);
    if (!map_file(views, view, page, 1, RIGHT_EXECUTE, views->examiner.copies_fd,
                  views->examiner.first_copy + copy)) {
        return false;
    }
    note_pages(views, view, page, 1, ram_page, RIGHT_EXECUTE);
    trace_pages(cpu, view, page, page, "shows a copy, executable");
    account(views, view, before, count_mappings(view, page, page));
    return true;
}

bool views_protect(struct cpu *cpu, struct view *view, uint32_t first, unsigned count,
                   enum page_right right)
{
    static const char *const names[] = {"now read-only", "now writable",
                                        "now executable"};
    struct views *views = cpu->views;
    unsigned before = count_mappings(view, first, first + count - 1);
    views->statistics.mprotects++;
    if (views->host.mprotect(page_host(view, first), (size_t)count << PAGE_SHIFT,
                             protection_for(right)) != 0) {
        /* Part of the range may have the new right now. */
        views->statistics.failed++;
        views_empty(cpu, view);
        return false;
    }
    for (uint32_t page = first; page < first + count; page++) {
        struct slot *slot = view_slot(view, page);
        if (right_at(slot, page_index(page)) != right) {
            views_forget_place(views, view, slot, page_index(page));
            note_place(views, view, slot, page_index(page), right);
        }
    }
    trace_pages(cpu, view, first, first + count - 1, names[right]);
    account(views, view, before, count_mappings(view, first, first + count - 1));
    return true;
}

bool views_unmap_window(struct views *views, const struct view *view)
{
    uint32_t first = view == views->low ? views->low_first : 0;
    uint32_t end = view == views->low ? views->low_end : VIEW_PAGES;
    return views->host.munmap(page_host(view, first), (size_t)(end - first)
                                                          << PAGE_SHIFT) == 0;
}

bool views_unmap(struct cpu *cpu, struct view *view, uint32_t first, uint32_t last)
{
    struct views *views = cpu->views;
    unsigned before = count_mappings(view, first, last);
    views->statistics.unmaps++;
    if (views->host.munmap(page_host(view, first), (size_t)(last - first + 1)
                                                       << PAGE_SHIFT) != 0) {
        views->statistics.failed++;
        views_empty(cpu, view);
        return false;
    }
    for (uint32_t page = first; page <= last; page++) {
        struct slot *slot = view_slot(view, page);
        unsigned index = page_index(page);
        if (!slot || !page_in(&slot->mapped, index)) {
            continue;
        }
        views_forget_place(views, view, slot, index);
        page_remove(&slot->mapped, index);
        views->statistics.pages_unmapped++;
    }
    trace_pages(cpu, view, first, last, "unmapped");
    account(views, view, before, count_mappings(view, first, last));
    return true;
}
