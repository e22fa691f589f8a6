#define _GNU_SOURCE
#include "views_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORD_OF_PAGE = 0, BYTE_TO_WRITE = 8 };

static void on_moved(void *opaque, unsigned view, gla_t page)
{
    struct world *world = opaque;
    world->moved++;
    world->moved_view = view;
    world->moved_page = page;
}

static void on_moved_all(void *opaque, unsigned view)
{
    struct world *world = opaque;
    world->moved_all++;
    world->moved_view = view;
}

static void mark_pages(struct world *world)
{
    for (uint32_t page = WORLD_DATA; page < WORLD_RAM_BYTES; page += PAGE_BYTES) {
        uint32_t word = page + 1;
        memcpy(cpu_fixture_ram(&world->fixture, page), &word, sizeof(word));
    }
}

static bool add_video(struct world *world, struct error *error)
{
    world->fixture.memory.video = &world->video;
    return ram_create(&world->video, "video", WORLD_VIDEO_PAGES * PAGE_BYTES, error);
}

unsigned world_show_video(struct world *world, gpa_t physical)
{
    for (uint32_t i = 0; i < WORLD_VIDEO_PAGES; i++) {
        uint32_t word = (uint32_t)physical + i * PAGE_BYTES + 1;
        memcpy(world->video.host + i * PAGE_BYTES, &word, sizeof(word));
    }
    world->video_start = physical;
    const struct memory_region region = {.name = "video",
                                         .start = physical,
                                         .bytes = world->video.bytes,
                                         .priority = MEMORY_PRIORITY_PCI,
                                         .read = world->video.host,
                                         .write = world->video.host};
    unsigned handle = memory_add(&world->fixture.memory, &region);
    mmu_flush_all(world->cpu);
    return handle;
}

bool world_holds_code(const struct world *world, gpa_t physical)
{
    bool video = world->video_start && physical >= world->video_start &&
                 physical - world->video_start < world->video.bytes;
    return !video && world->fixture.ram.code_lines[physical >> PAGE_SHIFT];
}

void world_create(struct world *world, bool pae, unsigned budget)
{
    struct error error;
    memset(world, 0, sizeof(*world));
    if (!cpu_fixture_create(&world->fixture, WORLD_RAM_BYTES, &error) ||
        !add_video(world, &error) ||
        !views_create(world->fixture.cpu, budget, &error)) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    struct cpu *cpu = world->cpu = world->fixture.cpu;
    world->pae = pae;
    world->next_table = WORLD_TABLES;
    mark_pages(world);
    world->root = world_new_root(world);
    cpu->cr0 = CR0_PE | CR0_PG | CR0_WP;
    cpu->cr4 = CR4_PSE | CR4_PGE | (pae ? CR4_PAE : 0);
    cpu->efer = pae ? EFER_NXE : 0;
    world_ring(world, 0);
    world_load_root(world, world->root);
    mmu_flush_all(cpu);
    views_listen(cpu, on_moved, on_moved_all, world);
}

void world_destroy(struct world *world)
{
    views_destroy(world->cpu);
    ram_destroy(&world->video);
    cpu_fixture_destroy(&world->fixture);
}

static int setup(void **state, bool pae)
{
    struct world *world = malloc(sizeof(*world));
    world_create(world, pae, VIEWS_BUDGET_DEFAULT);
    *state = world;
    return 0;
}

int world_setup(void **state)
{
    return setup(state, false);
}

int world_setup_pae(void **state)
{
    return setup(state, true);
}

int world_teardown(void **state)
{
    world_check_consistency(*state);
    world_destroy(*state);
    free(*state);
    return 0;
}

