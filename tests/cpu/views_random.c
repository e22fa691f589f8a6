/* Views at random, against a model of what a TLB may do: page tables change, are
 * flushed or not, pages are touched, code comes and goes, roots and rings change. A
 * page that a view shows must be what its entries say, or said at some time since the
 * last flush that concerns it. */
#include "views_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint32_t random_flags(struct model *model)
{
    /* Mostly such as occur. */
    uint32_t flags = P | W | U;
    flags ^= random_one_in(&model->random, 8) ? P : 0;
    flags ^= random_one_in(&model->random, 4) ? W : 0;
    flags ^= random_one_in(&model->random, 3) ? U : 0;
    flags |= random_one_in(&model->random, 4) ? G : 0;
    flags |= random_one_in(&model->random, 2) ? A : 0;
    flags |= random_one_in(&model->random, 2) ? D : 0;
    return flags;
}

static void change_upper(struct model *model)
{
    struct world *world = &model->world;
    unsigned root = random_below(&model->random, ROOTS);
    gla_t linear =
        WORLD_LINEAR + random_below(&model->random, UPPERS) * world_large_bytes(world);
    uint32_t bytes = world_large_bytes(world);
    uint64_t entry = random_flags(model) & ~(uint32_t)(G | D);
    if (random_one_in(&model->random, 3)) {
        entry |= ENTRY_LARGE | (random_flags(model) & (G | D));
        entry |= LARGE_FRAME + random_below(&model->random, 2) * bytes;
    } else {
        entry |= model->tables[random_below(&model->random, TABLES)];
    }
    world_set_entry(world, world_upper_place(world, model->roots[root], linear), entry);
}

/* Runs of entries, and single bits. */
static void change_leaves(struct model *model)
{
    struct world *world = &model->world;
    gpa_t table = model->tables[random_below(&model->random, TABLES)];
    uint32_t index =
        model_watched[random_below(&model->random, WATCHED)] % model_upper_pages(model);
    unsigned bytes = world->pae ? 8 : 4;
    if (random_one_in(&model->random, 2)) {
        static const uint32_t bits[] = {P, W, U, A, D, G, 1 << 9};
        gpa_t place = table + index * bytes;
        world_set_entry(world, place,
                        world_entry(world, place) ^
                            bits[random_below(&model->random, 7)]);
        return;
    }
    uint32_t flags = random_flags(model), count = 1 + random_below(&model->random, 6);
    uint32_t frame = random_below(&model->random, FRAMES);
    for (uint32_t i = 0; i < count && index + i < model_upper_pages(model); i++) {
        world_set_entry(world, table + (index + i) * bytes,
                        (WORLD_DATA + (frame + i) * PAGE_BYTES) | flags);
    }
}

static void change_tables(struct model *model)
{
    model_remember_all(model);
    if (random_one_in(&model->random, 4)) {
        change_upper(model);
    } else {
        change_leaves(model);
    }
    model_remember_all(model);
    bool full = false;
    for (unsigned page = 0; page < PAGES; page++) {
        full |= model->supervisor[page].count > PAST_ENOUGH;
        full |= model->users[model->root][page].count > PAST_ENOUGH;
    }
    if (full) {
        mmu_flush_entries(model->world.cpu);
        model_forget_all(model, false);
    }
}

static void load_root(struct model *model)
{
    model_remember_all(model);
    model->root = random_below(&model->random, ROOTS);
    world_load_root(&model->world, model->roots[model->root]);
    model_forget_all(model, true);
}

/* All pages of a large page, be it one now or before. */
static void invalidate_page(struct model *model)
{
    unsigned page = random_below(&model->random, PAGES);
    mmu_flush_page(model->world.cpu, model_linear_of(model, page));
    model_forget(model_past_of(model, false, 0, page), false);
    model_forget(model_past_of(model, true, model->root, page), false);
}

static void touch(struct model *model)
{
    struct world *world = &model->world;
    unsigned page = random_below(&model->random, PAGES);
    bool write = random_one_in(&model->random, 2);
    gla_t linear = model_linear_of(model, page);
    /* Accesses set A and D, and load what is valid with these. */
    model_remember_all(model);
    enum touch result = world_touch(world, linear, write);
    struct seen now = model_look(model, model->root, page);
    model->faults += result == TOUCH_FAULT;
    model->soft += result == TOUCH_SOFT;
    uint64_t needed = P | (write ? W : 0) | (model->user ? U : 0);
    assert_int_equal(result == TOUCH_FAULT, (now.rights & needed) != needed);
    if (result == TOUCH_FAULT) {
        return;
    }
    assert_true(model_allows(&now, model->user, now.physical, write));
    bool code = world_holds_code(world, now.physical);
    bool elsewhere = !model->user && now.user;
    assert_int_equal(result == TOUCH_SOFT, elsewhere || (write && code));
    if (result == TOUCH_MAPPED) {
        uint32_t word = 0;
        assert_true(world_shows(world, linear, &word));
        assert_int_equal(word, now.physical + 1);
        assert_true(!write || world_shows_writable(world, linear));
    }
}

static void change_code(struct model *model)
{
    struct world *world = &model->world;
    gpa_t physical = WORLD_DATA + random_below(&model->random, FRAMES) * PAGE_BYTES;
    if (random_one_in(&model->random, 3)) {
        physical = LARGE_FRAME +
                   model_watched[random_below(&model->random, WATCHED)] * PAGE_BYTES;
    }
    uint64_t *lines = &world->fixture.ram.code_lines[physical >> PAGE_SHIFT];
    if (*lines) {
        *lines = 0;
    } else {
        mmu_protect_ram_page(world->cpu, physical);
        *lines = 1;
    }
}

