/* Views: how much one access maps. Runs of small pages, large pages, memory without
 * paging, and what is not RAM. */
#include "views_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    RUN = 8,
    LARGE_FRAME = 2 * WORLD_DATA,
    LARGE_FLAGS = P | W | A | D,
};

static uint64_t mmaps(struct world *world)
{
    return views_statistics(world->cpu)->mmaps;
}

static void map_run(struct world *world, uint32_t flags)
{
    for (uint32_t i = 0; i < RUN; i++) {
        world_map(world, WORLD_LINEAR + i * PAGE_BYTES, WORLD_DATA + i * PAGE_BYTES,
                  flags);
    }
}

static gla_t run_page(uint32_t i)
{
    return WORLD_LINEAR + i * PAGE_BYTES;
}

/* Entries as a kernel leaves them that has used the pages: one call for all. */
static void test_run_in_one_call(void **state)
{
    struct world *world = *state;
    for (unsigned touched = 0; touched < RUN; touched += RUN - 1) {
        map_run(world, P | W | A | D);
        mmu_flush_all(world->cpu);
        uint64_t before = mmaps(world);
        assert_int_equal(world_touch(world, run_page(touched), false), TOUCH_MAPPED);
        assert_int_equal(mmaps(world) - before, 1);
        for (uint32_t i = 0; i < RUN; i++) {
            assert_shows(world, run_page(i), WORLD_DATA + i * PAGE_BYTES, true);
        }
        assert_shows_nothing(world, run_page(RUN));
        assert_shows_nothing(world, WORLD_LINEAR - PAGE_BYTES);
        assert_int_equal(world_count_mappings(world), 1);
    }
}

/* A run ends at a page that was not accessed, is not dirty, has other rights, lies
 * elsewhere, or is known as something else. */
static void test_where_runs_end(void **state)
{
    struct world *world = *state;
    const uint64_t frame = WORLD_DATA + 4 * PAGE_BYTES, flags = P | W | A | D;
    const uint64_t others[] = {
        frame | P | W | D,
        frame | P | W | A,
        frame | P | A | D,
        frame | flags | U,
        frame | flags | G,
        (frame + PAGE_BYTES) | flags,
        (frame - PAGE_BYTES) | flags,
        0,
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(others); i++) {
        map_run(world, P | W | A | D);
        world_set_leaf(world, run_page(4), others[i]);
        mmu_flush_all(world->cpu);
        assert_int_equal(world_touch(world, run_page(2), false), TOUCH_MAPPED);
        assert_shows(world, run_page(0), WORLD_DATA, true);
        assert_shows(world, run_page(3), WORLD_DATA + 3 * PAGE_BYTES, true);
        assert_shows_nothing(world, run_page(4));
        assert_shows_nothing(world, run_page(5));
        assert_int_equal(world_leaf(world, run_page(4)), others[i]);
    }
}

static void test_run_over_a_hole(void **state)
{
    struct world *world = *state;
    map_run(world, P | W | A | D);
    world_touch(world, WORLD_LINEAR, false);
    /* One of them goes, alone; it comes back, alone. */
    world_set_leaf(world, run_page(3), 0);
    mmu_flush_page(world->cpu, run_page(3));
    assert_int_equal(world_count_mappings(world), 2);
    map_run(world, P | W | A | D);
    world_touch(world, run_page(3), false);
    assert_int_equal(world_count_mappings(world), 1);
    /* Read-only in the middle: three mappings. */
    world_set_leaf(world, run_page(3), world_leaf(world, run_page(3)) & ~(uint64_t)W);
    mmu_flush_page(world->cpu, run_page(3));
    assert_shows(world, run_page(3), WORLD_DATA + 3 * PAGE_BYTES, false);
    assert_int_equal(views_statistics(world->cpu)->mappings, 3);
    world_check_consistency(world);
}

