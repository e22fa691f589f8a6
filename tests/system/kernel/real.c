/* Real mode (SDM vol. 3, 20.1), entered from protected mode, with a vector table that
 * is not at 0. */
#include "kernel.h"

enum {
    REAL_CODE = 0x8000,
    REAL_CONTEXT = 0x8800,
    REAL_VECTORS = 0x9000,
    REAL_STUBS = 0xa000,
    STUB_BYTES = 8,
    PUSH_IMMEDIATE = 0x68,
    JUMP = 0xe9,
};

/* Order known to real_entry.S. */
struct real_context {
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint16_t ip, cs, flags, ss, ds, es;
};

/* What real_trap leaves on the stack, from the top. */
struct __attribute__((packed)) real_frame {
    uint16_t gs, fs, es, ds;
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
    uint16_t vector, ip, cs, flags;
};

extern const uint8_t real_low[], real_low_end[], real_trap[];
void enter_real(void);

static void load_idt(uint32_t base, uint32_t limit)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } idtr = {(uint16_t)limit, base};
    __asm__ volatile("lidt %0" ::"m"(idtr));
}

static void make_vectors(void)
{
    uint32_t trap = REAL_CODE + (uint32_t)(real_trap - real_low);
    copy(REAL_CODE, real_low, (uint32_t)(real_low_end - real_low));
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t stub = REAL_STUBS + i * STUB_BYTES;
        *at(REAL_VECTORS + 4 * i) = stub;
        *byte_at(stub) = PUSH_IMMEDIATE;
        *byte_at(stub + 1) = (uint8_t)i;
        *byte_at(stub + 2) = 0;
        *byte_at(stub + 3) = JUMP;
        *byte_at(stub + 4) = (uint8_t)(trap - (stub + 6));
        *byte_at(stub + 5) = (uint8_t)((trap - (stub + 6)) >> 8);
    }
}

static void run_with_limit(struct context *context, uint32_t idt_limit)
{
    struct real_context *real = (struct real_context *)REAL_CONTEXT;
    *real = (struct real_context){
        .eax = context->eax,
        .ecx = context->ecx,
        .edx = context->edx,
        .ebx = context->ebx,
        .esp = context->esp,
        .ebp = context->ebp,
        .esi = context->esi,
        .edi = context->edi,
        .ip = (uint16_t)context->eip,
        .cs = (uint16_t)context->cs,
        .flags = (uint16_t)context->eflags,
        .ss = (uint16_t)context->ss,
        .ds = (uint16_t)context->ds,
        .es = (uint16_t)context->es,
    };
    load_idt(REAL_VECTORS, idt_limit);
    enter_real();
    load_idt((uint32_t)idt, sizeof(uint64_t) * 256 - 1);
    const struct real_frame *frame =
        (const struct real_frame *)(real->ss * 16U + (real->esp & 0xffff));
    context->eax = frame->eax;
    context->ecx = frame->ecx;
    context->edx = frame->edx;
    context->ebx = frame->ebx;
    context->esi = frame->esi;
    context->edi = frame->edi;
    context->ebp = frame->ebp;
    context->esp = (frame->esp + 8) & 0xffff;
    context->ss = real->ss;
    context->ds = frame->ds;
    context->es = frame->es;
    context->eip = frame->ip;
    context->cs = frame->cs;
    context->eflags = frame->flags;
    context->vector = frame->vector;
    context->error = 0;
    context->code = 0;
}

void run_real(struct context *context, const uint8_t *code, const uint8_t *end)
{
    copy(LOW_CODE, code, (uint32_t)(end - code));
    run_with_limit(context, 0x3ff);
}

SNIPPET16(nothing, "nop");
SNIPPET16(int_21, "int $0x21");
SNIPPET16(divide, "xor %cx, %cx; div %cx");
SNIPPET16(ud2, "ud2");
SNIPPET16(limit_word, "mov 0xffff, %ax");
SNIPPET16(limit_32, ".byte 0x67; movb (%ebx), %al");
SNIPPET16(limit_stack, "mov %ss:0xffff, %ax");
SNIPPET16(stack_wraps, "mov $0, %sp; push %ax; mov %sp, %bx; pop %ax");
SNIPPET16(flat_fs, "mov %fs:(%ebx), %eax");
SNIPPET16(reload_fs, "mov $0x1000, %ax; mov %ax, %fs; mov %fs:(%ebx), %eax");
SNIPPET16(lldt, ".byte 0x0f, 0, 0xd0");
SNIPPET16(str, ".byte 0x0f, 0, 0xc8");
SNIPPET16(lar, ".byte 0x0f, 2, 0xc0");
SNIPPET16(arpl, ".byte 0x63, 0xc0");
SNIPPET16(verr, ".byte 0x0f, 0, 0xe0");
SNIPPET16(sysenter, "sysenter");
SNIPPET16(vex, ".byte 0xc5, 0xf8, 0x77");
SNIPPET16(smsw, "smsw %ax; mov %cr0, %ebx");
SNIPPET16(popf_all, "push %ax; popf; pushf; pop %bx; push $2; popf");
SNIPPET16(popfd_all, "pushl %eax; popfl; pushfl; pop %ebx; push $2; popf");
SNIPPET16(iret_32, "pushl %eax; pushl $0x1000; .byte 0x66, 0x68; .long 1f - iret_32;"
                   "iretl; 1: pushfl; pop %ebx; push $2; popf");