/* Code is fetched by a TLB that is as stale as it may be. */
static void fetch(struct model *model)
{
    struct world *world = &model->world;
    unsigned page = random_below(&model->random, PAGES);
    gla_t linear = model_linear_of(model, page);
    uint64_t ram_offset;
    model_remember_all(model);
    views_current(world->cpu);
    if (setjmp(world->cpu->unwind)) {
        return;
    }
    if (!mmu_fetch(world->cpu, linear, &ram_offset)) { /* of video memory */
        model_remember_all(model);
        return;
    }
    bool known = random_one_in(&model->random, 2);
    views_note_code(world->cpu, linear,
                    known ? ram_offset >> PAGE_SHIFT : VIEWS_NO_RAM);
    struct past *past = model_past_of(model, model->user, model->root, page);
    past->has_code = true;
    past->code = ram_offset & ~(uint64_t)PAGE_OFFSET_MASK;
    struct seen fetched = {.valid = true, .user = true, .physical = past->code};
    model_remember(past, &fetched);
    model_remember_all(model);
}

static bool has_code_from(const struct past *past, gpa_t physical)
{
    return past->has_code && past->code == physical;
}

/* Somebody watches a frame, for a moment: until it is touched again nothing shows it,
 * nor has code from there. */
static void watch(struct model *model)
{
    struct world *world = &model->world;
    struct memory_map *map = &world->fixture.memory;
    const gpa_t physical =
        WORLD_DATA + random_below(&model->random, FRAMES) * PAGE_BYTES;
    unsigned handle = memory_add(map, &(struct memory_region){
                                          .name = "watch",
                                          .start = physical,
                                          .bytes = PAGE_BYTES,
                                          .priority = MEMORY_PRIORITY_WATCH,
                                      });
    mmu_flush_physical_page(world->cpu, physical);
    model_forget_all(model, false);
    memory_remove(map, handle);
    mmu_flush_physical_page(world->cpu, physical);
    views_current(world->cpu);
    for (unsigned page = 0; page < PAGES; page++) {
        uint32_t word;
        assert_false(world_shows(world, model_linear_of(model, page), &word) &&
                     word == physical + 1);
        assert_false(has_code_from(&model->supervisor[page], physical));
        for (unsigned root = 0; root < ROOTS; root++) {
            assert_false(has_code_from(&model->users[root][page], physical));
        }
    }
}

static void step(struct model *model)
{
    unsigned what = random_below(&model->random, 100);
    if (what < 45) {
        touch(model);
    } else if (what < 70) {
        change_tables(model);
    } else if (what < 78) {
        invalidate_page(model);
    } else if (what < 83) {
        load_root(model);
    } else if (what < 85) {
        mmu_flush_entries(model->world.cpu);
        model_forget_all(model, false);
    } else if (what < 90) {
        model->user = !model->user;
        world_ring(&model->world, model->user ? 3 : 0);
    } else if (what < 94) {
        change_code(model);
    } else if (what < 96) {
        watch(model);
    } else {
        fetch(model);
    }
}

static void create_model(struct model *model, bool pae, uint64_t seed)
{
    struct world *world = &model->world;
    memset(model, 0, sizeof(*model));
    model->random.state = seed;
    world_create(world, pae, VIEWS_BUDGET_DEFAULT);
    world_show_video(world, WORLD_DATA + VIDEO_FRAME * PAGE_BYTES);
    views_listen(world->cpu, model_on_moved, model_on_moved_all, model);
    for (unsigned i = 0; i < ROOTS; i++) {
        model->roots[i] = i ? world_new_root(world) : world->root;
    }
    for (unsigned i = 0; i < TABLES; i++) {
        model->tables[i] = world_new_root(world);
        memset(cpu_fixture_ram(&world->fixture, model->tables[i]), 0, PAGE_BYTES);
    }
    /* Bits set in an empty entry lead here. */
    *cpu_fixture_ram(&world->fixture, 0) = 1;
    /* The views of all roots are there from the start: supervisor accesses to user
     * pages are always left to the interpreter. */
    world_ring(world, 3);
    for (unsigned i = 0; i < ROOTS; i++) {
        world_load_root(world, model->roots[i]);
        views_current(world->cpu);
    }
    world_load_root(world, model->roots[0]);
    world_ring(world, 0);
}

static void run(bool pae, uint64_t seed, unsigned steps)
{
    static struct model model;
    create_model(&model, pae, seed);
    for (unsigned i = 0; i < steps; i++) {
        step(&model);
        model_check_all(&model);
        if (i % 1000 == 0) {
            world_check_consistency(&model.world);
        }
    }
    world_check_consistency(&model.world);
    assert_int_equal(views_statistics(model.world.cpu)->failed, 0);
    print_message("%llu pages shown, %llu of them writable; %llu faults, %llu soft\n",
                  (unsigned long long)model.shown, (unsigned long long)model.writable,
                  (unsigned long long)model.faults, (unsigned long long)model.soft);
    world_destroy(&model.world);
}

struct length {
    unsigned steps;
    uint64_t seed;
};

static void test_at_random(void **state)
{
    const struct length *length = *state;
    run(false, length->seed, length->steps);
}

static void test_at_random_with_pae(void **state)
{
    const struct length *length = *state;
    run(true, length->seed, length->steps);
}

int views_random_tests(unsigned steps)
{
    struct length length = {steps, random_seed()};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_at_random, &length),
        cmocka_unit_test_prestate(test_at_random_with_pae, &length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
