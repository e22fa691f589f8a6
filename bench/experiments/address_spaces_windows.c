/* Guest memory, windows on it, and what one process can do with them at a switch. */
#define _GNU_SOURCE
#include "address_spaces.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PRIVATE_WINDOWS 0x200000000000
#define SUPERVISOR_WINDOW 0x300000000000
#define OTHER_MAPPINGS 0x310000000000

/* Consecutive numbers give pages that are far from each other. */
static uint32_t scattered(unsigned number)
{
    return number * 7919U % RAM_PAGES;
}

static void map_page(uintptr_t address, uint32_t ram_page)
{
    void *mapped =
        mmap((void *)address, PAGE_BYTES, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED | MAP_POPULATE, world->ram, /* as views_map() */
             (off_t)ram_page * PAGE_BYTES);
    require(mapped != MAP_FAILED, "mmap");
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    struct space *space = &world->spaces[world->current];
    uint32_t ram_page = space->ram_page[(uint32_t)address / PAGE_BYTES];
    if (address - world->base >= WINDOW_BYTES || !ram_page) {
        abort();
    }
    map_page(address & -(uintptr_t)PAGE_BYTES, ram_page - 1);
    space->mapped = true;
}

void other_mappings(unsigned count)
{
    require(munmap((void *)OTHER_MAPPINGS, WINDOW_BYTES) == 0, "munmap");
    for (unsigned i = 0; i < count; i++) {
        map_page(OTHER_MAPPINGS + (uintptr_t)i * PAGE_BYTES, scattered(i));
    }
}

void world_create(void)
{
    void *at = mmap(world, sizeof(*world), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    require(at == world, "mmap");
    world->ram = memfd_create("ram", 0);
    require(world->ram >= 0 &&
                ftruncate(world->ram, (off_t)RAM_PAGES * PAGE_BYTES) == 0,
            "memfd_create");
    size_t bytes = (size_t)RAM_PAGES * PAGE_BYTES;
    at = mmap((void *)SUPERVISOR_WINDOW, bytes, PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_FIXED, world->ram, 0);
    require(at != MAP_FAILED, "mmap");
    memset(at, 1, bytes); /* pages are there */
    on_signal(SIGSEGV, on_fault);
}

void space_fill(unsigned number, unsigned pages)
{
    /* Program, heap, libraries, stack. */
    static const uint32_t regions[] = {0x08048, 0x09000, 0xb7000, 0xbf000};
    struct space *space = &world->spaces[number];
    memset(space, 0, sizeof(*space));
    space->pages = pages;
    for (unsigned i = 0; i < pages; i++) {
        space->linear[i] = regions[i % 4] + i / 4;
        space->ram_page[space->linear[i]] = scattered(number * PAGES_MAXIMUM + i) + 1;
    }
}

uintptr_t private_window(unsigned space)
{
    return PRIVATE_WINDOWS + 2 * WINDOW_BYTES * space;
}

static void touch_address(uintptr_t address)
{
    ++*(volatile uint32_t *)address;
}

void touch(unsigned pages)
{
    const struct space *space = &world->spaces[world->current];
    for (unsigned i = 0; i < pages; i++) {
        touch_address(world->base + (uintptr_t)space->linear[i] * PAGE_BYTES);
    }
}

void touch_supervisor(unsigned pages)
{
    for (unsigned i = 0; i < pages; i++) {
        touch_address(SUPERVISOR_WINDOW + (uintptr_t)scattered(i) * PAGE_BYTES);
    }
}

void compute(unsigned pages, unsigned microseconds)
{
    int64_t until_ns = now_ns() + (int64_t)microseconds * 1000;
    while (now_ns() < until_ns) {
        touch(pages);
    }
}

void window_empty(uintptr_t base)
{
    uintptr_t first = base ? base : LOW_FIRST;
    require(munmap((void *)first, base + WINDOW_BYTES - first) == 0, "munmap");
    world->spaces[world->current].mapped = false;
}

void windows_empty(void)
{
    window_empty(0);
    for (unsigned i = 0; i < SPACES_MAXIMUM; i++) {
        window_empty(private_window(i));
        world->spaces[i].mapped = false;
    }
}

bool switch_window(unsigned to)
{
    world->current = to;
    world->base = private_window(to);
    return true;
}

bool switch_beside_owner(unsigned to)
{
    unsigned owner = world->workload->forks ? 1 : 0;
    switch_window(to);
    world->base = to == owner ? 0 : world->base;
    return true;
}

bool switch_lazily(unsigned to)
{
    window_empty(0);
    world->current = to;
    return true;
}

/* Maps those pages that will be touched, as if it knew. */
bool switch_eagerly(unsigned to)
{
    switch_lazily(to);
    const struct workload *workload = world->workload;
    if (workload->forks && to) {
        return true; /* a new address space has no past */
    }
    unsigned pages = workload->forks ? workload->parent_turn : workload->touched;
    const struct space *space = &world->spaces[to];
    for (unsigned i = 0; i < pages; i++) {
        map_page((uintptr_t)space->linear[i] * PAGE_BYTES,
                 space->ram_page[space->linear[i]] - 1);
    }
    return true;
}

static void move(uintptr_t from, size_t bytes, uintptr_t to)
{
    void *moved =
        mremap((void *)from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to);
    require(moved == (void *)to, "mremap");
}

/* From the lowest page, which space_fill() put first, to the highest. */
static void move_at_once(const struct space *space, uintptr_t from, uintptr_t to)
{
    uint32_t first = space->linear[0], last = first;
    for (unsigned i = 0; i < space->pages; i++) {
        last = space->linear[i] > last ? space->linear[i] : last;
    }
    uintptr_t offset = (uintptr_t)first * PAGE_BYTES;
    move(from + offset, (size_t)(last - first + 1) * PAGE_BYTES, to + offset);
}

static void move_each(const struct space *space, uintptr_t from, uintptr_t to)
{
    for (unsigned i = 0; i < space->pages; i++) {
        uintptr_t offset = (uintptr_t)space->linear[i] * PAGE_BYTES;
        move(from + offset, PAGE_BYTES, to + offset);
    }
}

static bool switch_moving(unsigned to, void (*move_pages)(const struct space *space,
                                                          uintptr_t from, uintptr_t to))
{
    unsigned from = world->current;
    if (world->spaces[from].mapped) {
        move_pages(&world->spaces[from], 0, private_window(from));
    }
    if (world->spaces[to].mapped) {
        move_pages(&world->spaces[to], private_window(to), 0);
    }
    world->current = to;
    return true;
}

bool switch_by_move(unsigned to)
{
    return switch_moving(to, move_at_once);
}

bool switch_by_moves(unsigned to)
{
    return switch_moving(to, move_each);
}

bool can_move_many(void)
{
    uintptr_t from = private_window(0), to = private_window(1);
    map_page(from, 5);
    map_page(from + 2 * PAGE_BYTES, 3);
    void *moved = mremap((void *)from, 3 * PAGE_BYTES, 3 * PAGE_BYTES,
                         MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to);
    windows_empty();
    return moved == (void *)to;
}
