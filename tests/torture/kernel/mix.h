/* mix.h: what the random mix of random.c is made of.
 *
 * Six roots with four regions of pages each: two of small pages, one that is a large
 * page at times, one that all roots share and whose pages are global. The page tables
 * themselves are the model of translation. An entry that loses rights or leads
 * elsewhere is stale until a flush that covers it, and is not used meanwhile; one that
 * was absent, or gains rights, is used at once (a fault for the old rights is handled
 * by trying again). Contents are modelled by a copy of all frames. */
#ifndef MIX_H
#define MIX_H

#include "executor.h"

enum {
    MIX_ROOTS = 6,
    REGIONS = 4,
    SHARED_REGION = 3,
    LARGE_REGION = 2,
    REGION_PAGES = 16,
    MIX_PAGES = REGIONS * REGION_PAGES,
    SMALL_FRAMES = 40,
    LARGE_PLACES = 2,
    FRAME_COUNT = SMALL_FRAMES + LARGE_PLACES * REGION_PAGES,
    ENTRY_BITS = A | D,
};

struct mix {
    uint32_t roots[MIX_ROOTS], current;
    uint32_t tables[MIX_ROOTS][REGIONS]; /* of small pages, used at the time or not */
    uint32_t frames[FRAME_COUNT];
    bool stale[MIX_PAGES], gained[MIX_PAGES]; /* of the current root */
    uint8_t used[MIX_ROOTS][MIX_PAGES];       /* A and D as they have to be */
    uint8_t maybe[MIX_ROOTS][MIX_PAGES];      /* …and may be */
    struct random random;
    unsigned ring; /* of the list of accesses */
    struct operation list[OPERATIONS_MAX];
    unsigned length;
    uint32_t operations, faults, calls;
};
extern struct mix mix;

/* The tables (mix_tables.c). */
void mix_create(void);
uint32_t any(uint32_t limit);
uint32_t page_linear(unsigned page);
/* The page that an address lies in; MIX_PAGES if none. */
unsigned page_of(uint32_t linear);
uint64_t translate(uint32_t linear);
/* Where the entry is that maps the page in a root. */
uint32_t entry_of(unsigned root, unsigned page);
/* Whether the page is part of a large one in that root. */
bool is_large(unsigned root, unsigned page);
/* A and D of a page: what has to be, what may be. */
void set_used(unsigned root, unsigned page, uint8_t used, uint8_t maybe);
/* One change of tables, registers or memory, with or without a flush. */
void do_something(void);

/* The accesses (mix_model.c). */
/* Where the model keeps what is at a linear address that is mapped. */
volatile uint8_t *modelled(uint32_t linear);
/* A frame's contents in the model. */
uint32_t modelled_frame(unsigned frame);
/* Sets the operation's results and does to the model what it does to memory. */
void foretell(struct operation *operation);

#endif
