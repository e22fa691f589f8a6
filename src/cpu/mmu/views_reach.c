/* An access found nothing in its view: what can be mapped there, and how much. */
#include "cpu/core/cpu_trace.h"
#include "cpu/core/debug.h"
#include "cpu/mmu/views_internal.h"

/* A large page with more scattered code, or pages that are protected for another
 * reason, than this is mapped in parts. */
enum { PROTECTED_RUNS_MAXIMUM = 32 };

/* More host mappings than one call adds. */
enum { MAPPINGS_PER_REACH = 2 * PROTECTED_RUNS_MAXIMUM + 4 };

/* Where an access leads, if to RAM or video memory. */
struct reach {
    struct view *view;
    uint32_t page;     /* linear */
    uint32_t ram_page; /* which shows there */
    gpa_t physical;    /* of the page */
    const struct memory_region *region;
    gpa_t last; /* up to which the region is seen */
    struct mmu_peek peek;
    uint64_t leaf;
    bool writable;   /* unless it holds code */
    bool executable; /* here, if the examiner does not mind */
};

enum { SHOWN_COPY = 16 };

/* Of a page fault's error code (SDM vol. 3, figure 4-12). */
enum { FAULT_WRITE = 2, FAULT_FETCH = 16 };

/* User pages differ with each root; the supervisor touches them seldom. */
static bool left_to_user_views(const struct cpu *cpu, const struct reach *reach)
{
    return reach->view->id == 0 && cpu->views->user_views && (cpu->cr0 & CR0_PG) &&
           (reach->peek.upper & reach->leaf & ENTRY_USER);
}

/* Page tables in ROM cannot be given A and D. */
static bool is_marked_accessed(const struct reach *reach)
{
    return reach->peek.upper & reach->leaf & ENTRY_ACCESSED;
}

/* Whether the region shows `ram` at the page reached; in which of its pages. */
static bool shows_page_of(const struct reach *reach, const struct ram *ram,
                          uint64_t *page)
{
    const uint8_t *host =
        reach->region->read + (reach->physical - reach->region->start);
    if (!ram || host < ram->host || host >= ram->host + ram->bytes ||
        ((host - ram->host) & PAGE_OFFSET_MASK)) {
        return false;
    }
    *page = (uint64_t)(host - ram->host) >> PAGE_SHIFT;
    return true;
}

static bool find_memory(struct cpu *cpu, struct reach *reach)
{
    const struct memory_map *memory = cpu->wiring.memory;
    const struct memory_region *region =
        mmu_find_region(cpu, reach->physical, &reach->last);
    uint64_t page;
    if (!region || !region->read || region->read != region->write ||
        reach->physical < region->start ||
        reach->last - reach->physical < PAGE_BYTES - 1) {
        return false;
    }
    reach->region = region;
    if (shows_page_of(reach, memory->ram, &page)) {
        reach->ram_page = (uint32_t)page;
        return true;
    }
    if (shows_page_of(reach, memory->video, &page)) {
        reach->ram_page = (uint32_t)(cpu->views->video_first + page);
        reach->executable = false;
        return true;
    }
    return false;
}

static bool in_window(const struct views *views, const struct reach *reach)
{
    return reach->view != views->low ||
           (reach->page >= views->low_first && reach->page < views->low_end);
}

/* Makes the access as far as page tables go. False: not for views. */
static bool find_reach(struct cpu *cpu, gla_t address, enum mmu_access access,
                       struct reach *reach)
{
    struct translation translation;
    reach->view = cpu->views->current;
    mmu_walk(cpu, address, access, reach->view->id == 0 ? MMU_SUPERVISOR : MMU_USER,
             &translation);
    reach->page = address >> PAGE_SHIFT;
    reach->physical = translation.physical & ~(gpa_t)PAGE_OFFSET_MASK;
    reach->writable = translation.writable && translation.dirty;
    reach->executable = translation.executable && reach->view == cpu->views->low;
    mmu_peek(cpu, address, &reach->peek);
    reach->leaf = mmu_peek_leaf(&reach->peek, page_index(reach->page));
    return cpu->a20_mask == UINT32_MAX && !debug_breakpoints_enabled(cpu) &&
           is_marked_accessed(reach) && !left_to_user_views(cpu, reach) &&
           in_window(cpu->views, reach) && find_memory(cpu, reach);
}

