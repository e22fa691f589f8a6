/* Very many pages, no two neighbours of which are neighbours in memory: more than a
 * host allows mappings. */
#include "torture.h"

enum { PAGES = 70000, COUNT = 61, STEP = 7, SPARSE = 3000, SPARSE_STRIDE = 0x47000 };

SNIPPET(sum_pages, "1: rol $5, %eax; add (%ebx), %eax; add $0x1000, %ebx; loop 1b");
SNIPPET(count_pages, "1: addl $1, (%ebx); add $0x1000, %ebx; loop 1b");

static uint32_t frames[COUNT];

static uint32_t frame_of(unsigned page, unsigned turn)
{
    return frames[(page * STEP + turn) % COUNT];
}

static void map_all(uint32_t bits, unsigned turn)
{
    for (unsigned i = 0; i < PAGES; i++) {
        set_leaf(WINDOW + i * PAGE_BYTES, frame_of(i, turn) | bits);
    }
    flush_root();
}

static void look(struct tally *tally, unsigned ring, unsigned turn, unsigned offset)
{
    uint32_t wanted = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        wanted = (wanted << 5 | wanted >> 27) + *at(frame_of(i, turn) + offset);
    }
    struct context c = at_ring(ring, sum_pages);
    c.ebx = WINDOW + offset;
    c.ecx = PAGES;
    expect(tally, offset, run_ended(&c), 0);
    expect(tally, offset, c.eax, wanted);
}

static void write_all(struct tally *tally, unsigned ring, unsigned turn)
{
    uint32_t before[COUNT], added[COUNT] = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        before[i] = *at(frames[i] + 0x20);
    }
    for (unsigned i = 0; i < PAGES; i++) {
        added[(i * STEP + turn) % COUNT]++;
    }
    struct context c = at_ring(ring, count_pages);
    c.ebx = WINDOW + 0x20;
    c.ecx = PAGES;
    expect(tally, turn, run_ended(&c), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        expect(tally, turn, *at(frames[i] + 0x20), before[i] + added[i]);
    }
}

/* Far apart, so that there are many tables, too. */
static void test_sparse(void)
{
    struct tally tally = {0};
    begin("sparse");
    for (unsigned i = 0; i < SPARSE; i++) {
        set_leaf(WINDOW + i * SPARSE_STRIDE, frame_of(i, 0) | USER_PAGE);
    }
    flush_root();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < SPARSE; i++) {
            unsigned n = (i * 1009 + round) % SPARSE;
            uint32_t address = WINDOW + n * SPARSE_STRIDE + 4 * round;
            expect(&tally, n, *at(address), *at(frame_of(n, 0) + 4 * round));
        }
    }
    put_tally(&tally);
}

void torture_many(void)
{
    struct tally tally = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        frames[i] = frame_alloc();
        fill_pattern(frames[i], PAGE_BYTES, i);
    }
    map_all(USER_PAGE, 0);
    begin("user");
    look(&tally, 3, 0, 0x10);
    look(&tally, 3, 0, 0x14);
    write_all(&tally, 3, 0);
    look(&tally, 3, 0, 0x20);
    put_tally(&tally);
    begin("both_rings");
    look(&tally, 0, 0, 0x24);
    write_all(&tally, 0, 0);
    look(&tally, 3, 0, 0x20);
    put_tally(&tally);
    map_all(P | W, 1);
    begin("supervisor");
    look(&tally, 0, 1, 0x28);
    write_all(&tally, 0, 1);
    look(&tally, 0, 1, 0x20);
    put_tally(&tally);
    map_all(USER_PAGE, 2);
    begin("changed");
    write_all(&tally, 3, 2);
    look(&tally, 3, 2, 0x20);
    look(&tally, 0, 2, 0x2c);
    put_tally(&tally);
    test_sparse();
}
