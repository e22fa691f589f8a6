/* Virtual-8086 mode (SDM vol. 3, chapter 20) and its extensions. */
#include "kernel.h"

SNIPPET16(nothing, "nop");
SNIPPET16(int_21, "int $0x21; nop");
SNIPPET16(int_3_long, ".byte 0xcd, 3; nop");
SNIPPET16(into_of, "mov $0x7fff, %ax; inc %ax; into");
SNIPPET16(push_flags, "pushf; pop %ax");
SNIPPET16(push_flags_32, "pushfl; pop %eax");
SNIPPET16(pop_flags, "push %ax; popf; pushf; pop %bx");
SNIPPET16(pop_flags_32, "push %eax; popfl; pushf; pop %bx");
SNIPPET16(cli, "cli; pushf; pop %ax");
SNIPPET16(sti, "sti; pushf; pop %ax");
SNIPPET16(interrupt_return,
          "push %ax; push %cs; .byte 0x68; .word 1f - interrupt_return; iret;"
          "1: pushf; pop %bx");
SNIPPET16(in_port, "in %dx, %al");
SNIPPET16(in_port_2, "in %dx, %ax");
SNIPPET16(out_port_4, "out %eax, %dx");
SNIPPET16(hlt, "hlt");
SNIPPET16(lgdt, "lgdt 0");
SNIPPET16(mov_cr, "mov %cr0, %eax");
SNIPPET16(lldt, ".byte 0x0f, 0, 0xd0");
SNIPPET16(arpl, ".byte 0x63, 0xc0");
SNIPPET16(sldt, ".byte 0x0f, 0, 0xc0");
SNIPPET16(lar, ".byte 0x0f, 2, 0xc0");
SNIPPET16(smsw, "smsw %ax");
SNIPPET16(load_segments, "mov %ax, %ds; mov (0), %bl; mov %ax, %fs; mov %ds, %cx");
SNIPPET16(far_jump, "ljmp $0x1000, $7; nop; nop; nop");
SNIPPET16(far_call, "push %cs; call 1f; jmp 2f; 1: lret; 2: nop");
SNIPPET16(limit, "mov 0xffff, %ax");
SNIPPET16(limit_stack, "mov $1, %sp; push %ax");
SNIPPET16(limit_32, ".byte 0x67; movb (%ebx), %al");
SNIPPET16(divide, "xor %cx, %cx; div %cx");
SNIPPET16(vm_to_ring3_gate, "int $0x80");

static void put_frame(const struct context *c)
{
    put(" frame");
    for (unsigned i = 0; i < 9; i++) {
        put(" %x", c->frame[i]);
    }
    put(" at -%x", TRAP_STACK_TOP - c->frame_esp);
}

#define V86(name) v86(name, name##_end)

/* Runs with EFLAGS | flags and CR4.VME as asked. */
static void with(const char *name, struct context c, uint32_t flags, bool vme)
{
    c.eflags |= flags;
    set_cr4(vme ? CR4_VME : 0);
    go(name, &c);
    put(" ip %x flags %x ax %x bx %x sp %x", c.eip, c.eflags, c.eax, c.ebx, c.esp);
    set_cr4(0);
}

static struct context with_ax(struct context c, uint32_t eax)
{
    c.eax = eax;
    return c;
}

static void test_entry(void)
{
    struct context c = V86(nothing);
    c.fs = 0x1234;
    c.gs = 0xffff;
    go("entry", &c);
    put_frame(&c);
    c = V86(divide);
    c.eflags |= FLAG_IOPL | FLAG_IF;
    go("divide", &c);
    put_frame(&c);
    with("load_segments", with_ax(V86(load_segments), 0x3000), 0, false);
    with("far_jump", V86(far_jump), 0, false);
    with("far_call", V86(far_call), 0, false);
    with("limit", V86(limit), 0, false);
    with("limit_stack", V86(limit_stack), 0, false);
    c = V86(limit_32);
    c.ebx = 0x10000;
    with("limit_32", c, 0, false);
    with("hlt", V86(hlt), FLAG_IOPL, false);
    with("lgdt", V86(lgdt), FLAG_IOPL, false);
    with("mov_cr", V86(mov_cr), FLAG_IOPL, false);
    with("lldt", V86(lldt), FLAG_IOPL, false);
    with("arpl", V86(arpl), FLAG_IOPL, false);
    with("sldt", V86(sldt), FLAG_IOPL, false);
    with("lar", V86(lar), FLAG_IOPL, false);
    c = V86(smsw);
    run(&c);
    begin("smsw");
    put_ending(&c);
    put(" pe %x", c.eax & 1);
}

static void in_mode(const char *mode, const char *name, struct context c,
                    uint32_t flags, bool vme)
{
    with(joined(mode, name), c, flags, vme);
}

