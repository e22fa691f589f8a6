/* Debug registers and single steps (SDM vol. 3, chapter 17). */
#include "kernel.h"

enum {
    DR6_CLEAR = 0xffff0ff0,
    DR7_CLEAR = 0x400,
    DR7_GD = 0x2000,
    DATA = ARENA + 0x40,
    EXECUTE = 0,
    WRITE = 1,
    PORT = 2,
    ACCESS = 3,
};

SNIPPET(reads, "nop; mov (%ebx), %eax; nop");
SNIPPET(writes, "nop; mov %eax, (%ebx); nop");
SNIPPET(modifies, "nop; incl (%ebx); nop");
SNIPPET(byte_write, "nop; movb $1, 3(%ebx); nop");
SNIPPET(word_before, "nop; mov %eax, -3(%ebx); nop");
SNIPPET(word_before_4, "nop; mov %eax, -4(%ebx); nop");
SNIPPET(pushes, "lea 4(%ebx), %esp; push %eax; nop");
SNIPPET(rep_stos, "nop; rep stosb; nop");
SNIPPET(in_out, "nop; in %dx, %al; nop");
SNIPPET(steps, "nop; nop; mov $1, %eax");
SNIPPET(step_pushf, "pushf; pop %eax; nop");
SNIPPET(step_popf_clears, "push $2; popf; nop; nop");
SNIPPET(set_tf, "pushf; orl $0x100, (%esp); popf; nop; nop; nop");
SNIPPET(step_mov_ss, "mov %ss, %eax; mov %eax, %ss; nop; nop");
SNIPPET(step_pop_ss, "push %ss; pop %ss; nop; nop");
SNIPPET(step_int, "int $0x30; nop");
SNIPPET(step_rep, "rep stosb; nop");
SNIPPET(step_sti, "sti; nop; nop");
SNIPPET(step_iret, "pushf; push %cs; push $1f; iret; 1: nop; nop");
SNIPPET(step_fault, "nop; ud2");
SNIPPET(step_call, "call 1f; 1: nop");
SNIPPET(mov_ss_break, "mov %ss, %eax; mov %eax, %ss; nop; nop");
SNIPPET(mov_ss_int3, "mov %ss, %eax; mov %eax, %ss; int3");
SNIPPET(icebp, "nop; .byte 0xf1; nop");
SNIPPET(read_dr7, "nop; mov %dr7, %eax; nop");
SNIPPET(write_dr0, "mov %eax, %dr0");
SNIPPET(read_dr4, "mov %dr4, %eax");
SNIPPET(write_dr5, "mov %eax, %dr5; mov %dr7, %ebx");
SNIPPET(write_dr6, "mov %eax, %dr6; mov %dr6, %ebx");
SNIPPET(write_dr7, "mov %eax, %dr7; mov %dr7, %ebx");
SNIPPET(popf_rf, "push $0x10002; popf; nop; pushf; pop %eax");

static void breakpoint(uint32_t address, uint32_t type, uint32_t bytes)
{
    set_dr6(DR6_CLEAR);
    set_dr0(address);
    set_dr7(DR7_CLEAR | 1 | type << 16 | (bytes == 8 ? 2 : bytes - 1) << 18);
}

static void put_debug(const struct context *c)
{
    put(" dr6 %x rf %x", get_dr6() & 0xffff, c->resume);
    set_dr6(DR6_CLEAR);
}

static void clear(void)
{
    set_dr7(DR7_CLEAR);
    set_dr6(DR6_CLEAR);
}

static void data(const char *name, const void *code, uint32_t type, uint32_t bytes)
{
    struct context c = ring0(code);
    breakpoint(DATA, type, bytes);
    c.ebx = DATA;
    c.edi = DATA - 4;
    c.ecx = 8;
    c.edx = 0x80;
    go(name, &c);
    put_debug(&c);
    put(" eax %x ecx %x", c.eax, c.ecx);
    clear();
}

static void test_data(void)
{
    fill(ARENA, 0, 0x100);
    data("write_on_write", writes, WRITE, 4);
    data("write_on_read", reads, WRITE, 4);
    data("access_on_read", reads, ACCESS, 4);
    data("access_on_write", writes, ACCESS, 4);
    data("access_on_modify", modifies, ACCESS, 4);
    data("write_on_modify", modifies, WRITE, 1);
    data("write_4_last_byte", byte_write, WRITE, 4);
    data("write_1_last_byte", byte_write, WRITE, 1);
    data("write_2_last_byte", byte_write, WRITE, 2);
    data("write_overlaps", word_before, WRITE, 1);
    data("write_adjacent", word_before_4, WRITE, 1);
    data("push", pushes, WRITE, 4);
    data("rep_stos", rep_stos, WRITE, 1);
    set_cr4(CR4_DE);
    struct context c = ring0(in_out);
    breakpoint(0x80, PORT, 1);
    c.edx = 0x80;
    go("port", &c);
    put_debug(&c);
    set_cr4(0);
    c = ring0(in_out);
    breakpoint(0x80, PORT, 1);
    c.edx = 0x80;
    go("port_without_de", &c);
    put_debug(&c);
    clear();
    /* Not enabled: DR6 may tell, nothing happens. */
    set_dr0(DATA);
    set_dr7(DR7_CLEAR | WRITE << 16 | 3 << 18);
    c = ring0(writes);
    c.ebx = DATA;
    go("disabled", &c);
    clear();
}

