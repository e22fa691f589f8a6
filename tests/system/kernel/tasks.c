/* Hardware task switches (SDM vol. 3, chapter 7). */
#include "kernel.h"

enum {
    OTHER = SLOT,    /* the task that is switched to */
    GATE = SLOT + 8, /* a task gate */
    LDT = SLOT + 16,
    SEGMENT = SLOT + 24,
    NARROW = SLOT + 32, /* a 16-bit task */
    OTHER_TSS = ARENA + 0x1000,
    NARROW_TSS = ARENA + 0x2000,
    OTHER_STACK = ARENA + 0x8000,
    TSS_BYTES = 104,
};

/* Double words of a TSS. */
enum {
    TSS_LINK,
    TSS_ESP0,
    TSS_SS0,
    TSS_CR3 = 7,
    TSS_EIP,
    TSS_EFLAGS,
    TSS_EAX,
    TSS_ESP = 14,
    TSS_ES = 18,
    TSS_CS,
    TSS_SS,
    TSS_DS,
    TSS_FS,
    TSS_GS,
    TSS_LDT,
    TSS_TRAP,
};

SNIPPET(jump_task, "ljmp *(%ebx)");
SNIPPET(call_task, "lcall *(%ebx)");
SNIPPET(int_task, "int $0x80");
SNIPPET(call_and_more, "lcall *(%ebx); mov %cr0, %edx");
SNIPPET(call_clts, "clts; lcall *(%ebx); mov %cr0, %edx; lcall *(%ebx)");
SNIPPET(int_and_more, "int $0x80; mov $0x5a, %edx");
SNIPPET(other_code, "str %ecx; pushf; pop %edx; mov %cr0, %esi");
SNIPPET(other_return, "iret; int3; inc %eax; iret");
SNIPPET(other_pops, "pop %eax");
SNIPPET(iret_nested, "iret");
SNIPPET(ud2, "ud2");
SNIPPET16(narrow_code, "nop; nop; iret");

static volatile uint32_t *other(uint32_t word)
{
    return at(OTHER_TSS + 4 * word);
}

/* The other task, at privilege 0, starting at `code`; and a gate to it. */
static void make_task(const void *code)
{
    fill(OTHER_TSS, 0, 0x1000);
    *other(TSS_EIP) = (uint32_t)code;
    *other(TSS_EFLAGS) = 2;
    for (uint32_t i = 0; i < 8; i++) {
        *other(TSS_EAX + i) = 0x11111111 * (i + 1);
    }
    *other(TSS_ESP) = OTHER_STACK;
    for (uint32_t i = TSS_ES; i <= TSS_GS; i++) {
        *other(i) = i == TSS_CS ? KERNEL_CODE : KERNEL_DATA;
    }
    *other(TSS_CR3) = main_tss[TSS_CR3] = get_cr3();
    *other(TSS_TRAP) = TSS_BYTES << 16;
    gdt_set(OTHER, OTHER_TSS, TSS_BYTES - 1, PRESENT | TYPE_TSS);
    gdt_set_gate(GATE, gate(OTHER, 0, PRESENT | TYPE_TASK_GATE, 0));
    idt[0x80] = gate(OTHER, 0, PRESENT | TYPE_TASK_GATE | DPL3, 0);
    *at(ARENA) = 0xdeadbeef;
    *at(ARENA + 4) = OTHER;
}

static void put_tasks(const struct context *c)
{
    put(" link %x nt %x busy %x %x ts %x", *other(TSS_LINK), c->eflags >> 14 & 1,
        gdt_bits(MAIN_TASK), gdt_bits(OTHER), get_cr0() >> 3 & 1);
}

static void clean(void)
{
    idt_reset();
    main_task_reload();
    __asm__ volatile("lldt %w0" ::"r"(0));
}

static void switch_by(const char *name, const void *code, uint32_t selector, bool user)
{
    struct context c = user ? ring3(code) : ring0(code);
    *at(ARENA + 4) = selector;
    c.ebx = ARENA;
    c.eflags |= FLAG_CF;
    main_tss[TSS_EIP] = main_tss[TSS_EFLAGS] = 0;
    go(name, &c);
    put_tasks(&c);
    put(" saved +%x %x", main_tss[TSS_EIP] ? main_tss[TSS_EIP] - (uint32_t)code : 0xbad,
        main_tss[TSS_EFLAGS]);
    clean();
}

