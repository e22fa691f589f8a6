/* Page tables that are mapped: into themselves for the supervisor, as plain pages for
 * ring 3, as the target of string instructions, as code. */
#include "torture.h"

enum {
    PAGES = 64,
    USER_REGION = 0x60000000,
    USER_TABLE = USER_REGION + 0x1000000, /* where ring 3 sees the region's table */
    ROUNDS = 300,
};

SNIPPET(write_entry_read, "mov %eax, (%edi); mov (%ebx), %ecx; incl (%ebx)");
SNIPPET(write_entry_flush_read,
        "mov (%ebx), %ecx; mov %eax, (%edi); int $0x80; mov (%ebx), %edx");
SNIPPET(fill_words, "rep stosl");
SNIPPET(copy_words, "rep movsl");
SNIPPET(call_it, "call *%ebx");
SNIPPET(set_bit, "lock btsl $0, (%edi); mov (%ebx), %ecx");

/* The bytes of an entry; where the window of all entries begins. */
static uint32_t entry_bytes(void)
{
    return paging_is_pae() ? 8 : 4;
}

static uint32_t window(void)
{
    return paging_is_pae() ? 0xff800000 : 0xffc00000;
}

static uint32_t window_entry(uint32_t linear)
{
    return window() + (linear >> 12) * entry_bytes();
}

static void map_recursively(uint32_t root)
{
    if (!paging_is_pae()) {
        *at(root + 1023 * 4) = root | P | W;
        return;
    }
    uint32_t last = *at(root + 24) & ~ENTRY_FLAGS;
    for (unsigned i = 0; i < 4; i++) {
        entry_write(last + (508 + i) * 8, (*at(root + 8 * i) & ~ENTRY_FLAGS) | P | W);
    }
}

/* The window shows what the tables hold. */
static void test_window(void)
{
    const uint32_t samples[] = {0,        0x123000,        0xfff000,
                                WINDOW,   WINDOW + 0x5000, USER_TEXT,
                                window(), 0xffe00000,      0xfffff000};
    struct tally tally = {0};
    begin("window");
    for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        uint32_t found = *at(window_entry(samples[i]));
        expect(&tally, samples[i], found | A | D,
               (uint32_t)leaf_of(samples[i]) | A | D);
    }
    put_tally(&tally);
}

/* Entries are written through the window. */
static void test_writes(void)
{
    struct tally tally = {0};
    struct random random = random_new(70);
    uint32_t frames[PAGES];
    for (unsigned i = 0; i < PAGES; i++) {
        frames[i] = frame_alloc();
        *at(frames[i]) = i;
        set_leaf(WINDOW + i * PAGE_BYTES, 0);
    }
    flush_root();
    begin("writes");
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = random_below(&random, PAGES), frame = random_below(&random, PAGES);
        uint32_t linear = WINDOW + n * PAGE_BYTES;
        *at(window_entry(linear)) = frames[frame] | USER_PAGE;
        flush_page(linear);
        expect(&tally, linear, *at(linear), frame);
        expect(&tally, linear, *at(window_entry(linear)),
               frames[frame] | USER_PAGE | A);
        *at(linear) = frame;
        expect(&tally, linear, *at(window_entry(linear)),
               frames[frame] | USER_PAGE | A | D);
    }
    put_tally(&tally);
}

/* A range by one string instruction: unmapped, filled, copied from another range. */
static void test_strings(void)
{
    struct tally tally = {0};
    uint32_t words = PAGES * entry_bytes() / 4, frame = frame_alloc();
    uint32_t other = WINDOW + 4 * PAGES * PAGE_BYTES;
    *at(frame) = 0x77;
    begin("strings");
    for (unsigned i = 0; i < PAGES; i++) {
        set_leaf(WINDOW + i * PAGE_BYTES, frame | USER_PAGE);
        set_leaf(other + i * PAGE_BYTES, 0);
    }
    for (unsigned round = 0; round < 10; round++) {
        struct context c = ring0(copy_words);
        c.esi = window_entry(WINDOW);
        c.edi = window_entry(other);
        c.ecx = words;
        expect(&tally, round, run_ended(&c), 0);
        for (unsigned i = 0; i < PAGES; i++) {
            expect(&tally, i, *at(other + i * PAGE_BYTES), 0x77);
        }
        c = ring0(fill_words);
        c.edi = window_entry(other);
        c.ecx = words;
        expect(&tally, round, run_ended(&c), 0);
        flush_root();
        for (unsigned i = 0; i < PAGES; i += 7) {
            c = user(call_it);
            c.ebx = other + i * PAGE_BYTES;
            expect(&tally, i, run_ended(&c) & ~ERROR_FETCH, ENDED_FAULT | ERROR_USER);
        }
    }
    put_tally(&tally);
}

