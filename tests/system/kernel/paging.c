/* Paging with 32-bit entries (SDM vol. 3, 4.1-4.8): rights, accessed and dirty bits,
 * error codes, large pages, global pages, precise state at page faults. */
#include "kernel.h"

enum {
    P = 1,
    W = 2,
    U = 4,
    A = 0x20,
    D = 0x40,
    LARGE = 0x80,
    G = 0x100,
    PAGE = ARENA + 0x100000, /* the page under test */
    FRAME = ARENA + 0x200000,
};

SNIPPET(read, "mov (%ebx), %eax");
SNIPPET(write, "mov %eax, (%ebx)");
SNIPPET(execute, "call *%ebx");
SNIPPET(read_write, "addl $1, (%ebx)");
SNIPPET(compare_exchange_fails, "mov $1, %eax; mov $2, %ecx; cmpxchg %ecx, (%ebx)");
SNIPPET(push_into, "mov %ebx, %esp; push %eax");
SNIPPET(pusha_into, "mov %ebx, %esp; pusha");
SNIPPET(call_into, "mov %ebx, %esp; call 1f\n1:");
SNIPPET(enter_into, "mov %ebx, %esp; mov %ebx, %ebp; enter $16, $2");
SNIPPET(pop_to_memory, "pop (%ebx)");
SNIPPET(rep_movs, "rep movsl");
SNIPPET(rep_movs_bytes, "rep movsb");
SNIPPET(rep_stos, "rep stosl");
SNIPPET(rep_cmps, "repe cmpsb");
SNIPPET(exchange, "xchg %eax, (%ebx)");
SNIPPET(shift_double, "shld $4, %eax, (%ebx)");
SNIPPET(int_80, "int $0x80");
SNIPPET(invlpg, "invlpg (%ebx)");
SNIPPET(popa_from, "mov %ebx, %esp; popa");
SNIPPET(leave_from, "mov %ebx, %ebp; leave");
SNIPPET(load_gdt_descriptor, "mov %eax, %fs");

static void map(uint32_t address, uint32_t entry)
{
    *page_entry(address) = entry;
    __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

static void put_entry(uint32_t address)
{
    put(" entry %x", *page_entry(address) & 0xfff);
}

static void access(const char *name, const void *code, bool user, uint32_t bits)
{
    map(PAGE, FRAME | bits);
    set_cr2(0);
    struct context c = user ? ring3(code) : ring0(code);
    c.ebx = PAGE + 8;
    go(name, &c);
    put(" cr2 %x", get_cr2());
    put_entry(PAGE);
}

static void test_rights(void)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } kinds[] = {
        {"none", 0},        {"ro_super", P},        {"rw_super", P | W},
        {"ro_user", P | U}, {"rw_user", P | W | U}, {"absent_rw_user", W | U},
    };
    for (unsigned wp = 0; wp < 2; wp++) {
        set_cr0(wp ? get_cr0() | CR0_WP : get_cr0() & ~(uint32_t)CR0_WP);
        for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            const char *kind = kinds[i].name;
            uint32_t bits = kinds[i].bits;
            char mode[48] = "";
            const char *parts[] = {wp ? "wp_" : "", kind};
            unsigned n = 0;
            for (unsigned j = 0; j < 2; j++) {
                for (const char *p = parts[j]; *p; p++) {
                    mode[n++] = *p;
                }
            }
            access(joined(mode, "read"), read, false, bits);
            access(joined(mode, "write"), write, false, bits);
            access(joined(mode, "user_read"), read, true, bits);
            access(joined(mode, "user_write"), write, true, bits);
            *at(FRAME + 8) = 0xc3;
            access(joined(mode, "user_execute"), execute, true, bits);
            access(joined(mode, "modify"), read_write, false, bits);
        }
    }
    access("cmpxchg_read_only", compare_exchange_fails, false, P);
    access("cmpxchg_dirty", compare_exchange_fails, false, P | W);
    access("xchg_read_only", exchange, false, P);
    access("shld_read_only", shift_double, false, P);
    set_cr0(get_cr0() & ~(uint32_t)CR0_WP);
    /* The directory's bits count as well. */
    uint32_t *directory = (uint32_t *)TABLES, old = directory[PAGE >> 22];
    directory[PAGE >> 22] = (old & ~7U) | P | W;
    set_cr3(get_cr3());
    access("directory_super", read, true, P | W | U);
    directory[PAGE >> 22] = (old & ~7U) | P | U;
    set_cr3(get_cr3());
    access("directory_ro_user", write, true, P | W | U);
    access("directory_ro", write, false, P | W | U);
    directory[PAGE >> 22] = 0;
    set_cr3(get_cr3());
    access("directory_absent", write, true, P | W | U);
    directory[PAGE >> 22] = old & ~(uint32_t)A;
    set_cr3(get_cr3());
    access("directory_accessed", read, true, P | W | U);
    put(" directory %x", directory[PAGE >> 22] & 0xfff);
}