static void test_switches(void)
{
    struct context c;
    make_task(other_code);
    c = ring0(jump_task);
    c.ebx = ARENA;
    c.eflags |= FLAG_CF;
    c.code = (uint32_t)other_code;
    go("registers", &c);
    put(" %x %x %x %x %x %x %x cs %x ss %x", c.eax, c.ecx, c.edx, c.ebx, c.ebp, c.edi,
        c.esp, c.cs, c.ss);
    put(" saved %x %x %x", main_tss[TSS_ESP], main_tss[TSS_ES], main_tss[TSS_CS]);
    clean();
    make_task(other_code);
    switch_by("jump", jump_task, OTHER, false);
    make_task(other_code);
    switch_by("jump_gate", jump_task, GATE, false);
    make_task(other_code);
    switch_by("call", call_task, OTHER, false);
    make_task(other_code);
    switch_by("call_gate", call_task, GATE, false);
    make_task(other_code);
    switch_by("int", int_task, 0, false);
    make_task(other_code);
    switch_by("int_user", int_task, 0, true);
    make_task(other_code);
    idt[0x80] = gate(OTHER, 0, PRESENT | TYPE_TASK_GATE, 0);
    switch_by("int_user_dpl", int_task, 0, true);
    make_task(other_code);
    switch_by("jump_user", jump_task, OTHER, true);
    make_task(other_code);
    gdt_set(OTHER, OTHER_TSS, TSS_BYTES - 1, PRESENT | TYPE_TSS | DPL3);
    switch_by("jump_user_dpl3", jump_task, OTHER | 3, true);
    make_task(other_code);
    gdt_set(OTHER, OTHER_TSS, TSS_BYTES - 1, PRESENT | TYPE_TSS | TYPE_BUSY);
    switch_by("jump_busy", jump_task, OTHER, false);
    make_task(other_code);
    switch_by("jump_self", jump_task, MAIN_TASK, false);
    make_task(other_code);
    gdt_set(OTHER, OTHER_TSS, TSS_BYTES - 1, TYPE_TSS);
    switch_by("jump_absent", jump_task, OTHER, false);
    make_task(other_code);
    gdt_set(OTHER, OTHER_TSS, TSS_BYTES - 2, PRESENT | TYPE_TSS);
    switch_by("jump_small", jump_task, OTHER, false);
    make_task(other_code);
    gdt_set_gate(GATE, gate(OTHER, 0, TYPE_TASK_GATE, 0));
    switch_by("gate_absent", call_task, GATE, false);
    make_task(other_code);
    gdt_set_gate(GATE, gate(KERNEL_DATA, 0, PRESENT | TYPE_TASK_GATE, 0));
    switch_by("gate_data", call_task, GATE, false);
    make_task(other_code);
    gdt_set_gate(GATE, gate(OTHER | 4, 0, PRESENT | TYPE_TASK_GATE, 0));
    switch_by("gate_local", call_task, GATE, false);
}

static void test_returns(void)
{
    struct context c;
    make_task(other_return);
    c = ring0(call_and_more);
    c.ebx = ARENA;
    c.eflags |= FLAG_CF | FLAG_IF;
    go("call_iret", &c);
    put_tasks(&c);
    put(" cr0 %x other +%x %x", c.edx & 8, *other(TSS_EIP) - (uint32_t)other_return,
        *other(TSS_EFLAGS));
    clean();
    /* The second call goes on after the IRET, which is an INT3. */
    make_task(other_return);
    c = ring0(call_clts);
    c.ebx = ARENA;
    c.code = (uint32_t)other_return;
    go("call_twice", &c);
    put_tasks(&c);
    put(" ts %x", c.edx & 8);
    clean();
    make_task(other_return);
    c = ring3(int_and_more);
    go("int_iret_user", &c);
    put_tasks(&c);
    put(" edx %x", c.edx);
    clean();
    make_task(other_code);
    main_tss[TSS_LINK] = OTHER;
    c = ring0(iret_nested);
    c.eflags |= FLAG_NT;
    go("iret_not_busy", &c);
    put_tasks(&c);
    clean();
    gdt_set(OTHER, OTHER_TSS, TSS_BYTES - 1, PRESENT | TYPE_TSS | TYPE_BUSY);
    c = ring0(iret_nested);
    c.eflags |= FLAG_NT;
    c.code = (uint32_t)other_code;
    go("iret_nested", &c);
    put_tasks(&c);
    put(" saved flags %x", main_tss[TSS_EFLAGS]);
    clean();
    main_tss[TSS_LINK] = 0;
    c = ring0(iret_nested);
    c.eflags |= FLAG_NT;
    go("iret_null_link", &c);
    clean();
    main_tss[TSS_LINK] = OTHER | 4;
    c = ring0(iret_nested);
    c.eflags |= FLAG_NT;
    go("iret_local_link", &c);
    clean();
}