/* The entry that maps the window's own page, in the window. */
static void test_itself(void)
{
    struct tally tally = {0};
    uint32_t self = window_entry(window_entry(window_entry(0xfffff000)));
    begin("itself");
    for (unsigned round = 0; round < ROUNDS; round++) {
        flush(round % FLUSHES, window_entry(0xfffff000));
        uint32_t old = *at(self);
        *at(self) = old & ~(uint32_t)(A | D);
        flush(round / 2 % FLUSHES, self);
        expect(&tally, self, *at(self) & A, A);
        *at(self) = old & ~(uint32_t)D;
        flush(round / 3 % FLUSHES, self);
        *at(self - entry_bytes()) = *at(self - entry_bytes());
        expect(&tally, self, *at(self) & (A | D), A | D);
    }
    put_tally(&tally);
}

/* Another space's tables, lent to a slot of this one. */
static void test_foreign(void)
{
    struct tally tally = {0};
    uint32_t home = current_root(), foreign = space_create();
    uint32_t slot = WINDOW + 8 * large_bytes(), frame = frame_alloc();
    map_recursively(foreign);
    leaf_entry(foreign, WINDOW); /* makes the table */
    uint32_t table = *at(directory_entry(foreign, WINDOW)) & ~ENTRY_FLAGS;
    map(slot, table | P | W);
    begin("foreign");
    for (unsigned round = 0; round < 100; round++) {
        uint32_t entry = slot + round * entry_bytes();
        *at(frame) = round;
        *at(entry) = frame | USER_PAGE;
        set_cr3(foreign);
        expect(&tally, round, *at(WINDOW + round * PAGE_BYTES), round);
        expect(&tally, round, *at(window_entry(WINDOW + round * PAGE_BYTES)) & (A | D),
               A);
        set_cr3(home);
        expect(&tally, round, *at(entry), frame | USER_PAGE | A);
        *at(entry) = 0;
    }
    put_tally(&tally);
}

static bool flush_for_user(struct trap *trap)
{
    flush_page(trap->ebx);
    return true;
}

/* Ring 3 writes its own page table. */
static void test_user_tables(void)
{
    struct tally tally = {0};
    struct random random = random_new(71);
    uint32_t frames[PAGES];
    leaf_entry(current_root(), USER_REGION);
    uint32_t table = *at(directory_entry(current_root(), USER_REGION)) & ~ENTRY_FLAGS;
    map(USER_TABLE, table | USER_PAGE);
    for (unsigned i = 0; i < PAGES; i++) {
        frames[i] = frame_alloc();
        *at(frames[i]) = i << 8;
    }
    handle(VECTOR_SYSCALL, flush_for_user);
    begin("user_absent");
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = random_below(&random, PAGES), frame = random_below(&random, PAGES);
        uint32_t linear = USER_REGION + n * PAGE_BYTES;
        uint32_t before = *at(frames[frame]);
        map(linear, 0);
        struct context c = user(round & 1 ? write_entry_read : set_bit);
        c.ebx = linear;
        c.edi = USER_TABLE + n * entry_bytes();
        c.eax = frames[frame] | USER_PAGE;
        if (!(round & 1)) {
            *at(c.edi) = frames[frame] | W | U;
        }
        expect(&tally, linear, run_ended(&c), 0);
        expect(&tally, linear, c.ecx, before);
        expect(&tally, linear, *at(frames[frame]), before + (round & 1));
    }
    put_tally(&tally);
    begin("user_flushed");
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = random_below(&random, PAGES), frame = random_below(&random, PAGES);
        unsigned next = random_below(&random, PAGES);
        uint32_t linear = USER_REGION + n * PAGE_BYTES;
        map(linear, frames[frame] | USER_PAGE);
        struct context c = user(write_entry_flush_read);
        c.ebx = linear;
        c.edi = USER_TABLE + n * entry_bytes();
        c.eax = frames[next] | USER_PAGE;
        expect(&tally, linear, run_ended(&c), 0);
        expect(&tally, linear, c.ecx, *at(frames[frame]));
        expect(&tally, linear, c.edx, *at(frames[next]));
    }
    put_tally(&tally);
    handle_nothing();
}

/* A string instruction that fills the very table that maps the page it comes to next:
 * the page was absent, so that it is there without a flush. */
