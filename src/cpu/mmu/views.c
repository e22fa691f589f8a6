#define _GNU_SOURCE
#include "cpu/mmu/views.h"

#include "base/pages.h"
#include "cpu/core/cpu_trace.h"
#include "cpu/mmu/views_internal.h"

#include <sys/mman.h>

/* Where windows may begin: far from what the kernel allocates by itself, and from what
 * sanitizers reserve. */
#define WINDOWS_FIRST 0x100000000000ULL
#define WINDOWS_LAST 0x280000000000ULL
#define WINDOWS_STEP 0x010000000000ULL
#define WINDOWS_BYTES (VIEWS_MAXIMUM * WINDOW_SPACING)

enum { BUDGET_MINIMUM = 200 };

/* Address space where nothing is; NULL: not found. */
static uint8_t *find_windows(void)
{
    for (uint64_t at = WINDOWS_FIRST; at <= WINDOWS_LAST; at += WINDOWS_STEP) {
        void *wanted = (void *)(uintptr_t)at;
        void *found = mmap(
            wanted, WINDOWS_BYTES, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (found != MAP_FAILED) {
            munmap(found, WINDOWS_BYTES);
        }
        if (found == wanted) {
            return found;
        }
    }
    return NULL;
}

static size_t places_bytes(const struct views *views)
{
    return (size_t)views->video_end * sizeof(*views->writable_places);
}

static void lay_out(struct views *views, uint8_t *windows, unsigned budget)
{
    views->budget = budget < BUDGET_MINIMUM ? BUDGET_MINIMUM : budget;
    views->host = (struct views_host){mmap, mprotect, munmap};
    views->current = &views->view[0];
    for (unsigned id = 0; id < VIEWS_MAXIMUM; id++) {
        views->view[id].id = id;
        views->view[id].base = windows + id * WINDOW_SPACING;
    }
}

bool views_create(struct cpu *cpu, unsigned budget, struct error *error)
{
    const struct ram *ram = cpu->wiring.memory->ram;
    const struct ram *video = cpu->wiring.memory->video;
    uint8_t *windows = find_windows();
    if (!windows) {
        return error_set(error,
                         "cannot set aside %llu GiB of address space for views of "
                         "guest memory, is there a limit (ulimit -v)?",
                         WINDOWS_BYTES >> 30);
    }
    struct views *views = pages_allocate(sizeof(*views));
    if (!views) {
        return error_set(error, "out of memory for views of guest memory");
    }
    cpu->views = views;
    lay_out(views, windows, budget);
    views->ram_pages = ram ? ram->bytes >> PAGE_SHIFT : 0;
    views->video_first = views->ram_pages + 1;
    views->video_end = views->video_first + (video ? video->bytes >> PAGE_SHIFT : 0);
    views->slots = pages_allocate(SLOTS_MAXIMUM * sizeof(struct slot));
    views->writable_places = pages_allocate(places_bytes(views) + PAGE_BYTES);
    views->executable_places = pages_allocate(places_bytes(views) + PAGE_BYTES);
    if (!views->slots || !views->writable_places || !views->executable_places) {
        views_destroy(cpu);
        return error_set(error, "out of memory for views of guest memory");
    }
    return true;
}

void views_destroy(struct cpu *cpu)
{
    struct views *views = cpu->views;
    if (!views) {
        return;
    }
    for (unsigned id = 0; id < VIEWS_MAXIMUM; id++) {
        if (views->view[id].mappings) {
            views_unmap_window(views, &views->view[id]);
        }
    }
    pages_free(views->slots, SLOTS_MAXIMUM * sizeof(struct slot));
    pages_free(views->writable_places, places_bytes(views) + PAGE_BYTES);
    pages_free(views->executable_places, places_bytes(views) + PAGE_BYTES);
    pages_free(views, sizeof(*views));
    cpu->views = NULL;
}

void views_listen(struct cpu *cpu, views_code_moved *moved, views_code_moved_all *all,
                  void *opaque)
{
    cpu->views->moved = moved;
    cpu->views->moved_all = all;
    cpu->views->opaque = opaque;
}

static void catch_up(struct cpu *cpu, struct view *view)
{
    const struct view_epoch *now = &cpu->views->epoch;
    CPU_TRACE(cpu, TRACE_MMU, "View %u: catches up with flushes\n", view->id);
    if (view->seen.rebuild != now->rebuild) {
        views_empty(cpu, view);
    } else if (cpu->cr0 & CR0_PG) {
        /* In the meantime a user view's root may have been any other's. */
        views_compare(cpu, view, view->id != 0 || view->seen.all != now->all);
    }
    view->seen = *now;
}

uint8_t *views_current(struct cpu *cpu)
{
    struct views *views = cpu->views;
    bool user = cpu->cpl == 3 && (cpu->cr0 & CR0_PG);
    struct view *view = user ? views_take_user(cpu) : &views->view[0];
    views->current = view;
    view->used = ++views->uses;
    if (__builtin_expect(view->seen.any != views->epoch.any, 0)) {
        catch_up(cpu, view);
    }
    return view->base;
}

unsigned views_current_id(const struct cpu *cpu)
{
    return cpu->views->current->id;
}

bool views_linear(const struct cpu *cpu, const void *host, gla_t *linear)
{
    uint64_t offset = (uintptr_t)host - (uintptr_t)cpu->views->current->base;
    *linear = (gla_t)offset;
    return offset < WINDOW_BYTES + GUARD_BYTES;
}

void views_flush_all(struct cpu *cpu, bool rebuild)
{
    struct view_epoch *epoch = &cpu->views->epoch;
    epoch->any++;
    epoch->all++;
    epoch->rebuild += rebuild;
}

void views_flush_non_global(struct cpu *cpu)
{
    struct view_epoch *epoch = &cpu->views->epoch;
    epoch->any++;
    epoch->all += !(cpu->cr4 & CR4_PGE);
}

void views_flush_page(struct cpu *cpu, gla_t address)
{
    struct views *views = cpu->views;
    struct view *supervisor = &views->view[0], *user = views_find_user(cpu);
    if (!(cpu->cr0 & CR0_PG)) {
        return;
    }
    if (supervisor->seen.rebuild == views->epoch.rebuild) {
        views_compare_page(cpu, supervisor, address >> PAGE_SHIFT);
    }
    if (user && user->seen.rebuild == views->epoch.rebuild) {
        views_compare_page(cpu, user, address >> PAGE_SHIFT);
    }
}

const struct views_statistics *views_statistics(const struct cpu *cpu)
{
    return &cpu->views->statistics;
}