/* Neighbours that all change are unmapped in one call. */
static void test_unmapped_in_one_call(void **state)
{
    struct world *world = *state;
    map_run(world, P | W | A | D);
    world_touch(world, WORLD_LINEAR, false);
    for (uint32_t i = 2; i < RUN; i++) {
        world_set_leaf(world, run_page(i), 0);
    }
    world_load_root(world, world->cpu->cr3);
    uint64_t before = views_statistics(world->cpu)->unmaps;
    assert_shows(world, run_page(1), WORLD_DATA + PAGE_BYTES, true);
    assert_shows_nothing(world, run_page(2));
    assert_shows_nothing(world, run_page(RUN - 1));
    assert_int_equal(views_statistics(world->cpu)->unmaps - before, 1);
}

static void test_large_page(void **state)
{
    struct world *world = *state;
    const uint32_t bytes = world_large_bytes(world);
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME, LARGE_FLAGS);
    assert_int_equal(world_touch(world, WORLD_LINEAR + bytes / 2, false), TOUCH_MAPPED);
    assert_int_equal(mmaps(world), 1);
    assert_int_equal(world_count_mappings(world), 1);
    assert_shows(world, WORLD_LINEAR, LARGE_FRAME, true);
    assert_shows(world, WORLD_LINEAR + bytes - PAGE_BYTES,
                 LARGE_FRAME + bytes - PAGE_BYTES, true);
    assert_shows_nothing(world, WORLD_LINEAR + bytes);
    /* INVLPG anywhere in it is for all of it. */
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME + bytes, LARGE_FLAGS);
    mmu_flush_page(world->cpu, WORLD_LINEAR + bytes - 1);
    assert_shows_nothing(world, WORLD_LINEAR);
    assert_shows_nothing(world, WORLD_LINEAR + bytes - PAGE_BYTES);
    assert_int_equal(world_count_mappings(world), 0);
}

static void test_large_page_gets_dirty(void **state)
{
    struct world *world = *state;
    const uint32_t bytes = world_large_bytes(world);
    const gla_t end = WORLD_LINEAR + bytes - PAGE_BYTES;
    gpa_t upper = world_upper_place(world, world->root, WORLD_LINEAR);
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME, P | W);
    world_touch(world, WORLD_LINEAR, false);
    assert_shows(world, end, LARGE_FRAME + bytes - PAGE_BYTES, false);
    assert_false(world_entry(world, upper) & D);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
    assert_true(world_entry(world, upper) & D);
    assert_int_equal(world_touch(world, end, true), TOUCH_MAPPED);
    assert_shows(world, end, LARGE_FRAME + bytes - PAGE_BYTES, true);
    assert_int_equal(world_count_mappings(world), 1);
    /* D goes again. */
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME, P | W | A);
    world_load_root(world, world->root);
    assert_shows(world, WORLD_LINEAR, LARGE_FRAME, false);
    assert_shows(world, end, LARGE_FRAME + bytes - PAGE_BYTES, false);
    assert_int_equal(mmaps(world), 1);
}

static void test_large_page_is_split(void **state)
{
    struct world *world = *state;
    const uint32_t bytes = world_large_bytes(world);
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME, LARGE_FLAGS);
    world_touch(world, WORLD_LINEAR, false);
    gpa_t upper = world_upper_place(world, world->root, WORLD_LINEAR);
    uint64_t large = world_entry(world, upper);
    world_set_entry(world, upper, 0);
    for (uint32_t offset = 0; offset < bytes; offset += PAGE_BYTES) {
        world_map(world, WORLD_LINEAR + offset, LARGE_FRAME + bytes - offset, P | W);
    }
    assert_shows(world, WORLD_LINEAR, LARGE_FRAME, true);
    mmu_flush_page(world->cpu, WORLD_LINEAR);
    assert_shows_nothing(world, WORLD_LINEAR + bytes - PAGE_BYTES);
    world_touch(world, WORLD_LINEAR + PAGE_BYTES, true);
    assert_shows(world, WORLD_LINEAR + PAGE_BYTES, LARGE_FRAME + bytes - PAGE_BYTES,
                 true);
    /* And joined, with no flush before the next access. */
    world_set_entry(world, upper, large);
    world_touch(world, WORLD_LINEAR, true);
    assert_shows(world, WORLD_LINEAR, LARGE_FRAME, true);
    world_load_root(world, world->root);
    assert_shows(world, WORLD_LINEAR, LARGE_FRAME, true);
    world_touch(world, WORLD_LINEAR + PAGE_BYTES, true);
    assert_shows(world, WORLD_LINEAR + PAGE_BYTES, LARGE_FRAME + PAGE_BYTES, true);
}

