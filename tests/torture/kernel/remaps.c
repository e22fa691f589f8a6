/* Which page is where: aliases of one page, pages that change places, directory entries
 * that do, with and without a flush (SDM vol. 3, 4.10.4). */
#include "torture.h"

enum {
    ALIASES = 64,
    ALIAS_STRIDE = 0x801000, /* another page table each, and another page in it */
    PERMUTED = 32,
    ROUNDS = 400,
};

SNIPPET(read_word, "mov (%ebx), %eax");
SNIPPET(copy_bytes, "rep movsb");
SNIPPET(copy_words, "rep movsl");
SNIPPET(fill_words, "rep stosl");
SNIPPET(add_across, "addl %eax, (%ebx); adcl $0, (%ebx)");
SNIPPET(exchange_across, "xchg %eax, (%ebx)");
SNIPPET(vector_across, "movups (%esi), %xmm0; movups %xmm0, (%ebx)");
SNIPPET(write_read,
        "mov %eax, (%ebx); mov (%esi), %ecx; incl (%ebx); mov (%esi), %edx");

static uint32_t alias(unsigned i)
{
    return WINDOW + i * ALIAS_STRIDE;
}

static void store(uint32_t address, uint32_t bytes, uint32_t value)
{
    if (bytes == 1) {
        *byte_at(address) = (uint8_t)value;
    } else if (bytes == 2) {
        *(volatile uint16_t *)address = (uint16_t)value;
    } else {
        *at(address) = value;
    }
}

/* Written through one, read through the others; a copy in plain memory knows better. */
static void test_aliases(void)
{
    struct random random = random_new(1);
    struct tally tally = {0};
    uint32_t frame = frame_alloc(), model = frame_alloc();
    for (unsigned i = 0; i < ALIASES; i++) {
        map(alias(i), frame | P | W | (i & 1 ? U : 0));
    }
    begin("aliases");
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t bytes = 1U << random_below(&random, 3);
        uint32_t offset = random_below(&random, PAGE_BYTES - bytes + 1);
        uint32_t value = random_next(&random);
        store(alias(random_below(&random, ALIASES)) + offset, bytes, value);
        store(model + offset, bytes, value);
        for (unsigned i = 0; i < 4; i++) {
            uint32_t place =
                i ? random_below(&random, PAGE_BYTES - 3) : offset & (PAGE_BYTES - 4);
            uint32_t address = alias(random_below(&random, ALIASES)) + place;
            expect(&tally, address, *at(address), *at(model + place));
        }
    }
    put_tally(&tally);
    begin("aliases_user");
    for (unsigned round = 0; round < ROUNDS / 4; round++) {
        struct context c = user(write_read);
        uint32_t offset = random_below(&random, PAGE_BYTES - 3);
        c.ebx = alias(1 | random_below(&random, ALIASES)) + offset;
        c.esi = alias(1 | random_below(&random, ALIASES)) + offset;
        c.eax = random_next(&random);
        expect(&tally, c.ebx, run_ended(&c), 0);
        expect(&tally, c.ebx, c.ecx, c.eax);
        expect(&tally, c.ebx, c.edx, c.eax + 1);
    }
    put_tally(&tally);
}

/* Two neighbours that are the same page: what crosses the border comes back at the
 * page's start. */
static void test_neighbours(void)
{
    static const struct {
        const char *name;
        const uint8_t *code;
        uint32_t offset, ecx;
    } cases[] = {
        {"neighbours_add", add_across, 0xffd, 0},
        {"neighbours_xchg", exchange_across, 0xffe, 0},
        {"neighbours_vector", vector_across, 0xff5, 0},
        {"neighbours_stos", fill_words, 0xf03, 100},
        {"neighbours_movs", copy_words, 0xf02, 200},
        {"neighbours_movsb", copy_bytes, 0xf01, 0x1200},
    };
    uint32_t frame = frame_alloc();
    map(WINDOW, frame | USER_PAGE);
    map(WINDOW + PAGE_BYTES, frame | USER_PAGE);
    map(WINDOW + 2 * PAGE_BYTES, frame | USER_PAGE);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill_pattern(frame, PAGE_BYTES, i);
        struct context c = user(cases[i].code);
        c.ebx = c.edi = WINDOW + cases[i].offset;
        c.esi = WINDOW + 0x123;
        c.ecx = cases[i].ecx;
        c.eax = 0x89abcdef;
        go(cases[i].name, &c);
        put(" eax %x sum %x", c.eax, checksum(frame, PAGE_BYTES));
    }
}