enum touch world_touch(struct world *world, gla_t linear, bool write)
{
    struct cpu *cpu = world->cpu;
    views_current(cpu);
    if (setjmp(cpu->unwind)) {
        assert_int_equal(cpu->pending.vector, EXCEPTION_PF);
        assert_int_equal(cpu->cr2, linear);
        return TOUCH_FAULT;
    }
    return views_reach(cpu, linear, write ? MMU_WRITE : MMU_READ) == VIEWS_MAPPED
               ? TOUCH_MAPPED
               : TOUCH_SOFT;
}

static uint8_t *window_page(struct world *world, gla_t linear)
{
    return world->cpu->views->current->base + (linear & ~(gla_t)PAGE_OFFSET_MASK);
}

bool world_shows(struct world *world, gla_t linear, uint32_t *word)
{
    uint32_t unused;
    struct iovec here = {word ? word : &unused, sizeof(*word)};
    struct iovec there = {window_page(world, linear) + WORD_OF_PAGE, sizeof(*word)};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == sizeof(*word);
}

bool world_shows_writable(struct world *world, gla_t linear)
{
    uint8_t byte = 0;
    struct iovec here = {&byte, 1};
    struct iovec there = {window_page(world, linear) + BYTE_TO_WRITE, 1};
    return process_vm_writev(getpid(), &here, 1, &there, 1, 0) == 1;
}

bool world_shows_after_flush(struct world *world, gla_t linear, uint32_t *word)
{
    views_current(world->cpu);
    return world_shows(world, linear, word);
}

unsigned world_count_mappings(struct world *world)
{
    uintptr_t low = (uintptr_t)world->cpu->views->view[0].base;
    uintptr_t high = low + VIEWS_MAXIMUM * WINDOW_SPACING;
    unsigned count = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        uintptr_t start = strtoull(line, NULL, 16);
        count += start >= low && start < high;
    }
    fclose(maps);
    return count;
}

/* Every page that is writable is in the list of its page of RAM, and none else. */
static void check_places(struct world *world, uint64_t writable_pages)
{
    const struct views *views = world->cpu->views;
    uint64_t listed = 0;
    for (uint64_t ram_page = 0; ram_page < views->video_end; ram_page++) {
        view_place place = views->writable_places[ram_page], previous = 0;
        while (place) {
            uint32_t page = (place - 1) & (VIEW_PAGES - 1);
            const struct slot *slot = view_slot(&views->view[(place - 1) >> 20], page);
            assert_non_null(slot);
            assert_true(page_in(&slot->writable, page_index(page)));
            assert_int_equal(slot->ram_page[page_index(page)], ram_page);
            assert_int_equal(slot->same_previous[page_index(page)], previous);
            previous = place;
            place = slot->same_next[page_index(page)];
            listed++;
        }
    }
    assert_int_equal(listed, writable_pages);
}

static uint64_t check_slot(struct world *world, const struct slot *slot)
{
    uint64_t writable = 0;
    for (unsigned index = 0; index < SLOT_PAGES; index++) {
        if (page_in(&slot->writable, index)) {
            assert_true(page_in(&slot->mapped, index));
            assert_false(views_page_holds_code(world->cpu, slot->ram_page[index]));
            writable++;
        }
    }
    return writable;
}

void world_check_consistency(struct world *world)
{
    const struct views *views = world->cpu->views;
    uint64_t mappings = 0, writable = 0;
    for (unsigned id = 0; id < VIEWS_MAXIMUM; id++) {
        const struct view *view = &views->view[id];
        unsigned slots = 0;
        mappings += view->mappings;
        for (unsigned i = 0; i < VIEW_SLOTS; i++) {
            bool used = view->used_slots[i / 64] >> (i % 64) & 1;
            assert_int_equal(used, view->slots[i] != NULL);
            if (used) {
                writable += check_slot(world, view->slots[i]);
                slots++;
            }
        }
        assert_int_equal(slots, view->slot_count);
    }
    assert_int_equal(mappings, views->statistics.mappings);
    assert_int_equal(mappings, world_count_mappings(world));
    assert_int_equal(views->statistics.pages_mapped >= writable, true);
    check_places(world, writable);
}
