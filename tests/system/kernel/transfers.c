/* Far transfers (SDM vol. 3, 5.8; vol. 2, CALL, JMP, RET, IRET). */
#include "kernel.h"

enum {
    TARGET = SLOT,     /* a code segment */
    GATE = SLOT + 8,   /* a gate */
    STACK = SLOT + 16, /* a stack segment */
    TSS_ESP0 = 1,
    TSS_SS0 = 2,
    TSS_ESP1 = 3,
    TSS_SS1 = 4,
};

SNIPPET(jump_far, "ljmp *(%ebx)");
SNIPPET(call_far, "lcall *(%ebx)");
SNIPPET(call_far_16, "data16 lcall *(%ebx)");
SNIPPET(call_parameters, "push $0x11111111; push $0x22222222; push $0x33333333;"
                         "lcall *(%ebx)");
SNIPPET(call_parameters_16, "pushw $0x1111; pushw $0x2222; pushw $0x3333;"
                            "lcall *(%ebx)");
SNIPPET(return_far, "lret");
SNIPPET(return_far_8, "lret $8");
SNIPPET(return_far_16, "lretw");
SNIPPET(interrupt_return, "iret");
SNIPPET(interrupt_return_16, "iretw");
SNIPPET(target, "nop");
SNIPPET(gate_and_back, "push $0x77; lcall *(%ebx); mov %cs, %ecx; mov %ss, %edx");
SNIPPET(gate_return, "mov %cs, %esi; mov %ss, %edi; mov 8(%esp), %eax; lret $4");

static void put_place(const struct context *c)
{
    put(" cs %x ss %x esp %x", c->cs & 0xffff, c->ss & 0xffff, c->esp);
}

static void put_stack(const struct context *c, unsigned words)
{
    put(" stack");
    for (unsigned i = 0; i < words; i++) {
        uint32_t word = *at(c->esp + 4 * i), offset = word - c->code;
        put(offset < 0x100 ? " +%x" : " %x", offset < 0x100 ? offset : word);
    }
}

static void point(uint32_t offset, uint32_t selector)
{
    *at(ARENA) = offset;
    *at(ARENA + 4) = selector;
}

/* A far JMP or CALL to a code segment of base 0 with the bits given. */
static void direct(const char *name, const void *code, bool user, uint32_t bits,
                   uint32_t rpl)
{
    gdt_set(TARGET, 0, 0xfffff, BIG | GRANULAR | bits);
    point((uint32_t)target, TARGET | rpl);
    struct context c = user ? ring3(code) : ring0(code);
    c.ebx = ARENA;
    go(name, &c);
    put_place(&c);
    put(" type %x", gdt_bits(TARGET));
}

static void test_direct(void)
{
    const uint32_t code = PRESENT | CODE_READ, conforming = PRESENT | CODE_CONFORMING;
    direct("jump_same", jump_far, false, code, 0);
    direct("jump_rpl3", jump_far, false, code, 3);
    direct("jump_dpl3", jump_far, false, code | DPL3, 0);
    direct("jump_user_dpl0", jump_far, true, code, 3);
    direct("jump_user_dpl3", jump_far, true, code | DPL3, 3);
    direct("jump_user_dpl3_rpl0", jump_far, true, code | DPL3, 0);
    direct("jump_user_conforming", jump_far, true, conforming, 0);
    direct("jump_user_conforming_rpl3", jump_far, true, conforming, 3);
    direct("jump_conforming_dpl3", jump_far, false, conforming | DPL3, 0);
    direct("jump_absent", jump_far, false, CODE_READ, 0);
    direct("jump_absent_dpl3", jump_far, false, CODE_READ | DPL3, 0);
    direct("jump_data", jump_far, false, PRESENT | DATA_WRITE, 0);
    direct("jump_ldt", jump_far, false, PRESENT | TYPE_LDT, 0);
    direct("jump_empty", jump_far, false, 0, 0);
    direct("call_same", call_far, false, code, 0);
    direct("call_user_conforming", call_far, true, conforming, 3);
    direct("call_absent", call_far, false, CODE_READ, 0);
    point((uint32_t)target, 0);
    struct context c = ring0(jump_far);
    c.ebx = ARENA;
    go("jump_null", &c);
    point((uint32_t)target, 0x7ff0);
    c = ring0(call_far);
    c.ebx = ARENA;
    go("call_past_gdt", &c);
    gdt_set(TARGET, 0, 0xff, PRESENT | CODE_READ | BIG);
    point(0x100, TARGET);
    c = ring0(jump_far);
    c.ebx = ARENA;
    go("jump_past_limit", &c);
    c = ring0(call_far);
    c.ebx = ARENA;
    go("call_past_limit", &c);
    put_place(&c);
    gdt_set(TARGET, LOW_CODE, 0xffff, PRESENT | CODE_READ | BIG);
    copy(LOW_CODE, target, 16);
    *at(ARENA) = 0 | TARGET << 16;
    c = ring0(call_far_16);
    c.ebx = ARENA;
    go("call_16", &c);
    put_place(&c);
    put(" stack +%x", *at(c.esp) - (c.code & 0xffff) - (KERNEL_CODE << 16));
}