static void test_growing(void)
{
    struct tally tally = {0};
    uint32_t table = *at(directory_entry(current_root(), USER_REGION)) & ~ENTRY_FLAGS;
    uint32_t count = PAGE_BYTES / entry_bytes(), frame = frame_alloc();
    uint32_t last = USER_REGION + (count - 2) * PAGE_BYTES;
    begin("growing");
    for (unsigned round = 0; round < 8; round++) {
        fill(frame, 0, PAGE_BYTES);
        fill(table, 0, PAGE_BYTES);
        map(last, table | USER_PAGE); /* then the page behind it, absent */
        flush_root();
        struct context c = at_ring(round & 1 ? 3 : 0, fill_words);
        c.edi = last + PAGE_BYTES - 0x40;
        c.ecx = 0x40;
        c.eax = frame | USER_PAGE;
        if (entry_bytes() == 8) {
            /* The upper halves would be wrong: the entry comes from a copy instead. */
            entry_write(table + (count - 1) * 8, frame | USER_PAGE);
            copy(USER_STACK - 0x2000, (const void *)(table + PAGE_BYTES - 0x40), 0x40);
            entry_write(table + (count - 1) * 8, 0);
            c = at_ring(round & 1 ? 3 : 0, copy_words);
            c.esi = USER_STACK - 0x2000;
            c.edi = last + PAGE_BYTES - 0x40;
            c.ecx = 0x40;
        }
        expect(&tally, round, run_ended(&c), 0);
        expect(&tally, round, c.edi, last + PAGE_BYTES + 0xc0);
        expect(&tally, round, *at(table + (count - 1) * entry_bytes()),
               frame | USER_PAGE | A | D);
        tally_add(&tally, checksum(frame, 0x100));
    }
    put_tally(&tally);
}

/* Code in a page table, in words that look like absent pages; the processor writes A
 * and D beside it. */
static void test_code_in_table(void)
{
    struct tally tally = {0};
    uint32_t table = *at(directory_entry(current_root(), USER_REGION)) & ~ENTRY_FLAGS;
    uint32_t frame = frame_alloc();
    fill(table, 0, PAGE_BYTES);
    flush_root();
    begin("code");
    for (unsigned round = 0; round < 100; round++) {
        /* inc %eax, twice or not; ret */
        *at(table) = round & 1 ? 0x90904040 : 0x90909090;
        *at(table + 4) = 0x9090c390;
        entry_write(table + 8, frame | USER_PAGE);
        flush_page(USER_REGION + 8 / entry_bytes() * PAGE_BYTES);
        struct context c = user(call_it);
        c.ebx = USER_TABLE;
        expect(&tally, round, run_ended(&c), 0);
        expect(&tally, round, c.eax, round & 1 ? 2 : 0);
        *at(USER_REGION + 8 / entry_bytes() * PAGE_BYTES) = round;
        expect(&tally, round, *at(table + 8), frame | USER_PAGE | A | D);
        c = user(call_it);
        c.ebx = USER_TABLE;
        expect(&tally, round, run_ended(&c), 0);
        expect(&tally, round, c.eax, round & 1 ? 2 : 0);
    }
    put_tally(&tally);
}

/* A page is a table, then data, then a table again. */
static void test_roles(void)
{
    struct tally tally = {0};
    uint32_t directory = directory_entry(current_root(), USER_REGION);
    uint32_t pages[2] = {*at(directory) & ~ENTRY_FLAGS, frame_alloc()};
    uint32_t frame = frame_alloc(), data = WINDOW + 0x20000;
    *at(frame) = 0x7ab1e;
    begin("roles");
    for (unsigned round = 0; round < 100; round++) {
        uint32_t table = pages[round & 1], plain = pages[~round & 1];
        map(data, plain | USER_PAGE);
        for (unsigned i = 0; i < 16; i++) {
            *at(data + 4 * i) = round * 16 + i;
        }
        fill(table, 0, PAGE_BYTES);
        entry_write(table, frame | USER_PAGE);
        entry_write(directory, table | USER_PAGE);
        flush(FLUSH_ROOT + round % 3, 0);
        expect(&tally, round, *at(USER_REGION), 0x7ab1e);
        expect(&tally, round, *at(table), frame | USER_PAGE | A);
        for (unsigned i = 0; i < 16; i++) {
            expect(&tally, round, *at(plain + 4 * i), round * 16 + i);
        }
    }
    put_tally(&tally);
}

void torture_recursive(void)
{
    map_recursively(current_root());
    flush_root();
    map(WINDOW, frame_alloc() | USER_PAGE);
    map(WINDOW + 0x5000, 0);
    test_window();
    test_writes();
    test_strings();
    test_itself();
    test_foreign();
    test_user_tables();
    test_growing();
    test_code_in_table();
    test_roles();
}
