/* Segments with limits, expand-down segments, segments that may only be read, all with
 * bases anywhere: operands in all forms at their edges (SDM vol. 3, 5.3). */
#include "forms.h"

enum { TRIES = 250, CHANGE = 10, CASES_BY_STACK = 400 };

SNIPPET(push, "push %eax");
SNIPPET(push_word, "push %ax");
SNIPPET(pop, "pop %eax");
SNIPPET(pusha, "pusha");
SNIPPET(call, "call 1f; 1: nop");
SNIPPET(enter, "enter $0, $0");
SNIPPET(rep_movs, "rep movsb");

/* A data segment at random: base so that an edge of it is where memory is. */
static struct form_segment any_segment(struct random *random, unsigned slot)
{
    static const uint32_t limits[] = {0,      1,      0xff,    0xfff,  0x1003,
                                      0xfffe, 0xffff, 0x12345, 0xfffff};
    uint32_t limit = limits[random_below(random, sizeof(limits) / sizeof(limits[0]))];
    bool granular = random_below(random, 3) == 0, big = random_below(random, 2);
    bool down = random_below(random, 3) == 0, writable = random_below(random, 8);
    uint32_t selector = (SLOT + 8 * slot) | 3;
    uint32_t end = granular ? limit << 12 | 0xfff : limit;
    uint32_t base = form_edge(random) - end;
    if (random_below(random, 4) == 0) {
        base = random_next(random);
    }
    gdt_set(selector, base, limit,
            PRESENT | DPL3 | DATA_READ | (writable ? 2 : 0) | (down ? 4 : 0) |
                (big ? BIG : 0) | (granular ? GRANULAR : 0));
    uint32_t top = big ? 0xffffffff : 0xffff;
    bool empty = down && end >= top;
    return (struct form_segment){
        .selector = selector,
        .base = base,
        .first = empty  ? 1
                 : down ? end + 1
                        : 0,
        .last = empty  ? 0
                : down ? top
                       : end,
        .whole = !down && end == 0xffffffff,
        .readable = true,
        .writable = writable,
    };
}

/* Around an edge of the segment. */
static uint32_t any_offset(struct random *random, const struct form_segment *segment)
{
    uint32_t edge = random_below(random, 2) ? segment->first : segment->last;
    return edge + random_below(random, 0x50) - 0x28;
}

static void test_forms(unsigned ring)
{
    for (unsigned i = 0; i < form_operation_count; i++) {
        const struct form_operation *operation = &form_operations[i];
        struct random random = random_new(500 + i);
        struct form_segment segments[FORM_SEGMENTS];
        struct tally tally = {0};
        begin(joined(ring ? "user" : "kernel", operation->name));
        if (!form_begin(operation)) {
            put(" without AVX");
            continue;
        }
        for (unsigned n = 0; n < TRIES; n++) {
            for (unsigned s = 0; n % CHANGE == 0 && s < FORM_SEGMENTS; s++) {
                segments[s] = any_segment(&random, s);
                segments[s].writable |= s == FORM_SS; /* or it cannot be loaded */
            }
            if (n % CHANGE == 0) {
                gdt_set(segments[FORM_SS].selector, segments[FORM_SS].base, 0xffff,
                        PRESENT | DPL3 | DATA_WRITE | BIG);
                segments[FORM_SS].first = 0;
                segments[FORM_SS].last = 0xffff;
                segments[FORM_SS].whole = false;
            }
            unsigned s = random_below(&random, FORM_SEGMENTS);
            if (s == FORM_CS || (s == FORM_SS && ring == 0)) {
                s = FORM_GS;
            }
            form_try(&tally, &random, operation, ring, segments, s,
                     any_offset(&random, &segments[s]));
        }
        put_tally(&tally);
    }
}

/* Pushes and the like: #SS where the stack segment has no room. */
static void test_stacks(void)
{
    static const struct {
        const char *name;
        const uint8_t *code;
        uint32_t bytes; /* below ESP; or above it, if it pops */
        bool pops;
    } kinds[] = {
        {"push", push, 4, false}, {"push_word", push_word, 2, false},
        {"pop", pop, 4, true},    {"pusha", pusha, 32, false},
        {"call", call, 4, false}, {"enter", enter, 4, false},
    };
    const uint32_t stack_fault = 12, base = 0x7fffe000;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct random random = random_new(520 + i);
        struct tally tally = {0};
        begin(kinds[i].name);
        for (unsigned n = 0; n < CASES_BY_STACK; n++) {
            uint32_t limit = 0x100 + random_below(&random, 0x3000), slot = SLOT | 3;
            bool down = n & 1;
            gdt_set(slot, base, limit,
                    PRESENT | DPL3 | BIG | (down ? DATA_DOWN : DATA_WRITE));
            uint32_t edge = random_below(&random, 2) && !down ? 0 : limit + 1;
            struct context c = user(kinds[i].code);
            c.ss = slot;
            c.esp = edge + random_below(&random, 80) - 40;
            uint32_t esp = c.esp, low = kinds[i].pops ? esp : esp - kinds[i].bytes;
            uint64_t last = (uint64_t)low + kinds[i].bytes - 1;
            bool inside = down ? low > limit && last <= 0xffffffff : last <= limit;
            bool mapped = low < 0x4000 && last < 0x4000;
            uint32_t ended = run_ended(&c);
            if (!inside || mapped) {
                expect(&tally, esp, ended, inside ? 0 : ENDED_OTHER | stack_fault);
            }
            expect(&tally, esp, c.esp, ended ? esp : kinds[i].pops ? esp + 4 : low);
        }
        put_tally(&tally);
    }
}

/* A string instruction that comes to the end of its segments: the elements before are
 * done. */
static void test_strings(void)
{
    struct random random = random_new(530);
    struct tally tally = {0};
    begin("movs");
    for (unsigned n = 0; n < CASES_BY_STACK; n++) {
        uint32_t limits[2] = {0x800 + random_below(&random, 0x1000),
                              0x800 + random_below(&random, 0x1000)};
        uint32_t selectors[2] = {SLOT | 3, (SLOT + 8) | 3};
        gdt_set(selectors[0], 0x7fffe000, limits[0], PRESENT | DPL3 | DATA_WRITE);
        gdt_set(selectors[1], 0xffffc000, limits[1], PRESENT | DPL3 | DATA_WRITE);
        struct context c = user(rep_movs);
        bool is_down = n & 1;
        c.ds = selectors[0];
        c.es = selectors[1];
        c.esi = random_below(&random, limits[0]);
        c.edi = random_below(&random, limits[1]);
        c.ecx = random_below(&random, 0x1200);
        c.eflags |= is_down ? FLAG_DF : 0;
        uint32_t room[2] = {is_down ? c.esi + 1 : limits[0] - c.esi + 1,
                            is_down ? c.edi + 1 : limits[1] - c.edi + 1};
        uint32_t count = c.ecx < room[0] ? c.ecx : room[0];
        count = count < room[1] ? count : room[1];
        uint32_t esi = c.esi, left = c.ecx - count;
        expect(&tally, n, run_ended(&c), left ? ENDED_OTHER | VECTOR_GP : 0);
        expect(&tally, n, c.ecx, left);
        expect(&tally, n, c.esi, is_down ? esi - count : esi + count);
    }
    put_tally(&tally);
}

void torture_limits(void)
{
    forms_map();
    test_forms(3);
    test_forms(0);
    test_stacks();
    test_strings();
    limits_of_reloads();
}
