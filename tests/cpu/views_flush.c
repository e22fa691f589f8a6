/* Views: which changes of page tables are seen after which flush, and how accesses mark
 * entries. */
#include "views_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    FRAME = WORLD_DATA, /* pages of RAM */
    OTHER_FRAME = WORLD_DATA + 0x5000,
    PDE_ACCESSED = 1U << 5,
};

static void flush_page(struct world *world)
{
    mmu_flush_page(world->cpu, WORLD_LINEAR + 0x123);
}

static void flush_by_cr3(struct world *world)
{
    world_load_root(world, world->cpu->cr3);
}

static void flush_by_pge(struct world *world)
{
    world->cpu->cr4 ^= CR4_PGE;
    mmu_flush_entries(world->cpu);
    world->cpu->cr4 ^= CR4_PGE;
    mmu_flush_entries(world->cpu);
}

static void flush_all(struct world *world)
{
    mmu_flush_all(world->cpu);
}

typedef void flush(struct world *world);
static flush *const flushes[] = {flush_page, flush_by_cr3, flush_by_pge, flush_all};

static void test_shows_ram(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | W);
    assert_shows_nothing(world, WORLD_LINEAR);
    assert_int_equal(world_touch(world, WORLD_LINEAR + 0x10, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
    assert_int_equal(world_leaf(world, WORLD_LINEAR), FRAME | P | W | A | D);
    uint8_t *base = views_current(world->cpu);
    *(uint32_t *)(base + WORLD_LINEAR + 4) = 77;
    assert_int_equal(*(uint32_t *)cpu_fixture_ram(&world->fixture, FRAME + 4), 77);
}

static void test_addresses_of_windows(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    uint8_t *base = views_current(cpu);
    gla_t linear;
    assert_int_equal((uintptr_t)base & UINT32_MAX, 0);
    assert_int_equal(views_current_id(cpu), 0);
    assert_true(views_linear(cpu, base + 0x1234, &linear));
    assert_int_equal(linear, 0x1234);
    assert_true(views_linear(cpu, base + WINDOW_BYTES + 3, &linear));
    assert_int_equal(linear, 3);
    assert_false(views_linear(cpu, base - 1, &linear));
    assert_false(views_linear(cpu, base + WINDOW_BYTES + GUARD_BYTES, &linear));
    assert_false(views_linear(cpu, &linear, &linear));
}

/* A store to a page table changes nothing until its page is flushed. */
static void test_stores_wait_for_flushes(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(flushes); i++) {
        world_map(world, WORLD_LINEAR, FRAME, P | W);
        flushes[i](world);
        assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
        world_map(world, WORLD_LINEAR, OTHER_FRAME, P | W);
        assert_shows(world, WORLD_LINEAR, FRAME, true);
        flushes[i](world);
        assert_shows_nothing(world, WORLD_LINEAR);
        assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_MAPPED);
        assert_shows(world, WORLD_LINEAR, OTHER_FRAME, false);
        world_set_leaf(world, WORLD_LINEAR, 0);
        assert_shows(world, WORLD_LINEAR, OTHER_FRAME, false);
        flushes[i](world);
        assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_FAULT);
    }
}

/* INVLPG of a page says nothing about others. */
static void test_flush_of_another_page(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | W);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
    world_map(world, WORLD_LINEAR, OTHER_FRAME, P | W);
    mmu_flush_page(world->cpu, WORLD_LINEAR + PAGE_BYTES);
    mmu_flush_page(world->cpu, WORLD_LINEAR + (4 << 20));
    assert_shows(world, WORLD_LINEAR, FRAME, true);
}

static void test_unchanged_entries_stay(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(flushes) - 1; i++) {
        world_map(world, WORLD_LINEAR, FRAME, P | W);
        world_touch(world, WORLD_LINEAR, true);
        flushes[i](world);
        assert_shows(world, WORLD_LINEAR, FRAME, true);
    }
    assert_int_equal(views_statistics(world->cpu)->unmaps, 0);
}

