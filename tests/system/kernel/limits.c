/* Segment limits (SDM vol. 3, 5.3): data, stack and code, expand-up and expand-down. */
#include "kernel.h"

SNIPPET(read_1, "mov %fs:(%ebx), %al");
SNIPPET(read_2, "mov %fs:(%ebx), %ax");
SNIPPET(read_4, "mov %fs:(%ebx), %eax");
SNIPPET(write_1, "mov %al, %fs:(%ebx)");
SNIPPET(write_4, "mov %eax, %fs:(%ebx)");
SNIPPET(add_4, "add %eax, %fs:(%ebx)");
SNIPPET(push_4, "push %eax");
SNIPPET(push_2, "pushw %ax");
SNIPPET(pop_4, "pop %eax");
SNIPPET(pusha, "pusha");
SNIPPET(call_near, "call 1f\n1:");
SNIPPET(enter_16, "enter $16, $0");
SNIPPET(enter_nested, "enter $16, $3");
SNIPPET(leave_frame, "leave");
SNIPPET(rep_movs, "rep movsl");
SNIPPET(rep_stos, "rep stosb");
SNIPPET(push_memory, "pushl %fs:(%ebx)");
SNIPPET(pop_memory, "popl %fs:(%ebx)");
SNIPPET(ebp_read, "mov (%ebp), %eax");
SNIPPET(esp_read, "mov (%esp), %eax");
SNIPPET(ss_override, "mov %ss:(%ebx), %eax");
SNIPPET(jump_far_out, "nop; jmp *%eax");
SNIPPET(long_instruction, "mov $0x12345678, %eax");
SNIPPET(fall_off, "nop; nop; nop; nop");
SNIPPET(bound_memory, "bound %eax, %fs:(%ebx)");
SNIPPET(cmpxchg8b, "cmpxchg8b %fs:(%ebx)");
SNIPPET(sgdt_memory, "sgdt %fs:(%ebx)");

static void data(const char *name, const void *code, uint32_t bits, uint32_t limit,
                 uint32_t offset)
{
    gdt_set(SLOT, ARENA, limit, PRESENT | bits);
    struct context c = ring0(code);
    c.fs = SLOT;
    c.ebx = offset;
    go(name, &c);
}

static void test_data(void)
{
    const uint32_t up = DATA_WRITE, down = DATA_DOWN;
    data("read_last", read_1, up, 0xfff, 0xfff);
    data("read_past", read_1, up, 0xfff, 0x1000);
    data("read2_over", read_2, up, 0xfff, 0xfff);
    data("read4_last", read_4, up, 0xfff, 0xffc);
    data("read4_over", read_4, up, 0xfff, 0xffd);
    data("read4_wraps", read_4, up, 0xfff, 0xfffffffe);
    data("write_past", write_1, up, 0xfff, 0x1000);
    data("write4_over", write_4, up, 0xfff, 0xffe);
    data("write_read_only", write_1, DATA_READ, 0xfff, 0);
    data("write_code", write_1, CODE_READ, 0xfff, 0);
    data("read_code", read_1, CODE_READ, 0xfff, 0xfff);
    data("limit_0", read_1, up, 0, 0);
    data("limit_0_past", read_1, up, 0, 1);
    data("granular_last", read_1, up | GRANULAR, 1, 0x1fff);
    data("granular_past", read_1, up | GRANULAR, 1, 0x2000);
    data("flat_wraps", read_4, up | GRANULAR, 0xfffff, 0xfffffffd);
    data("down_at_limit", read_1, down, 0xfff, 0xfff);
    data("down_above", read_1, down, 0xfff, 0x1000);
    data("down_16_last", read_1, down, 0xfff, 0xffff);
    data("down_16_past", read_1, down, 0xfff, 0x10000);
    data("down_16_over", read_4, down, 0xfff, 0xfffe);
    data("down_32_past_16", read_1, down | BIG, 0xfff, 0x10000);
    data("down_32_below", write_4, down | BIG, 0xfff, 0xffd);
    data("down_granular_below", read_1, down | BIG | GRANULAR, 1, 0x1fff);
    data("down_granular_above", read_1, down | BIG | GRANULAR, 1, 0x2000);
    data("modify_read_only", add_4, DATA_READ, 0xfff, 0);
    data("push_memory_over", push_memory, up, 0xfff, 0xffe);
    data("pop_memory_over", pop_memory, up, 0xfff, 0xffe);
    data("bound_over", bound_memory, up, 0xfff, 0xffc);
    data("cmpxchg8b_over", cmpxchg8b, up, 0xfff, 0xffc);
    data("cmpxchg8b_fits", cmpxchg8b, up, 0xfff, 0xff8);
    data("sgdt_over", sgdt_memory, up, 0xfff, 0xffb);
}

