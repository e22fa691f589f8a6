/* What was mapped against what the page tables say now. Runs at flushes, over all of a
 * view: a page that did not change costs a few nanoseconds. */
#include "cpu/mmu/views_internal.h"

/* Which pages of a slot are compared. */
struct scope {
    bool globals; /* global pages, too */
    int only;     /* this page; -1: all */
};

/* What has to be done about a slot's pages. */
struct changes {
    bool any;
    struct page_set gone;            /* another translation, or none */
    struct page_set write_protected; /* the same, but for writes */
};

enum {
    WRITE_BITS = ENTRY_WRITABLE | ENTRY_DIRTY,
    IGNORED_BITS = 7 << 9, /* for the guest's own use */
};

static void tell_moved(struct views *views, const struct view *view, uint32_t page)
{
    if (views->moved) {
        views->moved(views->opaque, view->id, page << PAGE_SHIFT);
    }
}

/* Pages that have gone and had code. True if there were any. */
static void forget_codes(struct views *views, const struct view *view,
                         struct slot *slot, const struct page_set *gone)
{
    for (unsigned word = 0; word < SLOT_WORDS; word++) {
        uint64_t left = gone->words[word] & slot->code.words[word];
        slot->code.words[word] &= ~left;
        for (; left; left &= left - 1) {
            unsigned index = word * 64 + (unsigned)__builtin_ctzll(left);
            tell_moved(views, view, slot->number * SLOT_PAGES + index);
        }
    }
}

/* First page at or behind `index` that is in the set; SLOT_PAGES: none. */
static unsigned next_page(const struct page_set *set, unsigned index)
{
    for (unsigned word = index / 64; word < SLOT_WORDS; word++) {
        uint64_t left = set->words[word];
        if (word == index / 64) {
            left &= ~0ULL << (index % 64);
        }
        if (left) {
            return word * 64 + (unsigned)__builtin_ctzll(left);
        }
    }
    return SLOT_PAGES;
}

/* One call for pages that only holes separate. */
static bool unmap_gone(struct cpu *cpu, struct view *view, struct slot *slot,
                       const struct page_set *gone)
{
    uint32_t first_page = slot->number * SLOT_PAGES;
    unsigned index = next_page(&slot->mapped, 0);
    while (index < SLOT_PAGES) {
        unsigned first = index, last = index;
        bool drop = page_in(gone, index);
        while (index < SLOT_PAGES && page_in(gone, index) == drop) {
            last = index;
            index = next_page(&slot->mapped, index + 1);
        }
        if (drop && !views_unmap(cpu, view, first_page + first, first_page + last)) {
            return false;
        }
    }
    return true;
}

bool views_protect_pages(struct cpu *cpu, struct view *view, struct slot *slot,
                         const struct page_set *pages)
{
    uint32_t first_page = slot->number * SLOT_PAGES;
    unsigned first = next_page(pages, 0);
    while (first < SLOT_PAGES) {
        unsigned end = first + 1;
        while (end < SLOT_PAGES && page_in(pages, end)) {
            end++;
        }
        if (!views_protect(cpu, view, first_page + first, end - first, RIGHT_READ)) {
            return false;
        }
        first = next_page(pages, end);
    }
    return true;
}

/* Whether all that is left of the slot is global, or anything is left at all. */
static void settle_slot(struct views *views, struct view *view, struct slot *slot)
{
    uint64_t known = 0, local = slot->doubtful;
    for (unsigned word = 0; word < SLOT_WORDS; word++) {
        uint64_t pages = slot->mapped.words[word] | slot->code.words[word];
        known |= pages;
        local |= pages & ~slot->global.words[word];
    }
    if (!known) {
        views_slot_release(views, view, slot);
    } else if (!local) {
        view->local_slots[slot->number / 64] &= ~(1ULL << (slot->number % 64));
    }
}