/* CALL or JMP through a gate with the bits and parameters given, to a target of the
 * bits given. */
static void through(const char *name, const void *code, bool user, uint32_t gate_bits,
                    uint32_t parameters, uint32_t target_bits)
{
    uint32_t offset = (uint32_t)target;
    if ((gate_bits & 0xf) == TYPE_CALL_GATE16) {
        copy(LOW_CODE, target, 16);
        offset = 0;
        gdt_set(TARGET, LOW_CODE, 0xffff, BIG | target_bits);
    } else {
        gdt_set(TARGET, 0, 0xfffff, BIG | GRANULAR | target_bits);
    }
    gdt_set_gate(GATE, gate(TARGET, offset, gate_bits, parameters));
    point(0xdeadbeef, GATE);
    main_tss[TSS_ESP1] = GUEST_STACK_TOP - 0x1000;
    main_tss[TSS_SS1] = STACK | 1;
    gdt_set(STACK, 0, 0xfffff, PRESENT | DATA_WRITE | BIG | GRANULAR | 0x20);
    struct context c = user ? ring3(code) : ring0(code);
    c.ebx = ARENA;
    go(name, &c);
    put_place(&c);
    bool narrow = (gate_bits & 0xf) == TYPE_CALL_GATE16;
    bool inner = (c.ss & 0xffff) == (STACK | 1);
    if (c.vector == 3 && !narrow) {
        put_stack(&c, inner ? 4 + parameters : code == call_far ? 2 : 0);
    } else if (c.vector == 3) {
        c.esp += 2; /* over the offset, which depends on the compiler */
        put_stack(&c, inner ? 3 : 0);
    }
}

static void test_gates(void)
{
    const uint32_t call = PRESENT | TYPE_CALL_GATE, code = PRESENT | CODE_READ;
    const uint32_t call16 = PRESENT | TYPE_CALL_GATE16;
    through("gate_same", call_far, false, call, 0, code);
    through("gate_jump", jump_far, false, call, 0, code);
    through("gate_user_dpl0", call_far, true, call, 0, code);
    through("gate_absent", call_far, false, TYPE_CALL_GATE, 0, code);
    through("gate_dpl0_absent_user", call_far, true, TYPE_CALL_GATE, 0, code);
    through("gate_target_absent", call_far, false, call, 0, CODE_READ);
    through("gate_target_data", call_far, false, call, 0, PRESENT | DATA_WRITE);
    through("gate_target_outer", call_far, false, call, 0, code | DPL3);
    through("gate_inner_1", call_parameters, true, call | DPL3, 3, code | 0x20);
    through("gate_inner_1_16", call_parameters_16, true, call16 | DPL3, 3, code | 0x20);
    through("gate_inner_jump", jump_far, true, call | DPL3, 0, code);
    through("gate_conforming", call_far, true, call | DPL3, 0,
            PRESENT | CODE_CONFORMING);
    through("gate_conforming_jump", jump_far, true, call | DPL3, 0,
            PRESENT | CODE_CONFORMING);
    through("gate_16_same", call_far, false, call16, 0, code);
    through("gate_interrupt", call_far, false, PRESENT | TYPE_INTERRUPT_GATE, 0, code);
}

