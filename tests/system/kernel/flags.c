/* What POPF, IRET, CLI, STI and others may do to EFLAGS at each privilege and IOPL, and
 * port rights (SDM vol. 2, POPF, CLI; vol. 1, 18.5). */
#include "kernel.h"

SNIPPET(popf_32, "push %eax; popf; pushf; pop %ebx");
SNIPPET(popf_16, "push %eax; popfw; add $2, %esp; pushf; pop %ebx");
SNIPPET(iret_32, "push %eax; push %cs; push $1f; iret; 1: pushf; pop %ebx");
SNIPPET(cli, "cli; pushf; pop %ebx");
SNIPPET(sti, "sti; pushf; pop %ebx");
SNIPPET(lahf_sahf, "mov $0xff00, %eax; sahf; pushf; pop %ebx; lahf");
SNIPPET(in_port, "in %dx, %al");
SNIPPET(in_port_4, "in %dx, %eax");
SNIPPET(out_string, "rep outsb");
SNIPPET(in_string, "insl");

/* All but TF and VM. */
#define ALL_FLAGS 0x3dfedfU

static void flags(const char *name, const void *code, bool user, uint32_t start,
                  uint32_t value)
{
    struct context c = user ? ring3(code) : ring0(code);
    c.eflags |= start;
    c.eax = value;
    go(name, &c);
    put(" %x", c.ebx);
}

static void in_level(const char *level, bool user, uint32_t start)
{
    flags(joined(level, "popf_ones"), popf_32, user, start, ALL_FLAGS);
    flags(joined(level, "popf_zeros"), popf_32, user, start, 0);
    flags(joined(level, "popf16_ones"), popf_16, user, start, ALL_FLAGS);
    flags(joined(level, "popf16_zeros"), popf_16, user, start, 0);
    flags(joined(level, "iret_ones"), iret_32, user, start, ALL_FLAGS);
    flags(joined(level, "iret_zeros"), iret_32, user, start, 0);
    flags(joined(level, "cli"), cli, user, start, 0);
    flags(joined(level, "sti"), sti, user, start, 0);
}

static void port(const char *name, const void *code, uint32_t number, uint32_t iopl)
{
    struct context c = ring3(code);
    c.edx = number;
    c.eflags |= iopl;
    c.esi = c.edi = USER_STACK_TOP;
    c.ecx = 3;
    go(name, &c);
    put(" ecx %x", c.ecx);
}

static void test_ports(void)
{
    port("in_denied", in_port, 0x80, 0);
    port("in_iopl2", in_port, 0x80, 0x2000);
    port("in_iopl3", in_port, 0x80, FLAG_IOPL);
    io_allow(0x80, true);
    port("in_allowed", in_port, 0x80, 0);
    port("in_4_quarter", in_port_4, 0x80, 0);
    port("outs_allowed", out_string, 0x80, 0);
    io_allow(0x80, false);
    port("outs_denied", out_string, 0x80, 0);
    port("ins_denied", in_string, 0x80, 0);
    /* A map that ends early, or is not there. */
    gdt_set(MAIN_TASK, (uint32_t)main_tss, 104 + 32 + 0x10, PRESENT | TYPE_TSS);
    __asm__ volatile("ltr %w0" ::"r"(MAIN_TASK));
    io_allow(0x78, true);
    io_allow(0x80, true);
    port("map_last_byte", in_port, 0x78, 0);
    port("map_ends", in_port, 0x80, 0);
    io_allow(0x78, false);
    io_allow(0x80, false);
    main_task_reload();
}

/* CR4.PVI: VIF in protected mode at privilege 3 (SDM vol. 3, 20.4). */
static void test_virtual_interrupts(void)
{
    set_cr4(CR4_PVI);
    flags("pvi_cli", cli, true, FLAG_IF | FLAG_VIF, 0);
    flags("pvi_sti", sti, true, FLAG_IF, 0);
    flags("pvi_sti_vip", sti, true, FLAG_IF | FLAG_VIP, 0);
    flags("pvi_cli_iopl3", cli, true, FLAG_IF | FLAG_VIF | FLAG_IOPL, 0);
    flags("pvi_popf", popf_32, true, FLAG_IF | FLAG_VIF, 0);
    struct context c = ring3(sti);
    c.eflags |= FLAG_IF;
    go("pvi_sti_real_flags", &c);
    put(" %x", c.eflags);
    set_cr4(0);
}

void test_flags(void)
{
    in_level("ring0", false, FLAG_VIF | FLAG_VIP);
    in_level("ring3", true, FLAG_IF);
    in_level("ring3_iopl3", true, FLAG_IF | FLAG_IOPL);
    in_level("ring3_vip", true, FLAG_IF | FLAG_VIF | FLAG_VIP);
    struct context c = ring0(lahf_sahf);
    go("sahf", &c);
    put(" %x eax %x", c.ebx, c.eax);
    test_ports();
    test_virtual_interrupts();
}