/* The halves of a 4 MiB page do not keep different ideas of their PDE: here, a table
 * becomes a large page and the same table again, with no flush. The table has the large
 * page's own PDE as an entry. */
static void test_large_page_for_a_moment(void **state)
{
    struct world *world = *state;
    const gla_t upper_half = WORLD_LINEAR + world_large_bytes(world) / 2;
    const uint32_t large = LARGE_FRAME | LARGE_FLAGS | ENTRY_LARGE;
    gpa_t upper = world_upper_place(world, world->root, WORLD_LINEAR);
    world_map(world, upper_half + 8 * PAGE_BYTES, WORLD_DATA, P | W);
    world_map(world, upper_half + PAGE_BYTES, large, 0);
    world_touch(world, upper_half + 8 * PAGE_BYTES, true);
    uint64_t table = world_entry(world, upper);
    world_set_entry(world, upper, large);
    world_touch(world, WORLD_LINEAR, true);
    world_set_entry(world, upper, table);
    world_load_root(world, world->root);
    uint32_t word;
    if (world_shows_after_flush(world, upper_half + PAGE_BYTES, &word)) {
        assert_int_equal(word, LARGE_FRAME + 1);
    }
    world_touch(world, upper_half + PAGE_BYTES, false);
    assert_shows(world, upper_half + PAGE_BYTES, LARGE_FRAME, true);
}

static struct memory_region ram_region(struct world *world, gpa_t start, gpa_t end,
                                       int priority)
{
    return (struct memory_region){
        .name = "more",
        .start = start,
        .bytes = end - start,
        .priority = priority,
        .read = world->fixture.ram.host + start,
        .write = world->fixture.ram.host + start,
    };
}

/* A device, a ROM and a page that is no RAM in a large page: the rest is mapped. */
static void test_large_page_with_devices(void **state)
{
    struct world *world = *state;
    struct memory_map *map = &world->fixture.memory;
    struct memory_region rom = ram_region(world, LARGE_FRAME + 0x10000,
                                          LARGE_FRAME + 0x20000, MEMORY_PRIORITY_ROM);
    struct memory_region device = rom;
    static uint8_t video[PAGE_BYTES];
    rom.write = NULL;
    device.start = LARGE_FRAME + 0x40000;
    device.bytes = 0x800;
    device.read = device.write = NULL;
    memory_add(map, &rom);
    memory_add(map, &device);
    memory_add(map, &(struct memory_region){.name = "video",
                                            .start = LARGE_FRAME + 0x60000,
                                            .bytes = PAGE_BYTES,
                                            .priority = MEMORY_PRIORITY_VGA,
                                            .read = video,
                                            .write = video});
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME, LARGE_FLAGS);
    mmu_flush_all(world->cpu);
    const gla_t soft[] = {0x10000, 0x1f000, 0x40000, 0x40900, 0x60000};
    for (unsigned i = 0; i < ARRAY_LENGTH(soft); i++) {
        assert_int_equal(world_touch(world, WORLD_LINEAR + soft[i], i & 1), TOUCH_SOFT);
    }
    const struct {
        gla_t touched, first, end;
    } pieces[] = {
        {0x0f000, 0x00000, 0x10000},
        {0x20000, 0x20000, 0x40000},
        {0x50000, 0x41000, 0x60000},
        {0x61000, 0x61000, 0x80000},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(pieces); i++) {
        gla_t linear = WORLD_LINEAR + pieces[i].touched;
        assert_int_equal(world_touch(world, linear, true), TOUCH_MAPPED);
        assert_int_equal(mmaps(world), i + 1);
        for (gla_t at = pieces[i].first; at < pieces[i].end; at += PAGE_BYTES) {
            assert_shows(world, WORLD_LINEAR + at, LARGE_FRAME + at, true);
        }
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(soft); i++) {
        assert_shows_nothing(world, WORLD_LINEAR + soft[i]);
    }
}