/* In a ring-3 context, so that the exception has another stack. */
static void stack(const char *name, const void *code, uint32_t bits, uint32_t limit,
                  uint32_t esp)
{
    gdt_set(SLOT, ARENA, limit, PRESENT | DPL3 | bits);
    struct context c = ring3(code);
    c.ss = SLOT | 3;
    c.esp = esp;
    c.ebp = 0x2000;
    c.ebx = 0x2000;
    go(name, &c);
    put(" esp %x ebp %x", c.esp, c.ebp);
}

static void test_stacks(void)
{
    const uint32_t up = DATA_WRITE, down = DATA_DOWN;
    stack("push_first", push_4, up | BIG, 0xfff, 0x1000);
    stack("push_over", push_4, up | BIG, 0xfff, 0x1001);
    stack("push_at_0", push_4, up | BIG, 0xfff, 0);
    stack("push_wraps_16", push_4, up, 0xffff, 0);
    stack("push_wraps_16_small", push_4, up, 0xfff, 0);
    stack("push_at_2", push_4, up, 0xffff, 2);
    stack("push2_at_1", push_2, up, 0xffff, 1);
    stack("push_high_half", push_4, up, 0xffff, 0xabcd0100);
    stack("pop_last", pop_4, up | BIG, 0xfff, 0xffc);
    stack("pop_over", pop_4, up | BIG, 0xfff, 0xffd);
    stack("pop_16_top", pop_4, up, 0xffff, 0xfffc);
    stack("down_push", push_4, down | BIG, 0xfff, 0x1004);
    stack("down_push_low", push_4, down | BIG, 0xfff, 0x1003);
    stack("down_push_16_top", push_4, down, 0xfff, 0x10000);
    stack("pusha_room", pusha, up | BIG, 0xfff, 32);
    stack("pusha_no_room", pusha, up | BIG, 0xfff, 28);
    stack("call_no_room", call_near, up | BIG, 0xfff, 2);
    stack("enter_no_room", enter_16, up | BIG, 0xfff, 2);
    stack("enter_nested_reads", enter_nested, up | BIG, 0xfff, 0x800);
    stack("leave_over", leave_frame, up | BIG, 0xfff, 0x800);
    stack("ebp_read_over", ebp_read, up | BIG, 0xfff, 0x800);
    stack("esp_read_over", esp_read, up | BIG, 0xfff, 0xffe);
    stack("ss_override_over", ss_override, up | BIG, 0xfff, 0x800);
}

static void strings(const char *name, const void *code, uint32_t ds_limit,
                    uint32_t es_limit, uint32_t flags)
{
    gdt_set(SLOT, ARENA, ds_limit, PRESENT | DATA_WRITE);
    gdt_set(SLOT + 8, ARENA + 0x10000, es_limit, PRESENT | DATA_WRITE);
    struct context c = ring0(code);
    c.ds = SLOT;
    c.es = SLOT + 8;
    c.esi = c.edi = flags & FLAG_DF ? 0x20 : 0xff0;
    c.ecx = 0x10;
    c.eflags |= flags;
    go(name, &c);
    put(" ecx %x esi %x edi %x", c.ecx, c.esi, c.edi);
}

static void code_limit(const char *name, const void *code, uint32_t limit,
                       uint32_t target)
{
    fill(LOW_CODE, 0xcc, 0x200);
    copy(LOW_CODE, code, 8);
    gdt_set(SLOT, LOW_CODE, limit, PRESENT | CODE_READ | BIG);
    struct context c = ring0(code);
    c.cs = SLOT;
    c.eip = 0;
    c.code = 0;
    c.eax = target;
    go(name, &c);
}

void test_limits(void)
{
    fill(ARENA, 0, 0x20000);
    test_data();
    test_stacks();
    strings("movs_source_ends", rep_movs, 0xfff, 0xffff, 0);
    strings("movs_target_ends", rep_movs, 0xffff, 0xff9, 0);
    strings("stos_target_ends", rep_stos, 0xffff, 0xff8, 0);
    strings("movs_down", rep_movs, 0xffff, 0xffff, FLAG_DF);
    code_limit("jump_out", jump_far_out, 0xff, 0x100);
    code_limit("jump_last", jump_far_out, 0xff, 3);
    code_limit("fall_off_end", fall_off, 3, 0);
    code_limit("fall_off_int3", fall_off, 4, 0);
    code_limit("instruction_cut", long_instruction, 3, 0);
}
