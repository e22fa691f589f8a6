/* Rights of pages, and changes of them: what a flush makes sure of, and what needs none
 * (SDM vol. 3, 4.6, 4.10.4.2, 4.10.4.3). */
#include "torture.h"

SNIPPET(read_it, "mov (%ebx), %eax");
SNIPPET(write_it, "mov %eax, (%ebx)");
SNIPPET(call_it, "call *%ebx");

enum {
    RETURN_INSTRUCTION = 0xc3,
    PLAIN_KINDS = 5, /* without PAE */
    RINGS = 2,
    OUTCOMES = ACCESSES * RINGS,
};

static const struct kind {
    const char *name;
    uint64_t bits;
} kinds[] = {
    {"none", 0},
    {"ro_super", P},
    {"rw_super", P | W},
    {"ro_user", P | U},
    {"rw_user", P | W | U},
    {"nx_super", P | W | NX},
    {"nx_user", P | W | U | NX},
};

static unsigned kind_count(void)
{
    return paging_is_pae() ? sizeof(kinds) / sizeof(kinds[0]) : PLAIN_KINDS;
}

static uint32_t access_page(uint32_t page, enum access access, unsigned ring)
{
    static const uint8_t *const codes[] = {read_it, write_it, call_it};
    struct context c = at_ring(ring, codes[access]);
    c.ebx = page;
    c.eax = RETURN_INSTRUCTION;
    return run_ended(&c);
}

/* All accesses, in an order that changes. */
static void access_all(uint32_t page, uint32_t order, uint32_t outcomes[OUTCOMES])
{
    for (unsigned i = 0; i < OUTCOMES; i++) {
        unsigned n = (i + order) % OUTCOMES;
        outcomes[n] = access_page(page, n % ACCESSES, n / ACCESSES ? 0 : 3);
    }
}

static void put_outcomes(const char *name, const uint32_t outcomes[OUTCOMES])
{
    put(" %s ", name);
    for (unsigned i = 0; i < OUTCOMES; i++) {
        put(i == ACCESSES ? "/" : "");
        if (outcomes[i]) {
            put("%x,", outcomes[i] & 0xff);
        } else {
            put("+");
        }
    }
}

static void expect_outcomes(struct tally *tally, uint64_t entry,
                            const uint32_t outcomes[OUTCOMES])
{
    for (unsigned i = 0; i < OUTCOMES; i++) {
        expect(tally, (uint32_t)entry << 4 | i, outcomes[i],
               wanted_end(entry, i % ACCESSES, i / ACCESSES ? 0 : 3));
    }
}

/* From each kind to each, by each flush. */
static void test_changes(bool wp)
{
    uint32_t frame = frame_alloc(), outcomes[OUTCOMES];
    set_cr0(wp ? get_cr0() | CR0_WP : get_cr0() & ~(uint32_t)CR0_WP);
    *at(frame) = RETURN_INSTRUCTION;
    for (unsigned from = 0; from < kind_count(); from++) {
        struct tally tally = {0};
        begin(joined(wp ? "from_wp" : "from", kinds[from].name));
        for (unsigned to = 0; to < kind_count(); to++) {
            for (unsigned how = 0; how < FLUSHES; how++) {
                map(WINDOW, kinds[from].bits ? frame | kinds[from].bits : 0);
                access_all(WINDOW, from + to, outcomes);
                set_leaf(WINDOW, kinds[to].bits ? frame | kinds[to].bits : 0);
                flush(how, WINDOW);
                access_all(WINDOW, how + 2 * to, outcomes);
                expect_outcomes(&tally, leaf_of(WINDOW), outcomes);
            }
            if (from == 0) {
                put_outcomes(kinds[to].name, outcomes);
            }
        }
        put_tally(&tally);
    }
    set_cr0(get_cr0() | CR0_WP);
}

/* More rights need no flush: a fault for an old one at most, and the processor looks
 * again. Fewer rights come with the flush at the latest. */