/* The lowest physical page, but not below `low`, from which up to the page reached the
 * same RAM is seen. */
static gpa_t lowest_seen(struct cpu *cpu, const struct reach *reach, gpa_t low)
{
    gpa_t last;
    const struct memory_region *region = memory_find(cpu->wiring.memory, low, &last);
    while (last < reach->physical) {
        low = last + 1;
        region = memory_find(cpu->wiring.memory, low, &last);
    }
    low = (low + PAGE_OFFSET_MASK) & ~(gpa_t)PAGE_OFFSET_MASK;
    return region == reach->region && low < reach->physical ? low : reach->physical;
}

/* How many pages of the same memory follow, seen through the same region. */
static uint32_t pages_above(const struct cpu *cpu, const struct reach *reach)
{
    uint64_t seen = (reach->last - reach->physical + 1) / PAGE_BYTES - 1;
    const struct views *views = cpu->views;
    uint64_t end =
        reach->ram_page < views->ram_pages ? views->ram_pages : views->video_end;
    uint64_t there = end - reach->ram_page - 1;
    return (uint32_t)(seen < there ? seen : there);
}

static uint32_t pages_below(struct cpu *cpu, const struct reach *reach, uint32_t wanted)
{
    gpa_t low = reach->physical - ((gpa_t)wanted << PAGE_SHIFT);
    return (uint32_t)((reach->physical - lowest_seen(cpu, reach, low)) >> PAGE_SHIFT);
}

static bool is_mapped(const struct view *view, uint32_t page)
{
    const struct slot *slot = view_slot(view, page);
    return slot && page_in(&slot->mapped, page_index(page));
}

/* Pages that are mapped in one piece. */
struct piece {
    uint32_t first, last;
};

static uint32_t ram_page_at(const struct reach *reach, uint32_t page)
{
    return reach->ram_page + (page - reach->page);
}

/* How a page of the piece is to be shown: enum page_right, or SHOWN_COPY and the number
 * of the copy. */
static unsigned shown_as(const struct cpu *cpu, const struct reach *reach,
                         uint32_t page)
{
    const struct views_examiner *examiner = &cpu->views->examiner;
    uint32_t ram_page = ram_page_at(reach, page);
    bool code = views_page_holds_code(cpu, ram_page);
    int found =
        reach->executable && code
            ? examiner->examine(examiner->opaque, page << PAGE_SHIFT, ram_page, false)
            : VIEWS_UNKNOWN;
    if (found == VIEWS_AS_IT_IS) {
        return RIGHT_EXECUTE;
    }
    if (found > VIEWS_AS_IT_IS) {
        return SHOWN_COPY + (unsigned)found - 1;
    }
    bool unwritten = views_page_is_unwritten(cpu, ram_page);
    return reach->writable && !code && !unwritten ? RIGHT_WRITE : RIGHT_READ;
}

/* Whether a neighbour may be in a piece that has one protection. */
static bool same_protection(const struct cpu *cpu, const struct reach *reach,
                            uint32_t page)
{
    return (!reach->writable && !reach->executable) ||
           shown_as(cpu, reach, page) == shown_as(cpu, reach, reach->page);
}

static unsigned count_protected_runs(const struct cpu *cpu, const struct reach *reach,
                                     const struct piece *piece)
{
    unsigned runs = 0;
    bool before = false;
    for (uint32_t page = piece->first; page <= piece->last; page++) {
        bool now = views_page_is_protected(cpu, ram_page_at(reach, page));
        runs += now && !before;
        before = now;
    }
    return runs;
}

