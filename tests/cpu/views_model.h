/* tests/cpu/views_model.h: what a TLB may do, to test views with. For some pages and
 * all roots it remembers what their entries said since the last flush that concerns
 * them: a view may show that, or what they say now. Thread: one. */
#ifndef TESTS_CPU_VIEWS_MODEL_H
#define TESTS_CPU_VIEWS_MODEL_H

#include "random.h"
#include "views_world.h"

enum {
    ROOTS = 3,
    TABLES = 3, /* page tables, which any PDE may point to */
    UPPERS = 3, /* PDEs in use, next to each other */
    FRAMES = 24,
    VIDEO_FRAME = 8,              /* WORLD_VIDEO_PAGES of these are video memory */
    LARGE_FRAME = 2 * WORLD_DATA, /* two large pages */
    PAST_MAXIMUM = 20,
    PAST_ENOUGH = 8,
};

/* Pages that are looked at under each PDE: the first ones, around its middle, the last
 * ones, so that runs and both halves of 4 MiB pages occur. */
enum { WATCHED = 13, PAGES = UPPERS * WATCHED };
extern const uint32_t model_watched[WATCHED];

/* What entries say of a page, if a TLB may have loaded it. */
struct seen {
    bool valid; /* present and accessed */
    bool writable, user, global;
    gpa_t physical;
    uint64_t rights; /* P, W and U of all levels, whatever A and D are */
};

/* What one view may still show of a page. */
struct past {
    struct seen seen[PAST_MAXIMUM];
    unsigned count;
    bool has_code;
    gpa_t code; /* where it was fetched */
};

struct model {
    struct world world;
    struct random random;
    uint32_t roots[ROOTS];
    gpa_t tables[TABLES];
    unsigned root;
    bool user;
    struct past supervisor[PAGES], users[ROOTS][PAGES];
    uint64_t shown, faults, soft, writable; /* how often, to see that all occurs */
};

uint32_t model_upper_pages(const struct model *model);
gla_t model_linear_of(const struct model *model, unsigned page);
/* Read from the tables, by the manual and not by the code that is tested. */
struct seen model_look(struct model *model, unsigned root, unsigned page);
bool model_allows(const struct seen *seen, bool user, gpa_t physical, bool writable);

struct past *model_past_of(struct model *model, bool user, unsigned root,
                           unsigned page);
void model_remember(struct past *past, const struct seen *seen);
/* Before tables change: what the views of the current root may have loaded. */
void model_remember_all(struct model *model);
/* A flush: global ones may stay. */
void model_forget(struct past *past, bool keep_global);
void model_forget_all(struct model *model, bool keep_global);

/* Brings the current view up to date; it shows nothing that it may not. */
void model_check_all(struct model *model);

/* views_code_moved and views_code_moved_all; `opaque`: the model. */
void model_on_moved(void *opaque, unsigned view, gla_t linear);
void model_on_moved_all(void *opaque, unsigned view);

#endif
