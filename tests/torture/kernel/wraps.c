/* Addresses that wrap: operands at and across both ends of the address space, in all
 * forms, with large segment bases; strings, stacks and code that run across 4 GiB and
 * 64 KiB. All segments are of 4 GiB: they wrap and do not end. */
#include "forms.h"

enum {
    TRIES = 250,
    TOP_PAGE = 0xfffff000,
    SMALL = 64,
    /* What is missing. */
    ALL_THERE = 0,
    NO_BOTTOM = 1,
    NO_TOP = 2,
    READ_ONLY_BOTTOM = 3,
    LAYOUTS = 4,
};

SNIPPET(rep_movs, "rep movsl");
SNIPPET(rep_movs_bytes, "rep movsb");
SNIPPET(rep_stos, "rep stosl");
SNIPPET(rep_lods, "rep lodsl");
SNIPPET(repne_scas, "repne scasb");
SNIPPET(rep_movs_16, "addr16 rep movsl");
SNIPPET(rep_stos_16, "addr16 rep stosw");
SNIPPET(movs_one, "movsl; movsl; movsl");
SNIPPET(push, "push %eax");
SNIPPET(push_word, "push %ax");
SNIPPET(pushes, "push %eax; push %ebx; push %ecx");
SNIPPET(pusha, "pusha");
SNIPPET(pushf, "pushf");
SNIPPET(pop, "pop %eax");
SNIPPET(pops, "pop %eax; pop %ebx; pop %ecx");
SNIPPET(popa, "popa");
SNIPPET(call, "call 1f; 1: nop");
SNIPPET(call_return, "call 1f; jmp 2f; 1: ret; 2: nop");
SNIPPET(return_imm, "push $1f - return_imm + 0x40000000; ret $8; 1: nop");
SNIPPET(enter_small, "enter $16, $0");
SNIPPET(enter_nested, "mov %ebx, %ebp; enter $8, $3");
SNIPPET(enter_leave, "enter $64, $0; leave");
SNIPPET(leave_frame, "mov %ebx, %ebp; leave");
SNIPPET(push_memory, "pushl (%esp); popl (%esp); pushl 4(%esp)");

static struct {
    uint32_t top, bottom; /* frames of the pages next to the wrap */
} world;

static void map_layout(unsigned layout)
{
    uint32_t bottom = layout == NO_BOTTOM          ? 0
                      : layout == READ_ONLY_BOTTOM ? world.bottom | P | U
                                                   : world.bottom | USER_PAGE;
    map(0, bottom);
    map(TOP_PAGE, layout == NO_TOP ? 0 : world.top | USER_PAGE);
}

static void fill_ends(void)
{
    fill_pattern(world.top, PAGE_BYTES, 1);
    fill_pattern(world.bottom, PAGE_BYTES, 2);
}

static uint32_t sum_ends(void)
{
    return checksum(world.top, PAGE_BYTES) + 3 * checksum(world.bottom, PAGE_BYTES);
}

static void test_forms(unsigned ring)
{
    static const uint32_t bases[] = {0,          0xfffff000, 0x80000000, 0x12345678,
                                     0xffffffff, 0x40000000, 0xfffe0010};
    struct form_segment segments[FORM_SEGMENTS];
    for (unsigned i = 0; i < FORM_SEGMENTS; i++) {
        segments[i] = form_segment_flat(i, bases[i]);
    }
    segments[FORM_CS].base = 0;
    segments[FORM_CS].writable = false;
    if (ring == 0) {
        segments[FORM_SS].base = 0;
    }
    for (unsigned i = 0; i < form_operation_count; i++) {
        const struct form_operation *operation = &form_operations[i];
        struct random random = random_new(400 + i);
        struct tally tally = {0};
        begin(joined(ring ? "user" : "kernel", operation->name));
        map_layout(ALL_THERE);
        if (!form_begin(operation)) {
            put(" without AVX");
            continue;
        }
        for (unsigned n = 0; n < TRIES; n++) {
            unsigned segment = random_below(&random, FORM_SEGMENTS);
            if (segment == FORM_CS && operation->access == ACCESS_WRITE) {
                segment = FORM_FS;
            }
            if (n % 16 == 0) {
                map_layout(random_below(&random, LAYOUTS));
            }
            form_try(&tally, &random, operation, ring, segments, segment,
                     form_edge(&random) - segments[segment].base);
        }
        put_tally(&tally);
    }
    map_layout(ALL_THERE);
}

