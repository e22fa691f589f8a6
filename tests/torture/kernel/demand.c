/* More pages than frames: a #PF handler that brings pages in and throws others out, by
 * the accessed and dirty bits. A page that is not dirty is not saved: if D is wrong,
 * data is lost. Also stacks that grow, and code that is paged. */
#include "torture.h"

enum {
    PAGES = 48,
    FRAME_COUNT = 12,
    REGION = WINDOW,
    STORE = MODELS, /* pages that are out */
    MODEL = STORE + PAGES * PAGE_BYTES,
    STACK_PAGES = 24,
    STACK_TOP = WINDOW + 0x800000,
    ROUNDS = 1200,
    TURNS = 10,
    FUNCTION_BYTES = 16, /* at the start of each page */
    MULTIPLIER = 0x41c64e6d,
    INCREMENT = 12345,
};

/* Adds to a pseudo-random word, calls the function of its page. */
SNIPPET(program,
        "1: imul $0x41c64e6d, %eax, %eax; add $12345, %eax; mov %eax, %edx; push %eax;"
        "shr $9, %edx; and $0xfffc, %edx; or $0x10, %edx; add %eax, (%ebx,%edx);"
        "and $0xf000, %edx; add %ebx, %edx; call *%edx; add %eax, %esi; pop %eax;"
        "loop 1b");
SNIPPET(copies, "rep movsl");
SNIPPET(patches, "mov %eax, 1(%ebx); call *%ebx");
/* Calls itself ECX times with 200 bytes of locals, adds up on the way back. */
SNIPPET(recursion, "call 1f; int3;"
                   "1: enter $200, $0; mov %ecx, -4(%ebp); mov %ecx, -200(%ebp);"
                   "dec %ecx; jz 2f; call 1b; 2: add -4(%ebp), %eax;"
                   "xor -200(%ebp), %edx; leave; ret");

static struct {
    uint32_t frames[FRAME_COUNT];
    uint32_t pages[FRAME_COUNT]; /* what each holds; PAGES: nothing */
    unsigned hand;
    uint32_t faults, saved, dropped;
    uint32_t stack_frames[STACK_PAGES];
    unsigned stack_pages;
} world;

/* Takes a frame from the page that has not been used for longest. */
static unsigned make_room(void)
{
    for (;;) {
        unsigned i = world.hand++ % FRAME_COUNT;
        uint32_t page = world.pages[i], linear = REGION + page * PAGE_BYTES;
        if (page == PAGES) {
            return i;
        }
        uint32_t entry = (uint32_t)leaf_of(linear);
        if (entry & A) {
            map(linear, entry & ~(uint32_t)A);
            continue;
        }
        if (entry & D) {
            copy(STORE + page * PAGE_BYTES, (const void *)world.frames[i], PAGE_BYTES);
        }
        world.saved += (entry & D) != 0;
        world.dropped += !(entry & D);
        map(linear, 0);
        return i;
    }
}

static bool bring_in(struct trap *trap)
{
    uint32_t page = (get_cr2() - REGION) / PAGE_BYTES;
    if (page >= PAGES || (trap->error & ERROR_PRESENT)) {
        return false;
    }
    unsigned i = make_room();
    world.faults++;
    world.pages[i] = page;
    copy(world.frames[i], (const void *)(STORE + page * PAGE_BYTES), PAGE_BYTES);
    set_leaf(REGION + page * PAGE_BYTES, world.frames[i] | USER_PAGE);
    return true;
}

static void create_region(void)
{
    for (unsigned i = 0; i < FRAME_COUNT; i++) {
        world.frames[i] = frame_alloc();
        world.pages[i] = PAGES;
    }
    for (unsigned page = 0; page < PAGES; page++) {
        uint32_t place = STORE + page * PAGE_BYTES;
        fill_pattern(place, PAGE_BYTES, page);
        *byte_at(place) = 0xb8; /* mov $…, %eax; ret */
        *at(place + 1) = page * 0x1001;
        *byte_at(place + 5) = 0xc3;
        set_leaf(REGION + page * PAGE_BYTES, 0);
    }
    copy(MODEL, (const void *)STORE, PAGES * PAGE_BYTES);
    flush_root();
    world.faults = world.saved = world.dropped = 0;
}

