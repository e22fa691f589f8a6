/* Views and code: pages that hold it are writable nowhere, and whoever remembers it is
 * told when it may be elsewhere. */
#include "views_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    FRAME = WORLD_DATA + 0x3000,
    OTHER_FRAME = WORLD_DATA + 0x9000,
    LARGE_FRAME = 2 * WORLD_DATA,
    LARGE_FLAGS = P | W | A | D,
    ALIASES = 20,
};

static void add_code(struct world *world, gpa_t physical)
{
    mmu_protect_ram_page(world->cpu, physical);
    world->fixture.ram.code_lines[physical >> PAGE_SHIFT] |= 4;
}

static void remove_code(struct world *world, gpa_t physical)
{
    world->fixture.ram.code_lines[physical >> PAGE_SHIFT] = 0;
}

static gla_t alias(unsigned i)
{
    return WORLD_LINEAR + i * 3 * PAGE_BYTES;
}

/* One page of RAM at many addresses, in two user views and the supervisor's. */
static void test_aliases_are_protected(void **state)
{
    struct world *world = *state;
    uint32_t roots[] = {world->root, world_new_root(world)};
    for (unsigned r = 0; r < 2; r++) {
        world_load_root(world, roots[r]);
        world_map(world, WORLD_LINEAR - PAGE_BYTES, FRAME, P | W);
        world_ring(world, 3);
        for (unsigned i = 0; i < ALIASES; i++) {
            world_map(world, alias(i), FRAME, P | W | U);
            assert_int_equal(world_touch(world, alias(i), true), TOUCH_MAPPED);
        }
    }
    world_ring(world, 0);
    assert_int_equal(world_touch(world, WORLD_LINEAR - PAGE_BYTES, true), TOUCH_MAPPED);
    add_code(world, FRAME + 0x234);
    world_check_consistency(world);
    assert_shows(world, WORLD_LINEAR - PAGE_BYTES, FRAME, false);
    assert_int_equal(world_touch(world, WORLD_LINEAR - PAGE_BYTES, true), TOUCH_SOFT);
    world_ring(world, 3);
    for (unsigned r = 0; r < 2; r++) {
        world_load_root(world, roots[r]);
        for (unsigned i = 0; i < ALIASES; i++) {
            assert_shows(world, alias(i), FRAME, false);
            assert_int_equal(world_touch(world, alias(i), true), TOUCH_SOFT);
        }
    }
    remove_code(world, FRAME);
    for (unsigned i = 0; i < ALIASES; i++) {
        assert_int_equal(world_touch(world, alias(i), true), TOUCH_MAPPED);
        assert_shows(world, alias(i), FRAME, true);
    }
    assert_int_equal(views_statistics(world->cpu)->mmaps, 2 * ALIASES + 1);
}

static void test_code_comes_first(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | W | A | D);
    world_map(world, WORLD_LINEAR + PAGE_BYTES, FRAME + PAGE_BYTES, P | W | A | D);
    add_code(world, FRAME);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_SOFT);
    assert_int_equal(world_touch(world, WORLD_LINEAR, false), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR, FRAME, false);
    assert_shows_nothing(world, WORLD_LINEAR + PAGE_BYTES);
    assert_int_equal(world_touch(world, WORLD_LINEAR + PAGE_BYTES, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR, FRAME, false);
    remove_code(world, FRAME);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
    assert_int_equal(world_count_mappings(world), 1);
}

static void test_code_in_large_pages(void **state)
{
    struct world *world = *state;
    const uint32_t bytes = world_large_bytes(world);
    static const uint32_t code[] = {0, 0x1000, 0x5000, 0x1ff000};
    for (unsigned i = 0; i < ARRAY_LENGTH(code); i++) {
        add_code(world, LARGE_FRAME + code[i]);
    }
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME, LARGE_FLAGS);
    assert_int_equal(world_touch(world, WORLD_LINEAR + 0x3000, true), TOUCH_MAPPED);
    assert_int_equal(views_statistics(world->cpu)->mmaps, 1);
    for (unsigned i = 0; i < ARRAY_LENGTH(code); i++) {
        assert_shows(world, WORLD_LINEAR + code[i], LARGE_FRAME + code[i], false);
    }
    assert_shows(world, WORLD_LINEAR + 0x2000, LARGE_FRAME + 0x2000, true);
    assert_shows(world, WORLD_LINEAR + 0x6000, LARGE_FRAME + 0x6000, true);
    assert_int_equal(views_statistics(world->cpu)->mappings, bytes == 2 << 20 ? 5 : 6);
    add_code(world, LARGE_FRAME + 0x8000);
    assert_shows(world, WORLD_LINEAR + 0x8000, LARGE_FRAME + 0x8000, false);
    assert_int_equal(world_touch(world, WORLD_LINEAR + 0x8000, true), TOUCH_SOFT);
    remove_code(world, LARGE_FRAME + 0x8000);
    remove_code(world, LARGE_FRAME + 0x1000);
    assert_int_equal(world_touch(world, WORLD_LINEAR + 0x8000, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR + 0x8000, LARGE_FRAME + 0x8000, true);
    assert_shows(world, WORLD_LINEAR + 0x1000, LARGE_FRAME + 0x1000, false);
    assert_int_equal(world_touch(world, WORLD_LINEAR + 0x1000, true), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR + 0x1000, LARGE_FRAME + 0x1000, true);
}

