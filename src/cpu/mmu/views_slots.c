/* Views and slots: where they come from, and what goes first when there are too many.
 */
#include "cpu/core/cpu_trace.h"
#include "cpu/mmu/views_internal.h"

#include <stdlib.h>

static void tell_moved_all(struct views *views, const struct view *view)
{
    if (views->moved_all) {
        views->moved_all(views->opaque, view->id);
    }
}

void views_slot_release(struct views *views, struct view *view, struct slot *slot)
{
    uint64_t bit = 1ULL << (slot->number % 64);
    view->used_slots[slot->number / 64] &= ~bit;
    view->local_slots[slot->number / 64] &= ~bit;
    view->slots[slot->number] = NULL;
    view->slot_count--;
    slot->next_free = views->free_slots;
    views->free_slots = slot;
}

static void forget_places(struct views *views, const struct view *view,
                          struct slot *slot)
{
    for (unsigned word = 0; word < SLOT_WORDS; word++) {
        uint64_t left = slot->writable.words[word] | slot->executable.words[word];
        for (; left; left &= left - 1) {
            unsigned index = word * 64 + (unsigned)__builtin_ctzll(left);
            views_forget_place(views, view, slot, index);
        }
    }
}

static unsigned count_pages(const struct page_set *set)
{
    unsigned count = 0;
    for (unsigned word = 0; word < SLOT_WORDS; word++) {
        for (uint64_t left = set->words[word]; left; left &= left - 1) {
            count++;
        }
    }
    return count;
}

void views_empty(struct cpu *cpu, struct view *view)
{
    struct views *views = cpu->views;
    if (!view->slot_count) {
        return;
    }
    CPU_TRACE(cpu, TRACE_MMU, "View %u: emptied\n", view->id);
    /* Whole mappings, none is split: there is nothing that the kernel could lack. */
    if (view->mappings && !views_unmap_window(views, view)) {
        abort();
    }
    views->statistics.unmaps += view->mappings != 0;
    views->statistics.mappings -= view->mappings;
    view->mappings = 0;
    for (unsigned i = 0; i < VIEW_SLOTS; i++) {
        struct slot *slot = view->slots[i];
        if (slot) {
            views->statistics.pages_unmapped += count_pages(&slot->mapped);
            forget_places(views, view, slot);
            views_slot_release(views, view, slot);
        }
    }
    tell_moved_all(views, view);
}

bool views_evict(struct cpu *cpu)
{
    struct views *views = cpu->views;
    struct view *victim = NULL;
    for (unsigned id = 1; id < VIEWS_MAXIMUM; id++) {
        struct view *view = &views->view[id];
        if (view->slot_count && (!victim || view->used < victim->used)) {
            victim = view;
        }
    }
    if (!victim && views->view[0].slot_count) {
        victim = &views->view[0];
    }
    if (!victim) {
        return false;
    }
    views_empty(cpu, victim);
    views->statistics.views_evicted++;
    return true;
}

void views_make_room(struct cpu *cpu, unsigned more)
{
    struct views *views = cpu->views;
    while (views->statistics.mappings + more > views->budget && views_evict(cpu)) {
    }
}

static struct slot *new_slot(struct cpu *cpu)
{
    struct views *views = cpu->views;
    while (!views->free_slots && views->slots_taken == SLOTS_MAXIMUM) {
        views_evict(cpu);
    }
    struct slot *slot = views->free_slots;
    if (slot) {
        views->free_slots = slot->next_free;
        return slot;
    }
    return &views->slots[views->slots_taken++];
}

struct slot *views_slot_take(struct cpu *cpu, struct view *view, uint32_t page,
                             const struct mmu_peek *peek)
{
    struct slot *slot = view_slot(view, page);
    if (slot) {
        return slot;
    }
    slot = new_slot(cpu);
    slot->number = page >> SLOT_PAGES_SHIFT;
    slot->large = peek->large;
    slot->doubtful = false;
    slot->upper = peek->upper;
    for (unsigned i = 0; i < SLOT_WORDS; i++) {
        slot->mapped.words[i] = slot->writable.words[i] = 0;
        slot->executable.words[i] = 0;
        slot->code.words[i] = slot->global.words[i] = 0;
    }
    view->slots[slot->number] = slot;
    view->used_slots[slot->number / 64] |= 1ULL << (slot->number % 64);
    view->slot_count++;
    return slot;
}

void views_record(struct view *view, uint32_t page, uint64_t leaf)
{
    struct slot *slot = view_slot(view, page);
    slot->leaf[page_index(page)] = leaf;
    if (leaf & ENTRY_GLOBAL) {
        page_add(&slot->global, page_index(page));
    } else {
        page_remove(&slot->global, page_index(page));
        view->local_slots[slot->number / 64] |= 1ULL << (slot->number % 64);
    }
}

static uint32_t current_root(const struct cpu *cpu)
{
    const uint32_t pae_alignment = 0x1f;
    return cpu->cr3 &
           ~(cpu->cr4 & CR4_PAE ? pae_alignment : (uint32_t)PAGE_OFFSET_MASK);
}

struct view *views_find_user(struct cpu *cpu)
{
    struct views *views = cpu->views;
    uint32_t root = current_root(cpu);
    if (views->user && views->user->root == root) {
        return views->user;
    }
    for (unsigned id = 1; id <= views->user_views; id++) {
        if (views->view[id].root == root) {
            views->user = &views->view[id];
            return views->user;
        }
    }
    return NULL;
}

struct view *views_take_user(struct cpu *cpu)
{
    struct views *views = cpu->views;
    struct view *view = views_find_user(cpu);
    if (view) {
        return view;
    }
    if (views->user_views < VIEWS_MAXIMUM - 1) {
        view = &views->view[++views->user_views];
    } else {
        view = &views->view[1];
        for (unsigned id = 2; id < VIEWS_MAXIMUM; id++) {
            view = views->view[id].used < view->used ? &views->view[id] : view;
        }
        views->statistics.views_evicted += view->slot_count != 0;
        views_empty(cpu, view);
    }
    view->root = current_root(cpu);
    CPU_TRACE(cpu, TRACE_MMU, "View %u: for root %08x\n", view->id, view->root);
    view->seen = views->epoch;
    views->user = view;
    views->statistics.views_created++;
    return view;
}
