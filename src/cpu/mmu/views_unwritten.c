/* Pages whose first write is to be noted: they are writable in no view. */
#include "cpu/mmu/views_internal.h"

static bool find_unwritten(const struct cpu *cpu, const struct slot *slot,
                           struct page_set *found)
{
    bool any = false;
    *found = (struct page_set){0};
    for (unsigned word = 0; word < SLOT_WORDS; word++) {
        for (uint64_t left = slot->writable.words[word]; left; left &= left - 1) {
            unsigned index = word * 64 + (unsigned)__builtin_ctzll(left);
            if (views_page_is_unwritten(cpu, slot->ram_page[index])) {
                page_add(found, index);
                any = true;
            }
        }
    }
    return any;
}

void views_protect_unwritten(struct cpu *cpu)
{
    struct views *views = cpu->views;
    for (unsigned id = 0; id <= views->user_views; id++) {
        struct view *view = &views->view[id];
        for (unsigned word = 0; word < VIEW_SLOTS / 64; word++) {
            for (uint64_t left = view->used_slots[word]; left; left &= left - 1) {
                unsigned number = word * 64 + (unsigned)__builtin_ctzll(left);
                struct slot *slot = view->slots[number];
                struct page_set unwritten;
                /* If the host refuses, the view is empty then. */
                if (slot && find_unwritten(cpu, slot, &unwritten)) {
                    views_protect_pages(cpu, view, slot, &unwritten);
                }
            }
        }
    }
}