/* All of a large page that shows the same RAM and is not mapped yet. */
static void find_large_piece(struct cpu *cpu, const struct reach *reach,
                             struct piece *piece)
{
    uint32_t pages =
        cpu->cr0 & CR0_PG && cpu->cr4 & CR4_PAE ? SLOT_PAGES : 2 * SLOT_PAGES;
    uint32_t low = reach->page & ~(pages - 1), high = low + pages - 1;
    uint32_t above = pages_above(cpu, reach);
    if (high - reach->page > above) {
        high = reach->page + above;
    }
    low = reach->page - pages_below(cpu, reach, reach->page - low);
    piece->first = piece->last = reach->page;
    while (piece->first > low && !is_mapped(reach->view, piece->first - 1)) {
        piece->first--;
    }
    while (piece->last < high && !is_mapped(reach->view, piece->last + 1)) {
        piece->last++;
    }
}

static void shrink_to_one_protection(const struct cpu *cpu, const struct reach *reach,
                                     struct piece *piece)
{
    uint32_t low = piece->first, high = piece->last;
    piece->first = piece->last = reach->page;
    while (piece->first > low && same_protection(cpu, reach, piece->first - 1)) {
        piece->first--;
    }
    while (piece->last < high && same_protection(cpu, reach, piece->last + 1)) {
        piece->last++;
    }
}

/* Whether a neighbour's entry says the same for the next page of RAM, and it is not
 * known with another one. */
static bool continues(const struct cpu *cpu, const struct reach *reach, uint32_t page)
{
    const struct slot *slot = view_slot(reach->view, page);
    unsigned index = page_index(page);
    uint64_t entry = mmu_peek_leaf(&reach->peek, index);
    uint64_t expected = reach->leaf + ((uint64_t)page << PAGE_SHIFT) -
                        ((uint64_t)reach->page << PAGE_SHIFT);
    if (entry != expected ||
        (slot && (page_in(&slot->mapped, index) ||
                  (page_in(&slot->code, index) && slot->leaf[index] != entry)))) {
        return false;
    }
    return same_protection(cpu, reach, page);
}

/* Neighbours under the same page table with the same rights. */
static void find_small_piece(struct cpu *cpu, const struct reach *reach,
                             struct piece *piece)
{
    uint32_t low = reach->page & ~(uint32_t)(SLOT_PAGES - 1);
    uint32_t high = low + SLOT_PAGES - 1, above = pages_above(cpu, reach);
    piece->first = piece->last = reach->page;
    while (piece->last < high && piece->last - reach->page < above &&
           continues(cpu, reach, piece->last + 1)) {
        piece->last++;
    }
    uint32_t below = (uint32_t)(reach->physical >> PAGE_SHIFT);
    while (piece->first > low && reach->page - piece->first < below &&
           continues(cpu, reach, piece->first - 1)) {
        piece->first--;
    }
    if (piece->first != reach->page) {
        piece->first =
            reach->page - pages_below(cpu, reach, reach->page - piece->first);
    }
}

static void take_slots(struct cpu *cpu, const struct reach *reach,
                       const struct piece *piece)
{
    views_slot_take(cpu, reach->view, piece->first, &reach->peek);
    views_slot_take(cpu, reach->view, piece->last, &reach->peek);
    /* The second may have emptied the view for lack of slots. */
    views_slot_take(cpu, reach->view, piece->first, &reach->peek);
}

static void record_piece(const struct reach *reach, const struct piece *piece)
{
    uint64_t leaf = reach->leaf;
    for (uint32_t page = piece->first; page <= piece->last; page++) {
        if (!reach->peek.large) {
            leaf =
                reach->leaf + (((uint64_t)page - (uint64_t)reach->page) << PAGE_SHIFT);
        }
        views_record(reach->view, page, leaf);
    }
}

