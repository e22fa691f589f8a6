/* The tables of the random mix, and all that is done to them. */
#include "mix.h"

struct mix mix;

uint32_t any(uint32_t limit)
{
    return random_below(&mix.random, limit);
}

static uint32_t region_linear(unsigned region)
{
    return WINDOW + 2 * region * large_bytes();
}

uint32_t page_linear(unsigned page)
{
    return region_linear(page / REGION_PAGES) + page % REGION_PAGES * PAGE_BYTES;
}

unsigned page_of(uint32_t linear)
{
    uint32_t region = (linear - WINDOW) / large_bytes();
    uint32_t page = (linear - WINDOW) % large_bytes() / PAGE_BYTES;
    bool inside = linear >= WINDOW && region % 2 == 0 && region / 2 < REGIONS;
    return inside && page < REGION_PAGES ? region / 2 * REGION_PAGES + page : MIX_PAGES;
}

static uint32_t root_now(void)
{
    return mix.roots[mix.current];
}

uint64_t translate(uint32_t linear)
{
    return translation(root_now(), linear);
}

static uint32_t small_entry(unsigned root, unsigned page)
{
    uint32_t step = paging_is_pae() ? 8 : 4;
    return mix.tables[root][page / REGION_PAGES] + page % REGION_PAGES * step;
}

bool is_large(unsigned root, unsigned page)
{
    return *at(directory_entry(mix.roots[root], page_linear(page))) & LARGE;
}

uint32_t entry_of(unsigned root, unsigned page)
{
    return is_large(root, page) ? directory_entry(mix.roots[root], page_linear(page))
                                : small_entry(root, page);
}

void set_used(unsigned root, unsigned page, uint8_t used, uint8_t maybe)
{
    for (unsigned i = 0; i < MIX_ROOTS; i++) {
        if (i == root || page / REGION_PAGES == SHARED_REGION) {
            mix.used[i][page] = used;
            mix.maybe[i][page] = maybe;
        }
    }
}

static uint64_t any_rights(void)
{
    uint64_t rights = any(8) ? P : 0;
    rights |= any(4) ? W : 0;
    rights |= any(4) ? U : 0;
    return rights | (paging_is_pae() && any(4) == 0 ? NX : 0);
}

/* An entry for translation has changed from `old` to `new`, for the current root. */
static void note_change(unsigned page, uint64_t old, uint64_t new)
{
    const uint64_t rights = P | W | U;
    if (!(old & P)) {
        return;
    }
    bool same_frame = ((old ^ new) & ~(rights | ENTRY_BITS | G | NX)) == 0;
    bool fewer = (old & ~new &rights) || (new & ~old &NX);
    if (same_frame && !fewer) {
        mix.gained[page] = true;
    } else {
        mix.stale[page] = true;
    }
}

/* The page it leads to or another one, with any rights. A and D stay with the page: the
 * processor need not set them again without a flush. */
static void set_page(void)
{
    unsigned root = any(2) ? mix.current : any(MIX_ROOTS), page = any(MIX_PAGES);
    unsigned region = page / REGION_PAGES;
    uint32_t entry = small_entry(root, page);
    uint64_t before = translate(page_linear(page)), old = entry_read(entry);
    uint32_t frame = (uint32_t)old & ~ENTRY_FLAGS;
    bool same = any(3) && frame;
    if (!same) {
        frame = mix.frames[any(SMALL_FRAMES)];
    }
    entry_write(entry, frame | any_rights() | (same ? old & ENTRY_BITS : 0) |
                           (region == SHARED_REGION ? G : 0));
    if (root == mix.current || region == SHARED_REGION) {
        note_change(page, before, translate(page_linear(page)));
    }
    if (!same && !is_large(root, page)) {
        set_used(root, page, 0, 0);
    }
}

static void change_directory(unsigned root, unsigned region, uint64_t entry)
{
    uint64_t before[REGION_PAGES];
    unsigned first = region * REGION_PAGES;
    for (unsigned i = 0; i < REGION_PAGES; i++) {
        before[i] = translate(page_linear(first + i));
    }
    entry_write(directory_entry(mix.roots[root], region_linear(region)), entry);
    for (unsigned i = 0; i < REGION_PAGES && root == mix.current; i++) {
        uint64_t now = translate(page_linear(first + i));
        if (now != before[i]) {
            note_change(first + i, before[i], now);
        }
    }
}

/* What software knows about A and D ends: whatever is there, is there. */
static void take_bits(unsigned root, unsigned region)
{
    for (unsigned i = 0; i < REGION_PAGES; i++) {
        unsigned page = region * REGION_PAGES + i;
        set_used(root, page, 0, ENTRY_BITS);
    }
}

