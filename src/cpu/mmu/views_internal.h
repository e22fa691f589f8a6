/* cpu/mmu/views_internal.h: what the parts of the views share.
 *
 * A view is cut into slots of 2 MiB of linear space, which is what one PDE covers (half
 * of what it covers without PAE). A slot exists while anything in it is mapped or noted
 * as code, and remembers the page-table entries that were true then.
 *
 * Windows are holes in the host's address space, not reservations: a mapping in a hole
 * costs two thirds of one that splits a reservation, and needs one host mapping instead
 * of two. The windows lie where the kernel puts nothing by itself: it allocates from
 * the top (or, with the old layout, upwards from a third of the address space).
 *
 * The low window is the one at host address 0: see views_low.c.
 *
 * Linear pages are numbers here (address >> PAGE_SHIFT), as are pages of RAM. Those of
 * video memory follow, after a gap, so that no two pages have consecutive numbers that
 * one mapping cannot show. */
#ifndef CPU_MMU_VIEWS_INTERNAL_H
#define CPU_MMU_VIEWS_INTERNAL_H

#include "cpu/mmu/mmu_internal.h"
#include "cpu/mmu/views.h"

#include <sys/types.h>

enum {
    SLOT_PAGES = MMU_PEEK_ENTRIES,
    SLOT_PAGES_SHIFT = 9,
    SLOT_WORDS = SLOT_PAGES / 64,
    VIEW_PAGES = 1 << 20,
    VIEW_SLOTS = VIEW_PAGES / SLOT_PAGES,
    SLOTS_MAXIMUM = 16384, /* in all views together; 12 KiB each */
    GUARD_BYTES = 64 << 10,
};

#define WINDOW_BYTES (1ULL << 32)
#define WINDOW_SPACING (2 * WINDOW_BYTES)

/* A set of a slot's pages. */
struct page_set {
    uint64_t words[SLOT_WORDS];
};

/* What a mapped page may be used for beside reading: one of them at most. */
enum page_right { RIGHT_READ, RIGHT_WRITE, RIGHT_EXECUTE };

struct slot {
    struct slot *next_free;
    uint32_t number; /* in the view: linear address >> 21 */
    bool large;      /* `upper` is the leaf of all pages */
    bool doubtful;   /* something noted here was out of date already */
    uint64_t upper;  /* the PDE as it was */
    struct page_set mapped, writable, executable, code, global;
    uint64_t leaf[SLOT_PAGES];     /* of pages mapped or with code; not if large */
    uint32_t ram_page[SLOT_PAGES]; /* of mapped pages; of others with code, or none */
    /* Of writable (executable) pages: others that show the same page of RAM so. */
    uint32_t same_next[SLOT_PAGES], same_previous[SLOT_PAGES];
};

/* How many flushes there were: of any kind, of those that spare no global page, of
 * those that change what entries mean. */
struct view_epoch {
    uint64_t any, all, rebuild;
};

struct view {
    unsigned id;
    uint8_t *base;
    uint32_t root; /* of a user view: CR3's address bits */
    uint64_t used; /* for the choice of the least recently used */
    struct view_epoch seen;
    uint64_t mappings; /* of the host, in this window */
    unsigned slot_count;
    uint64_t used_slots[VIEW_SLOTS / 64];
    uint64_t local_slots[VIEW_SLOTS / 64]; /* those with pages that are not global */
    struct slot *slots[VIEW_SLOTS];
};

/* The host, replaceable by tests. As the functions of libc with these names. */
struct views_host {
    void *(*mmap)(void *address, size_t bytes, int protection, int flags, int fd,
                  off_t offset);
    int (*mprotect)(void *address, size_t bytes, int protection);
    int (*munmap)(void *address, size_t bytes);
};

/* A linear page of some view, plus 1: view << 20 | page. 0: none. */
typedef uint32_t view_place;

struct views {
    struct view view[VIEWS_MAXIMUM];
    struct view *current;
    struct view *user; /* the last one looked up by its root; NULL: none */
    struct view_epoch epoch;
    uint64_t uses;
    unsigned user_views; /* have a root: ids 1 to this */
    unsigned budget;
    struct views_host host;
    /* For each page of RAM or video memory: where it is writable, and where it is
     * executable. */
    view_place *writable_places, *executable_places;
    uint64_t ram_pages;
    uint64_t video_first, video_end; /* pages; equal: there is none */
    struct view *low;                /* has the low window; NULL: none */
    uint8_t *low_own;                /* its window otherwise */
    uint32_t low_first, low_end;     /* pages of that window that may be mapped */
    struct views_examiner examiner;
    struct slot *slots; /* SLOTS_MAXIMUM */
    uint32_t slots_taken;
    struct slot *free_slots;
    views_code_moved *moved;
    views_code_moved_all *moved_all;
    void *opaque;
    struct views_statistics statistics;
};

