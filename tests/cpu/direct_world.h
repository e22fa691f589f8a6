/* tests/cpu/direct_world.h: one guest twice, under the interpreter and under direct
 * execution, whose states are compared.
 *
 * The guest has the tables of cpu_fixture.h and page tables of any kind. RAM is the
 * same in both at first. There can be but one world at a time, and nothing else of the
 * process below 4 GiB. Thread: one. */
#ifndef TESTS_CPU_DIRECT_WORLD_H
#define TESTS_CPU_DIRECT_WORLD_H

#include "duel_compare.h"
#include "views_world.h"

enum direct_side { SIDE_REFERENCE, SIDE_DIRECT, DIRECT_SIDES };

enum direct_paging { PAGING_32, PAGING_PAE, PAGING_PAE_NX, DIRECT_PAGINGS };

enum {
    DIRECT_RAM_BYTES = 8 << 20,
    DIRECT_ROOTS = 5,
    ENTRY_LEAF_RIGHTS = ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER,
};
/* Plus the physical address: where ring 0 sees a page table. */
#define DIRECT_TABLES_LINEAR (0xc0000000U - WORLD_TABLES)
#define LEAF_NX (1ULL << 63)

struct direct_world {
    struct world sides[DIRECT_SIDES];
    enum direct_paging paging;
    uint32_t roots[DIRECT_ROOTS];
};

/* NULL, or why there cannot be one. */
const char *direct_world_lacks(void);

/* Comes up in ring 3, flat segments, an empty first root but for the tables, which are
 * the supervisor's. CR4 and XCR0 let all vector instructions be used. */
void direct_world_create(struct direct_world *world, enum direct_paging paging);
void direct_world_destroy(struct direct_world *world);

/* In both. */
void direct_world_map(struct direct_world *world, uint32_t root, gla_t linear,
                      uint64_t leaf);
void direct_world_store(struct direct_world *world, gpa_t address, const void *bytes,
                        size_t count);
void direct_world_flush(struct direct_world *world);
void direct_world_load_root(struct direct_world *world, uint32_t root);
/* Vector to an interrupt gate that ring 3 may use; what is there is run in ring 0.
 * NULL: the fixture's handler. Vectors that are the same modulo 32 share a place. */
void direct_world_handle(struct direct_world *world, uint8_t vector,
                         const uint8_t *code, unsigned bytes);

/* Runs a side until it halts; false if it does not. */
bool direct_world_run(struct direct_world *world, enum direct_side side);

/* Some of the engine's counters, in a line. */
void direct_world_print_statistics(const struct direct_world *world);

/* Interrupts of the side under direct execution come from here; there is room for their
 * handler in both. */
void direct_world_take_interrupts(struct direct_world *world, struct pacing *pacing);
/* Runs the same side while it is kicked and interrupted at any moment. */
bool direct_world_run_under_fire(struct direct_world *world, struct pacing *pacing);

/* Whether RAM from `first` up to `end` is the same in both; else the place. */
bool direct_world_ram_agrees(struct direct_world *world, gpa_t first, gpa_t end,
                             gpa_t *place);

#endif