static void test_crossing(void)
{
    map(PAGE, FRAME | P | W | U);
    map(PAGE + 0x1000, 0);
    *at(FRAME + 0xffc) = 0x11223344;
    struct context c = ring3(write);
    c.ebx = PAGE + 0xffe;
    c.eax = 0xaabbccdd;
    go("write_crosses", &c);
    put(" cr2 %x memory %x", get_cr2(), *at(FRAME + 0xffc));
    c = ring3(read);
    c.ebx = PAGE + 0xffe;
    go("read_crosses", &c);
    put(" cr2 %x eax %x", get_cr2(), c.eax);
    map(PAGE + 0x1000, (FRAME + 0x1000) | P | U);
    c = ring3(write);
    c.ebx = PAGE + 0xffe;
    go("write_crosses_read_only", &c);
    put(" cr2 %x memory %x", get_cr2(), *at(FRAME + 0xffc));
    c = ring3(read_write);
    c.ebx = PAGE + 0xffe;
    go("modify_crosses", &c);
    put(" cr2 %x memory %x", get_cr2(), *at(FRAME + 0xffc));
    map(PAGE + 0x1000, 0);
    static const struct {
        const char *name;
        const uint8_t *code;
        uint32_t ebx;
    } stacks[] = {
        {"push_into", push_into, PAGE + 0x2000},
        {"push_cuts", push_into, PAGE + 0x1002},
        {"pusha_into", pusha_into, PAGE + 0x2010},
        {"pusha_cuts", pusha_into, PAGE + 0x1010},
        {"call_into", call_into, PAGE + 0x2000},
        {"enter_into", enter_into, PAGE + 0x2008},
        {"popa_from", popa_from, PAGE + 0xff0},
        {"leave_from", leave_from, PAGE + 0xffe},
    };
    map(PAGE + 0x2000, (FRAME + 0x2000) | P | W | U);
    for (unsigned i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        fill(FRAME, 0x55, 0x3000);
        c = ring3(stacks[i].code);
        c.ebx = stacks[i].ebx;
        c.eax = 0x12345678;
        c.ebp = 0xb;
        go(stacks[i].name, &c);
        put(" cr2 %x esp %x ebp %x eax %x memory %x %x", get_cr2(), c.esp, c.ebp, c.eax,
            *at(FRAME + 0xffc), *at(FRAME + 0x2000));
    }
    c = ring3(pop_to_memory);
    c.ebx = PAGE + 0x1000;
    go("pop_to_memory", &c);
    put(" cr2 %x esp %x", get_cr2(), c.esp);
    c = ring3(int_80);
    map(0xeff000, 0);
    catch_by_task(8);
    catch_by_task(14);
    go("int_stack_absent", &c);
    put(" cr2 %x", get_cr2());
    idt_reset();
    map(0xeff000, 0xeff000 | P | W | U);
}

static void string(const char *name, const void *code, uint32_t esi, uint32_t edi,
                   uint32_t ecx, uint32_t flags)
{
    struct context c = ring3(code);
    c.esi = esi;
    c.edi = edi;
    c.ecx = ecx;
    c.eflags |= flags;
    set_cr2(0);
    fill(FRAME + 0x2000, 0, 0x1000);
    go(name, &c);
    put(" ecx %x esi %x edi %x cr2 %x", c.ecx, c.esi, c.edi, get_cr2());
}

static void test_strings(void)
{
    map(PAGE, FRAME | P | W | U);
    map(PAGE + 0x1000, 0);
    map(PAGE + 0x2000, (FRAME + 0x2000) | P | W | U);
    fill(FRAME, 0x55, 0x1000);
    string("movs_source_absent", rep_movs, PAGE + 0xfe0, PAGE + 0x2000, 0x20, 0);
    string("movs_source_cut", rep_movs, PAGE + 0xfe2, PAGE + 0x2000, 0x20, 0);
    string("movs_target_absent", rep_movs, PAGE + 0x2000, PAGE + 0xfe0, 0x20, 0);
    string("movs_target_cut", rep_movs, PAGE + 0x2000, PAGE + 0xfe2, 0x20, 0);
    string("movs_bytes", rep_movs_bytes, PAGE + 0xff0, PAGE + 0x2000, 0x100, 0);
    string("movs_down", rep_movs, PAGE + 0x2010, PAGE + 0x10, 0x20, FLAG_DF);
    string("stos_absent", rep_stos, 0, PAGE + 0xfe0, 0x20, 0);
    string("stos_down", rep_stos, 0, PAGE + 0x2010, 0x20, FLAG_DF);
    string("cmps_absent", rep_cmps, PAGE + 0xff0, PAGE + 0xf00, 0x20, 0);
    string("zero_count", rep_movs, PAGE + 0x1000, PAGE + 0x1000, 0, 0);
    map(PAGE, FRAME | P | U);
    string("stos_read_only", rep_stos, 0, PAGE, 4, 0);
}