/* Through a call gate to privilege 1 with a stack that is wrong. */
static void bad_stack(const char *name, uint32_t selector, uint32_t bits,
                      uint32_t limit, uint32_t esp)
{
    gdt_set(TARGET, 0, 0xfffff, BIG | GRANULAR | PRESENT | CODE_READ | 0x20);
    gdt_set(STACK, ARENA + 0x10000, limit, BIG | bits);
    gdt_set_gate(GATE,
                 gate(TARGET, (uint32_t)target, PRESENT | TYPE_CALL_GATE | DPL3, 0));
    main_tss[TSS_ESP1] = esp;
    main_tss[TSS_SS1] = selector;
    point(0, GATE);
    struct context c = ring3(call_far);
    c.ebx = ARENA;
    go(name, &c);
    put_place(&c);
}

static void test_inner_stacks(void)
{
    const uint32_t data = PRESENT | DATA_WRITE | 0x20;
    bad_stack("inner_null", 0, data, 0xfffff, 0x8000);
    bad_stack("inner_rpl", STACK, data, 0xfffff, 0x8000);
    bad_stack("inner_dpl", STACK | 1, data ^ 0x60, 0xfffff, 0x8000);
    bad_stack("inner_read_only", STACK | 1, PRESENT | DATA_READ | 0x20, 0xfffff,
              0x8000);
    bad_stack("inner_absent", STACK | 1, DATA_WRITE | 0x20, 0xfffff, 0x8000);
    bad_stack("inner_past_gdt", 0x7ff1, data, 0xfffff, 0x8000);
    bad_stack("inner_no_room", STACK | 1, data, 0xfff, 8);
    bad_stack("inner_past_limit", STACK | 1, data, 0xfff, 0x1010);
    struct context c = ring3(gate_and_back);
    gdt_set(TARGET, 0, 0xfffff, BIG | GRANULAR | PRESENT | CODE_READ | 0x20);
    gdt_set(STACK, 0, 0xfffff, BIG | GRANULAR | data);
    gdt_set_gate(
        GATE, gate(TARGET, (uint32_t)gate_return, PRESENT | TYPE_CALL_GATE | DPL3, 1));
    main_tss[TSS_ESP1] = GUEST_STACK_TOP;
    main_tss[TSS_SS1] = STACK | 1;
    c.ebx = ARENA;
    c.ds = KERNEL_DATA | 3;
    c.ds = USER_DATA;
    go("gate_and_back", &c);
    put_place(&c);
    put(" eax %x inner cs %x ss %x", c.eax, c.esi, c.edi);
}

