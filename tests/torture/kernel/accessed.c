/* Accessed and dirty bits: set with the first use, and again after they have been
 * cleared and the page flushed (SDM vol. 3, 4.8). What each instruction sets is in
 * faults.c. */
#include "torture.h"

SNIPPET(read_it, "mov (%ebx), %eax");
SNIPPET(write_it, "mov %eax, (%ebx)");
SNIPPET(modify_it, "incl (%ebx)");
SNIPPET(call_it, "call *%ebx");
SNIPPET(read_then_write, "mov (%ebx), %eax; mov %eax, 4(%ebx); mov (%ebx), %eax");
SNIPPET(fill_them, "rep stosl");
SNIPPET(copy_them, "rep movsl");

enum { RETURN_INSTRUCTION = 0xc3, BITS = A | D, ROUNDS = 64, PAGES = 16 };

static const struct {
    const char *name;
    const uint8_t *code;
    uint32_t bits;
} uses[] = {
    {"read", read_it, A},
    {"write", write_it, BITS},
    {"modify", modify_it, BITS},
    {"execute", call_it, A},
    {"read_write", read_then_write, BITS},
};

/* Uses of one entry, cleared and flushed before each. */
static void use(const char *name, const uint8_t *code, uint32_t linear, uint32_t entry,
                uint32_t bits)
{
    struct tally tally = {0};
    begin(name);
    for (unsigned round = 0; round < ROUNDS; round++) {
        entry_write(entry, entry_read(entry) & ~(uint64_t)BITS);
        flush(round % FLUSHES, linear);
        expect(&tally, entry, entry_read(entry) & BITS, 0);
        struct context c = at_ring(round & 4 ? 3 : 0, code);
        c.ebx = linear;
        c.eax = RETURN_INSTRUCTION;
        run(&c);
        expect(&tally, entry, entry_read(entry) & BITS, bits);
        *at(entry) &= ~(uint32_t)D;
        flush(round / 2 % FLUSHES, linear);
        run(&c);
        *at(linear) = RETURN_INSTRUCTION;
        expect(&tally, entry, entry_read(entry) & BITS, BITS);
    }
    put_tally(&tally);
}

static void test_small(void)
{
    uint32_t frame = frame_alloc();
    *at(frame) = RETURN_INSTRUCTION;
    map(WINDOW, frame | USER_PAGE);
    for (unsigned i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        use(joined("small", uses[i].name), uses[i].code, WINDOW,
            leaf_entry(current_root(), WINDOW), uses[i].bits);
    }
}

static void test_large(void)
{
    uint32_t linear = WINDOW + 4 * large_bytes();
    uint32_t entry = directory_entry(current_root(), linear);
    entry_write(entry, LARGE_FRAMES | USER_PAGE | LARGE);
    flush_root();
    linear += 0x12000;
    *at(linear) = RETURN_INSTRUCTION;
    for (unsigned i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        use(joined("large", uses[i].name), uses[i].code, linear, entry, uses[i].bits);
    }
}

/* A directory's entry is accessed, never dirty. */
static void test_directory(void)
{
    struct tally tally = {0};
    uint32_t frame = frame_alloc(), entry = directory_entry(current_root(), WINDOW);
    map(WINDOW, frame | USER_PAGE);
    begin("directory");
    for (unsigned round = 0; round < ROUNDS; round++) {
        *at(entry) &= ~(uint32_t)A;
        flush(round % FLUSHES, WINDOW);
        struct context c = at_ring(round & 4 ? 3 : 0, round & 8 ? write_it : read_it);
        c.ebx = WINDOW;
        run(&c);
        expect(&tally, entry, *at(entry) & A, A);
    }
    put_tally(&tally);
}

/* Many pages by one string instruction: each has its own bits. */
static void test_strings(void)
{
    struct tally tally = {0};
    for (unsigned i = 0; i < 2 * PAGES; i++) {
        map(WINDOW + i * PAGE_BYTES, frame_alloc() | USER_PAGE);
    }
    begin("strings");
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned first = round % PAGES, count = round * 5 % (PAGES - first) + 1;
        for (unsigned i = 0; i < 2 * PAGES; i++) {
            map(WINDOW + i * PAGE_BYTES, leaf_of(WINDOW + i * PAGE_BYTES) & ~(BITS));
        }
        bool copies = round & 1;
        struct context c = at_ring(round & 2 ? 3 : 0, copies ? copy_them : fill_them);
        c.esi = WINDOW + (PAGES + first) * PAGE_BYTES;
        c.edi = WINDOW + first * PAGE_BYTES;
        c.ecx = count * PAGE_BYTES / 4;
        run(&c);
        for (unsigned i = 0; i < 2 * PAGES; i++) {
            bool target = i >= first && i < first + count;
            bool source = copies && i >= PAGES + first && i < PAGES + first + count;
            expect(&tally, i, leaf_of(WINDOW + i * PAGE_BYTES) & BITS,
                   target   ? BITS
                   : source ? A
                            : 0);
        }
    }
    put_tally(&tally);
}

/* Two pages, one of them by two names: the entries are apart, the contents are not. */
static void test_aliases(void)
{
    struct tally tally = {0};
    uint32_t frame = frame_alloc();
    begin("aliases");
    for (unsigned round = 0; round < ROUNDS; round++) {
        map(WINDOW, frame | USER_PAGE);
        map(WINDOW + PAGE_BYTES, frame | USER_PAGE);
        (void)*at(WINDOW);
        expect(&tally, round, leaf_of(WINDOW + PAGE_BYTES) & BITS, 0);
        *at(WINDOW + PAGE_BYTES) = round;
        expect(&tally, round, leaf_of(WINDOW) & BITS, A);
        expect(&tally, round, leaf_of(WINDOW + PAGE_BYTES) & BITS, BITS);
        expect(&tally, round, *at(WINDOW), round);
    }
    put_tally(&tally);
}

void torture_accessed(void)
{
    test_small();
    test_large();
    test_directory();
    test_strings();
    test_aliases();
}