static void apply(struct cpu *cpu, struct view *view, struct slot *slot,
                  const struct changes *changes)
{
    /* If the host fails these, the view is empty, and the slot gone. */
    forget_codes(cpu->views, view, slot, &changes->gone);
    if (unmap_gone(cpu, view, slot, &changes->gone) &&
        views_protect_pages(cpu, view, slot, &changes->write_protected)) {
        settle_slot(cpu->views, view, slot);
    }
}

void views_forget_code(struct cpu *cpu, struct view *view, uint32_t page)
{
    struct slot *slot = view_slot(view, page);
    page_remove(&slot->code, page_index(page));
    tell_moved(cpu->views, view, page);
    settle_slot(cpu->views, view, slot);
}

void views_drop_slot(struct cpu *cpu, struct view *view, struct slot *slot)
{
    struct changes all = {.any = true};
    for (unsigned i = 0; i < SLOT_WORDS; i++) {
        all.gone.words[i] = ~0ULL;
    }
    slot->doubtful = false;
    apply(cpu, view, slot, &all);
}

/* Pages of the slot that show this page of RAM, or have code that may come from it. */
static bool find_pages_of(const struct slot *slot, uint32_t ram_page,
                          struct page_set *found)
{
    bool any = false;
    *found = (struct page_set){0};
    for (unsigned word = 0; word < SLOT_WORDS; word++) {
        uint64_t mapped = slot->mapped.words[word];
        uint64_t left = mapped | slot->code.words[word];
        for (; left; left &= left - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(left), index = word * 64 + bit;
            uint32_t there = slot->ram_page[index];
            bool unknown = !(mapped >> bit & 1) && there == VIEWS_NO_RAM;
            if (there == ram_page || unknown) {
                page_add(found, index);
                any = true;
            }
        }
    }
    return any;
}

static void forget_ram_page(struct cpu *cpu, struct view *view, uint32_t ram_page)
{
    for (unsigned word = 0; word < VIEW_SLOTS / 64; word++) {
        for (uint64_t left = view->used_slots[word]; left; left &= left - 1) {
            struct slot *slot =
                view->slots[word * 64 + (unsigned)__builtin_ctzll(left)];
            struct changes changes = {.any = true};
            /* If the host refuses, the view is empty then. */
            if (slot && slot->doubtful) {
                views_drop_slot(cpu, view, slot);
            } else if (slot && find_pages_of(slot, ram_page, &changes.gone)) {
                apply(cpu, view, slot, &changes);
            }
        }
    }
}

void views_forget_memory(struct cpu *cpu, const uint8_t *host)
{
    struct views *views = cpu->views;
    uint64_t offset;
    const struct ram *ram = mmu_find_ram(cpu, host, &offset);
    bool video = ram && ram != cpu->wiring.memory->ram;
    uint32_t ram_page =
        (uint32_t)((video ? views->video_first : 0) + (offset >> PAGE_SHIFT));
    for (unsigned id = 0; ram && id <= views->user_views; id++) {
        forget_ram_page(cpu, &views->view[id], ram_page);
    }
}

/* Whether a leaf entry, seen with A, still stands for the same place and the same
 * rights to read; `*lost`: no longer for the right to write. */
static bool stands(uint64_t old, uint64_t new, bool *lost)
{
    uint64_t changed = old ^ new;
    *lost = old & changed & WRITE_BITS;
    return !(changed & ~(uint64_t)(WRITE_BITS | IGNORED_BITS));
}

static void compare_large(struct slot *slot, const struct mmu_peek *peek,
                          struct changes *changes)
{
    bool lost;
    bool same = stands(slot->upper, peek->upper, &lost);
    lost = same && lost;
    changes->any = !same || lost;
    for (unsigned i = 0; i < SLOT_WORDS; i++) {
        changes->gone.words[i] = same ? 0 : ~0ULL;
        changes->write_protected.words[i] = lost ? slot->writable.words[i] : 0;
    }
    slot->upper = peek->upper;
}

