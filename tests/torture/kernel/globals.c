/* Global pages (SDM vol. 3, 4.10.2.4): shared by all roots, kept over CR3 loads or not,
 * gone by INVLPG and CR4.PGE. */
#include "torture.h"

enum {
    ROOTS = 6,
    PAGES = 8,
    OFTEN = 300,
    SHARED = 0x90000000U, /* global pages, whose table all roots share */
    OWN = WINDOW,         /* pages of each root */
};

SNIPPET(read_both, "mov (%ebx), %eax; mov (%esi), %ecx; incl 4(%ebx); incl 4(%esi);"
                   "mov 4(%ebx), %edx");

static struct {
    uint32_t roots[ROOTS];
    uint32_t shared[PAGES]; /* frames */
    uint32_t own[ROOTS];
} world;

static void create_world(uint32_t bits)
{
    for (unsigned i = 0; i < PAGES; i++) {
        world.shared[i] = frame_alloc();
        *at(world.shared[i]) = 0x100 + i;
        set_leaf(SHARED + i * PAGE_BYTES, world.shared[i] | USER_PAGE | bits);
    }
    uint64_t table = entry_read(directory_entry(current_root(), SHARED));
    for (unsigned i = 0; i < ROOTS; i++) {
        world.roots[i] = space_create();
        world.own[i] = frame_alloc();
        *at(world.own[i]) = 0x200 + i;
        entry_write(directory_entry(world.roots[i], SHARED), table);
        entry_write(leaf_entry(world.roots[i], OWN), world.own[i] | USER_PAGE);
    }
}

/* Both kinds of pages, from a root and at a ring. */
static void look(struct tally *tally, unsigned root, unsigned page, unsigned ring)
{
    uint32_t counted = *at(world.shared[page] + 4);
    struct context c = at_ring(ring, read_both);
    c.ebx = SHARED + page * PAGE_BYTES;
    c.esi = OWN;
    expect(tally, c.ebx, run_ended(&c), 0);
    expect(tally, c.ebx, c.eax, *at(world.shared[page]));
    expect(tally, c.esi, c.ecx, 0x200 + root);
    expect(tally, c.ebx, c.edx, counted + 1);
}

static void switches(const char *name)
{
    struct tally tally = {0};
    struct random random = random_new(60);
    begin(name);
    for (unsigned i = 0; i < OFTEN; i++) {
        unsigned root = random_below(&random, ROOTS);
        set_cr3(world.roots[root]);
        look(&tally, root, random_below(&random, PAGES), i & 1 ? 3 : 0);
        look(&tally, root, random_below(&random, PAGES), i & 2 ? 3 : 0);
    }
    put_tally(&tally);
}

/* Global pages change places; only some flushes are enough. */
static void changes(const char *name, enum flush how, uint32_t bits)
{
    struct tally tally = {0};
    struct random random = random_new(61 + how);
    begin(name);
    for (unsigned i = 0; i < OFTEN; i++) {
        unsigned root = random_below(&random, ROOTS);
        unsigned one = random_below(&random, PAGES),
                 other = random_below(&random, PAGES);
        set_cr3(world.roots[root]);
        look(&tally, root, one, i & 1 ? 3 : 0);
        look(&tally, root, other, i & 2 ? 3 : 0);
        uint32_t frame = world.shared[one];
        world.shared[one] = world.shared[other];
        world.shared[other] = frame;
        set_leaf(SHARED + one * PAGE_BYTES, world.shared[one] | USER_PAGE | bits);
        set_leaf(SHARED + other * PAGE_BYTES, world.shared[other] | USER_PAGE | bits);
        flush(how, SHARED + one * PAGE_BYTES);
        if (how == FLUSH_PAGE) {
            flush_page(SHARED + other * PAGE_BYTES);
        }
        look(&tally, root, one, i & 2 ? 3 : 0);
        root = random_below(&random, ROOTS);
        set_cr3(world.roots[root]);
        look(&tally, root, other, i & 1 ? 3 : 0);
    }
    put_tally(&tally);
}

/* Loading CR3 may leave a global page or not; INVLPG does not. */
static void test_either(void)
{
    struct tally tally = {0};
    begin("either");
    for (unsigned i = 0; i < OFTEN; i++) {
        uint32_t old = world.shared[i % PAGES], new = world.shared[(i + 1) % PAGES];
        map(SHARED, old | USER_PAGE | G);
        expect(&tally, i, *at(SHARED), *at(old));
        set_leaf(SHARED, new | USER_PAGE | G);
        set_cr3(world.roots[i % ROOTS]);
        uint32_t found = *at(SHARED);
        expect(&tally, i, found == *at(old) || found == *at(new), true);
        flush_page(SHARED);
        expect(&tally, i, *at(SHARED), *at(new));
    }
    map(SHARED, world.shared[0] | USER_PAGE | G);
    put_tally(&tally);
}

/* A page that is global at times. In between, each root has its own table there. */
static void test_sometimes(void)
{
    struct tally tally = {0};
    uint64_t table = entry_read(directory_entry(world.roots[0], SHARED));
    begin("sometimes");
    for (unsigned i = 0; i < OFTEN / 4; i++) {
        for (unsigned root = 0; root < ROOTS; root++) {
            set_cr3(world.roots[root]);
            look(&tally, root, root, i & 1 ? 3 : 0);
        }
        for (unsigned root = 0; root < ROOTS; root++) {
            /* The root's own page stands for the global one. */
            entry_write(directory_entry(world.roots[root], SHARED),
                        entry_read(directory_entry(world.roots[root], OWN)));
        }
        flush_global();
        for (unsigned root = 0; root < ROOTS; root++) {
            set_cr3(world.roots[root]);
            expect(&tally, root, *at(SHARED + (OWN & (large_bytes() - 1))),
                   0x200 + root);
        }
        for (unsigned root = 0; root < ROOTS; root++) {
            entry_write(directory_entry(world.roots[root], SHARED), table);
        }
        flush_root();
    }
    put_tally(&tally);
}

/* Large global pages. */
static void test_large(void)
{
    struct tally tally = {0};
    uint32_t linear = SHARED + 16 * large_bytes(), bytes = large_bytes();
    *at(LARGE_FRAMES + 0x3000) = 0;
    *at(LARGE_FRAMES + bytes + 0x3000) = 1;
    begin("large");
    for (unsigned i = 0; i < OFTEN; i++) {
        for (unsigned root = 0; root < ROOTS; root++) {
            entry_write(directory_entry(world.roots[root], linear),
                        (LARGE_FRAMES + (i & 1) * bytes) | USER_PAGE | LARGE | G);
        }
        if (i & 2) {
            flush_page(linear + 0x3000);
        } else {
            flush_global();
        }
        expect(&tally, i, *at(linear + 0x3000), i & 1);
        set_cr3(world.roots[i % ROOTS]);
        expect(&tally, i, *at(linear + 0x3000), i & 1);
    }
    put_tally(&tally);
}

void torture_globals(void)
{
    uint32_t home = current_root();
    create_world(G);
    switches("switches_without_pge");
    changes("root_without_pge", FLUSH_ROOT, G);
    set_cr4(get_cr4() | CR4_PGE);
    switches("switches");
    changes("page", FLUSH_PAGE, G);
    changes("global", FLUSH_GLOBAL, G);
    changes("paging", FLUSH_PAGING, G);
    test_either();
    test_sometimes();
    test_large();
    set_cr3(home);
    set_cr4(get_cr4() & ~(uint32_t)CR4_PGE);
}