static void set_directory(void)
{
    unsigned root = any(MIX_ROOTS), region = any(SHARED_REGION);
    uint64_t rights = any(2) ? USER_PAGE : any_rights();
    uint64_t entry = mix.tables[root][region] | rights;
    if (region == LARGE_REGION && any(2)) {
        entry = (LARGE_FRAMES + any(LARGE_PLACES) * large_bytes()) | rights | LARGE;
    }
    change_directory(root, region, entry);
    take_bits(root, region);
}

/* Two regions of a root change places, with their tables. */
static void swap_regions(void)
{
    unsigned root = any(MIX_ROOTS);
    uint32_t one = mix.tables[root][0], other = mix.tables[root][1];
    mix.tables[root][0] = other;
    mix.tables[root][1] = one;
    change_directory(root, 0, other | USER_PAGE);
    change_directory(root, 1, one | USER_PAGE);
    take_bits(root, 0);
    take_bits(root, 1);
}

static void forget_stale(unsigned first, unsigned end)
{
    for (unsigned page = first; page < end; page++) {
        mix.stale[page] = mix.gained[page] = false;
    }
}

static void flush_something(void)
{
    enum flush how = any(FLUSHES);
    unsigned page = any(MIX_PAGES);
    bool shared_too = !(get_cr4() & CR4_PGE) || how != FLUSH_ROOT;
    for (unsigned i = 0; i < MIX_PAGES && how == FLUSH_PAGE; i++) {
        if (mix.stale[i] && any(2)) {
            page = i;
            break;
        }
    }
    flush(how, page_linear(page));
    if (how == FLUSH_PAGE) {
        forget_stale(page, page + 1);
    } else {
        forget_stale(0, shared_too ? MIX_PAGES : SHARED_REGION * REGION_PAGES);
    }
}

static void switch_root(void)
{
    const uint32_t cache_bits = 0x18;
    bool shared_too = !(get_cr4() & CR4_PGE);
    mix.current = any(MIX_ROOTS);
    set_cr3(root_now() | (any(4) ? 0 : cache_bits));
    forget_stale(0, shared_too ? MIX_PAGES : SHARED_REGION * REGION_PAGES);
}

static void toggle_control(void)
{
    switch (any(3)) {
    case 0:
        set_cr4(get_cr4() ^ CR4_PGE);
        forget_stale(0, MIX_PAGES);
        break;
    default:
        set_cr0(get_cr0() ^ CR0_WP);
    }
}

/* A and D of a page of the current root go, with the flush that this needs. */
static void clear_bits(void)
{
    unsigned page = any(MIX_PAGES);
    if (is_large(mix.current, page)) {
        return;
    }
    uint32_t entry = small_entry(mix.current, page);
    *at(entry) &= ~(uint32_t)ENTRY_BITS;
    flush_page(page_linear(page));
    forget_stale(page, page + 1);
    set_used(mix.current, page, 0, 0);
}

/* The kernel writes to a frame, behind all linear addresses. */
static void write_frame(void)
{
    unsigned i = any(FRAME_COUNT);
    uint32_t offset = any(PAGE_BYTES / 4) * 4, value = random_next(&mix.random);
    *at(mix.frames[i] + offset) = value;
    *at(modelled_frame(i) + offset) = value;
}

void do_something(void)
{
    static void (*const things[])(void) = {
        set_page,    set_page,       set_page,     set_page,        set_page,
        set_page,    set_directory,  swap_regions, flush_something, flush_something,
        switch_root, toggle_control, clear_bits,   write_frame,     flush_something,
    };
    things[any(sizeof(things) / sizeof(things[0]))]();
}
void mix_create(void)
{
    for (unsigned i = 0; i < SMALL_FRAMES; i++) {
        mix.frames[i] = frame_alloc();
    }
    for (unsigned i = 0; i < LARGE_PLACES * REGION_PAGES; i++) {
        mix.frames[SMALL_FRAMES + i] = LARGE_FRAMES + i / REGION_PAGES * large_bytes() +
                                       i % REGION_PAGES * PAGE_BYTES;
    }
    for (unsigned i = 0; i < FRAME_COUNT; i++) {
        fill_pattern(mix.frames[i], PAGE_BYTES, i);
        fill_pattern(modelled_frame(i), PAGE_BYTES, i);
    }
    for (unsigned root = 0; root < MIX_ROOTS; root++) {
        mix.roots[root] = space_create();
        for (unsigned region = 0; region < REGIONS; region++) {
            uint32_t directory =
                directory_entry(mix.roots[root], region_linear(region));
            uint32_t table = root && region == SHARED_REGION
                                 ? mix.tables[0][SHARED_REGION]
                                 : frame_alloc();
            mix.tables[root][region] = table;
            entry_write(directory, table | USER_PAGE);
        }
    }
    fill((uint32_t)mix.used, 0, sizeof(mix.used));
    fill((uint32_t)mix.maybe, 0, sizeof(mix.maybe));
    forget_stale(0, MIX_PAGES);
    mix.current = 0;
    set_cr3(root_now());
    mix.operations = mix.faults = mix.calls = 0;
}
