/* Timer interrupts at random instructions of loops whose results have to stay; the
 * handler flushes, changes roots, moves the pages that the loop uses. */
#include "threads.h"

enum {
    PIC_COMMAND = 0x20,
    PIC_MASK = 0x21,
    PIT_CHANNEL_0 = 0x40,
    PIT_CONTROL = 0x43,
    PIT_ONCE = 0x30, /* mode 0 */
    END_OF_INTERRUPT = 0x20,
    COUNT_LEAST = 60, /* of 1.19 MHz */
    COUNT_SPREAD = 600,
    TICKS = 40, /* per loop */
    TURNS = 20000,
    DATA = WINDOW,
    TEXT = WINDOW + 0x40000,
    PAGES = 4,
};

/* EBX is the data, EBP the text; ECX counts. */
SNIPPET(arithmetic, "1: add %ecx, %eax; adc %eax, %edx; rcl $3, %edx; sbb %edx, %esi;"
                    "imul $77, %esi, %esi; adc $5, %edi; loop 1b; pushf; pop %ebp");
SNIPPET(memory, "1: add %ecx, (%ebx); mov (%ebx), %edx; adc %edx, 0xffe(%ebx);"
                "xchg %eax, 0x1ffc(%ebx); xadd %edx, 0x2004(%ebx); sbb %edx, %esi;"
                "loop 1b; mov 0xffe(%ebx), %edi");
SNIPPET(calls, "1: call 2f; xor %edx, %eax; loop 1b; jmp 3f; 2: push %ecx; call 4f;"
               "pop %edx; ret; 4: push %eax; rolw $5, 1(%esp); pop %eax;"
               "add %ecx, %eax; ret; 3: nop");
SNIPPET(strings, "shr $6, %ecx; 1: push %ecx; mov %ebx, %esi; lea 0x1234(%ebx), %edi;"
                 "mov $0x200, %ecx; rep movsl; mov %ebx, %edi; mov $0x1100, %ecx;"
                 "mov $0x77, %al; repne scasb; add %edi, %edx; pop %ecx;"
                 "add %ecx, 0x456(%ebx); loop 1b; mov 0x1678(%ebx), %eax;"
                 "sub %ebx, %edx; xor %esi, %esi; xor %edi, %edi");
SNIPPET(floating,
        "fninit; fld1; fldz; 1: fadd %st(1), %st; fildl (%ebx); fmulp %st, %st(2);"
        "fld1; faddp %st, %st(2); fld1; fdivp %st, %st(2);"
        "test $0xff, %ecx; jnz 2f; fstp %st; fldpi; 2: dec %ecx; jnz 1b;"
        "fstpl 8(%ebx); mov 8(%ebx), %eax; mov 12(%ebx), %edx");
SNIPPET(vectors,
        "movups (%ebx), %xmm0; movups 0xff8(%ebx), %xmm1; 1: paddd %xmm0, %xmm1;"
        "pxor %xmm1, %xmm0; psrlw $3, %xmm1; movups %xmm0, 0xff5(%ebx);"
        "paddb 0x10(%ebx), %xmm1; loop 1b; movd %xmm0, %eax; movd %xmm1, %edx");
SNIPPET(itself, "1: add $0x1234, %eax; rol $1, %eax; test $0x3f, %cl; jnz 2f;"
                "add %ecx, 1b-itself+1(%ebp); 2: dec %ecx; jnz 1b");
SNIPPET(many_pages, "1: imul $0x41c64e6d, %eax, %eax; add $12345, %eax; mov %eax, %edx;"
                    "shr $12, %edx; and $0x3ffc, %edx; add %eax, (%ebx,%edx);"
                    "adc (%ebx,%edx), %edi; loop 1b; xor %edx, %edx");

static const struct {
    const char *name;
    const uint8_t *code, *end;
    uint32_t turns;
} loops[] = {
    {"arithmetic", arithmetic, arithmetic_end, TURNS},
    {"memory", memory, memory_end, TURNS},
    {"calls", calls, calls_end, TURNS},
    {"strings", strings, strings_end, TURNS / 2},
    {"floating", floating, floating_end, TURNS},
    {"vectors", vectors, vectors_end, TURNS},
    {"itself", itself, itself_end, TURNS},
    {"many_pages", many_pages, many_pages_end, TURNS},
};

static struct {
    uint32_t frames[2 * PAGES + 2]; /* of data, text, and two to move to */
    uint32_t other_root;
    unsigned ticks;
    bool threads;
    struct random random;
} world;

static void start_timer(void)
{
    uint32_t count = COUNT_LEAST + random_below(&world.random, COUNT_SPREAD);
    outb(PIT_CONTROL, PIT_ONCE);
    outb(PIT_CHANNEL_0, (uint8_t)count);
    outb(PIT_CHANNEL_0, (uint8_t)(count >> 8));
}