static void test_global_pages(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | W | G);
    world_touch(world, WORLD_LINEAR, true);
    world_map(world, WORLD_LINEAR, OTHER_FRAME, P | W | G);
    flush_by_cr3(world);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
    /* Its neighbour is not. */
    world_map(world, WORLD_LINEAR + PAGE_BYTES, FRAME, P | W);
    world_touch(world, WORLD_LINEAR + PAGE_BYTES, true);
    world_map(world, WORLD_LINEAR + PAGE_BYTES, OTHER_FRAME, P | W);
    flush_by_cr3(world);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
    assert_shows_nothing(world, WORLD_LINEAR + PAGE_BYTES);
    flush_by_pge(world);
    assert_shows_nothing(world, WORLD_LINEAR);
    world_touch(world, WORLD_LINEAR, true);
    world_map(world, WORLD_LINEAR, FRAME, P | W | G);
    flush_page(world);
    assert_shows_nothing(world, WORLD_LINEAR);
    /* Without CR4.PGE no page is global. */
    world->cpu->cr4 &= ~(uint32_t)CR4_PGE;
    mmu_flush_entries(world->cpu);
    world_touch(world, WORLD_LINEAR, true);
    world_map(world, WORLD_LINEAR, OTHER_FRAME, P | W | G);
    flush_by_cr3(world);
    assert_shows_nothing(world, WORLD_LINEAR);
}

/* Once the guest has cleared A or D and flushed, the next access sets them. */
static void test_accessed_and_dirty(void **state)
{
    struct world *world = *state;
    gpa_t upper = world_upper_place(world, world->cpu->cr3, WORLD_LINEAR);
    for (unsigned i = 0; i < ARRAY_LENGTH(flushes) - 1; i++) {
        world_map(world, WORLD_LINEAR, FRAME, P | W | U);
        flushes[i](world);
        assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_MAPPED);
        assert_shows(world, WORLD_LINEAR, FRAME, false);
        assert_int_equal(world_leaf(world, WORLD_LINEAR), FRAME | P | W | U | A);
        assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
        world_map(world, WORLD_LINEAR, FRAME, P | W | U | A);
        flushes[i](world);
        assert_shows(world, WORLD_LINEAR, FRAME, false);
        world_map(world, WORLD_LINEAR, FRAME, P | W | U | D);
        flushes[i](world);
        assert_shows_nothing(world, WORLD_LINEAR);
        assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_MAPPED);
        assert_shows(world, WORLD_LINEAR, FRAME, true);
        world_set_entry(world, upper,
                        world_entry(world, upper) & ~(uint64_t)PDE_ACCESSED);
        flushes[i](world);
        assert_shows_nothing(world, WORLD_LINEAR);
        assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_MAPPED);
        assert_true(world_entry(world, upper) & PDE_ACCESSED);
    }
}

/* The interpreter sets D in a page that is mapped read-only. */
static void test_dirty_set_elsewhere(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | W);
    world_touch(world, WORLD_LINEAR, false);
    world_map(world, WORLD_LINEAR, FRAME, P | W | A | D);
    flush_by_cr3(world);
    assert_shows(world, WORLD_LINEAR, FRAME, false);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
}

static void test_rights_change(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(flushes) - 1; i++) {
        world_map(world, WORLD_LINEAR, FRAME, P | W | A | D);
        flushes[i](world);
        world_touch(world, WORLD_LINEAR, false);
        assert_shows(world, WORLD_LINEAR, FRAME, true);
        /* As fork does: still readable, in no new mapping. */
        world_map(world, WORLD_LINEAR, FRAME, P | A | D);
        assert_shows(world, WORLD_LINEAR, FRAME, true);
        flushes[i](world);
        assert_shows(world, WORLD_LINEAR, FRAME, false);
        assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_FAULT);
        assert_int_equal(world->cpu->pending.error, 3);
        world_map(world, WORLD_LINEAR, FRAME, P | W | A | D);
        assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
        assert_shows(world, WORLD_LINEAR, FRAME, true);
    }
}

/* In ROM, entries cannot be marked as accessed: nothing would tell when they have to
 * be.
 */
