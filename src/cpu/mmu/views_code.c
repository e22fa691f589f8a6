/* Code in views: RAM that holds it is writable nowhere, and whoever remembers it by its
 * linear address hears of it when that may lead elsewhere (views_compare.c). */
#include "cpu/mmu/views_internal.h"

void views_protect_ram_page(struct cpu *cpu, uint64_t ram_offset)
{
    struct views *views = cpu->views;
    view_place place;
    if (ram_offset >> PAGE_SHIFT >= views->ram_pages) {
        return;
    }
    while ((place = views->writable_places[ram_offset >> PAGE_SHIFT])) {
        views_protect(cpu, &views->view[(place - 1) >> 20],
                      (place - 1) & (VIEW_PAGES - 1), 1, RIGHT_READ);
    }
}

/* Whether code was fetched by what the page tables say now, and not by an older
 * translation that the TLB still has. */
static bool fetch_is_current(struct cpu *cpu, gla_t page, const struct mmu_peek *peek)
{
    enum mmu_rights rights = cpu->cpl == 3 ? MMU_USER : MMU_SUPERVISOR;
    const struct tlb_entry *entry = tlb_entry(cpu->mmu, page, rights);
    gpa_t physical, last;
    if (!mmu_peek_fetch(cpu, peek, page, rights, &physical)) {
        return false;
    }
    if (!tlb_hits(entry->execute_tag, page, 1)) {
        return true;
    }
    const struct memory_region *region = mmu_find_region(cpu, physical, &last);
    return region && region->read &&
           region->read + (physical - region->start) == entry->host + (uintptr_t)page;
}

bool views_note_code(struct cpu *cpu, gla_t page, uint64_t ram_page)
{
    struct view *view = cpu->views->current;
    uint32_t number = page >> PAGE_SHIFT;
    struct mmu_peek peek;
    mmu_peek(cpu, page, &peek);
    views_compare_page(cpu, view, number);
    struct slot *slot = views_slot_take(cpu, view, number, &peek);
    views_record(view, number, mmu_peek_leaf(&peek, page_index(number)));
    unsigned index = page_index(number);
    bool news = !page_in(&slot->code, index);
    if (!page_in(&slot->mapped, index) && (news || ram_page != VIEWS_NO_RAM)) {
        slot->ram_page[index] = (uint32_t)ram_page;
    }
    page_add(&slot->code, index);
    if (!fetch_is_current(cpu, page & ~(uint32_t)PAGE_OFFSET_MASK, &peek)) {
        slot->doubtful = true;
        view->local_slots[slot->number / 64] |= 1ULL << (slot->number % 64);
    }
    return news;
}

static bool has_code(const struct view *view, uint32_t page)
{
    const struct slot *slot = view_slot(view, page);
    return slot && page_in(&slot->code, page_index(page));
}

static bool shows_code(const struct view *view, uint32_t page, uint64_t ram_page)
{
    return has_code(view, page) &&
           view_slot(view, page)->ram_page[page_index(page)] == ram_page;
}

bool views_shows_code(const struct cpu *cpu, gla_t page, uint64_t ram_page)
{
    return shows_code(cpu->views->current, page >> PAGE_SHIFT, ram_page);
}

bool views_has_code(const struct cpu *cpu, unsigned view, gla_t page)
{
    return has_code(&cpu->views->view[view], page >> PAGE_SHIFT);
}

bool views_any_has_code(const struct cpu *cpu, gla_t page)
{
    for (unsigned id = 0; id <= cpu->views->user_views; id++) {
        if (has_code(&cpu->views->view[id], page >> PAGE_SHIFT)) {
            return true;
        }
    }
    return false;
}

void views_forget_code_without(struct cpu *cpu, gla_t page, gla_t other,
                               uint64_t ram_page)
{
    struct views *views = cpu->views;
    for (unsigned id = 0; id <= views->user_views; id++) {
        struct view *view = &views->view[id];
        if (view != views->current && has_code(view, page >> PAGE_SHIFT) &&
            !shows_code(view, other >> PAGE_SHIFT, ram_page)) {
            views_forget_code(cpu, view, page >> PAGE_SHIFT);
        }
    }
}