/* In a piece just mapped writable. */
static bool protect_some(struct cpu *cpu, const struct reach *reach,
                         const struct piece *piece)
{
    uint32_t page = piece->first;
    while (page <= piece->last) {
        uint32_t first = page;
        while (page <= piece->last &&
               views_page_is_protected(cpu, ram_page_at(reach, page))) {
            page++;
        }
        if (page != first &&
            !views_protect(cpu, reach->view, first, page - first, RIGHT_READ)) {
            return false;
        }
        page += page == first;
    }
    return true;
}

static void keep_in_window(const struct views *views, const struct reach *reach,
                           struct piece *piece)
{
    if (reach->view == views->low) {
        piece->first =
            piece->first < views->low_first ? views->low_first : piece->first;
        piece->last = piece->last >= views->low_end ? views->low_end - 1 : piece->last;
    }
}

static bool map_as(struct cpu *cpu, const struct reach *reach,
                   const struct piece *piece, unsigned shown)
{
    if (shown >= SHOWN_COPY) {
        return views_map_copy(cpu, reach->view, reach->page, reach->ram_page,
                              shown - SHOWN_COPY);
    }
    return views_map(cpu, reach->view, piece->first, piece->last - piece->first + 1,
                     ram_page_at(reach, piece->first), (enum page_right)shown);
}

static bool map_piece(struct cpu *cpu, const struct reach *reach)
{
    struct piece piece;
    bool mixed = false;
    if (reach->peek.large) {
        find_large_piece(cpu, reach, &piece);
        unsigned runs = reach->writable ? count_protected_runs(cpu, reach, &piece) : 0;
        mixed = runs != 0 && runs <= PROTECTED_RUNS_MAXIMUM && !reach->executable;
        if (runs > PROTECTED_RUNS_MAXIMUM || reach->executable) {
            shrink_to_one_protection(cpu, reach, &piece);
        }
    } else {
        find_small_piece(cpu, reach, &piece);
    }
    keep_in_window(cpu->views, reach, &piece);
    unsigned shown = mixed ? RIGHT_WRITE : shown_as(cpu, reach, reach->page);
    take_slots(cpu, reach, &piece);
    if (!map_as(cpu, reach, &piece, shown)) {
        return false;
    }
    record_piece(reach, &piece);
    return !mixed || protect_some(cpu, reach, &piece);
}

/* The page is mapped, and writes are allowed by now: those to the rest of a large page
 * are, too. */
static bool allow_writes(struct cpu *cpu, const struct reach *reach)
{
    struct slot *slot = view_slot(reach->view, reach->page);
    unsigned first = page_index(reach->page), last = first;
    uint32_t slot_page = reach->page - first;
    if (slot->large) {
        while (first > 0 && page_in(&slot->mapped, first - 1) &&
               !page_in(&slot->writable, first - 1) &&
               !views_page_is_protected(cpu, slot->ram_page[first - 1])) {
            first--;
        }
        while (last < SLOT_PAGES - 1 && page_in(&slot->mapped, last + 1) &&
               !page_in(&slot->writable, last + 1) &&
               !views_page_is_protected(cpu, slot->ram_page[last + 1])) {
            last++;
        }
    }
    return views_protect(cpu, reach->view, slot_page + first, last - first + 1,
                         RIGHT_WRITE);
}

/* The page is mapped, and may be executed by now. */
static bool allow_execution(struct cpu *cpu, const struct reach *reach)
{
    if (shown_as(cpu, reach, reach->page) == RIGHT_EXECUTE) {
        return views_protect(cpu, reach->view, reach->page, 1, RIGHT_EXECUTE);
    }
    return views_unmap(cpu, reach->view, reach->page, reach->page) &&
           map_piece(cpu, reach);
}

