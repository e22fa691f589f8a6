/* Interrupts and exceptions (SDM vol. 3, chapter 6): gates, privilege, frames, error
 * codes, double faults. */
#include "kernel.h"

SNIPPET(int_80, "int $0x80");
SNIPPET(int_30, "int $0x30");
SNIPPET(int_3_long, ".byte 0xcd, 3; nop");
SNIPPET(into_of, "mov $0x7fffffff, %eax; inc %eax; into");
SNIPPET(into_no, "xor %eax, %eax; into");
SNIPPET(bound_in, "bound %eax, (%ebx)");
SNIPPET(ud2, "nop; ud2");
SNIPPET(ud2_stack, "mov %edx, %esp; ud2");
SNIPPET(load_bad_ds_stack, "mov %edx, %esp; mov %eax, %ds");
SNIPPET(read_high_stack, "mov %edx, %esp; mov (%ebx), %eax");
SNIPPET(divide, "nop; xor %edx, %edx; div %edx");
SNIPPET(idiv_overflow, "mov $0x80000000, %eax; cdq; mov $-1, %ecx; idiv %ecx");
SNIPPET(aam_0, "aam $0");
SNIPPET(hlt_instruction, "hlt");
SNIPPET(load_bad_ds, "mov %eax, %ds");
SNIPPET(read_high, "mov (%ebx), %eax");

enum { TSS_ESP0 = 1, TSS_SS0 = 2, HANDLER = SLOT, STACK = SLOT + 8 };

static void put_frame(const struct context *c, unsigned words)
{
    put(" frame");
    for (unsigned i = 0; i < words; i++) {
        put(" %x", i ? c->frame[i] : c->frame[0] - c->code);
    }
    put(" at -%x", (c->cs & 3 ? TRAP_STACK_TOP : GUEST_STACK_TOP) - c->frame_esp);
}

static void test_frames(void)
{
    struct context c = ring0(int_30);
    c.eflags |= FLAG_IF | FLAG_CF;
    go("int_ring0", &c);
    put_frame(&c, 3);
    c = ring3(int_80);
    c.eflags |= FLAG_IF | FLAG_DF;
    go("int_ring3", &c);
    put_frame(&c, 5);
    go3("int_dpl", int_30);
    c = ring3(int_3_long);
    go("int_3_long", &c);
    put_frame(&c, 5);
    go3("into", into_of);
    go3("into_clear", into_no);
    idt[4] = gate(KERNEL_CODE, (uint32_t)vector_stubs + 4 * 16, PRESENT | 0xe, 0);
    go3("into_dpl", into_of);
    idt[3] = gate(KERNEL_CODE, (uint32_t)vector_stubs + 3 * 16, PRESENT | 0xe, 0);
    go3("int3_dpl", into_no);
    idt_reset();
    go3("ud2", ud2);
    c = ring3(ud2);
    run(&c);
    put_frame(&c, 5);
    go0("divide", divide);
    go0("idiv_overflow", idiv_overflow);
    go0("aam_0", aam_0);
    go3("hlt_user", hlt_instruction);
    *at(USER_STACK_TOP) = 5;
    *at(USER_STACK_TOP + 4) = 9;
    c = ring3(bound_in);
    c.ebx = USER_STACK_TOP;
    c.eax = 9;
    go("bound_in", &c);
    c = ring3(bound_in);
    c.ebx = USER_STACK_TOP;
    c.eax = 0xfffffff0;
    go("bound_out", &c);
}

/* INT 0x80 with a gate like this. */
static void with_gate(const char *name, bool user, uint64_t descriptor)
{
    idt[0x80] = descriptor;
    struct context c = user ? ring3(int_80) : ring0(int_80);
    c.eflags |= FLAG_IF;
    go(name, &c);
    put(" handler esp -%x", (user ? TRAP_STACK_TOP : GUEST_STACK_TOP) - c.frame_esp);
    idt_reset();
}