/* Faults that belong to the new task. */
static void wrong(const char *name, uint32_t word, uint32_t value)
{
    make_task(other_code);
    *other(word) = value;
    struct context c = ring0(jump_task);
    c.ebx = ARENA;
    c.code = (uint32_t)other_code;
    go(name, &c);
    put(" cs %x ds %x task busy %x %x frame at -%x", c.cs, c.ds & 0xffff,
        gdt_bits(MAIN_TASK), gdt_bits(OTHER), OTHER_STACK - c.frame_esp);
    clean();
}

static void test_new_context(void)
{
    wrong("new_ds_bad", TSS_DS, 0x7ff8);
    wrong("new_ds_null", TSS_DS, 0);
    gdt_set(SEGMENT, 0, 0xfffff, DATA_WRITE | BIG | GRANULAR);
    wrong("new_ds_absent", TSS_DS, SEGMENT);
    wrong("new_ds_code", TSS_DS, OTHER);
    gdt_set(LDT, ARENA, 0xff, PRESENT | TYPE_LDT);
    wrong("new_ldt", TSS_LDT, LDT);
    wrong("new_fs_bad", TSS_FS, 0x7ff8);
    wrong("new_gs_rpl3", TSS_GS, KERNEL_DATA | 3);
    set_dr6(0xffff0ff0);
    wrong("trap_bit", TSS_TRAP, TSS_BYTES << 16 | 1);
    put(" dr6 %x", get_dr6());
    set_dr6(0xffff0ff0);
    /* Faults of LDT, SS and CS leave no context to handle them in. */
    static const struct {
        const char *name;
        uint32_t word, value;
    } cases[] = {
        {"new_ldt_data", TSS_LDT, KERNEL_DATA}, {"new_ldt_local", TSS_LDT, LDT | 4},
        {"new_ldt_absent", TSS_LDT, SEGMENT},   {"new_cs_null", TSS_CS, 0},
        {"new_cs_data", TSS_CS, KERNEL_DATA},   {"new_cs_rpl", TSS_CS, KERNEL_CODE | 3},
        {"new_cs_absent", TSS_CS, SEGMENT},     {"new_ss_null", TSS_SS, 0},
        {"new_ss_code", TSS_SS, KERNEL_CODE},   {"new_ss_dpl", TSS_SS, USER_DATA & ~3},
        {"new_ss_rpl", TSS_SS, USER_DATA},      {"new_ss_absent", TSS_SS, SEGMENT},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_task(other_code);
        gdt_set(SEGMENT, 0, 0xfffff,
                BIG | GRANULAR |
                    (cases[i].word == TSS_CS    ? CODE_READ
                     : cases[i].word == TSS_LDT ? TYPE_LDT
                                                : DATA_WRITE));
        *other(cases[i].word) = cases[i].value;
        catch_by_task(10);
        catch_by_task(11);
        catch_by_task(12);
        catch_by_task(13);
        struct context c = ring0(jump_task);
        c.ebx = ARENA;
        c.code = (uint32_t)jump_task;
        go(cases[i].name, &c);
        put(" new eip +%x cs %x ss %x", *other(TSS_EIP) - (uint32_t)other_code,
            *other(TSS_CS), *other(TSS_SS));
        clean();
    }
}