static bool map_reached(struct cpu *cpu, const struct reach *reach,
                        enum mmu_access access)
{
    /* What is out of date about the page goes first. */
    views_compare_page(cpu, reach->view, reach->page);
    views_make_room(cpu, MAPPINGS_PER_REACH);
    if (!is_mapped(reach->view, reach->page)) {
        return map_piece(cpu, reach);
    }
    const struct slot *slot = view_slot(reach->view, reach->page);
    unsigned index = page_index(reach->page);
    switch (access) {
    case MMU_WRITE:
        return page_in(&slot->writable, index) || allow_writes(cpu, reach);
    case MMU_EXECUTE:
        return page_in(&slot->executable, index) || allow_execution(cpu, reach);
    case MMU_READ:
        break;
    }
    return true;
}

/* Whether the examiner lets code in the page be executed, now that it is to be. May
 * empty views. */
static bool may_execute(struct cpu *cpu, const struct reach *reach)
{
    const struct views_examiner *examiner = &cpu->views->examiner;
    return reach->executable &&
           examiner->examine(examiner->opaque, reach->page << PAGE_SHIFT,
                             reach->ram_page, true) >= VIEWS_AS_IT_IS;
}

static void note_write(const struct cpu *cpu, uint32_t ram_page)
{
    const struct memory_map *memory = cpu->wiring.memory;
    bool video = ram_page >= cpu->views->video_first;
    uint64_t page = video ? ram_page - cpu->views->video_first : ram_page;
    ram_note_write(video ? memory->video : memory->ram, page << PAGE_SHIFT, 1);
}

static enum views_result reach_or_give_up(struct cpu *cpu, gla_t address,
                                          enum mmu_access access)
{
    struct views *views = cpu->views;
    struct reach reach;
    if (!find_reach(cpu, address, access, &reach) ||
        (access == MMU_WRITE && views_page_holds_code(cpu, reach.ram_page)) ||
        (access == MMU_EXECUTE && !may_execute(cpu, &reach))) {
        views->statistics.soft++;
        return VIEWS_SOFT;
    }
    if (access == MMU_WRITE) {
        note_write(cpu, reach.ram_page);
    }
    /* The host refuses mappings beyond its own limits: others have to go. */
    if (map_reached(cpu, &reach, access) ||
        (views_evict(cpu) && map_reached(cpu, &reach, access))) {
        views->statistics.reached++;
        return VIEWS_MAPPED;
    }
    views->statistics.soft++;
    return VIEWS_SOFT;
}

enum views_result views_reach(struct cpu *cpu, gla_t address, enum mmu_access access)
{
    static const char *const verbs[] = {"read", "written", "executed"};
    enum views_result result = reach_or_give_up(cpu, address, access);
    CPU_TRACE(cpu, TRACE_MMU, "View %u: %08x %s: %s\n", views_current_id(cpu), address,
              verbs[access],
              result == VIEWS_MAPPED ? "reached" : "left to the interpreter");
    return result;
}

/* Whether ring 3 may do now what the last fault was about, A and D bits aside. */
static bool fault_is_served(struct cpu *cpu, gla_t address)
{
    struct mmu_peek peek;
    uint64_t needed = ENTRY_PRESENT | ENTRY_USER;
    needed |= cpu->user_fault.error & FAULT_WRITE ? ENTRY_WRITABLE : 0;
    mmu_peek(cpu, address, &peek);
    uint64_t leaf = mmu_peek_leaf(&peek, page_index(address >> PAGE_SHIFT));
    return (peek.upper & leaf & needed) == needed &&
           !(cpu->user_fault.error & FAULT_FETCH);
}

void views_after_fault(struct cpu *cpu)
{
    gla_t address = cpu->cr2;
    if (!cpu->user_fault.pending) {
        return;
    }
    cpu->user_fault.pending = false;
    /* Where time is counted A and D are not to be seen set an instruction too early. */
    if (cpu->free_running && cpu->eip == cpu->user_fault.eip && (cpu->cr0 & CR0_PG) &&
        fault_is_served(cpu, address)) {
        views_reach(cpu, address,
                    cpu->user_fault.error & FAULT_WRITE ? MMU_WRITE : MMU_READ);
    }
}
