/* Views: video memory is shown as RAM is, but no code is kept that comes from it. */
#include "views_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    VIDEO = 0x10000000, /* above RAM */
    LARGE_FLAGS = P | W | A | D,
};

static gla_t page_at(uint32_t i)
{
    return WORLD_LINEAR + i * PAGE_BYTES;
}

static void map_video(struct world *world, uint32_t flags)
{
    for (uint32_t i = 0; i < WORLD_VIDEO_PAGES; i++) {
        world_map(world, page_at(i), VIDEO + i * PAGE_BYTES, flags);
    }
}

static void test_small_pages(void **state)
{
    struct world *world = *state;
    world_show_video(world, VIDEO);
    map_video(world, P | W | A | D);
    assert_int_equal(world_touch(world, page_at(3), true), TOUCH_MAPPED);
    for (uint32_t i = 0; i < WORLD_VIDEO_PAGES; i++) {
        assert_shows(world, page_at(i), VIDEO + i * PAGE_BYTES, true);
    }
    assert_int_equal(world_count_mappings(world), 1);
    /* Written there, read here. */
    world->video.host[8] = 0x55;
    assert_int_equal(world->cpu->views->current->base[page_at(0) + 8], 0x55);
}

/* Only read so far: the first write makes it writable. */
static void test_becomes_writable(void **state)
{
    struct world *world = *state;
    world_show_video(world, VIDEO);
    map_video(world, P | W);
    assert_int_equal(world_touch(world, page_at(1), false), TOUCH_MAPPED);
    assert_shows(world, page_at(1), VIDEO + PAGE_BYTES, false);
    assert_int_equal(world_touch(world, page_at(1), true), TOUCH_MAPPED);
    assert_shows(world, page_at(1), VIDEO + PAGE_BYTES, true);
    assert_int_equal(world_leaf(world, page_at(1)) & (A | D), A | D);
}

/* A large page that begins with video memory: what follows is nothing. */
static void test_large_page(void **state)
{
    struct world *world = *state;
    world_show_video(world, VIDEO);
    world_map_large(world, WORLD_LINEAR, VIDEO, LARGE_FLAGS);
    mmu_flush_all(world->cpu);
    assert_int_equal(world_touch(world, page_at(2), true), TOUCH_MAPPED);
    assert_shows(world, page_at(0), VIDEO, true);
    assert_shows(world, page_at(WORLD_VIDEO_PAGES - 1),
                 VIDEO + (WORLD_VIDEO_PAGES - 1) * PAGE_BYTES, true);
    assert_int_equal(world_touch(world, page_at(WORLD_VIDEO_PAGES), true), TOUCH_SOFT);
    assert_shows_nothing(world, page_at(WORLD_VIDEO_PAGES));
}

/* The last page of RAM and the first of video memory are neighbours for the guest, but
 * not for the host. */
static void test_next_to_ram(void **state)
{
    struct world *world = *state;
    const gpa_t last = WORLD_RAM_BYTES - PAGE_BYTES;
    world_show_video(world, WORLD_RAM_BYTES);
    world_map(world, page_at(0), last, P | W | A | D);
    world_map(world, page_at(1), WORLD_RAM_BYTES, P | W | A | D);
    world_touch(world, page_at(0), true);
    assert_shows_nothing(world, page_at(1));
    world_touch(world, page_at(1), true);
    assert_shows(world, page_at(0), last, true);
    assert_shows(world, page_at(1), WORLD_RAM_BYTES, true);
    assert_int_equal(world_count_mappings(world), 2);
}

/* The window moves, as a base address register does. */
static void test_moves(void **state)
{
    struct world *world = *state;
    unsigned handle = world_show_video(world, WORLD_DATA);
    world_map(world, page_at(0), WORLD_DATA, P | W | A | D);
    world_touch(world, page_at(0), true);
    world->video.host[0] = 0x77;
    uint32_t word = 0;
    assert_true(world_shows_after_flush(world, page_at(0), &word));
    assert_int_equal(word, (WORLD_DATA & ~0xff) | 0x77);
    memory_remove(&world->fixture.memory, handle);
    mmu_flush_all(world->cpu);
    assert_shows_nothing(world, page_at(0));
    world_touch(world, page_at(0), true);
    assert_shows(world, page_at(0), WORLD_DATA, true);
}

/* Code there is fetched a byte at a time, and the page stays writable. */
static void test_code(void **state)
{
    struct world *world = *state;
    uint64_t ram_offset;
    world_show_video(world, WORLD_DATA);
    world_map(world, page_at(0), WORLD_DATA, P | W | A | D);
    world->fixture.ram.code_lines[WORLD_DATA >> PAGE_SHIFT] = 1; /* hidden */
    assert_null(mmu_fetch(world->cpu, page_at(0), &ram_offset));
    assert_int_equal(world_touch(world, page_at(0), true), TOUCH_MAPPED);
    assert_shows(world, page_at(0), WORLD_DATA, true);
    assert_int_equal(views_reach(world->cpu, page_at(0), MMU_EXECUTE), VIEWS_SOFT);
}

#define TEST(name)                                                                     \
    {#name, name, world_setup, world_teardown, NULL},                                  \
    {                                                                                  \
#name " (PAE)", name, world_setup_pae, world_teardown, NULL                    \
    }

int views_video_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_small_pages), TEST(test_becomes_writable),
        TEST(test_large_page),  TEST(test_next_to_ram),
        TEST(test_moves),       TEST(test_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
