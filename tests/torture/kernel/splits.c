/* Large pages that become page tables, and page tables that become large pages. */
#include "torture.h"

SNIPPET(read_write, "mov (%ebx), %eax; incl (%ebx)");
SNIPPET(cross,
        "mov (%ebx), %eax; movups (%ebx), %xmm0; rol $8, %eax; mov %eax, (%ebx)");

enum { BASE = WINDOW + 0x8000000, SAMPLES = 40, ROUNDS = 24, MOVED = 8 };

/* The page table that stands for the large page at BASE, but for pages that have moved.
 */
struct split {
    uint32_t directory, table, pages;
    uint32_t moved[MOVED]; /* which page */
    uint32_t to[MOVED];    /* its frame then */
};

static uint32_t where(const struct split *split, bool is_split, uint32_t offset)
{
    for (unsigned i = 0; is_split && i < MOVED; i++) {
        if (offset / PAGE_BYTES == split->moved[i]) {
            return split->to[i] + offset % PAGE_BYTES;
        }
    }
    return LARGE_FRAMES + offset;
}

/* Reads and counts up words all over the page by BASE and looks at the frames. */
static void sample(struct tally *tally, struct random *random,
                   const struct split *split, bool is_split)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint32_t page =
            i < MOVED ? split->moved[i] : random_below(random, split->pages);
        uint32_t offset = page * PAGE_BYTES + (random_below(random, 1023) * 4);
        uint32_t physical = where(split, is_split, offset), before = *at(physical);
        struct context c = at_ring(i & 1 ? 3 : 0, read_write);
        c.ebx = BASE + offset;
        expect(tally, offset, run_ended(&c), 0);
        expect(tally, offset, c.eax, before);
        expect(tally, offset, *at(physical), before + 1);
    }
}

/* Accesses across the borders of pages, some of which have moved. */
static void sample_borders(struct tally *tally, const struct split *split,
                           bool is_split)
{
    for (unsigned i = 0; i < MOVED; i++) {
        uint32_t border = split->moved[i] * PAGE_BYTES, value = 0;
        if (!border) {
            continue;
        }
        for (unsigned byte = 0; byte < 4; byte++) {
            value |= (uint32_t)*byte_at(where(split, is_split, border - 2 + byte))
                     << 8 * byte;
        }
        struct context c = at_ring(i & 1 ? 3 : 0, cross);
        c.ebx = BASE + border - 2;
        expect(tally, border, run_ended(&c), 0);
        expect(tally, border, c.eax, value << 8 | value >> 24);
        expect(tally, border, *byte_at(where(split, is_split, border + 1)),
               value >> 16 & 0xff);
    }
}

static void test_splits(const char *name, enum flush how)
{
    struct tally tally = {0};
    struct random random = random_new(how + 40);
    struct split split = {
        .directory = directory_entry(current_root(), BASE),
        .table = frame_alloc(),
        .pages = large_bytes() / PAGE_BYTES,
    };
    for (unsigned i = 0; i < MOVED; i++) {
        split.to[i] = frame_alloc();
        fill_pattern(split.to[i], PAGE_BYTES, i);
    }
    for (unsigned page = 0; page < split.pages; page++) {
        fill_pattern(LARGE_FRAMES + page * PAGE_BYTES, PAGE_BYTES, page);
    }
    begin(name);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t step = paging_is_pae() ? 8 : 4;
        entry_write(split.directory, LARGE_FRAMES | USER_PAGE | LARGE);
        flush(how, BASE);
        sample(&tally, &random, &split, false);
        sample_borders(&tally, &split, false);
        for (unsigned i = 0; i < MOVED; i++) {
            split.moved[i] = (random_below(&random, split.pages / MOVED)) * MOVED + i;
        }
        for (unsigned page = 0; page < split.pages; page++) {
            entry_write(split.table + page * step,
                        where(&split, true, page * PAGE_BYTES) | USER_PAGE);
        }
        entry_write(split.directory, split.table | USER_PAGE);
        flush(how, BASE);
        sample(&tally, &random, &split, true);
        sample_borders(&tally, &split, true);
    }
    put_tally(&tally);
}

/* A large page moves as a whole, and loses rights as a whole. */
static void test_moves(void)
{
    struct tally tally = {0};
    uint32_t directory = directory_entry(current_root(), BASE);
    uint32_t bytes = large_bytes(), places = (LARGE_FRAMES_END - LARGE_FRAMES) / bytes;
    for (unsigned i = 0; i < places; i++) {
        for (uint32_t page = 0; page < bytes; page += PAGE_BYTES) {
            *at(LARGE_FRAMES + i * bytes + page) = i * bytes + page;
        }
    }
    begin("moves");
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t place = round * 5 % places * bytes;
        uint64_t bits = LARGE | P | (round & 1 ? U : 0) | (round & 2 ? W : 0) |
                        (paging_is_pae() && (round & 4) ? NX : 0);
        entry_write(directory, (LARGE_FRAMES + place) | bits);
        flush(FLUSH_ROOT + round % 3, BASE);
        for (unsigned i = 0; i < SAMPLES; i++) {
            uint32_t offset = (i * 0x9e377 + round) % (bytes / PAGE_BYTES) * PAGE_BYTES;
            expect(&tally, offset, *at(BASE + offset), place + offset);
            struct context c = at_ring(i & 1 ? 3 : 0, read_write);
            c.ebx = BASE + offset;
            c.eip += 2; /* the INC only */
            expect(&tally, offset, run_ended(&c) & ~(ERROR_WRITE),
                   wanted_end(bits, ACCESS_WRITE, i & 1 ? 3 : 0) & ~(ERROR_WRITE));
            *at(LARGE_FRAMES + place + offset) = place + offset;
        }
    }
    put_tally(&tally);
}

void torture_splits(void)
{
    test_splits("root", FLUSH_ROOT);
    test_splits("global", FLUSH_GLOBAL);
    test_splits("paging", FLUSH_PAGING);
    test_moves();
}