static void run_program(struct tally *tally, struct random *random)
{
    uint32_t x = random_next(random), sum = 0;
    uint32_t first = random_below(random, PAGES - 16) * PAGE_BYTES;
    struct context c = user(program);
    c.eax = x;
    c.ebx = REGION + first;
    c.ecx = TURNS;
    expect(tally, first, run_ended(&c), 0);
    for (unsigned i = 0; i < TURNS; i++) {
        x = x * MULTIPLIER + INCREMENT;
        uint32_t place = first + ((x >> 9 & 0xfffc) | 0x10);
        *at(MODEL + place) += x;
        sum += *at(MODEL + (place & ~ENTRY_FLAGS) + 1);
    }
    expect(tally, first, c.eax, x);
    expect(tally, first, c.esi, sum);
}

/* From page to page, but for the functions. */
static void copy_pages(struct tally *tally, struct random *random, unsigned ring)
{
    uint32_t words = random_below(random, (PAGE_BYTES - FUNCTION_BYTES) / 4);
    uint32_t from = random_below(random, PAGES) * PAGE_BYTES + FUNCTION_BYTES;
    uint32_t to = random_below(random, PAGES) * PAGE_BYTES + FUNCTION_BYTES;
    struct context c = at_ring(ring, copies);
    c.esi = REGION + from;
    c.edi = REGION + to;
    c.ecx = words;
    expect(tally, from, run_ended(&c), 0);
    expect(tally, to, c.edi, REGION + to + 4 * words);
    for (unsigned i = 0; i < words; i++) {
        *at(MODEL + to + 4 * i) = *at(MODEL + from + 4 * i);
    }
}

static void patch(struct tally *tally, struct random *random)
{
    uint32_t page = random_below(random, PAGES) * PAGE_BYTES;
    struct context c = user(patches);
    uint32_t value = c.eax = random_next(random);
    c.ebx = REGION + page;
    expect(tally, page, run_ended(&c), 0);
    expect(tally, page, c.eax, value);
    *at(MODEL + page + 1) = value;
}

static void test_replacement(void)
{
    struct tally tally = {0};
    struct random random = random_new(90);
    create_region();
    handle(VECTOR_PF, bring_in);
    begin("replacement");
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned what = random_below(&random, 8);
        if (what < 2) {
            copy_pages(&tally, &random, what ? 3 : 0);
        } else if (what == 2) {
            patch(&tally, &random);
        } else {
            run_program(&tally, &random);
        }
    }
    for (uint32_t i = 0; i < PAGES * PAGE_BYTES; i += 4) {
        if (*at(REGION + i) != *at(MODEL + i)) {
            expect(&tally, i, *at(REGION + i), *at(MODEL + i));
        }
    }
    tally_add(&tally, checksum(REGION, PAGES * PAGE_BYTES));
    put(" %d faults, %d saved, %d dropped,", world.faults, world.saved, world.dropped);
    put_tally(&tally);
}

static bool grow_stack(struct trap *trap)
{
    uint32_t address = get_cr2();
    if (address >= STACK_TOP || address < STACK_TOP - STACK_PAGES * PAGE_BYTES ||
        trap->error != (ERROR_USER | ERROR_WRITE)) {
        return false;
    }
    uint32_t frame = world.stack_frames[world.stack_pages++];
    fill(frame, 0xee, PAGE_BYTES);
    set_leaf(address & ~ENTRY_FLAGS, frame | USER_PAGE);
    return true;
}

static void test_stacks(void)
{
    struct tally tally = {0};
    struct random random = random_new(91);
    for (unsigned i = 0; i < STACK_PAGES; i++) {
        world.stack_frames[i] = frame_alloc();
    }
    handle(VECTOR_PF, grow_stack);
    begin("stacks");
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 1; i <= STACK_PAGES; i++) {
            map(STACK_TOP - i * PAGE_BYTES, 0);
        }
        world.stack_pages = 0;
        unsigned depth = 1 + random_below(&random, 450), sum = 0, mix = 0;
        for (unsigned i = 1; i <= depth; i++) {
            sum += i;
            mix ^= i;
        }
        struct context c = user(recursion);
        c.ecx = depth;
        c.esp = STACK_TOP - 4 * random_below(&random, 64);
        c.ebp = 0;
        uint32_t esp = c.esp;
        expect(&tally, depth, run_ended(&c), 0);
        expect(&tally, depth, c.eax, sum);
        expect(&tally, depth, c.edx, mix);
        expect(&tally, depth, c.esp, esp);
        tally_add(&tally, world.stack_pages);
    }
    put_tally(&tally);
}

void torture_demand(void)
{
    test_replacement();
    test_stacks();
}