static void test_page_tables_in_rom(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | W);
    gpa_t table = world_leaf_place(world, world->root, WORLD_LINEAR) & ~0xfffULL;
    memory_add(&world->fixture.memory,
               &(struct memory_region){.name = "rom",
                                       .start = table,
                                       .bytes = PAGE_BYTES,
                                       .priority = MEMORY_PRIORITY_ROM,
                                       .read = world->fixture.ram.host + table});
    mmu_flush_all(world->cpu);
    assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_SOFT);
    world_set_leaf(world, WORLD_LINEAR, FRAME | P | W | A);
    assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR, FRAME, false);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
}

/* CR0.WP decides whether the supervisor may write what is read-only. */
static void test_write_protect(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_FAULT);
    world->cpu->cr0 &= ~(uint32_t)CR0_WP;
    mmu_flush_all(world->cpu);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
    world->cpu->cr0 |= CR0_WP;
    mmu_flush_all(world->cpu);
    assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR, FRAME, false);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_FAULT);
}

static void test_user_and_supervisor(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    const gla_t kernel = WORLD_LINEAR + PAGE_BYTES;
    world_map(world, WORLD_LINEAR, FRAME, P | W | U);
    world_map(world, kernel, OTHER_FRAME, P | W);
    /* Nobody has been in ring 3 yet. */
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
    assert_int_equal(world_touch(world, kernel, true), TOUCH_MAPPED);
    uint8_t *supervisor_base = views_current(cpu);
    world_ring(world, 3);
    assert_ptr_not_equal(views_current(cpu), supervisor_base);
    assert_int_not_equal(views_current_id(cpu), 0);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
    assert_int_equal(world_touch(world, kernel, false), TOUCH_FAULT);
    assert_int_equal(cpu->pending.error, 5);
    world_ring(world, 0);
    flush_by_pge(world);
    flush_all(world);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_SOFT);
    assert_int_equal(world_touch(world, kernel, true), TOUCH_MAPPED);
}

/* INVLPG in ring 0 is for the user view of the same root as well. */
static void test_flush_of_user_page(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | W | U);
    world_ring(world, 3);
    world_touch(world, WORLD_LINEAR, true);
    world_ring(world, 0);
    views_current(world->cpu);
    world_map(world, WORLD_LINEAR, OTHER_FRAME, P | W | U);
    flush_page(world);
    world_ring(world, 3);
    assert_shows_nothing(world, WORLD_LINEAR);
}

static void test_two_roots(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    uint32_t first = cpu->cr3, second = world_new_root(world);
    world_ring(world, 3);
    world_map(world, WORLD_LINEAR, FRAME, P | W | U);
    world_touch(world, WORLD_LINEAR, true);
    unsigned first_id = views_current_id(cpu);
    world_load_root(world, second);
    world_map(world, WORLD_LINEAR, OTHER_FRAME, P | W | U);
    assert_shows_nothing(world, WORLD_LINEAR);
    world_touch(world, WORLD_LINEAR, true);
    assert_int_not_equal(views_current_id(cpu), first_id);
    assert_shows(world, WORLD_LINEAR, OTHER_FRAME, true);
    world_load_root(world, first);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
    assert_int_equal(views_current_id(cpu), first_id);
    /* Changed while another root was current. */
    world_load_root(world, second);
    views_current(cpu);
    world_set_entry(world, world_leaf_place(world, first, WORLD_LINEAR),
                    OTHER_FRAME | P | W | U);
    world_load_root(world, first);
    assert_shows_nothing(world, WORLD_LINEAR);
    /* The supervisor's view knows no roots. */
    world_ring(world, 0);
    world_map(world, WORLD_LINEAR, FRAME, P | W);
    world_touch(world, WORLD_LINEAR, true);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
    world_load_root(world, second);
    assert_shows_nothing(world, WORLD_LINEAR);
}

static unsigned watch(struct world *world, gpa_t page)
{
    static const struct memory_ops ops = {.widths = 1};
    unsigned handle =
        memory_add(&world->fixture.memory, &(struct memory_region){
                                               .name = "watch",
                                               .start = page,
                                               .bytes = PAGE_BYTES,
                                               .priority = MEMORY_PRIORITY_WATCH,
                                               .ops = &ops,
                                           });
    mmu_flush_physical_page(world->cpu, page);
    return handle;
}

