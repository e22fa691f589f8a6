/* The low window: the view whose guest-linear addresses are the host's own. What lies
 * below the lowest address that the kernel lets us map, and above what the engine keeps
 * for itself, is left to the interpreter. */
#define _GNU_SOURCE /* MAP_FIXED_NOREPLACE */
#include "cpu/mmu/views_internal.h"

#include <stdio.h>
#include <sys/mman.h>

/* Of vm.mmap_min_addr where it cannot be read. */
enum { LOWEST_DEFAULT = 64 << 10 };

static uint32_t lowest_address(void)
{
    unsigned long lowest = LOWEST_DEFAULT;
    FILE *file = fopen("/proc/sys/vm/mmap_min_addr", "r");
    if (file) {
        if (fscanf(file, "%lu", &lowest) != 1 || lowest > LOWEST_DEFAULT) {
            lowest = LOWEST_DEFAULT;
        }
        fclose(file);
    }
    return lowest < PAGE_BYTES ? PAGE_BYTES : (uint32_t)lowest;
}

/* Whether the process has nothing there. */
static bool is_free(uint64_t first, uint64_t end)
{
    void *wanted = (void *)(uintptr_t)first;
    void *found =
        mmap(wanted, end - first, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (found != MAP_FAILED) {
        munmap(found, end - first);
    }
    return found == wanted;
}

void views_examine_by(struct cpu *cpu, const struct views_examiner *examiner)
{
    cpu->views->examiner = *examiner;
}

const char *views_low_lacks(void)
{
    return is_free(lowest_address(), WINDOW_BYTES + GUARD_BYTES)
               ? NULL
               : "the host's addresses below 4 GiB, where something is (a sanitizer, "
                 "'setarch -R', another machine)";
}

bool views_create_low(struct cpu *cpu, gla_t end, struct error *error)
{
    struct views *views = cpu->views;
    if (views_low_lacks()) {
        return error_set(error, "direct execution needs %s: use -engine jit",
                         views_low_lacks());
    }
    views->low_first = (lowest_address() + PAGE_OFFSET_MASK) >> PAGE_SHIFT;
    views->low_end = end >> PAGE_SHIFT;
    return true;
}

bool views_may_be_low(struct cpu *cpu)
{
    const uint64_t needed = ENTRY_PRESENT | ENTRY_USER;
    for (uint32_t page = cpu->views->low_end; page < VIEW_PAGES; page++) {
        struct mmu_peek peek;
        mmu_peek(cpu, page << PAGE_SHIFT, &peek);
        uint64_t leaf = mmu_peek_leaf(&peek, page_index(page));
        if ((peek.upper & leaf & needed) == needed) {
            return false;
        }
    }
    return true;
}

void views_leave_low(struct cpu *cpu)
{
    struct views *views = cpu->views;
    if (views->low) {
        views_empty(cpu, views->low);
        views->low->base = views->low_own;
        views->low = NULL;
    }
}

bool views_is_low(const struct cpu *cpu)
{
    return cpu->views->current == cpu->views->low;
}

void views_take_low(struct cpu *cpu)
{
    struct views *views = cpu->views;
    struct view *before = views->low, *view = views->current;
    if (before == view) {
        return;
    }
    views_leave_low(cpu);
    views_empty(cpu, view);
    views->low_own = view->base;
    view->base = NULL;
    views->low = view;
}

bool views_executes(const struct cpu *cpu, gla_t address, uint32_t *ram_page)
{
    uint32_t page = address >> PAGE_SHIFT;
    const struct slot *slot = view_slot(cpu->views->current, page);
    if (!slot || !page_in(&slot->executable, page_index(page))) {
        return false;
    }
    *ram_page = slot->ram_page[page_index(page)];
    return true;
}

bool views_executable_at(const struct cpu *cpu, uint32_t ram_page, gla_t *page)
{
    view_place place = cpu->views->executable_places[ram_page];
    *page = ((place - 1) & (VIEW_PAGES - 1)) << PAGE_SHIFT;
    return place != 0;
}

uint64_t views_mappings(const struct cpu *cpu, unsigned view)
{
    return cpu->views->view[view].mappings;
}

void views_forbid_execution(struct cpu *cpu, uint32_t ram_page, bool copied)
{
    struct views *views = cpu->views;
    view_place place;
    while ((place = views->executable_places[ram_page])) {
        struct view *view = &views->view[(place - 1) >> 20];
        uint32_t page = (place - 1) & (VIEW_PAGES - 1);
        if (copied) {
            views_unmap(cpu, view, page, page);
        } else {
            views_protect(cpu, view, page, 1, RIGHT_READ);
        }
    }
}

void views_keep_low(struct cpu *cpu)
{
    if (views_is_low(cpu) && !views_may_be_low(cpu)) {
        views_leave_low(cpu);
    }
}