static void test_execute(void)
{
    /* An instruction that crosses into a page that is not there. */
    map(PAGE, FRAME | P | W | U);
    map(PAGE + 0x1000, 0);
    *at(FRAME + 0xffc) = 0xb8909090; /* nop; nop; nop; mov $imm32, %eax */
    struct context c = ring3((const void *)(PAGE + 0xffc));
    go("fetch_crosses", &c);
    put(" cr2 %x", get_cr2());
    *at(FRAME + 0xffc) = 0x90909090;
    c = ring3((const void *)(PAGE + 0xffc));
    go("fetch_next_page", &c);
    put(" cr2 %x", get_cr2());
    /* Descriptor tables are read as the supervisor. */
    map((uint32_t)gdt & ~0xfffU, ((uint32_t)gdt & ~0xfffU) | P | W);
    c = ring3(load_gdt_descriptor);
    c.eax = USER_DATA;
    go("gdt_super", &c);
    put(" fs %x", c.fs & 0xffff);
    map((uint32_t)gdt & ~0xfffU, ((uint32_t)gdt & ~0xfffU) | P | W | U);
}

static void test_translation_caches(void)
{
    map(PAGE, FRAME | P | W | U);
    *at(FRAME) = 1;
    *at(FRAME + 0x1000) = 2;
    begin("invlpg");
    put(" %x", *at(PAGE));
    map(PAGE, (FRAME + 0x1000) | P | W | U);
    put(" %x", *at(PAGE));
    begin("cr3");
    *page_entry(PAGE) = FRAME | P | W | U;
    set_cr3(get_cr3());
    put(" %x", *at(PAGE));
    *page_entry(PAGE) = (FRAME + 0x1000) | P | W | U;
    set_cr0(get_cr0() & ~CR0_PG);
    set_cr0(get_cr0() | CR0_PG);
    begin("cr0_pg");
    put(" %x", *at(PAGE));
    /* A global page survives CR3, but not INVLPG and not CR4.PGE. */
    set_cr4(CR4_PGE);
    map(PAGE, FRAME | P | W | U | G);
    begin("global");
    put(" %x", *at(PAGE));
    *page_entry(PAGE) = (FRAME + 0x1000) | P | W | U | G;
    set_cr3(get_cr3());
    put(" cr3 %x", *at(PAGE));
    map(PAGE, (FRAME + 0x1000) | P | W | U | G);
    put(" invlpg %x", *at(PAGE));
    *page_entry(PAGE) = FRAME | P | W | U | G;
    set_cr4(0);
    put(" pge %x", *at(PAGE));
    /* Without PGE the bit means nothing. */
    *page_entry(PAGE) = (FRAME + 0x1000) | P | W | U | G;
    set_cr3(get_cr3());
    put(" off %x", *at(PAGE));
    go3("invlpg_user", invlpg);
    /* Setting the dirty bit by a write after the page was read. */
    map(PAGE, FRAME | P | W | U);
    begin("dirty_later");
    (void)*at(PAGE);
    put_entry(PAGE);
    *at(PAGE) = 1;
    put_entry(PAGE);
    /* More rights need no flush: a fault walks again (SDM vol. 3, 4.10.4.3). */
    map(PAGE, FRAME | P | U);
    (void)*at(PAGE);
    *page_entry(PAGE) = FRAME | P | W | U;
    struct context c = ring3(write);
    c.ebx = PAGE;
    go("rights_added", &c);
}

static void test_large_pages(void)
{
    uint32_t *directory = (uint32_t *)TABLES, old = directory[PAGE >> 22];
    struct context c;
    *at(FRAME) = 0x5a5a5a5a;
    directory[PAGE >> 22] = (FRAME & 0xffc00000) | P | W | U | LARGE;
    set_cr4(CR4_PSE);
    set_cr3(get_cr3());
    c = ring3(read);
    c.ebx = FRAME;
    go("large_read", &c);
    put(" eax %x directory %x", c.eax, directory[PAGE >> 22] & 0xfff);
    c = ring3(write);
    c.ebx = FRAME + 4;
    go("large_write", &c);
    put(" directory %x", directory[PAGE >> 22] & 0xfff);
    directory[PAGE >> 22] = (FRAME & 0xffc00000) | P | LARGE;
    set_cr3(get_cr3());
    c = ring3(read);
    c.ebx = FRAME;
    go("large_super", &c);
    put(" cr2 %x", get_cr2());
    directory[PAGE >> 22] = (FRAME & 0xffc00000) | 0x200000 | P | W | U | LARGE;
    set_cr3(get_cr3());
    c = ring3(read);
    c.ebx = FRAME;
    go("large_reserved", &c);
    put(" cr2 %x", get_cr2());
    /* Bit 7 of a directory entry means nothing without PSE. */
    directory[PAGE >> 22] = old | LARGE;
    set_cr4(0);
    set_cr3(get_cr3());
    map(FRAME, FRAME | P | W | U);
    c = ring3(read);
    c.ebx = FRAME;
    go("large_off", &c);
    put(" eax %x", c.eax);
    directory[PAGE >> 22] = old;
    set_cr3(get_cr3());
}

void test_paging(void)
{
    fill(FRAME, 0, 0x4000);
    paging_on();
    test_rights();
    test_crossing();
    test_strings();
    test_execute();
    test_translation_caches();
    test_large_pages();
    paging_off();
}
