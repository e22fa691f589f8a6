/* 200 roots that show other pages at the same linear addresses: code, data, stack.
 * Tables of roots that are not current change without a flush; loading CR3 does it. */
#include "torture.h"

enum {
    ROOTS = 200,
    VISITS = 3000,
    DATA = WINDOW,
    CODE = WINDOW + 0x1000,
    STACK = WINDOW + 0x3000, /* the top */
    SOMETIMES = WINDOW + 0x5000,
    CACHE_BITS = 0x18, /* PWT and PCD of CR3 */
    NUMBER = 0,        /* words of a data page */
    VISITED = 4,
    ADDED = 8,
};

SNIPPET(visit, "call *%ebx; mov (%esi), %ecx; incl 4(%esi); pushl (%esi); pop %edx;"
               "call *%ebx; add %eax, 8(%esi); mov 8(%esi), %edi");

static struct root {
    uint32_t cr3, data, code;
    uint32_t value; /* what the function on the code page returns */
} roots[ROOTS];

/* mov $value, %eax; ret; at another place for other roots, so that code differs in more
 * than an operand. */
static void write_function(uint32_t frame, uint32_t value, unsigned nops)
{
    for (unsigned i = 0; i < nops; i++) {
        *byte_at(frame + i) = 0x90;
    }
    *byte_at(frame + nops) = 0xb8;
    *at(frame + nops + 1) = value;
    *byte_at(frame + nops + 5) = 0xc3;
}

static void map_root(const struct root *root, unsigned i)
{
    entry_write(leaf_entry(root->cr3, DATA), root->data | USER_PAGE);
    entry_write(leaf_entry(root->cr3, CODE), root->code | P | U);
    entry_write(leaf_entry(root->cr3, SOMETIMES), i & 1 ? root->data | USER_PAGE : 0);
}

static void create_roots(void)
{
    for (unsigned i = 0; i < ROOTS; i++) {
        struct root *root = &roots[i];
        *root = (struct root){
            .cr3 = space_create(),
            .data = frame_alloc(),
            .code = frame_alloc(),
            .value = i * 0x10001 + 7,
        };
        *at(root->data + NUMBER) = i;
        write_function(root->code, root->value, i % 4);
        map_root(root, i);
        uint32_t stack = frame_alloc();
        entry_write(leaf_entry(root->cr3, STACK - 1), stack | USER_PAGE);
    }
}

static void visit_root(struct tally *tally, const struct root *root, uint32_t bits)
{
    uint32_t number = *at(root->data + NUMBER), visited = *at(root->data + VISITED);
    uint32_t added = *at(root->data + ADDED);
    set_cr3(root->cr3 | bits);
    struct context c = user(visit);
    c.ebx = CODE;
    c.esi = DATA;
    c.esp = STACK;
    expect(tally, number, run_ended(&c), 0);
    expect(tally, number, c.ecx, number);
    expect(tally, number, c.edx, number);
    expect(tally, number, c.eax, root->value);
    expect(tally, number, c.edi, added + root->value);
    expect(tally, number, *at(DATA + VISITED), visited + 1);
    *at(DATA + ADDED) ^= number;
    expect(tally, number, *at(root->data + ADDED), (added + root->value) ^ number);
}

static void visit_at_random(const char *name, uint32_t salt, unsigned limit)
{
    struct tally tally = {0};
    struct random random = random_new(salt);
    begin(name);
    for (unsigned i = 0; i < VISITS; i++) {
        uint32_t bits = random_below(&random, 4) ? 0 : CACHE_BITS;
        unsigned n = random_below(&random, limit) * (ROOTS / limit);
        visit_root(&tally, &roots[n], bits);
    }
    put_tally(&tally);
}

/* Every root in turn, then at random; then with pages that all of them share (the
 * kernel's and the program's) as global ones. */
static void test_switches(void)
{
    struct tally tally = {0};
    begin("turns");
    for (unsigned i = 0; i < 2 * ROOTS; i++) {
        visit_root(&tally, &roots[i % ROOTS], 0);
    }
    put_tally(&tally);
    visit_at_random("random", 50, ROOTS);
    visit_at_random("few", 54, 3);
    set_leaf(USER_TEXT, leaf_of(USER_TEXT) | G);
    set_leaf(USER_STACK - 1, leaf_of(USER_STACK - 1) | G);
    set_cr4(get_cr4() | CR4_PGE);
    visit_at_random("random_global", 55, ROOTS);
    visit_at_random("few_global", 56, 5);
    set_cr4(get_cr4() & ~(uint32_t)CR4_PGE);
}