static void test_user_and_v86(void)
{
    struct context c;
    make_task(other_pops);
    *other(TSS_CS) = USER_CODE;
    *other(TSS_EFLAGS) = 0x3202;
    *other(TSS_ESP) = USER_STACK_TOP;
    *other(TSS_ESP0) = TRAP_STACK_TOP;
    *other(TSS_SS0) = KERNEL_DATA;
    for (uint32_t i = TSS_ES; i <= TSS_GS; i++) {
        *other(i) = i == TSS_CS ? USER_CODE : USER_DATA;
    }
    c = ring0(jump_task);
    c.ebx = ARENA;
    c.code = (uint32_t)other_pops;
    go("to_user", &c);
    put(" cs %x ss %x esp %x flags %x", c.cs, c.ss, c.esp, c.eflags);
    clean();
    copy(LOW_CODE, "\xcc", 1);
    make_task(0);
    *other(TSS_EFLAGS) = 0x20002 | FLAG_IOPL;
    *other(TSS_ESP) = 0x1000;
    *other(TSS_ESP0) = TRAP_STACK_TOP;
    *other(TSS_SS0) = KERNEL_DATA;
    for (uint32_t i = TSS_ES; i <= TSS_GS; i++) {
        *other(i) = i == TSS_CS ? LOW_CODE >> 4 : 0x7ff8;
    }
    c = ring0(jump_task);
    c.ebx = ARENA;
    c.code = 0;
    go("to_v86", &c);
    put(" cs %x ss %x esp %x es %x fs %x flags %x", c.cs, c.ss, c.esp, c.es, c.fs,
        c.eflags);
    clean();
    /* An error code goes to the new task's stack. */
    make_task(other_pops);
    idt[13] = gate(OTHER, 0, PRESENT | TYPE_TASK_GATE, 0);
    c = ring0(jump_task);
    *at(ARENA + 4) = 0x7ff8;
    c.ebx = ARENA;
    c.code = (uint32_t)other_pops;
    go("error_code", &c);
    put(" eax %x", c.eax);
    put_tasks(&c);
    put(" saved +%x", main_tss[TSS_EIP] - (uint32_t)jump_task);
    clean();
}

static void test_narrow(void)
{
    struct context c;
    volatile uint16_t *tss = (volatile uint16_t *)NARROW_TSS;
    fill(NARROW_TSS, 0, 0x100);
    copy(LOW_CODE, narrow_code, 16);
    tss[7] = 0;      /* IP */
    tss[8] = 0x2;    /* FLAGS */
    tss[13] = 0x800; /* SP */
    for (unsigned i = 9; i < 13; i++) {
        tss[i] = (uint16_t)(0x1111 * i);
    }
    tss[17] = DATA16;  /* ES */
    tss[18] = SEGMENT; /* CS */
    tss[19] = DATA16;  /* SS */
    tss[20] = DATA16;  /* DS */
    gdt_set(SEGMENT, LOW_CODE, 0xffff, PRESENT | CODE_READ);
    gdt_set(NARROW, NARROW_TSS, 0x2b, PRESENT | TYPE_TSS16);
    make_task(other_code);
    *at(ARENA + 4) = NARROW;
    c = ring0(call_and_more);
    c.ebx = ARENA;
    go("narrow_call_iret", &c);
    put(" types %x %x link %x ip %x flags %x ax %x sp %x", gdt_bits(MAIN_TASK),
        gdt_bits(NARROW), tss[0], tss[7], tss[8], tss[9], tss[13]);
    clean();
    tss[7] = 0;
    copy(LOW_CODE, "\xcc", 1);
    gdt_set(NARROW, NARROW_TSS, 0x2b, PRESENT | TYPE_TSS16);
    c = ring0(jump_task);
    c.ebx = ARENA;
    c.code = 0;
    c.fs = c.gs = KERNEL_DATA;
    go("narrow_jump", &c);
    put(" eax %x ecx %x fs %x gs %x cs %x types %x %x", c.eax & 0xffff, c.ecx & 0xffff,
        c.fs & 0xffff, c.gs & 0xffff, c.cs, gdt_bits(MAIN_TASK), gdt_bits(NARROW));
    clean();
}

void test_tasks(void)
{
    test_switches();
    test_returns();
    test_new_context();
    test_user_and_v86();
    test_narrow();
}