/* Copies between aliases that overlap as one page does, though not as addresses do. */
static void overlap(const char *name, const uint8_t *code, uint32_t from, uint32_t to,
                    uint32_t count, uint32_t flags)
{
    uint32_t frame = leaf_of(alias(1)) & ~ENTRY_FLAGS;
    fill_pattern(frame, PAGE_BYTES, 5);
    struct context c = user(code);
    c.esi = alias(1) + from;
    c.edi = alias(3) + to;
    c.ecx = count;
    c.eflags |= flags;
    go(name, &c);
    put(" sum %x", checksum(frame, PAGE_BYTES));
}

static void test_overlaps(void)
{
    overlap("overlap_bytes_up", copy_bytes, 0x100, 0x101, 0x400, 0);
    overlap("overlap_bytes_down", copy_bytes, 0x500, 0x4ff, 0x400, FLAG_DF);
    overlap("overlap_words", copy_words, 0x100, 0x102, 0x100, 0);
    overlap("overlap_words_4", copy_words, 0x100, 0x104, 0x100, 0);
    overlap("overlap_words_13", copy_words, 0x100, 0x10d, 0x100, 0);
    overlap("overlap_words_back", copy_words, 0x104, 0x100, 0x100, 0);
    overlap("overlap_words_down", copy_words, 0x600, 0x5fe, 0x100, FLAG_DF);
    overlap("overlap_words_64", copy_words, 0x100, 0x140, 0x200, 0);
}

/* Pages change places; each flush is enough for what has changed before it. */
static void permute(const char *name, enum flush how, bool in_ring3)
{
    struct random random = random_new(how + 10);
    struct tally tally = {0};
    uint32_t first = frame_alloc(), frames[PERMUTED];
    for (unsigned i = 0; i < PERMUTED; i++) {
        frames[i] = i ? frame_alloc() : first;
        *at(frames[i] + 0x10) = i * 0x1111;
        map(WINDOW + i * PAGE_BYTES, frames[i] | USER_PAGE);
    }
    begin(name);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = random_below(&random, PERMUTED);
        unsigned j = random_below(&random, PERMUTED);
        uint32_t frame = frames[i];
        frames[i] = frames[j];
        frames[j] = frame;
        set_leaf(WINDOW + i * PAGE_BYTES, frames[i] | USER_PAGE);
        set_leaf(WINDOW + j * PAGE_BYTES, frames[j] | USER_PAGE);
        flush(how, WINDOW + i * PAGE_BYTES);
        if (how == FLUSH_PAGE) {
            flush_page(WINDOW + j * PAGE_BYTES);
        }
        for (unsigned k = 0; k < 4; k++) {
            unsigned n = k == 0 ? i : k == 1 ? j : random_below(&random, PERMUTED);
            uint32_t address = WINDOW + n * PAGE_BYTES + 0x10;
            uint32_t wanted = *at(frames[n] + 0x10);
            struct context c = user(read_word);
            c.ebx = address;
            if (in_ring3) {
                run(&c);
            }
            expect(&tally, address, in_ring3 ? c.eax : *at(address), wanted);
            *at(address) = wanted + 1;
            expect(&tally, address, *at(frames[n] + 0x10), wanted + 1);
        }
    }
    put_tally(&tally);
}