/* Code in every other page: not one host mapping per page at once. */
static void test_code_all_over_a_large_page(void **state)
{
    struct world *world = *state;
    for (uint32_t offset = 0; offset < 2 << 20; offset += 2 * PAGE_BYTES) {
        add_code(world, LARGE_FRAME + offset);
    }
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME, LARGE_FLAGS);
    assert_int_equal(world_touch(world, WORLD_LINEAR + 0x3000, true), TOUCH_MAPPED);
    assert_int_equal(world_touch(world, WORLD_LINEAR + 0x6000, false), TOUCH_MAPPED);
    assert_shows(world, WORLD_LINEAR + 0x3000, LARGE_FRAME + 0x3000, true);
    assert_shows(world, WORLD_LINEAR + 0x6000, LARGE_FRAME + 0x6000, false);
    assert_shows_nothing(world, WORLD_LINEAR + 0x5000);
    assert_int_equal(world_count_mappings(world), 2);
}

/* As an engine does that decodes code there. */
static void note(struct world *world, gla_t linear)
{
    uint64_t ram_offset;
    views_current(world->cpu);
    mmu_fetch(world->cpu, linear, &ram_offset);
    views_note_code(world->cpu, linear, VIEWS_NO_RAM);
}

static void test_moved_code(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_map(world, WORLD_LINEAR, FRAME, P | W | A);
    world_map(world, WORLD_LINEAR + PAGE_BYTES, OTHER_FRAME, P | W | A | D);
    note(world, WORLD_LINEAR);
    /* Writes by data accesses are no move. */
    world_touch(world, WORLD_LINEAR, true);
    world_load_root(world, world->root);
    views_current(cpu);
    world_map(world, WORLD_LINEAR, FRAME, P | A);
    world_map(world, WORLD_LINEAR + PAGE_BYTES, FRAME, P | W | A | D);
    world_load_root(world, world->root);
    views_current(cpu);
    assert_int_equal(world->moved, 0);
    world_map(world, WORLD_LINEAR, OTHER_FRAME, P | W | A);
    assert_int_equal(world->moved, 0);
    world_load_root(world, world->root);
    views_current(cpu);
    assert_int_equal(world->moved, 1);
    assert_int_equal(world->moved_page, WORLD_LINEAR);
    assert_int_equal(world->moved_view, 0);
    world_load_root(world, world->root);
    views_current(cpu);
    assert_int_equal(world->moved, 1);
    /* A cleared, access to data in the same page or none. */
    for (unsigned i = 0; i < 2; i++) {
        world_map(world, WORLD_LINEAR, FRAME, P | W | A);
        mmu_flush_page(cpu, WORLD_LINEAR);
        note(world, WORLD_LINEAR);
        if (i) {
            world_touch(world, WORLD_LINEAR, false);
        }
        world_map(world, WORLD_LINEAR, FRAME, P | W);
        mmu_flush_page(cpu, WORLD_LINEAR);
        assert_int_equal(world->moved, 2 + i);
    }
}

static void test_moved_large_code(void **state)
{
    struct world *world = *state;
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME, LARGE_FLAGS);
    note(world, WORLD_LINEAR + 0x5000);
    note(world, WORLD_LINEAR + 0x7000);
    note(world, WORLD_LINEAR + 0x7000);
    world_map_large(world, WORLD_LINEAR, LARGE_FRAME + (4 << 20), LARGE_FLAGS);
    mmu_flush_page(world->cpu, WORLD_LINEAR);
    assert_int_equal(world->moved, 2);
    assert_int_equal(world->moved_page, WORLD_LINEAR + 0x7000);
}

