/* tests/cpu/views_world.h: page tables, roots and RAM whose pages can be told apart, to
 * test views with. No instruction is executed; windows are looked at by system calls,
 * which fail where native code would trap.
 * Thread: one. */
#ifndef TESTS_CPU_VIEWS_WORLD_H
#define TESTS_CPU_VIEWS_WORLD_H

#include "cpu_fixture.h"

#include "cpu/core/exception.h"
#include "cpu/mmu/views_internal.h"

enum {
    WORLD_RAM_BYTES = 26 << 20,
    WORLD_TABLES = 1 << 20,  /* paging structures, up to WORLD_DATA */
    WORLD_DATA = 0x800000,   /* from here on, a page begins with its address + 1 */
    WORLD_LINEAR = 0x800000, /* a linear address to map things at */
    WORLD_VIDEO_PAGES = 8,   /* marked likewise once they are shown */
};

/* Entry bits, in short. */
enum {
    P = ENTRY_PRESENT,
    W = ENTRY_WRITABLE,
    U = ENTRY_USER,
    A = ENTRY_ACCESSED,
    D = ENTRY_DIRTY,
    G = ENTRY_GLOBAL,
};

enum touch { TOUCH_MAPPED, TOUCH_SOFT, TOUCH_FAULT };

struct world {
    struct cpu_fixture fixture;
    struct cpu *cpu;
    bool pae;
    struct ram video;
    gpa_t video_start; /* where it is shown; 0: nowhere */
    gpa_t next_table;
    uint32_t root; /* the first one */
    unsigned moved, moved_all;
    unsigned moved_view; /* of the last call, of either kind */
    gla_t moved_page;
};

/* Paging with one empty root, ring 0, CR0.WP, CR4.PSE and PGE. */
void world_create(struct world *world, bool pae, unsigned budget);
void world_destroy(struct world *world);

/* For cmocka: 32-bit paging; PAE. `*state` becomes a struct world. */
int world_setup(void **state);
int world_setup_pae(void **state);
int world_teardown(void **state);

/* Video memory is seen from `physical` on, in front of RAM. Returns its region. */
unsigned world_show_video(struct world *world, gpa_t physical);
bool world_holds_code(const struct world *world, gpa_t physical);

uint32_t world_new_root(struct world *world);
void world_load_root(struct world *world, uint32_t root);
void world_ring(struct world *world, unsigned ring);

/* Entries of the current root. Tables are made where there are none, with all rights.
 */
void world_map(struct world *world, gla_t linear, gpa_t physical, uint32_t flags);
void world_map_large(struct world *world, gla_t linear, gpa_t physical, uint32_t flags);
/* Bytes of linear space under one PDE. */
uint32_t world_large_bytes(const struct world *world);
gpa_t world_upper_place(struct world *world, uint32_t root, gla_t linear);
/* 0: the PDE is not present, or large. */
gpa_t world_leaf_place(struct world *world, uint32_t root, gla_t linear);
uint64_t world_entry(struct world *world, gpa_t place);
void world_set_entry(struct world *world, gpa_t place, uint64_t entry);
uint64_t world_leaf(struct world *world, gla_t linear);
void world_set_leaf(struct world *world, gla_t linear, uint64_t entry);

/* An access of translated code that trapped. Makes the view current before. */
enum touch world_touch(struct world *world, gla_t linear, bool write);

/* The current view's window as it is: the first word of the page, if readable; whether
 * the page can be written. */
bool world_shows(struct world *world, gla_t linear, uint32_t *word);
bool world_shows_writable(struct world *world, gla_t linear);
/* Brings the view up to date, then: shows nothing; shows this page of RAM. */
#define assert_shows_nothing(world, linear)                                            \
    assert_false(world_shows_after_flush(world, linear, NULL))
#define assert_shows(world, linear, physical, writable)                                \
    do {                                                                               \
        uint32_t word_shown = 0;                                                       \
        assert_true(world_shows_after_flush(world, linear, &word_shown));              \
        assert_int_equal(word_shown, (physical) + 1);                                  \
        assert_int_equal(world_shows_writable(world, linear), writable);               \
    } while (0)
bool world_shows_after_flush(struct world *world, gla_t linear, uint32_t *word);

/* Host mappings in all windows, from /proc. */
unsigned world_count_mappings(struct world *world);
/* What the views think of that, of their lists and sets, is true. */
void world_check_consistency(struct world *world);

int views_flush_tests(void);
int views_pieces_tests(void);
int views_code_tests(void);
int views_limits_tests(void);
int views_video_tests(void);
int views_random_tests(unsigned steps);

#endif
