#include "views_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

const uint32_t model_watched[WATCHED] = {0, 1,   2,   3,   4,   5,   6,
                                         7, 510, 511, 512, 513, 1023};

uint32_t model_upper_pages(const struct model *model)
{
    return world_large_bytes(&model->world) / PAGE_BYTES;
}

gla_t model_linear_of(const struct model *model, unsigned page)
{
    uint32_t in_upper = model_watched[page % WATCHED] % model_upper_pages(model);
    return WORLD_LINEAR +
           ((page / WATCHED) * model_upper_pages(model) + in_upper) * PAGE_BYTES;
}

struct seen model_look(struct model *model, unsigned root, unsigned page)
{
    struct world *world = &model->world;
    gla_t linear = model_linear_of(model, page);
    uint64_t upper =
        world_entry(world, world_upper_place(world, model->roots[root], linear));
    gpa_t place = world_leaf_place(world, model->roots[root], linear);
    bool large = upper & ENTRY_LARGE;
    uint64_t leaf = large ? upper : place ? world_entry(world, place) : 0;
    uint64_t both = upper & leaf;
    uint32_t offset = linear & (world_large_bytes(world) - 1) & ~(PAGE_BYTES - 1);
    return (struct seen){
        .valid = (both & P) && (both & A),
        .writable = (both & W) && (leaf & D),
        .user = both & U,
        .global = leaf & G,
        .physical = (leaf & PAE_ADDRESS) + (large ? offset : 0),
        .rights = both & (P | W | U),
    };
}

struct past *model_past_of(struct model *model, bool user, unsigned root, unsigned page)
{
    return user ? &model->users[root][page] : &model->supervisor[page];
}

static bool same(const struct seen *a, const struct seen *b)
{
    return a->valid == b->valid && a->writable == b->writable && a->user == b->user &&
           a->global == b->global && a->physical == b->physical;
}

void model_remember(struct past *past, const struct seen *seen)
{
    for (unsigned i = 0; i < past->count; i++) {
        if (same(&past->seen[i], seen)) {
            return;
        }
    }
    if (seen->valid) {
        assert_true(past->count < PAST_MAXIMUM);
        past->seen[past->count++] = *seen;
    }
}

void model_remember_all(struct model *model)
{
    for (unsigned page = 0; page < PAGES; page++) {
        struct seen seen = model_look(model, model->root, page);
        model_remember(model_past_of(model, false, 0, page), &seen);
        model_remember(model_past_of(model, true, model->root, page), &seen);
    }
}

void model_forget(struct past *past, bool keep_global)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < past->count; i++) {
        if (keep_global && past->seen[i].global) {
            past->seen[kept++] = past->seen[i];
        }
    }
    past->count = kept;
}

void model_forget_all(struct model *model, bool keep_global)
{
    for (unsigned page = 0; page < PAGES; page++) {
        model_forget(model_past_of(model, false, 0, page), keep_global);
        model_forget(model_past_of(model, true, model->root, page), false);
    }
}

bool model_allows(const struct seen *seen, bool user, gpa_t physical, bool writable)
{
    return seen->valid && seen->physical == physical && (seen->user || !user) &&
           (seen->writable || !writable);
}

static bool may_show(struct model *model, unsigned page, gpa_t physical, bool writable)
{
    const struct past *past = model_past_of(model, model->user, model->root, page);
    struct seen now = model_look(model, model->root, page);
    bool allowed = model_allows(&now, model->user, physical, writable);
    for (unsigned i = 0; i < past->count; i++) {
        allowed |= model_allows(&past->seen[i], model->user, physical, writable);
    }
    return allowed;
}

static void check_page(struct model *model, unsigned page)
{
    struct world *world = &model->world;
    gla_t linear = model_linear_of(model, page);
    uint32_t word;
    if (world_shows(world, linear, &word)) {
        bool writable = world_shows_writable(world, linear);
        assert_true(may_show(model, page, word - 1, writable));
        assert_false(writable && world_holds_code(world, word - 1));
        model->shown++;
        model->writable += writable;
    }
    const struct past *past = model_past_of(model, model->user, model->root, page);
    if (past->has_code) {
        assert_true(may_show(model, page, past->code, false));
    }
}

void model_check_all(struct model *model)
{
    views_current(model->world.cpu);
    for (unsigned page = 0; page < PAGES; page++) {
        check_page(model, page);
    }
}

void model_on_moved(void *opaque, unsigned view, gla_t linear)
{
    struct model *model = opaque;
    const struct view *views = model->world.cpu->views->view;
    for (unsigned page = 0; page < PAGES; page++) {
        if (model_linear_of(model, page) != linear) {
            continue;
        }
        model->supervisor[page].has_code &= view != 0;
        for (unsigned root = 0; root < ROOTS; root++) {
            bool this = view && views[view].root == model->roots[root];
            model->users[root][page].has_code &= !this;
        }
    }
}

void model_on_moved_all(void *opaque, unsigned view)
{
    struct model *model = opaque;
    for (unsigned page = 0; page < PAGES; page++) {
        model_on_moved(opaque, view, model_linear_of(model, page));
    }
}