static void test_moved_in_user_view(void **state)
{
    struct world *world = *state;
    uint32_t other = world_new_root(world);
    world_map(world, WORLD_LINEAR, FRAME, P | A | U);
    world_ring(world, 3);
    note(world, WORLD_LINEAR);
    unsigned id = views_current_id(world->cpu);
    world_load_root(world, other);
    views_current(world->cpu);
    world_load_root(world, world->root);
    views_current(world->cpu);
    assert_int_equal(world->moved, 0);
    world_map(world, WORLD_LINEAR, FRAME, P | A);
    world_load_root(world, world->root);
    views_current(world->cpu);
    assert_int_equal(world->moved, 1);
    assert_int_equal(world->moved_view, id);
}

static void test_rebuild_moves_all(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | A);
    note(world, WORLD_LINEAR);
    mmu_flush_all(world->cpu);
    views_current(world->cpu);
    assert_int_equal(world->moved_all, 1);
    mmu_flush_all(world->cpu);
    views_current(world->cpu);
    assert_int_equal(world->moved_all, 1);
}

/* The TLB of instruction fetches has what page tables do not say any more: when that is
 * flushed, code fetched by it has moved, though entries are the same as when it was
 * noted. */
static void test_fetched_by_stale_translation(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    const uint64_t entries[] = {
        OTHER_FRAME | P | A | U,
        FRAME | P | A,
        FRAME | P | U,
        FRAME | A | U,
        FRAME | P | A | U | ENTRY_NO_EXECUTE,
    };
    unsigned count = ARRAY_LENGTH(entries) - !world->pae;
    for (unsigned i = 0; i < count; i++) {
        uint64_t ram_offset;
        world_ring(world, 3);
        world_map(world, WORLD_LINEAR, FRAME, P | A | U);
        mmu_flush_page(cpu, WORLD_LINEAR);
        mmu_fetch(cpu, WORLD_LINEAR, &ram_offset);
        world_set_leaf(world, WORLD_LINEAR, entries[i]);
        mmu_fetch(cpu, WORLD_LINEAR, &ram_offset);
        assert_int_equal(ram_offset, FRAME);
        note(world, WORLD_LINEAR);
        assert_int_equal(world->moved, i);
        mmu_flush_page(cpu, WORLD_LINEAR);
        assert_int_equal(world->moved, i + 1);
    }
}

/* Code and data of one page that were reached by different translations. */
static void test_data_by_stale_translation(void **state)
{
    struct world *world = *state;
    world_map(world, WORLD_LINEAR, FRAME, P | W | A | D);
    world_touch(world, WORLD_LINEAR, false);
    world_map(world, WORLD_LINEAR, OTHER_FRAME, P | W | A | D);
    note(world, WORLD_LINEAR);
    mmu_flush_page(world->cpu, WORLD_LINEAR);
    assert_shows_nothing(world, WORLD_LINEAR);
    assert_int_equal(world->moved, 0);
    world_map(world, WORLD_LINEAR, FRAME, P | W | A | D);
    world_touch(world, WORLD_LINEAR, false);
    assert_int_equal(world->moved, 1);
    mmu_flush_page(world->cpu, WORLD_LINEAR);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
}

/* A neighbour of what is touched was code, elsewhere. */
static void test_code_next_to_data(void **state)
{
    struct world *world = *state;
    const gla_t code = WORLD_LINEAR + PAGE_BYTES;
    world_map(world, WORLD_LINEAR, FRAME, P | W | A | D);
    world_map(world, code, OTHER_FRAME, P | W | A | D);
    note(world, code);
    world_map(world, code, FRAME + PAGE_BYTES, P | W | A | D);
    world_touch(world, WORLD_LINEAR, true);
    assert_shows(world, WORLD_LINEAR, FRAME, true);
    assert_shows_nothing(world, code);
    world_load_root(world, world->root);
    views_current(world->cpu);
    assert_int_equal(world->moved, 1);
}

#define TEST(name)                                                                     \
    {#name, name, world_setup, world_teardown, NULL},                                  \
    {                                                                                  \
#name " (PAE)", name, world_setup_pae, world_teardown, NULL                    \
    }

int views_code_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_aliases_are_protected),
        TEST(test_code_comes_first),
        TEST(test_code_in_large_pages),
        TEST(test_code_all_over_a_large_page),
        TEST(test_moved_code),
        TEST(test_moved_large_code),
        TEST(test_moved_in_user_view),
        TEST(test_rebuild_moves_all),
        TEST(test_fetched_by_stale_translation),
        TEST(test_data_by_stale_translation),
        TEST(test_code_next_to_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