static void string(const char *name, const uint8_t *code, uint32_t esi, uint32_t edi,
                   uint32_t ecx, uint32_t flags)
{
    for (unsigned layout = 0; layout < LAYOUTS; layout++) {
        map_layout(ALL_THERE);
        fill_ends();
        map_layout(layout);
        struct context c = user(code);
        c.esi = esi;
        c.edi = edi;
        c.ecx = ecx;
        c.eax = 0x11;
        c.eflags |= flags;
        if (layout == 0) {
            begin(name);
        }
        put(" %x", run_ended(&c));
        put(" ecx %x esi %x edi %x", c.ecx, c.esi, c.edi);
        if (c.vector == VECTOR_PF) {
            put(" cr2 %x", get_cr2());
        }
        put(" sum %x;", sum_ends());
    }
}

static void test_strings(void)
{
    const uint32_t high = 0x7fffe000;
    string("movs_source_up", rep_movs, 0xffffffe0, high, 0x10, 0);
    string("movs_source_across", rep_movs, 0xffffffe2, high, 0x10, 0);
    string("movs_target_up", rep_movs, high, 0xffffffe0, 0x10, 0);
    string("movs_target_across", rep_movs, high, 0xffffffe2, 0x10, 0);
    string("movs_source_down", rep_movs, 0x20, high + 0x100, 0x10, FLAG_DF);
    string("movs_target_down", rep_movs, high + 0x100, 0x20, 0x10, FLAG_DF);
    string("movs_target_down_across", rep_movs, high + 0x100, 0x22, 0x10, FLAG_DF);
    string("movsb_up", rep_movs_bytes, 0xfffffff1, 0xffffff80, 0x200, 0);
    string("movsb_down", rep_movs_bytes, 0x180, 0x100, 0x190, FLAG_DF);
    string("movs_one", movs_one, 0xfffffffa, 0xfffffff9, 0, 0);
    string("stos_up", rep_stos, 0, 0xfffffff0, 0x20, 0);
    string("stos_across", rep_stos, 0, 0xfffffff3, 0x20, 0);
    string("stos_down", rep_stos, 0, 0x40, 0x20, FLAG_DF);
    string("lods_up", rep_lods, 0xfffffff6, 0, 0x20, 0);
    string("scas_up", repne_scas, 0, 0xffffff00, 0x300, 0);
    string("scas_down", repne_scas, 0, 0x80, 0x100, FLAG_DF);
    string("movs_16_source", rep_movs_16, 0x7777fff0, 0x1234d000, 0xabcd0008, 0);
    string("movs_16_target", rep_movs_16, 0x7777d000, 0x1234fffa, 0xabcd0008, 0);
    string("movs_16_down", rep_movs_16, 0x77770008, 0x1234e000, 0xabcd0008, FLAG_DF);
    string("stos_16", rep_stos_16, 0, 0x1234fff9, 0xabcd0010, 0);
}

/* Of 64 KiB, with 16-bit stack pointers: 4 GiB is at offset 0xf000. */
enum { NARROW_BASE = 0xffff1000, NARROW_WRAP = 0xf000, NARROW_HIGH = 0x12340000 };