static void stop_watching(struct world *world, unsigned handle, gpa_t page)
{
    memory_remove(&world->fixture.memory, handle);
    mmu_flush_physical_page(world->cpu, page);
}

/* Nothing shows it, in no view and at no address; the others stay. */
static void test_watched_page(void **state)
{
    struct world *world = *state;
    const gla_t neighbour = WORLD_LINEAR + PAGE_BYTES, alias = WORLD_LINEAR + (8 << 20);
    const gla_t kernel = WORLD_LINEAR + 2 * PAGE_BYTES;
    world_ring(world, 3);
    world_map(world, WORLD_LINEAR, FRAME, P | W | U);
    world_map(world, neighbour, OTHER_FRAME, P | W | U);
    world_map(world, alias, FRAME, P | U);
    world_map(world, kernel, FRAME, P | W);
    world_touch(world, WORLD_LINEAR, true);
    world_touch(world, neighbour, true);
    world_touch(world, alias, false);
    world_ring(world, 0);
    world_touch(world, kernel, true);
    unsigned handle = watch(world, FRAME);
    assert_shows_nothing(world, kernel);
    assert_int_equal(world_touch(world, kernel, true), TOUCH_SOFT);
    world_ring(world, 3);
    assert_shows_nothing(world, WORLD_LINEAR);
    assert_shows_nothing(world, alias);
    assert_shows(world, neighbour, OTHER_FRAME, true);
    assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_SOFT);
    stop_watching(world, handle, FRAME);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
    assert_shows(world, neighbour, OTHER_FRAME, true);
    assert_int_equal(views_statistics(world->cpu)->pages_mapped, 5);
}

/* In the middle of a large one. */
static void test_watched_part_of_a_large_page(void **state)
{
    struct world *world = *state;
    const gla_t large = 2 * WORLD_LINEAR, middle = large + 7 * PAGE_BYTES;
    world_map_large(world, large, large, P | W | A | D);
    world_touch(world, large, true);
    unsigned handle = watch(world, middle);
    assert_shows(world, middle - PAGE_BYTES, middle - PAGE_BYTES, true);
    assert_shows_nothing(world, middle);
    assert_shows(world, middle + PAGE_BYTES, middle + PAGE_BYTES, true);
    assert_int_equal(world_touch(world, middle, false), TOUCH_SOFT);
    stop_watching(world, handle, middle);
    assert_int_equal(world_touch(world, middle, false), TOUCH_MAPPED);
    assert_shows(world, middle, middle, true);
}

/* Who reads page tables that are watched is to be seen: nothing is known of them. */
static void test_watched_page_table(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | W);
    world_touch(world, WORLD_LINEAR, true);
    gpa_t leaf = world_leaf_place(world, world->root, WORLD_LINEAR);
    gpa_t upper = world_upper_place(world, world->root, WORLD_LINEAR);
    const gpa_t tables[] = {leaf & ~0xfffULL, upper & ~0xfffULL};
    for (unsigned i = 0; i < ARRAY_LENGTH(tables); i++) {
        unsigned handle = watch(world, tables[i]);
        assert_shows_nothing(world, WORLD_LINEAR);
        stop_watching(world, handle, tables[i]);
        assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
        assert_shows(world, WORLD_LINEAR, FRAME, true);
    }
}

#define TEST(name)                                                                     \
    {#name, name, world_setup, world_teardown, NULL},                                  \
    {                                                                                  \
#name " (PAE)", name, world_setup_pae, world_teardown, NULL                    \
    }

int views_flush_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shows_ram),
        TEST(test_addresses_of_windows),
        TEST(test_stores_wait_for_flushes),
        TEST(test_flush_of_another_page),
        TEST(test_unchanged_entries_stay),
        TEST(test_global_pages),
        TEST(test_accessed_and_dirty),
        TEST(test_dirty_set_elsewhere),
        TEST(test_rights_change),
        TEST(test_page_tables_in_rom),
        TEST(test_write_protect),
        TEST(test_user_and_supervisor),
        TEST(test_flush_of_user_page),
        TEST(test_two_roots),
        TEST(test_watched_page),
        TEST(test_watched_part_of_a_large_page),
        TEST(test_watched_page_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