static void test_gates(void)
{
    const uint32_t stub = (uint32_t)vector_stubs + 0x80 * VECTOR_STUB_BYTES;
    const uint32_t interrupt = PRESENT | TYPE_INTERRUPT_GATE | DPL3;
    with_gate("gate_absent", true, gate(KERNEL_CODE, stub, interrupt & ~PRESENT, 0));
    with_gate("gate_absent_dpl0", true,
              gate(KERNEL_CODE, stub, TYPE_INTERRUPT_GATE, 0));
    with_gate("gate_type", true, gate(KERNEL_CODE, stub, PRESENT | DPL3 | 0xc, 0));
    with_gate("gate_zero", false, 0);
    with_gate("gate_null", true, gate(0, stub, interrupt, 0));
    with_gate("gate_data", true, gate(KERNEL_DATA, stub, interrupt, 0));
    with_gate("gate_outer", false, gate(USER_CODE, stub, interrupt, 0));
    with_gate("gate_past_gdt", false, gate(0x7ff8, stub, interrupt, 0));
    gdt_set(HANDLER, 0, 0xfffff, CODE_READ | BIG | GRANULAR);
    with_gate("handler_absent", true, gate(HANDLER, stub, interrupt, 0));
    fill(LOW_CODE, 0xcc, 0x200);
    gdt_set(HANDLER, LOW_CODE, 0xff, PRESENT | CODE_READ | BIG);
    with_gate("handler_past_limit", true, gate(HANDLER, 0x100, interrupt, 0));
    gdt_set(HANDLER, 0, 0xfffff, PRESENT | CODE_READ | BIG | GRANULAR);
    with_gate("handler_rpl3", true, gate(HANDLER | 3, stub, interrupt, 0));
    with_gate("trap_gate", true, gate(KERNEL_CODE, stub, interrupt | 1, 0));
    with_gate("idt_bound", true, gate(KERNEL_CODE, stub, interrupt, 0));
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } idtr = {0x80 * 8 + 6, (uint32_t)idt};
    __asm__ volatile("lidt %0" ::"m"(idtr));
    go3("idt_limit", int_80);
    idtr.limit = 0x80 * 8 + 7;
    __asm__ volatile("lidt %0" ::"m"(idtr));
    go3("idt_limit_fits", int_80);
    idtr.limit = 256 * 8 - 1;
    __asm__ volatile("lidt %0" ::"m"(idtr));
}

/* An exception of privilege 3 whose handler's stack is wrong: #TS and #SS, with the EXT
 * bit unless INT n began it. A task takes the second exception. */
static void inner_stack(const char *name, const void *code, uint32_t ss, uint32_t bits,
                        uint32_t limit, uint32_t esp)
{
    uint32_t good_esp = main_tss[TSS_ESP0], good_ss = main_tss[TSS_SS0];
    gdt_set(STACK, ARENA + 0x10000, limit, BIG | bits);
    main_tss[TSS_ESP0] = esp;
    main_tss[TSS_SS0] = ss;
    catch_by_task(8);
    catch_by_task(10);
    catch_by_task(12);
    struct context c = ring3(code);
    c.eax = 0x7ff8;
    go(name, &c);
    main_tss[TSS_ESP0] = good_esp;
    main_tss[TSS_SS0] = good_ss;
    idt_reset();
}

static void test_inner_stacks(void)
{
    const uint32_t data = PRESENT | DATA_WRITE;
    inner_stack("stack_null_int", int_80, 0, data, 0xfff, 0x800);
    inner_stack("stack_null_ud", ud2, 0, data, 0xfff, 0x800);
    inner_stack("stack_null_gp", hlt_instruction, 0, data, 0xfff, 0x800);
    inner_stack("stack_rpl_int", int_80, STACK | 3, data, 0xfff, 0x800);
    inner_stack("stack_rpl_ud", ud2, STACK | 3, data, 0xfff, 0x800);
    inner_stack("stack_dpl_int", int_80, STACK, data | DPL3, 0xfff, 0x800);
    inner_stack("stack_absent_int", int_80, STACK, DATA_WRITE, 0xfff, 0x800);
    inner_stack("stack_absent_ud", ud2, STACK, DATA_WRITE, 0xfff, 0x800);
    inner_stack("stack_read_only_ud", ud2, STACK, PRESENT | DATA_READ, 0xfff, 0x800);
    inner_stack("stack_no_room_int", int_80, STACK, data, 0xfff, 16);
    inner_stack("stack_no_room_ud", ud2, STACK, data, 0xfff, 16);
    inner_stack("stack_no_room_gp", load_bad_ds, STACK, data, 0xfff, 20);
    inner_stack("stack_past_limit_ud", ud2, STACK, data, 0xfff, 0x1010);
}

/* An exception whose own gate is wrong. */
static void second(const char *name, const void *code, uint32_t vector, uint64_t bad)
{
    struct context c = ring0(code);
    c.eax = 0x7ff8;
    c.ebx = 0xfff00000;
    idt[vector] = bad;
    go(name, &c);
    put(" frame at -%x", GUEST_STACK_TOP - c.frame_esp);
    idt_reset();
}