SNIPPET16(far_call,
          "lcall $0x1000, $1f - far_call; jmp 2f; 1: mov %sp, %bx; lret; 2: nop");
SNIPPET16(far_jump_32, "ljmpl $0x1000, $0x12345");
SNIPPET16(jump_past_limit, "jmpl *%eax");
SNIPPET16(single_step, "push $0x102; popf; nop; nop");
SNIPPET16(mov_ds, "mov $0xffff, %ax; mov %ax, %ds; mov 0x10, %al; mov %ds, %bx");
/* The keyboard controller's gate and port 92h: either opens A20. */
SNIPPET16(a20_off, "mov $0xd1, %al; out %al, $0x64; mov $0xdd, %al; out %al, $0x60;"
                   "in $0x92, %al; and $0xfd, %al; out %al, $0x92;"
                   "xor %ax, %ax; mov %ax, %es; mov %es:0x7000, %bl;"
                   "dec %ax; mov %ax, %es; mov %es:0x7010, %bh;"
                   "movb $0x33, %es:0x7010;"
                   "in $0x92, %al; or $2, %al; out %al, $0x92;"
                   "mov %es:0x7010, %cl;"
                   "mov $0xd1, %al; out %al, $0x64; mov $0xdf, %al; out %al, $0x60");
SNIPPET16(bound_out, "movw $1, 0; movw $2, 2; mov $3, %ax; .byte 0x62, 0x06, 0, 0");
SNIPPET16(int_limit, "int $0x21; nop");

static struct context fresh(void)
{
    return (struct context){
        .esp = 0xfff0,
        .ss = LOW_STACK >> 4,
        .eflags = 2,
        .cs = LOW_CODE >> 4,
        .ds = LOW_DATA >> 4,
        .es = LOW_DATA >> 4,
    };
}

static void put_real(const struct context *c)
{
    put(" #%x at %x:%x flags %x ax %x bx %x sp %x", c->vector, c->cs, c->eip, c->eflags,
        c->eax, c->ebx, c->esp);
}

void go_real(const char *name, struct context *context, const uint8_t *code,
             const uint8_t *end)
{
    begin(name);
    run_real(context, code, end);
    put_real(context);
}

static void real(const char *name, const uint8_t *code, const uint8_t *end,
                 uint32_t eax)
{
    struct context c = fresh();
    c.eax = eax;
    c.ebx = 0x800000;
    go_real(name, &c, code, end);
}
#define REAL(name, eax) real(#name, name, name##_end, eax)

void test_real_mode(void)
{
    make_vectors();
    *at(0x800000) = 0x12345678;
    *at(0x810000) = 0x9abcdef0;
    REAL(nothing, 0);
    REAL(int_21, 0);
    REAL(divide, 0);
    REAL(ud2, 0);
    REAL(limit_word, 0);
    REAL(limit_32, 0);
    REAL(limit_stack, 0);
    REAL(stack_wraps, 0);
    REAL(flat_fs, 0);
    REAL(reload_fs, 0);
    REAL(lldt, 0);
    REAL(str, 0);
    REAL(lar, 0);
    REAL(arpl, 0);
    REAL(verr, 0);
    REAL(sysenter, 0);
    REAL(vex, 0);
    REAL(popf_all, 0xfed7);
    REAL(popfd_all, 0x3dfed7);
    REAL(iret_32, 0x3dfed7);
    REAL(far_call, 0);
    REAL(single_step, 0);
    REAL(bound_out, 0);
    struct context c = fresh();
    run_real(&c, smsw, smsw_end);
    begin("smsw");
    put(" pe %x cr0 %x", c.eax & 1, c.ebx & 1);
    REAL(mov_ds, 0);
    uint32_t low = *at(0x7000), high = *at(0x107000);
    *byte_at(0x7000) = 0x11;
    *byte_at(0x107000) = 0x22;
    REAL(a20_off, 0);
    put(" memory %x %x", *byte_at(0x7000), *byte_at(0x107000));
    *at(0x7000) = low;
    *at(0x107000) = high;
    c = fresh();
    copy(LOW_CODE, int_limit, 8);
    begin("idt_limit");
    run_with_limit(&c, 0x21 * 4 + 2);
    put_real(&c);
    c = fresh();
    begin("idt_limit_fits");
    run_with_limit(&c, 0x21 * 4 + 3);
    put_real(&c);
}

void test_real_mode_hazards(void)
{
    make_vectors();
    REAL(far_jump_32, 0);
    REAL(jump_past_limit, 0x10000);
}