static uint32_t page_linear(unsigned page)
{
    return page < PAGES ? DATA + page * PAGE_BYTES : TEXT + (page - PAGES) * PAGE_BYTES;
}

/* The page's contents go on in another frame. */
static void move_page(unsigned page)
{
    uint32_t *free = &world.frames[2 * PAGES + random_below(&world.random, 2)];
    uint32_t old = world.frames[page];
    copy(*free, (const void *)old, PAGE_BYTES);
    fill(old, 0xcc, PAGE_BYTES);
    world.frames[page] = *free;
    map(page_linear(page), *free | USER_PAGE);
    *free = old;
}

static void disturb(void)
{
    unsigned page = random_below(&world.random, 2 * PAGES);
    uint32_t root = get_cr3(), linear = page_linear(page);
    switch (random_below(&world.random, 8)) {
    case 0:
        flush_root();
        break;
    case 1:
        flush_global();
        break;
    case 2:
        flush_page(linear);
        break;
    case 3:
        set_cr3(world.other_root);
        set_cr3(root);
        break;
    case 4:
        map(linear, leaf_of(linear) & ~(uint64_t)(A | D));
        break;
    case 5:
        flush_paging();
        break;
    default:
        move_page(page);
    }
}

static bool tick(struct trap *trap)
{
    world.ticks++;
    outb(PIC_COMMAND, END_OF_INTERRUPT);
    if (!world.threads) {
        disturb();
    } else if (trap->cs & 3) {
        threads_switch(trap);
    }
    start_timer();
    return true;
}

static struct context begin_loop(unsigned i, unsigned ring)
{
    for (unsigned page = 0; page < PAGES; page++) {
        fill_pattern(page_linear(page), PAGE_BYTES, page);
    }
    copy(TEXT + 0xff0, loops[i].code, (uint32_t)(loops[i].end - loops[i].code));
    struct context c = placed(ring, TEXT + 0xff0);
    c.ebx = DATA;
    c.ebp = TEXT + 0xff0;
    c.ecx = loops[i].turns;
    return c;
}

static void expect_context(struct tally *tally, uint32_t where, const struct context *c,
                           const struct context *wanted)
{
    expect(tally, where, c->vector, wanted->vector);
    expect(tally, where, c->eip, wanted->eip);
    expect(tally, where, c->eax, wanted->eax);
    expect(tally, where, c->edx, wanted->edx);
    expect(tally, where, c->esi, wanted->esi);
    expect(tally, where, c->edi, wanted->edi);
    expect(tally, where, c->eflags & FLAGS_ALL, wanted->eflags & FLAGS_ALL);
}

/* How many runs that takes differs from time to time: only what is wrong is told. */
static void test_loop(unsigned i, unsigned ring)
{
    struct tally tally = {0};
    struct context wanted = begin_loop(i, ring);
    begin(joined(ring ? "user" : "kernel", loops[i].name));
    run(&wanted);
    uint32_t sum = checksum(DATA, PAGES * PAGE_BYTES);
    outb(PIC_MASK, 0xfe);
    for (world.ticks = 0; world.ticks < TICKS;) {
        struct context c = begin_loop(i, ring);
        c.eflags |= FLAG_IF;
        start_timer();
        run(&c);
        expect_context(&tally, world.ticks, &c, &wanted);
        expect(&tally, world.ticks, checksum(DATA, PAGES * PAGE_BYTES), sum);
    }
    outb(PIC_MASK, 0xff);
    put_ending(&wanted);
    put(" eax %x edx %x esi %x edi %x sum %x", wanted.eax, wanted.edx, wanted.esi,
        wanted.edi, sum);
    put(tally.bad ? " BAD" : " always");
}

static void test_threads(void)
{
    struct tally tally = {0};
    threads_create();
    begin("threads");
    handle(VECTOR_TIMER, tick);
    world.threads = true;
    outb(PIC_MASK, 0xfe);
    for (unsigned i = 0; i < 3; i++) {
        start_timer();
        threads_compare(&tally, 310 + i);
    }
    outb(PIC_MASK, 0xff);
    world.threads = false;
    put_tally(&tally);
}

void torture_timer(void)
{
    for (unsigned i = 0; i < 2 * PAGES + 2; i++) {
        world.frames[i] = frame_alloc();
        if (i < 2 * PAGES) {
            map(page_linear(i), world.frames[i] | USER_PAGE);
        }
    }
    world.random = random_new(310);
    world.other_root = space_create();
    handle(VECTOR_TIMER, tick);
    for (unsigned i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        test_loop(i, 3);
        test_loop(i, 0);
    }
    test_threads();
}