/* A return from privilege 0 with these words on the stack. */
static void back(const char *name, const void *code, const uint32_t *words,
                 unsigned count)
{
    struct context c = ring0(code);
    c.esp -= 0x100;
    for (unsigned i = 0; i < count; i++) {
        *at(c.esp + 4 * i) = words[i];
    }
    c.fs = USER_DATA;
    c.es = KERNEL_DATA;
    go(name, &c);
    put_place(&c);
    put(" es %x fs %x flags %x", c.es & 0xffff, c.fs & 0xffff, c.eflags);
}
#define BACK(name, code, ...)                                                          \
    back(name, code, (const uint32_t[]){__VA_ARGS__},                                  \
         sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void test_returns(void)
{
    const uint32_t to = (uint32_t)target, stack_top = USER_STACK_TOP;
    BACK("retf_same", return_far, to, KERNEL_CODE);
    BACK("retf_outer", return_far, to, USER_CODE, stack_top, USER_DATA);
    BACK("retf_outer_8", return_far_8, to, USER_CODE, 1, 2, stack_top, USER_DATA);
    BACK("retf_null", return_far, to, 0);
    BACK("retf_data", return_far, to, KERNEL_DATA);
    BACK("retf_rpl_not_dpl", return_far, to, KERNEL_CODE | 3);
    BACK("retf_outer_ss_null", return_far, to, USER_CODE, stack_top, 3);
    BACK("retf_outer_ss_dpl0", return_far, to, USER_CODE, stack_top, KERNEL_DATA | 3);
    BACK("retf_outer_ss_rpl0", return_far, to, USER_CODE, stack_top, USER_DATA & ~3);
    BACK("iret_same", interrupt_return, to, KERNEL_CODE, 0x46);
    BACK("iret_outer", interrupt_return, to, USER_CODE, 0x3202, stack_top, USER_DATA);
    BACK("iret_null", interrupt_return, to, 3, 2, stack_top, USER_DATA);
    BACK("iret_ss_data_dpl0", interrupt_return, to, USER_CODE, 2, stack_top,
         KERNEL_DATA);
    gdt_set(TARGET, 0, 0xfffff, BIG | GRANULAR | CODE_READ | DPL3);
    BACK("iret_absent", interrupt_return, to, TARGET | 3, 2, stack_top, USER_DATA);
    gdt_set(TARGET, 0, 0xfffff, BIG | GRANULAR | PRESENT | CODE_CONFORMING);
    BACK("iret_conforming_outer", interrupt_return, to, TARGET | 3, 2, stack_top,
         USER_DATA);
    gdt_set(TARGET, 0, 0xfffff, BIG | GRANULAR | PRESENT | CODE_CONFORMING | DPL3);
    BACK("iret_conforming_dpl3_rpl0", interrupt_return, to, TARGET, 2, stack_top,
         USER_DATA);
    gdt_set(TARGET, 0, 0xff, BIG | PRESENT | CODE_READ | DPL3);
    BACK("iret_past_limit", interrupt_return, 0x100, TARGET | 3, 2, stack_top,
         USER_DATA);
    gdt_set(STACK, 0, 0xfffff, BIG | GRANULAR | DATA_WRITE | DPL3);
    BACK("iret_ss_absent", interrupt_return, to, USER_CODE, 2, stack_top, STACK | 3);
    copy(LOW_CODE, target, 16);
    gdt_set(TARGET, LOW_CODE, 0xffff, BIG | PRESENT | CODE_READ | DPL3);
    gdt_set(STACK, LOW_STACK, 0xffff, PRESENT | DATA_WRITE | DPL3);
    BACK("iret_16_outer", interrupt_return_16, 0 | (TARGET | 3) << 16,
         0x3002 | 0x8000 << 16, STACK | 3);
    BACK("retf_16_outer", return_far_16, 0 | (TARGET | 3) << 16,
         0x8000 | (STACK | 3) << 16);
    BACK("iret_ss_16", interrupt_return, 0, TARGET | 3, 2, 0xabcd8000, STACK | 3);
    struct context c = ring3(return_far);
    c.esp -= 8;
    *at(c.esp) = to;
    *at(c.esp + 4) = KERNEL_CODE;
    go("retf_inner", &c);
    c = ring3(interrupt_return);
    c.esp -= 12;
    *at(c.esp) = to;
    *at(c.esp + 4) = KERNEL_CODE;
    *at(c.esp + 8) = 2;
    go("iret_inner", &c);
    *at(c.esp + 4) = USER_CODE;
    *at(c.esp + 8) = 0x257fd7;
    c.eip = c.code;
    go("iret_user_flags", &c);
    put(" flags %x", c.eflags);
}

void test_transfers(void)
{
    test_direct();
    test_gates();
    test_inner_stacks();
    test_returns();
}