/* What one root maps and the next does not. */
static void test_sometimes(void)
{
    struct tally tally = {0};
    struct random random = random_new(51);
    begin("sometimes");
    for (unsigned i = 0; i < ROOTS; i++) {
        map_root(&roots[i], i);
    }
    for (unsigned i = 0; i < VISITS / 4; i++) {
        unsigned n = random_below(&random, ROOTS);
        set_cr3(roots[n].cr3);
        struct context c = user(visit);
        c.ebx = CODE;
        c.esi = SOMETIMES;
        c.esp = STACK;
        expect(&tally, n, run_ended(&c), n & 1 ? 0 : ENDED_FAULT | ERROR_USER);
        expect(&tally, n, n & 1 ? c.ecx : get_cr2(),
               n & 1 ? *at(roots[n].data) : SOMETIMES);
    }
    put_tally(&tally);
}

/* Pages of other roots change hands; a root's tables become those of another. */
static void test_changes(void)
{
    struct tally tally = {0};
    struct random random = random_new(52);
    begin("changes");
    for (unsigned i = 0; i < VISITS; i++) {
        struct root *here = &roots[random_below(&random, ROOTS)];
        struct root *one = &roots[random_below(&random, ROOTS)];
        struct root *other = &roots[random_below(&random, ROOTS)];
        visit_root(&tally, here, 0);
        if (one != here && other != here) {
            struct root old = *one;
            one->data = other->data;
            other->data = old.data;
            if (i & 1) {
                one->code = other->code;
                one->value = other->value;
                other->code = old.code;
                other->value = old.value;
            }
            map_root(one, 1);
            map_root(other, 1);
        }
        visit_root(&tally, one, 0);
        visit_root(&tally, here, 0);
        if (i % 8 == 0) {
            /* New code in the frame itself, for whoever maps it. */
            here->value = random_next(&random);
            write_function(here->code, here->value, i / 8 % 4);
        }
        visit_root(&tally, other, 0);
    }
    put_tally(&tally);
}

/* The same CR3, but the directory in it is another one by now. */
static void test_reuse(void)
{
    struct tally tally = {0};
    struct random random = random_new(53);
    uint32_t root = space_create(), home = roots[0].cr3;
    begin("reuse");
    for (unsigned i = 0; i < VISITS / 4; i++) {
        const struct root *from = &roots[random_below(&random, ROOTS)];
        struct root borrowed = *from;
        set_cr3(home);
        entry_write(directory_entry(root, WINDOW),
                    entry_read(directory_entry(from->cr3, WINDOW)));
        borrowed.cr3 = root;
        visit_root(&tally, &borrowed, 0);
        visit_root(&tally, from, 0);
        if (i & 1) {
            visit_root(&tally, &borrowed, 0);
            /* …even while it is the current one. */
            const struct root *next = &roots[random_below(&random, ROOTS)];
            entry_write(directory_entry(root, WINDOW),
                        entry_read(directory_entry(next->cr3, WINDOW)));
            borrowed = *next;
            borrowed.cr3 = root;
            visit_root(&tally, &borrowed, i & 2 ? CACHE_BITS : 0);
        }
    }
    put_tally(&tally);
}

/* Several roots in one page: with PAE a root is 32 bytes. */
static void test_packed(void)
{
    struct tally tally = {0};
    uint32_t page = frame_alloc(), home = current_root();
    begin("packed");
    for (unsigned i = 0; i < 8; i++) {
        copy(page + 0x20 * i, (const void *)roots[i * 3].cr3, 0x20);
    }
    for (unsigned i = 0; i < 100; i++) {
        struct root packed = roots[i * 5 % 8 * 3];
        packed.cr3 = page + 0x20 * (i * 5 % 8);
        visit_root(&tally, &packed, i & 8 ? CACHE_BITS : 0);
    }
    set_cr3(home);
    put_tally(&tally);
}

void torture_roots(void)
{
    uint32_t home = current_root();
    create_roots();
    test_switches();
    test_sometimes();
    test_changes();
    test_reuse();
    if (paging_is_pae()) {
        test_packed();
    }
    set_cr3(home);
}
