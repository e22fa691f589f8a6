/* Views when there is too little: few host mappings, calls that fail, many roots, many
 * places; and what comparing costs. */
#include "views_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

enum {
    BUDGET = 500,
    ROOTS = 4,
    PAGES = 300, /* that cannot be mapped together */
    LARGE_LINEAR = 0x40000000,
    LARGE_FRAME = 2 * WORLD_DATA,
};

static gla_t page_at(unsigned i)
{
    return WORLD_LINEAR + i * 2 * PAGE_BYTES;
}

static gpa_t frame_at(unsigned i, unsigned root)
{
    return WORLD_DATA + ((i * 7 + root * 1001) % 2048) * PAGE_BYTES;
}

static int setup_small_budget(void **state)
{
    struct world *world = malloc(sizeof(*world));
    world_create(world, false, BUDGET);
    *state = world;
    return 0;
}

static void map_pages(struct world *world, unsigned root)
{
    for (unsigned i = 0; i < PAGES; i++) {
        world_map(world, page_at(i), frame_at(i, root), P | W | (root ? U : 0));
    }
}

static void enter(struct world *world, uint32_t root, bool user)
{
    world_load_root(world, root);
    world_ring(world, user ? 3 : 0);
    views_current(world->cpu);
}

static void touch_pages(struct world *world, unsigned root)
{
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(world_touch(world, page_at(i), i & 1), TOUCH_MAPPED);
        assert_shows(world, page_at(i), frame_at(i, root), i & 1);
        assert_true(views_statistics(world->cpu)->mappings <= BUDGET);
    }
}

static void test_budget(void **state)
{
    struct world *world = *state;
    uint32_t roots[ROOTS];
    for (unsigned i = 0; i < ROOTS; i++) {
        roots[i] = i ? world_new_root(world) : world->root;
        enter(world, roots[i], i != 0);
        map_pages(world, i);
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < ROOTS; i++) {
            enter(world, roots[i], i != 0);
            touch_pages(world, i);
            world_check_consistency(world);
        }
    }
    const struct views_statistics *statistics = views_statistics(world->cpu);
    assert_true(statistics->mappings_peak <= BUDGET);
    assert_true(statistics->views_evicted >= 6);
    assert_int_equal(statistics->failed, 0);
}

/* The supervisor's pages stay while a user view can go; the oldest goes. */
static void test_who_goes_first(void **state)
{
    struct world *world = *state;
    uint32_t roots[ROOTS];
    const gla_t one = LARGE_LINEAR;
    for (unsigned i = 0; i < ROOTS; i++) {
        roots[i] = i ? world_new_root(world) : world->root;
        enter(world, roots[i], i != 0);
        map_pages(world, i);
        world_map(world, one, WORLD_DATA, P | W | (i ? U : 0));
        assert_int_equal(world_touch(world, one, true), TOUCH_MAPPED);
    }
    enter(world, roots[1], true);
    enter(world, roots[3], true);
    touch_pages(world, 3);
    enter(world, roots[0], false);
    /* Too much for both: root 2 goes, then 1, then 3. */
    const struct view *views = world->cpu->views->view;
    for (unsigned i = 0; views[3].mappings; i++) {
        bool both = views[1].mappings && !views[2].mappings;
        bool none = !views[1].mappings && !views[2].mappings;
        bool all = views[1].mappings && views[2].mappings;
        assert_true(both || none || all);
        assert_int_equal(world_touch(world, page_at(i), true), TOUCH_MAPPED);
    }
    assert_int_equal(views[1].mappings + views[2].mappings, 0);
    assert_true(views[0].mappings > 1);
}

/* Calls of the host that fail: the N-th, or all mappings. */
static struct {
    unsigned fail_at, calls;
    bool no_mappings;
} host;

static bool call_fails(void)
{
    host.calls++;
    errno = ENOMEM;
    return host.calls == host.fail_at;
}

static void *failing_mmap(void *address, size_t bytes, int protection, int flags,
                          int fd, off_t offset)
{
    if (call_fails() || host.no_mappings) {
        return MAP_FAILED;
    }
    return mmap(address, bytes, protection, flags, fd, offset);
}

/* Like the kernel, it has changed a part when it fails. */
static int failing_mprotect(void *address, size_t bytes, int protection)
{
    if (call_fails()) {
        mprotect(address, PAGE_BYTES, protection);
        return -1;
    }
    return mprotect(address, bytes, protection);
}