static void stack(const char *name, const uint8_t *code, bool narrow)
{
    static const uint32_t tops[] = {0,          1,          2,          3,
                                    4,          8,          0x20,       0xfffffff8,
                                    0xfffffffc, 0xfffffffd, 0xfffffffe, 0xffffffff};
    const uint32_t selector = SLOT | 3;
    gdt_set(selector, NARROW_BASE, 0xffff, PRESENT | DPL3 | DATA_WRITE);
    begin(joined(narrow ? "narrow" : "stack", name));
    for (unsigned layout = 0; layout < LAYOUTS - 1; layout++) {
        for (unsigned i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
            if (narrow && tops[i] % 4) {
                continue; /* it would end at the limit */
            }
            map_layout(ALL_THERE);
            fill_ends();
            map_layout(layout);
            struct context c = user(code);
            c.esp = tops[i];
            if (narrow) {
                c.ss = selector;
                c.esp = NARROW_HIGH | ((tops[i] + (i & 1 ? NARROW_WRAP : 0)) & 0xffff);
            }
            uint32_t esp = c.esp;
            c.ebx = esp + 4;
            uint32_t ended = run_ended(&c);
            put(" %x", ended);
            if (ended) {
                put("@%x", get_cr2());
            } else {
                put(":%x", c.esp - esp);
                put(",%x", (sum_ends() + 7 * c.eax + c.ebx + c.ebp) & 0xffff);
            }
        }
        put(layout < LAYOUTS - 2 ? " |" : "");
    }
}

static void test_stacks(void)
{
    static const struct {
        const char *name;
        const uint8_t *code;
    } kinds[] = {
        {"push", push},
        {"push_word", push_word},
        {"pushes", pushes},
        {"pusha", pusha},
        {"pushf", pushf},
        {"pop", pop},
        {"pops", pops},
        {"popa", popa},
        {"call", call},
        {"call_return", call_return},
        {"return_imm", return_imm},
        {"enter_small", enter_small},
        {"enter_nested", enter_nested},
        {"enter_leave", enter_leave},
        {"leave", leave_frame},
        {"push_memory", push_memory},
    };
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        stack(kinds[i].name, kinds[i].code, false);
    }
    for (unsigned i = 0; kinds[i].code != push_memory; i++) {
        stack(kinds[i].name, kinds[i].code, true);
    }
}

/* Code that runs, jumps and calls across 4 GiB; an instruction cut by it. */
static void test_code_across(void)
{
    static const struct {
        const char *name;
        uint8_t code[SMALL];
        uint32_t eip;
    } cases[] = {
        /* inc %eax up to the end, and on */
        {"code_falls", {0x40, 0x40, 0x40, 0x40, 0xcc}, 0xfffffffe},
        /* mov $0x44332211, %eax */
        {"code_cut", {0xb8, 0x11, 0x22, 0x33, 0x44, 0xcc}, 0xfffffffd},
        /* jmp .+0x20 */
        {"code_jumps", {0xeb, 0x1e}, 0xfffffff0},
        /* jmp .-0x40; back again over the end, from below */
        {"code_jumps_back", {0xeb, 0xbe}, 0x10},
        /* call .+0x20: what it pushes */
        {"code_calls", {0xe8, 0x1b, 0, 0, 0}, 0xfffffff8},
        {"code_calls_cut", {0xe8, 0x1b, 0, 0, 0}, 0xfffffffb},
        /* loop back over the end: dec-like */
        {"code_loops", {0x40, 0x40, 0x40, 0xe2, 0xfb, 0xcc}, 0xfffffffe},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(cases[i].name);
        for (unsigned layout = 0; layout < NO_TOP; layout++) {
            map_layout(ALL_THERE);
            fill(world.top, 0xcc, PAGE_BYTES);
            fill(world.bottom, 0xcc, PAGE_BYTES);
            for (unsigned n = 0; cases[i].code[n] || n < 5; n++) {
                *byte_at(cases[i].eip + n) = cases[i].code[n];
            }
            map_layout(layout);
            struct context c = placed(3, cases[i].eip);
            c.ecx = 3;
            put(" %x", run_ended(&c) & ~ERROR_FETCH);
            put(" eip %x eax %x ecx %x", c.eip, c.eax, c.ecx);
            put(" stack %x;", c.esp == USER_STACK ? 0 : *at(c.esp));
        }
    }
}

void torture_wraps(void)
{
    forms_map();
    world.top = (uint32_t)leaf_of(TOP_PAGE) & ~ENTRY_FLAGS;
    world.bottom = (uint32_t)leaf_of(0) & ~ENTRY_FLAGS;
    test_forms(3);
    test_forms(0);
    test_strings();
    test_stacks();
    test_code_across();
}