static void test_flags_instructions(void)
{
    static const struct {
        const char *name;
        uint32_t flags;
        bool vme;
    } modes[] = {
        {"iopl0", 0, false},
        {"iopl3", FLAG_IOPL | FLAG_IF, false},
        {"vme", FLAG_IF, true},
        {"vme_vif", FLAG_IF | FLAG_VIF, true},
        {"vme_vip", FLAG_IF | FLAG_VIP, true},
        {"vme_vif_vip", FLAG_IF | FLAG_VIF | FLAG_VIP, true},
        {"vme_iopl3", FLAG_IOPL | FLAG_IF | FLAG_VIF, true},
    };
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        const char *mode = modes[i].name;
        uint32_t flags = modes[i].flags;
        bool vme = modes[i].vme;
        in_mode(mode, "pushf", V86(push_flags), flags, vme);
        in_mode(mode, "pushfd", V86(push_flags_32), flags, vme);
        in_mode(mode, "popf", with_ax(V86(pop_flags), 0x7ed7), flags, vme);
        in_mode(mode, "popf_0", with_ax(V86(pop_flags), 0x0002), flags, vme);
        in_mode(mode, "popf_tf", with_ax(V86(pop_flags), 0x0302), flags, vme);
        in_mode(mode, "popfd", with_ax(V86(pop_flags_32), 0x3f7ed7), flags, vme);
        in_mode(mode, "cli", V86(cli), flags, vme);
        in_mode(mode, "sti", V86(sti), flags, vme);
        in_mode(mode, "iret", with_ax(V86(interrupt_return), 0x7ed7), flags, vme);
        in_mode(mode, "iret_0", with_ax(V86(interrupt_return), 0x0002), flags, vme);
        in_mode(mode, "iret_tf", with_ax(V86(interrupt_return), 0x0302), flags, vme);
        in_mode(mode, "int_3", V86(int_3_long), flags, vme);
        in_mode(mode, "into", V86(into_of), flags, vme);
    }
}

static void interrupt(const char *name, uint32_t flags, bool vme, bool redirected)
{
    uint32_t old = *at(0x21 * 4);
    *at(0x21 * 4) = LOW_DATA >> 4 << 16 | 0x100;
    *byte_at(LOW_DATA + 0x100) = 0xcc;
    redirect(0x21, redirected);
    idt[0x21] = gate(KERNEL_CODE, (uint32_t)vector_stubs + 0x21 * VECTOR_STUB_BYTES,
                     PRESENT | DPL3 | TYPE_INTERRUPT_GATE, 0);
    struct context c = V86(int_21);
    with(name, c, flags, vme);
    put(" stack %x %x %x", *at(LOW_STACK + 0xffea) & 0xffff,
        *at(LOW_STACK + 0xffec) & 0xffff, *at(LOW_STACK + 0xffee) & 0xffff);
    idt_reset();
    redirect(0x21, false);
    *at(0x21 * 4) = old;
}

static void test_interrupts_of_tasks(void)
{
    interrupt("int_iopl3", FLAG_IOPL | FLAG_IF, false, false);
    interrupt("int_iopl0", FLAG_IF, false, false);
    interrupt("int_vme_gate", FLAG_IF, true, false);
    interrupt("int_vme_gate_iopl3", FLAG_IOPL | FLAG_IF, true, false);
    interrupt("int_redirected_iopl3", FLAG_IOPL | FLAG_IF, true, true);
    interrupt("int_redirected", FLAG_IF, true, true);
    interrupt("int_redirected_vif", FLAG_IF | FLAG_VIF, true, true);
    interrupt("int_redirected_nt", FLAG_IF | FLAG_VIF | FLAG_NT | FLAG_DF, true, true);
    /* Gates that virtual-8086 tasks cannot use. */
    gdt_set(SLOT, 0, 0xfffff, PRESENT | CODE_CONFORMING | BIG | GRANULAR);
    uint32_t stub = (uint32_t)vector_stubs + 0x80 * VECTOR_STUB_BYTES;
    idt[0x80] = gate(SLOT, stub, PRESENT | DPL3 | TYPE_INTERRUPT_GATE, 0);
    with("gate_conforming", V86(vm_to_ring3_gate), FLAG_IOPL, false);
    gdt_set(SLOT, 0, 0xfffff, PRESENT | CODE_READ | BIG | GRANULAR | 0x20);
    with("gate_level_1", V86(vm_to_ring3_gate), FLAG_IOPL, false);
    idt[0x80] = gate(KERNEL_CODE, stub, PRESENT | TYPE_INTERRUPT_GATE, 0);
    with("gate_dpl0", V86(vm_to_ring3_gate), FLAG_IOPL, false);
    idt_reset();
}

static void port(const char *name, struct context c, uint32_t number, uint32_t iopl)
{
    c.edx = number;
    c.eflags |= iopl;
    go(name, &c);
}

static void test_ports(void)
{
    port("in_denied", V86(in_port), 0x80, 0);
    port("in_denied_iopl3", V86(in_port), 0x80, FLAG_IOPL);
    io_allow(0x80, true);
    port("in_allowed", V86(in_port), 0x80, 0);
    port("in_2_half", V86(in_port_2), 0x80, 0);
    port("in_2_other_half", V86(in_port_2), 0x7f, 0);
    io_allow(0x81, true);
    port("in_2_allowed", V86(in_port_2), 0x80, 0);
    port("out_4_denied", V86(out_port_4), 0x80, 0);
    io_allow(0x82, true);
    io_allow(0x83, true);
    port("out_4_allowed", V86(out_port_4), 0x80, 0);
    for (uint32_t i = 0x80; i < 0x84; i++) {
        io_allow(i, false);
    }
    io_allow(0xffff, true);
    port("in_last", V86(in_port), 0xffff, 0);
    port("in_2_past_last", V86(in_port_2), 0xffff, 0);
    io_allow(0xffff, false);
}

void test_v86(void)
{
    test_entry();
    test_flags_instructions();
    test_interrupts_of_tasks();
    test_ports();
}