/* Whole windows can always be emptied. */
static int failing_munmap(void *address, size_t bytes)
{
    return bytes != WINDOW_BYTES && call_fails() ? -1 : munmap(address, bytes);
}

/* What was touched shows the right thing, or the interpreter has to do it. */
static void touch_and_check(struct world *world, gla_t linear, gpa_t physical,
                            bool write)
{
    if (world_touch(world, linear, write) == TOUCH_MAPPED) {
        uint32_t word;
        assert_true(world_shows(world, linear, &word));
        assert_int_equal(word, physical + 1);
        assert_true(!write || world_shows_writable(world, linear));
    }
}

static void set_code(struct world *world, gpa_t physical, bool code)
{
    if (code) {
        mmu_protect_ram_page(world->cpu, physical);
    }
    world->fixture.ram.code_lines[physical >> PAGE_SHIFT] = code;
}

/* Uses every host call, in the supervisor's and in a user view. */
static void work(struct world *world)
{
    enum { COUNT = 6 };
    for (unsigned root = 0; root < 2; root++) {
        enter(world, root ? world_new_root(world) : world->root, root);
        uint32_t user = root ? U : 0;
        world_map_large(world, LARGE_LINEAR, LARGE_FRAME, P | W | user);
        set_code(world, LARGE_FRAME + 0x3000, true);
        touch_and_check(world, LARGE_LINEAR + 0x1000, LARGE_FRAME + 0x1000, false);
        touch_and_check(world, LARGE_LINEAR + 0x1000, LARGE_FRAME + 0x1000, true);
        mmu_flush_page(world->cpu, LARGE_LINEAR);
        for (unsigned i = 0; i < COUNT; i++) {
            world_map(world, page_at(i), WORLD_DATA, P | W | user);
            touch_and_check(world, page_at(i), WORLD_DATA, true);
        }
        set_code(world, WORLD_DATA, true);
        world_check_consistency(world);
        for (unsigned i = 0; i < COUNT; i++) {
            assert_false(world_shows_writable(world, page_at(i)));
        }
        set_code(world, WORLD_DATA, false);
        touch_and_check(world, page_at(1), WORLD_DATA, true);
        world_map(world, page_at(2), WORLD_DATA, P | A | D | user);
        world_map(world, page_at(3), WORLD_DATA + PAGE_BYTES, P | A | D | user);
        world_load_root(world, world->cpu->cr3);
        touch_and_check(world, page_at(2), WORLD_DATA, false);
        assert_false(world_shows_writable(world, page_at(2)));
        touch_and_check(world, page_at(3), WORLD_DATA + PAGE_BYTES, false);
        set_code(world, LARGE_FRAME + 0x3000, false);
        touch_and_check(world, LARGE_LINEAR + 0x3000, LARGE_FRAME + 0x3000, true);
        world_map_large(world, LARGE_LINEAR, LARGE_FRAME, P | A | W | user);
        mmu_flush_page(world->cpu, LARGE_LINEAR);
        assert_false(world_shows_writable(world, LARGE_LINEAR + 0x1000));
    }
    mmu_flush_all(world->cpu);
    assert_shows_nothing(world, page_at(1));
}

static void inject(struct world *world)
{
    world->cpu->views->host =
        (struct views_host){failing_mmap, failing_mprotect, failing_munmap};
}

/* The number of calls made; `fail_at` of them fails. */
static unsigned work_with_failure(bool pae, unsigned fail_at)
{
    struct world world;
    host.calls = 0;
    host.fail_at = fail_at;
    host.no_mappings = false;
    world_create(&world, pae, VIEWS_BUDGET_DEFAULT);
    inject(&world);
    work(&world);
    assert_int_equal(views_statistics(world.cpu)->failed, fail_at != 0);
    world_check_consistency(&world);
    world_destroy(&world);
    return host.calls;
}

static void test_each_call_fails(void **state)
{
    (void)state;
    for (unsigned pae = 0; pae < 2; pae++) {
        unsigned calls = work_with_failure(pae, 0);
        for (unsigned n = 1; n <= calls; n++) {
            work_with_failure(pae, n);
        }
        print_message("%u host calls failed, one at a time\n", calls);
    }
}