/* RAM that is seen a second time, not aligned as the large page is. */
static void test_shifted_ram(void **state)
{
    struct world *world = *state;
    const gpa_t high = 0x80000000;
    struct memory_region region =
        ram_region(world, LARGE_FRAME + 0x7000, WORLD_RAM_BYTES, MEMORY_PRIORITY_PCI);
    region.start = high + 0x3000;
    region.bytes -= 0x5000;
    memory_add(&world->fixture.memory, &region);
    world_map_large(world, WORLD_LINEAR, high, LARGE_FLAGS);
    mmu_flush_all(world->cpu);
    assert_int_equal(world_touch(world, WORLD_LINEAR + 0x2000, true), TOUCH_SOFT);
    assert_int_equal(world_touch(world, WORLD_LINEAR + 0x5000, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR + 0x3000, LARGE_FRAME + 0x7000, true);
    assert_shows(world, WORLD_LINEAR + 0x3000 + 0x18000, LARGE_FRAME + 0x7000 + 0x18000,
                 true);
}

/* The memory map changes: what is cached is of no use. */
static void test_memory_map_changes(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, WORLD_DATA, P | W);
    world_touch(world, WORLD_LINEAR, true);
    struct memory_region region =
        ram_region(world, WORLD_DATA, WORLD_DATA + 0x10000, MEMORY_PRIORITY_PCI);
    region.read = region.write = world->fixture.ram.host + LARGE_FRAME;
    memory_add(&world->fixture.memory, &region);
    mmu_flush_all(world->cpu);
    world_touch(world, WORLD_LINEAR, true);
    assert_shows(world, WORLD_LINEAR, LARGE_FRAME, true);
}

static void test_without_paging(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->cr0 &= ~(uint32_t)(CR0_PG | CR0_PE);
    mmu_flush_all(cpu);
    assert_int_equal(world_touch(world, WORLD_DATA + 0x5000, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_DATA, WORLD_DATA, true);
    assert_shows(world, WORLD_DATA + 0x3ff000, WORLD_DATA + 0x3ff000, true);
    /* Ring 3 has the same memory, then. */
    world_ring(world, 3);
    views_current(cpu);
    assert_int_equal(views_current_id(cpu), 0);
    world_ring(world, 0);
    assert_int_equal(world_touch(world, WORLD_RAM_BYTES, true), TOUCH_SOFT);
    assert_int_equal(world_touch(world, UINT32_MAX, false), TOUCH_SOFT);
    assert_int_equal(world_touch(world, 0, false), TOUCH_MAPPED);
    world_load_root(world, cpu->cr3);
    mmu_flush_entries(cpu);
    mmu_flush_page(cpu, WORLD_DATA);
    assert_shows(world, WORLD_DATA, WORLD_DATA, true);
    /* A20 wraps addresses. */
    cpu->a20_mask = ~(1U << 20);
    mmu_flush_all(cpu);
    assert_shows_nothing(world, WORLD_DATA);
    assert_int_equal(world_touch(world, WORLD_DATA, true), TOUCH_SOFT);
}

static void test_watched(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_map(world, WORLD_LINEAR, WORLD_DATA, P | W);
    cpu->dr[7] = 1;
    mmu_flush_all(cpu);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_SOFT);
    cpu->dr[7] = 0;
    mmu_flush_all(cpu);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
}

#define TEST(name)                                                                     \
    {#name, name, world_setup, world_teardown, NULL},                                  \
    {                                                                                  \
#name " (PAE)", name, world_setup_pae, world_teardown, NULL                    \
    }

int views_pieces_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_run_in_one_call),
        TEST(test_where_runs_end),
        TEST(test_run_over_a_hole),
        TEST(test_unmapped_in_one_call),
        TEST(test_large_page),
        TEST(test_large_page_gets_dirty),
        TEST(test_large_page_is_split),
        TEST(test_large_page_for_a_moment),
        TEST(test_large_page_with_devices),
        TEST(test_shifted_ram),
        TEST(test_memory_map_changes),
        TEST(test_without_paging),
        TEST(test_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