static void test_execute(void)
{
    breakpoint((uint32_t)steps + 1, EXECUTE, 1);
    struct context c = ring0(steps);
    go("execute", &c);
    put_debug(&c);
    /* Going on with RF does not meet it again, without it does. */
    run(&c);
    begin("execute_again");
    put_ending(&c);
    put_debug(&c);
    c.eflags |= FLAG_RF;
    run(&c);
    begin("execute_rf");
    put_ending(&c);
    put_debug(&c);
    breakpoint((uint32_t)mov_ss_break + 4, EXECUTE, 1);
    go0("execute_after_mov_ss", mov_ss_break);
    set_dr6(DR6_CLEAR);
    breakpoint((uint32_t)mov_ss_break + 5, EXECUTE, 1);
    go0("execute_later", mov_ss_break);
    clear();
    /* Two at once: execution and, by the same instruction's end, a step. */
    breakpoint((uint32_t)steps, EXECUTE, 1);
    set_dr1((uint32_t)steps);
    set_dr7(get_dr7() | 4);
    c = ring0(steps);
    go("execute_twice", &c);
    put_debug(&c);
    clear();
    /* RF lasts as long as the instruction repeats. */
    breakpoint((uint32_t)rep_stos + 1, EXECUTE, 1);
    c = ring0(rep_stos);
    c.edi = ARENA;
    c.ecx = 5;
    go("execute_rep", &c);
    put_debug(&c);
    c.eflags |= FLAG_RF;
    run(&c);
    begin("execute_rep_rf");
    put_ending(&c);
    put(" ecx %x", c.ecx);
    put_debug(&c);
    clear();
    breakpoint((uint32_t)step_fault + 1, EXECUTE, 1);
    c = ring0(step_fault);
    go("execute_before_fault", &c);
    put_debug(&c);
    clear();
}

/* The EIPs of all single-step traps, up to another exception. */
static void steps_of(const char *name, const void *code)
{
    struct context c = ring0(code);
    c.eflags |= FLAG_TF;
    c.edi = ARENA;
    c.ecx = 3;
    begin(name);
    for (unsigned i = 0; i < 16; i++) {
        run(&c);
        put_ending(&c);
        if (c.vector != 1) {
            break;
        }
        put("/%x%s", get_dr6() & 0xffff, c.resume ? "r" : "");
        set_dr6(DR6_CLEAR);
    }
    put(" eax %x ecx %x flags %x", c.eax, c.ecx, c.eflags);
}

static void test_steps(void)
{
    steps_of("step", steps);
    steps_of("step_pushf", step_pushf);
    steps_of("step_popf_clears", step_popf_clears);
    steps_of("step_mov_ss", step_mov_ss);
    steps_of("step_pop_ss", step_pop_ss);
    steps_of("step_int", step_int);
    steps_of("step_rep", step_rep);
    steps_of("step_sti", step_sti);
    steps_of("step_iret", step_iret);
    steps_of("step_fault", step_fault);
    steps_of("step_call", step_call);
    steps_of("step_icebp", icebp);
    struct context c = ring0(set_tf);
    go("popf_sets_tf", &c);
    put_debug(&c);
    c = ring0(icebp);
    go("icebp", &c);
    put_debug(&c);
    go0("mov_ss_int3", mov_ss_int3);
    /* A data breakpoint and a step at once. */
    breakpoint(DATA, WRITE, 4);
    c = ring0(writes + 1);
    c.ebx = DATA;
    c.eflags |= FLAG_TF;
    go("write_and_step", &c);
    put_debug(&c);
    clear();
}

static void test_registers(void)
{
    set_dr7(DR7_CLEAR | DR7_GD);
    struct context c = ring0(read_dr7);
    go("general_detect", &c);
    put_debug(&c);
    put(" dr7 %x", get_dr7());
    clear();
    go3("read_user", read_dr7);
    go3("write_user", write_dr0);
    go3("icebp_user", icebp);
    go0("dr4", read_dr4);
    set_cr4(CR4_DE);
    go0("dr4_de", read_dr4);
    go0("dr5_de", write_dr5);
    set_cr4(0);
    c = ring0(write_dr5);
    c.eax = 0x400;
    go("dr5", &c);
    c = ring0(write_dr6);
    go("dr6_0", &c);
    put(" %x", c.ebx);
    c = ring0(write_dr6);
    c.eax = 0xffffffff;
    go("dr6_ones", &c);
    put(" %x", c.ebx & 0xffff1fff); /* newer processors have bits 11 and 16 */
    c = ring0(write_dr7);
    go("dr7_0", &c);
    put(" %x", c.ebx);
    clear();
    begin("reset_values");
    put(" dr6 %x dr7 %x", get_dr6(), get_dr7());
    c = ring0(popf_rf);
    go("popf_rf", &c);
    put(" flags %x", c.eax);
}

void test_debug(void)
{
    clear();
    test_data();
    test_execute();
    test_steps();
    test_registers();
    clear();
}