static void test_no_mappings_at_all(void **state)
{
    struct world *world = *state;
    host.fail_at = 0;
    host.no_mappings = true;
    inject(world);
    world_map(world, WORLD_LINEAR, WORLD_DATA, P | W);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_SOFT);
    assert_true(views_statistics(world->cpu)->failed > 0);
    work(world);
    host.no_mappings = false;
    world_load_root(world, world->root);
    world_ring(world, 0);
    world_map(world, WORLD_LINEAR, WORLD_DATA, P | W);
    assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
}

/* More address spaces than views. */
static void test_many_roots(void **state)
{
    enum { MANY = 200 };
    struct world *world = *state;
    uint32_t roots[MANY];
    world_ring(world, 3);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            if (round == 0) {
                roots[i] = world_new_root(world);
                world_load_root(world, roots[i]);
                world_map(world, WORLD_LINEAR, frame_at(i, 0), P | W | U);
            }
            world_load_root(world, roots[i]);
            assert_shows_nothing(world, WORLD_LINEAR);
            assert_int_equal(world_touch(world, WORLD_LINEAR, true), TOUCH_MAPPED);
            assert_shows(world, WORLD_LINEAR, frame_at(i, 0), true);
            assert_true(views_current_id(world->cpu) < VIEWS_MAXIMUM);
        }
        for (unsigned i = MANY - 40; i < MANY; i++) {
            world_load_root(world, roots[i]);
            assert_shows(world, WORLD_LINEAR, frame_at(i, 0), true);
        }
    }
}

/* A page table that is everywhere: places all over linear space, in several views. */
static void test_more_places_than_slots(void **state)
{
    enum { VIEWS = SLOTS_MAXIMUM / VIEW_SLOTS + 2 };
    struct world *world = *state;
    world_ring(world, 3);
    for (unsigned root = 0; root < VIEWS; root++) {
        world_load_root(world, world_new_root(world));
        world_map(world, 0, WORLD_DATA, P | W | U);
        gpa_t first = world_upper_place(world, world->cpu->cr3, 0);
        uint64_t table = world_entry(world, first);
        for (uint64_t linear = 0; linear < 1ULL << 32; linear += 4 << 20) {
            world_set_entry(world, world_upper_place(world, world->cpu->cr3, linear),
                            table);
            assert_int_equal(world_touch(world, linear, true), TOUCH_MAPPED);
            assert_int_equal(world_touch(world, linear + (2 << 20), false),
                             TOUCH_FAULT);
            views_note_code(world->cpu, linear + (2 << 20), VIEWS_NO_RAM);
        }
    }
    assert_true(world->moved_all >= 2);
    assert_true(world->cpu->views->slots_taken == SLOTS_MAXIMUM);
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void test_cost_of_comparing(void **state)
{
    enum { COUNT = 4096, ROUNDS = 200 };
    struct world *world = *state;
    world_ring(world, 3);
    for (uint32_t i = 0; i < COUNT; i++) {
        world_map(world, WORLD_LINEAR + i * PAGE_BYTES, frame_at(i, 0),
                  P | W | U | A | D);
    }
    double start = now_ns();
    for (uint32_t i = 0; i < COUNT; i++) {
        world_touch(world, WORLD_LINEAR + i * PAGE_BYTES, true);
    }
    double reach = (now_ns() - start) / COUNT;
    start = now_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        world_load_root(world, world->root);
        views_current(world->cpu);
    }
    double each = (now_ns() - start) / ROUNDS;
    start = now_ns();
    for (unsigned i = 0; i < 1000 * ROUNDS; i++) {
        world_ring(world, i & 1 ? 3 : 0);
        views_current(world->cpu);
    }
    print_message("reached in %.0f ns a page; CR3 loaded with %u pages: %.0f ns, "
                  "%.2f ns a page; view changed in %.1f ns\n",
                  reach, COUNT, each, each / COUNT, (now_ns() - start) / ROUNDS / 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
#define TEST_SMALL(name)                                                               \
    cmocka_unit_test_setup_teardown(name, setup_small_budget, world_teardown)

int views_limits_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST_SMALL(test_budget),
        TEST_SMALL(test_who_goes_first),
        cmocka_unit_test(test_each_call_fails),
        TEST(test_no_mappings_at_all),
        TEST(test_many_roots),
        TEST(test_more_places_than_slots),
        TEST(test_cost_of_comparing),
        cmocka_unit_test_setup_teardown(test_cost_of_comparing, world_setup_pae,
                                        world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