static void test_double_faults(void)
{
    const uint32_t stub = (uint32_t)vector_stubs, bits = PRESENT | TYPE_INTERRUPT_GATE;
    uint64_t absent = gate(KERNEL_CODE, stub, bits & ~(uint32_t)PRESENT, 0);
    uint64_t null = gate(0, stub, bits, 0);
    uint64_t data = gate(KERNEL_DATA, stub, bits, 0);
    second("ud_gate_absent", ud2, 6, absent);
    second("ud_gate_null", ud2, 6, null);
    second("ud_gate_data", ud2, 6, data);
    second("ud_gate_zero", ud2, 6, 0);
    second("de_gate_absent", divide, 0, absent);
    second("gp_gate_absent", load_bad_ds, 13, absent);
    second("gp_gate_zero", load_bad_ds, 13, 0);
    second("int_gate_absent", int_80, 0x80, absent);
    second("int3_gate_absent", into_no, 3, absent);
    paging_on();
    *page_entry(0xf70000) = 0;
    set_cr3(get_cr3());
    second("pf_gate_absent", read_high, 14, absent);
    second("pf_gate_zero", read_high, 14, 0);
    second("pf_gate_null", read_high, 14, null);
    /* The stack's page is missing: #PF while #UD is delivered, then a double fault. */
    struct context c = ring0(ud2_stack);
    c.edx = 0xf71000;
    catch_by_task(8);
    catch_by_task(14);
    go("ud_stack_page", &c);
    put(" cr2 %x", get_cr2());
    c = ring0(load_bad_ds_stack);
    c.edx = 0xf71000;
    c.eax = 0x7ff8;
    go("gp_stack_page", &c);
    put(" cr2 %x", get_cr2());
    idt_reset();
    catch_by_task(8);
    c = ring0(read_high_stack);
    c.ebx = 0xfff00000;
    c.edx = 0xf71000;
    go("pf_stack_page", &c);
    put(" cr2 %x esp %x", get_cr2(), c.esp);
    idt_reset();
    paging_off();
    /* #GP, #NP and #SS after #DE, by tasks that are not there. */
    idt[0] = gate(KERNEL_DATA, 0, PRESENT | TYPE_TASK_GATE, 0);
    go0("de_task_gate_data", divide);
    idt[6] = gate(MAIN_TASK, 0, PRESENT | TYPE_TASK_GATE, 0);
    go0("ud_task_gate_busy", ud2);
    gdt_set(HANDLER, ARENA, 0x67, TYPE_TSS);
    idt[6] = gate(HANDLER, 0, PRESENT | TYPE_TASK_GATE, 0);
    go0("ud_task_gate_absent", ud2);
    gdt_set(HANDLER, ARENA, 0x66, PRESENT | TYPE_TSS);
    go0("ud_task_gate_small", ud2);
    idt[0x80] = idt[6];
    go0("int_task_gate_small", int_80);
    idt[0x80] = gate(KERNEL_DATA, 0, PRESENT | TYPE_TASK_GATE, 0);
    go0("int_task_gate_data", int_80);
    idt[0x80] = gate(KERNEL_DATA | 4, 0, PRESENT | TYPE_TASK_GATE, 0);
    go0("int_task_gate_local", int_80);
    idt_reset();
}

/* Gates of 16 bits: frames of words. */
static void test_narrow_gates(void)
{
    copy(LOW_CODE, "\xcc", 1);
    gdt_set(HANDLER, LOW_CODE, 0xffff, PRESENT | CODE_READ | BIG);
    idt[0x80] = gate(HANDLER, 0, PRESENT | DPL3 | TYPE_INTERRUPT_GATE16, 0);
    struct context c = ring0(int_80);
    c.eflags |= FLAG_IF | FLAG_CF;
    go("narrow_ring0", &c);
    put(" cs %x flags %x stack %x %x at -%x", c.cs, c.eflags,
        *at(c.esp) - (c.code & 0xffff) - (KERNEL_CODE << 16), *at(c.esp + 4) & 0xffff,
        GUEST_STACK_TOP - c.esp);
    c = ring3(int_80);
    c.eflags |= FLAG_IF;
    go("narrow_ring3", &c);
    put(" cs %x esp -%x stack %x %x %x", c.cs, TRAP_STACK_TOP - c.esp,
        *at(c.esp) - (c.code & 0xffff) - (USER_CODE << 16), *at(c.esp + 4),
        *at(c.esp + 8) & 0xffff);
    idt_reset();
}

void test_interrupts(void)
{
    test_frames();
    test_gates();
    test_inner_stacks();
    test_double_faults();
    test_narrow_gates();
}