static inline void compare_leaf(struct slot *slot, unsigned index, uint64_t new,
                                struct changes *changes)
{
    uint64_t old = slot->leaf[index];
    if (__builtin_expect(new == old, 1)) {
        return;
    }
    bool lost;
    bool same = stands(old, new, &lost);
    slot->leaf[index] = new;
    if (!same) {
        page_add(&changes->gone, index);
        changes->any = true;
    } else if (lost && page_in(&slot->writable, index)) {
        page_add(&changes->write_protected, index);
        changes->any = true;
    }
}

static uint64_t pages_in_scope(const struct slot *slot, unsigned word,
                               const struct scope *scope)
{
    uint64_t pages = slot->mapped.words[word] | slot->code.words[word];
    if (!scope->globals) {
        pages &= ~slot->global.words[word];
    }
    if (scope->only >= 0) {
        pages &= (unsigned)scope->only / 64 == word
                     ? 1ULL << ((unsigned)scope->only % 64)
                     : 0;
    }
    return pages;
}

static void compare_leaves(struct views *views, struct slot *slot,
                           const struct mmu_peek *peek, const struct scope *scope,
                           struct changes *changes)
{
    for (unsigned word = 0; word < SLOT_WORDS; word++) {
        uint64_t left = pages_in_scope(slot, word, scope);
        for (; left; left &= left - 1) {
            unsigned index = word * 64 + (unsigned)__builtin_ctzll(left);
            compare_leaf(slot, index, mmu_peek_leaf(peek, index), changes);
            views->statistics.pages_compared++;
        }
    }
}

static void compare_slot(struct cpu *cpu, struct view *view, struct slot *slot,
                         const struct mmu_peek *peek, const struct scope *scope)
{
    if (slot->doubtful || peek->large != slot->large ||
        (!slot->large && peek->upper != slot->upper)) {
        views_drop_slot(cpu, view, slot);
        return;
    }
    struct changes changes = {.any = false};
    if (slot->large) {
        compare_large(slot, peek, &changes);
        cpu->views->statistics.pages_compared++;
    } else {
        compare_leaves(cpu->views, slot, peek, scope, &changes);
    }
    if (changes.any) {
        apply(cpu, view, slot, &changes);
    }
}

static void peek_at_page(struct cpu *cpu, uint32_t page, struct mmu_peek *out)
{
    mmu_peek(cpu, page << PAGE_SHIFT, out);
}

void views_compare(struct cpu *cpu, struct view *view, bool globals)
{
    const struct scope scope = {.globals = globals, .only = -1};
    const uint64_t *slots = globals ? view->used_slots : view->local_slots;
    cpu->views->statistics.revalidations++;
    for (unsigned word = 0; word < VIEW_SLOTS / 64; word++) {
        for (uint64_t left = slots[word]; left; left &= left - 1) {
            unsigned number = word * 64 + (unsigned)__builtin_ctzll(left);
            struct mmu_peek peek;
            if (view->slots[number]) {
                peek_at_page(cpu, number * SLOT_PAGES, &peek);
                compare_slot(cpu, view, view->slots[number], &peek, &scope);
            }
        }
    }
}

void views_compare_page(struct cpu *cpu, struct view *view, uint32_t page)
{
    struct mmu_peek peek;
    if (view_slot(view, page)) {
        const struct scope scope = {.globals = true, .only = (int)page_index(page)};
        peek_at_page(cpu, page, &peek);
        compare_slot(cpu, view, view_slot(view, page), &peek, &scope);
    }
    /* The other half of what is or was a 4 MiB page. */
    uint32_t other = page ^ SLOT_PAGES;
    if (!(cpu->cr4 & CR4_PAE) && view_slot(view, other)) {
        const struct scope scope = {.globals = true, .only = -1};
        peek_at_page(cpu, other, &peek);
        if (view_slot(view, other)->large || peek.large) {
            compare_slot(cpu, view, view_slot(view, other), &peek, &scope);
        }
    }
}