/* No code is kept that comes from video memory. */
static inline bool views_page_holds_code(const struct cpu *cpu, uint32_t ram_page)
{
    return ram_page < cpu->views->ram_pages &&
           cpu->wiring.memory->ram->code_lines[ram_page] != 0;
}

/* Whether a page of RAM or video memory has not been written since somebody asked for
 * that to be told. */
static inline bool views_page_is_unwritten(const struct cpu *cpu, uint32_t ram_page)
{
    const struct views *views = cpu->views;
    const struct memory_map *memory = cpu->wiring.memory;
    return ram_page < views->ram_pages
               ? ram_is_unwritten(memory->ram, ram_page)
               : ram_is_unwritten(memory->video, ram_page - views->video_first);
}

/* Whether a page may be writable in no view. */
static inline bool views_page_is_protected(const struct cpu *cpu, uint32_t ram_page)
{
    return views_page_holds_code(cpu, ram_page) ||
           views_page_is_unwritten(cpu, ram_page);
}

static inline bool page_in(const struct page_set *set, unsigned index)
{
    return set->words[index / 64] >> (index % 64) & 1;
}

static inline void page_add(struct page_set *set, unsigned index)
{
    set->words[index / 64] |= 1ULL << (index % 64);
}

static inline void page_remove(struct page_set *set, unsigned index)
{
    set->words[index / 64] &= ~(1ULL << (index % 64));
}

static inline bool page_set_empty(const struct page_set *set)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < SLOT_WORDS; i++) {
        all |= set->words[i];
    }
    return !all;
}

static inline struct slot *view_slot(const struct view *view, uint32_t page)
{
    return view->slots[page >> SLOT_PAGES_SHIFT];
}

static inline unsigned page_index(uint32_t page)
{
    return page & (SLOT_PAGES - 1);
}

/* views_slots.c */

/* The slot of `page`, made if need be (then empty, of that upper entry): may empty
 * views to find room, this one too. */
struct slot *views_slot_take(struct cpu *cpu, struct view *view, uint32_t page,
                             const struct mmu_peek *peek);
/* Remembers the leaf entry of a page that is mapped or holds code. */
void views_record(struct view *view, uint32_t page, uint64_t leaf);
/* Takes an emptied slot out of the view. */
void views_slot_release(struct views *views, struct view *view, struct slot *slot);
/* Forgets all that is known and mapped of a view. */
void views_empty(struct cpu *cpu, struct view *view);
/* Empties views until `more` host mappings are within the budget. */
void views_make_room(struct cpu *cpu, unsigned more);
/* Empties the view that can be spared first; false if all are empty. */
bool views_evict(struct cpu *cpu);
/* The user view of the current root: NULL if there is none; made if there is none. */
struct view *views_find_user(struct cpu *cpu);
struct view *views_take_user(struct cpu *cpu);

/* views_map.c: host mappings, their number, and where RAM is writable. The slots exist.
 */

/* Maps consecutive pages, none of which is mapped, to consecutive pages of RAM. */
bool views_map(struct cpu *cpu, struct view *view, uint32_t first, unsigned count,
               uint32_t ram_page, enum page_right right);
/* Maps a page to one of the examiner's copies of that page of RAM. */
bool views_map_copy(struct cpu *cpu, struct view *view, uint32_t page,
                    uint32_t ram_page, unsigned copy);
/* Gives mapped pages another right. False: the host refused, and the whole view has
 * been emptied. */
bool views_protect(struct cpu *cpu, struct view *view, uint32_t first, unsigned count,
                   enum page_right right);
/* Unmaps what is mapped in the range. False: as above. */
bool views_unmap(struct cpu *cpu, struct view *view, uint32_t first, uint32_t last);
/* A page is no longer shown writable, or executable. */
void views_forget_place(struct views *views, const struct view *view, struct slot *slot,
                        unsigned index);
/* All of the view's window. False: the host refused. */
bool views_unmap_window(struct views *views, const struct view *view);

/* views_low.c: nobody has the low window any more. */
void views_leave_low(struct cpu *cpu);

/* views_compare.c */

/* Drops what page tables do not say any more, of all pages or all but global ones. */
void views_compare(struct cpu *cpu, struct view *view, bool globals);
/* The same for one page (all of a large one). */
void views_compare_page(struct cpu *cpu, struct view *view, uint32_t page);
/* Takes the right to write from pages of a slot. False: the host refused, and the whole
 * view has been emptied. */
bool views_protect_pages(struct cpu *cpu, struct view *view, struct slot *slot,
                         const struct page_set *pages);
/* A page that has code has it no more. */
void views_forget_code(struct cpu *cpu, struct view *view, uint32_t page);
/* Drops all of a slot. */
void views_drop_slot(struct cpu *cpu, struct view *view, struct slot *slot);

#endif