/* Without a flush the old or the new page may be seen, with it only the new one. */
static void test_late_flushes(void)
{
    struct tally tally = {0};
    uint32_t frames[2] = {frame_alloc(), frame_alloc()};
    *at(frames[1]) = 1;
    map(WINDOW, frames[0] | USER_PAGE);
    begin("late_flush");
    for (unsigned round = 0; round < 100; round++) {
        uint32_t new = (round + 1) & 1;
        set_leaf(WINDOW, frames[new] | USER_PAGE);
        expect(&tally, WINDOW, *at(WINDOW) < 2, true);
        flush(round / 2 % FLUSHES, WINDOW);
        expect(&tally, WINDOW, *at(WINDOW), new);
    }
    put_tally(&tally);
}

/* Entries that were absent are not remembered: no flush. */
static void test_absent(void)
{
    struct tally tally = {0};
    uint32_t frame = frame_alloc();
    *at(frame + 4) = 0x600d;
    begin("absent_then_mapped");
    for (unsigned round = 0; round < 200; round++) {
        uint32_t page = WINDOW + (round * 37 % 64) * PAGE_BYTES;
        struct context c = at_ring(round & 1 ? 3 : 0, read_word);
        map(page, 0);
        c.ebx = page + 4;
        expect(&tally, page, run_ended(&c), ENDED_FAULT | (round & 1 ? ERROR_USER : 0));
        expect(&tally, page, get_cr2(), page + 4);
        set_leaf(page, frame | USER_PAGE);
        run(&c);
        expect(&tally, page, c.eax, 0x600d);
    }
    put_tally(&tally);
}

/* Whole tables change places. */
static void test_directories(void)
{
    struct tally tally = {0};
    uint32_t root = current_root(), bytes = large_bytes();
    uint32_t entries[4], frames[4];
    for (unsigned i = 0; i < 4; i++) {
        uint32_t linear = 0x70000000 + i * bytes;
        frames[i] = frame_alloc();
        entries[i] = directory_entry(root, linear);
        for (unsigned page = 0; page < 16; page++) {
            set_leaf(linear + page * PAGE_BYTES, frames[i] | USER_PAGE);
        }
        *at(frames[i] + 8) = i;
    }
    begin("directories");
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = round * 7 % 4, j = (i + 1 + round / 4 % 3) % 4;
        uint64_t old = entry_read(entries[i]);
        uint32_t page = round % 16 * PAGE_BYTES + 8;
        entry_write(entries[i], entry_read(entries[j]));
        entry_write(entries[j], old);
        flush(FLUSH_ROOT + round % 3, 0);
        for (unsigned k = 0; k < 4; k++) {
            uint32_t linear = 0x70000000 + k * bytes;
            uint32_t table = (uint32_t)entry_read(entries[k]) & ~ENTRY_FLAGS;
            uint32_t frame = *at(table) & ~ENTRY_FLAGS;
            expect(&tally, linear, *at(linear + page), *at(frame + 8));
        }
        entry_write(entries[i], 0);
        flush_root();
        struct context c = user(read_word);
        c.ebx = 0x70000000 + i * bytes + page;
        expect(&tally, c.ebx, run_ended(&c), ENDED_FAULT | ERROR_USER);
        entry_write(entries[i], old);
        run(&c);
        expect(&tally, c.ebx, c.eax, *at(c.ebx));
        entry_write(entries[i], entry_read(entries[j]));
        entry_write(entries[j], old);
        flush_root();
    }
    put_tally(&tally);
}

void torture_remaps(void)
{
    test_aliases();
    test_neighbours();
    test_overlaps();
    permute("permuted_page", FLUSH_PAGE, false);
    permute("permuted_root", FLUSH_ROOT, false);
    permute("permuted_global", FLUSH_GLOBAL, false);
    permute("permuted_paging", FLUSH_PAGING, false);
    permute("permuted_page_user", FLUSH_PAGE, true);
    permute("permuted_root_user", FLUSH_ROOT, true);
    test_late_flushes();
    test_absent();
    test_directories();
}