static void test_late_flushes(void)
{
    struct tally more = {0}, fewer = {0};
    uint32_t frame = frame_alloc(), outcomes[OUTCOMES];
    *at(frame) = RETURN_INSTRUCTION;
    begin("late_flushes");
    for (unsigned from = 0; from < kind_count(); from++) {
        for (unsigned to = 0; to < kind_count(); to++) {
            uint64_t old = kinds[from].bits, new = kinds[to].bits;
            bool grows = ((old & ~NX) & ~new) == 0 && !(new & ~old &NX);
            map(WINDOW, old ? frame | old : 0);
            access_all(WINDOW, from, outcomes);
            set_leaf(WINDOW, new ? frame | new : 0);
            access_all(WINDOW, to, outcomes);
            if (grows) {
                /* The faults, if any, have made it look again. */
                access_all(WINDOW, to + 1, outcomes);
                expect_outcomes(&more, leaf_of(WINDOW), outcomes);
            }
            flush_page(WINDOW);
            access_all(WINDOW, from, outcomes);
            expect_outcomes(&fewer, leaf_of(WINDOW), outcomes);
        }
    }
    put_tally(&more);
    put_tally(&fewer);
}

/* The rights of the directory's entry and of the page's count together. */
static void test_directories(void)
{
    struct tally tally = {0};
    uint32_t outcomes[OUTCOMES], frame = frame_alloc();
    uint32_t linear = WINDOW + large_bytes();
    uint32_t directory = directory_entry(current_root(), linear);
    *at(frame) = RETURN_INSTRUCTION;
    set_leaf(linear, frame | USER_PAGE);
    uint32_t table = (uint32_t)entry_read(directory) & ~ENTRY_FLAGS;
    begin("directories");
    for (unsigned upper = 0; upper < kind_count(); upper++) {
        for (unsigned lower = 0; lower < kind_count(); lower++) {
            uint64_t high = kinds[upper].bits, low = kinds[lower].bits;
            uint64_t both = (high & low & ~NX) | ((high | low) & NX);
            entry_write(table, frame | low);
            entry_write(directory, table | high);
            flush(FLUSH_ROOT + lower % 3, linear);
            access_all(linear, upper + lower, outcomes);
            expect_outcomes(&tally, both & P ? both : 0, outcomes);
            entry_write(directory, table | USER_PAGE);
            flush_root();
            access_all(linear, lower, outcomes);
            expect_outcomes(&tally, low, outcomes);
        }
    }
    put_tally(&tally);
}

/* CR0.WP counts from the next instruction on; what ring 0 may write thanks to it, ring
 * 3 still may not. */
static void test_write_protect(void)
{
    struct tally tally = {0};
    uint32_t frame = frame_alloc();
    begin("write_protect");
    for (unsigned round = 0; round < 200; round++) {
        uint32_t page = WINDOW + (round & 7) * PAGE_BYTES;
        map(page, frame | P | (round & 8 ? U : 0));
        for (unsigned i = 0; i < 6; i++) {
            bool wp = (i ^ round >> 4) & 1;
            uint32_t cr0 = get_cr0() & ~(uint32_t)CR0_WP;
            set_cr0(cr0 | (wp ? CR0_WP : 0));
            expect(&tally, page, access_page(page, ACCESS_WRITE, 0),
                   wp ? ENDED_FAULT | ERROR_PRESENT | ERROR_WRITE : 0);
            expect(&tally, page, access_page(page, ACCESS_WRITE, 3),
                   ENDED_FAULT | ERROR_PRESENT | ERROR_WRITE | ERROR_USER);
        }
    }
    set_cr0(get_cr0() | CR0_WP);
    put_tally(&tally);
}

/* What one ring has used says nothing about the other. */
static void test_both_rings(void)
{
    struct random random = random_new(3);
    struct tally tally = {0};
    uint32_t frame = frame_alloc();
    uint64_t entries[16];
    begin("both_rings");
    for (unsigned i = 0; i < 16; i++) {
        entries[i] = frame | P | (i & 1 ? W : 0) | (i & 2 ? U : 0);
        *at(frame) = RETURN_INSTRUCTION;
        map(WINDOW + i * PAGE_BYTES, entries[i]);
    }
    for (unsigned round = 0; round < 2000; round++) {
        unsigned i = random_below(&random, 16), ring = random_below(&random, 2) * 3;
        enum access access = random_below(&random, ACCESSES);
        uint32_t page = WINDOW + i * PAGE_BYTES;
        expect(&tally, page, access_page(page, access, ring),
               wanted_end(entries[i], access, ring));
    }
    put_tally(&tally);
}

void torture_rights(void)
{
    test_changes(false);
    test_changes(true);
    test_late_flushes();
    test_directories();
    test_write_protect();
    test_both_rings();
}
