/* When interrupts are taken: after STI and MOV SS, from HLT, between iterations; with
 * the interval timer's line pending in the interrupt controller. */
#include "kernel.h"

enum {
    PIC_COMMAND = 0x20,
    PIC_MASK = 0x21,
    PIT_CHANNEL_0 = 0x40,
    PIT_CONTROL = 0x43,
    END_OF_INTERRUPT = 0x20,
};

SNIPPET(sti_nops, "sti; nop; nop; nop");
SNIPPET(sti_cli, "sti; cli; nop");
SNIPPET(sti_sti, "sti; sti; nop; nop");
SNIPPET(sti_hlt, "sti; hlt; nop");
SNIPPET(sti_mov_ss, "mov %ss, %eax; sti; mov %eax, %ss; nop; nop");
SNIPPET(mov_ss, "mov %ss, %eax; push $0x202; popf; nop; nop");
SNIPPET(mov_ss_shadow, "mov %ss, %eax; sti; nop; mov %eax, %ss; nop; nop");
SNIPPET(popf_if, "push $0x202; popf; nop; nop");
SNIPPET(iret_if, "push $0x202; push %cs; push $1f; iret; 1: nop; nop");
SNIPPET(sti_pop_ss, "push %ss; sti; pop %ss; nop; nop");
SNIPPET(sti_rep, "sti; rep stosb; nop");
SNIPPET(sti_fault, "sti; ud2");
SNIPPET(out_unmask, "sti; nop; mov $0xfe, %al; out %al, $0x21; nop; nop; nop");
SNIPPET(sti_far, "sti; ljmp $8, $1f; 1: nop");

/* A request of the timer waits in the controller, whose mask is open. */
static void timer_pending(void)
{
    outb(PIC_MASK, 0xff);
    wait_for_clock();
    outb(PIC_MASK, 0xfe);
}

static void acknowledge(void)
{
    outb(PIC_COMMAND, END_OF_INTERRUPT);
    outb(PIC_MASK, 0xff);
}

static void pending(const char *name, const void *code)
{
    struct context c = ring0(code);
    timer_pending();
    c.ecx = 5;
    c.edi = ARENA;
    go(name, &c);
    put(" ecx %x flags %x rf %x", c.ecx, c.eflags & 0x3ff, c.resume);
    acknowledge();
}

void test_shadows(void)
{
    struct context c;
    pending("sti", sti_nops);
    pending("sti_cli", sti_cli);
    pending("sti_sti", sti_sti);
    pending("sti_hlt", sti_hlt);
    pending("sti_mov_ss", sti_mov_ss);
    pending("mov_ss", mov_ss);
    pending("mov_ss_shadow", mov_ss_shadow);
    pending("popf", popf_if);
    pending("iret", iret_if);
    pending("sti_pop_ss", sti_pop_ss);
    pending("sti_rep", sti_rep);
    pending("sti_fault", sti_fault);
    pending("sti_far", sti_far);
    /* Wakes from HLT some time later. */
    c = ring0(sti_hlt);
    outb(PIC_MASK, 0xfe);
    outb(PIT_CONTROL, 0x30);
    outb(PIT_CHANNEL_0, 0);
    outb(PIT_CHANNEL_0, 0x20);
    go("hlt_wakes", &c);
    acknowledge();
    /* An interrupt taken at once after the mask opens. */
    timer_pending();
    outb(PIC_MASK, 0xff);
    c = ring0(out_unmask);
    c.eflags |= FLAG_IF;
    go("unmasked", &c);
    acknowledge();
    c = ring3(sti_nops);
    timer_pending();
    c.eflags |= FLAG_IF;
    go("user_at_once", &c);
    acknowledge();
}
