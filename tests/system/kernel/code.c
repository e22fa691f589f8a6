/* Fetching code: lengths, limits, wrap-around, code that changes under the processor.
 */
#include "kernel.h"

SNIPPET(length_15, ".fill 14,1,0x2e; nop");
SNIPPET(length_16, ".fill 15,1,0x2e; nop");
/* Prefixes and an instruction of eleven bytes. */
SNIPPET(length_15_add, ".fill 4,1,0x2e; addl $0x12345678, %fs:0x801000");
SNIPPET(length_16_add, ".fill 5,1,0x2e; addl $0x12345678, %fs:0x801000");
SNIPPET(modify_next, "movb $0x42, 1f; nop; 1: .byte 0x40");
SNIPPET(modify_same_byte, "movb $0x42, 1f; 1: .byte 0x40; nop");
SNIPPET(modify_loop, "mov $2, %ecx; 1: .byte 0x40; movb $0x42, 1b; loop 1b");
SNIPPET(modify_jump, "movb $0x42, 1f; jmp 1f; nop; 1: .byte 0x40");
SNIPPET(modify_immediate,
        "mov $3, %ecx; 2: movl %ecx, 1f + 1; 1: add $0x12345678, %eax;"
        "dec %ecx; jnz 2b");
SNIPPET(modify_rep, "mov $1f, %edi; mov $0x42, %al; mov $2, %ecx; rep stosb;"
                    "1: .byte 0x90, 0x90, 0x90");
SNIPPET(modify_by_push,
        "mov $1f + 4, %esp; push $0x42424242; 1: .byte 0x40, 0x40, 0x40,"
        "0x40");
SNIPPET(call_it, "call *%ebx");
SNIPPET(other_page, "mov %ebx, %esi; call *%esi; movb $0x42, (%esi); call *%esi");
SNIPPET(alias_page, "call *%ebx; movb $0x42, (%edi); call *%ebx");

enum {
    PAGE = ARENA + 0x100000,
    ALIAS = ARENA + 0x110000,
    FRAME = ARENA + 0x120000,
    INCREMENT_EAX_RETURN = 0x90c340, /* inc %eax; ret */
};

static void modify(const char *name, const uint8_t *code)
{
    struct context c = ring0(code);
    uint8_t saved[48];
    copy((uint32_t)saved, code, sizeof(saved));
    go(name, &c);
    put(" eax %x edx %x", c.eax, c.edx);
    copy((uint32_t)code, saved, sizeof(saved));
    c = ring0(code);
    run(&c);
    begin(joined(name, "again"));
    put_ending(&c);
    put(" eax %x edx %x", c.eax, c.edx);
    copy((uint32_t)code, saved, sizeof(saved));
}

static void test_modification(void)
{
    modify("modify_next", modify_next);
    modify("modify_same_byte", modify_same_byte);
    modify("modify_loop", modify_loop);
    modify("modify_jump", modify_jump);
    modify("modify_immediate", modify_immediate);
    modify("modify_rep", modify_rep);
    modify("modify_by_push", modify_by_push);
    *at(PAGE) = INCREMENT_EAX_RETURN;
    struct context c = ring0(other_page);
    c.ebx = PAGE;
    go("other_page", &c);
    put(" eax %x edx %x", c.eax, c.edx);
    paging_on();
    *page_entry(ALIAS) = FRAME | 7;
    *page_entry(PAGE) = FRAME | 7;
    set_cr3(get_cr3());
    *at(ALIAS) = INCREMENT_EAX_RETURN;
    c = ring3(alias_page);
    c.ebx = PAGE;
    c.edi = ALIAS;
    go("alias", &c);
    put(" eax %x edx %x", c.eax, c.edx);
    /* Another page is mapped under the same code address. */
    *at(ALIAS) = INCREMENT_EAX_RETURN;
    *at(ALIAS + 0x1000) = INCREMENT_EAX_RETURN + 2;
    *at(FRAME) = INCREMENT_EAX_RETURN;
    *at(FRAME + 0x1000) = INCREMENT_EAX_RETURN + 2;
    c = ring3(call_it);
    c.ebx = PAGE;
    run(&c);
    begin("remapped");
    put(" eax %x edx %x", c.eax, c.edx);
    *page_entry(PAGE) = (FRAME + 0x1000) | 7;
    __asm__ volatile("invlpg (%0)" ::"r"(PAGE) : "memory");
    c = ring3(call_it);
    c.ebx = PAGE;
    run(&c);
    put(" then eax %x edx %x", c.eax, c.edx);
    /* An instruction across two pages, of which the second changes. */
    *page_entry(PAGE + 0x1000) = (FRAME + 0x2000) | 7;
    *page_entry(ALIAS + 0x2000) = (FRAME + 0x2000) | 7;
    set_cr3(get_cr3());
    *at(FRAME + 0x1ffc) = 0xb8909090; /* mov $…, %eax */
    *at(FRAME + 0x2000) = 0x11111111;
    *byte_at(FRAME + 0x2004) = 0xcc;
    c = ring3((const void *)(PAGE + 0xffc));
    go("crossing", &c);
    put(" eax %x", c.eax);
    *at(ALIAS + 0x2000) = 0x22222222;
    c = ring3((const void *)(PAGE + 0xffc));
    go("crossing_changed", &c);
    put(" eax %x", c.eax);
    *page_entry(PAGE + 0x1000) = (FRAME + 0x3000) | 7;
    *at(FRAME + 0x3000) = 0x33333333;
    *byte_at(FRAME + 0x3004) = 0xcc;
    set_cr3(get_cr3());
    c = ring3((const void *)(PAGE + 0xffc));
    go("crossing_remapped", &c);
    put(" eax %x", c.eax);
    paging_off();
}

static void test_widths(void)
{
    /* A 16-bit code segment: IP wraps only by the limit. */
    fill(LOW_CODE, 0x90, 0x10000);
    *byte_at(LOW_CODE) = 0xcc;
    gdt_set(SLOT, LOW_CODE, 0xffff, PRESENT | CODE_READ);
    struct context c = ring0(0);
    c.cs = SLOT;
    c.eip = 0xfffe;
    go("end_of_16_bits", &c);
    *byte_at(LOW_CODE + 0xfffe) = 0xeb; /* jmp .+2: to 0x10000, or 0 */
    *byte_at(LOW_CODE + 0xffff) = 0;
    c = ring0(0);
    c.cs = SLOT;
    c.eip = 0xfffe;
    go("jump_wraps", &c);
    /* The same bytes in segments of both widths. */
    *at(LOW_CODE + 0x100) =
        0x000001b8; /* mov $1, %eax | mov $1, %ax; add %al, (%bx,%si) */
    *byte_at(LOW_CODE + 0x103) = 0;
    *byte_at(LOW_CODE + 0x104) = 0;
    *byte_at(LOW_CODE + 0x105) = 0xcc;
    gdt_set(SLOT + 8, LOW_CODE, 0xffff, PRESENT | CODE_READ | BIG);
    c = ring0(0);
    c.cs = SLOT + 8;
    c.eip = 0x100;
    c.eax = 0xffffffff;
    c.ebx = LOW_DATA & 0xffff;
    go("width_32", &c);
    put(" eax %x", c.eax);
    c = ring0(0);
    c.cs = SLOT;
    c.eip = 0x100;
    c.eax = 0xffffffff;
    c.ebx = 0x500;
    c.ds = SLOT + 16;
    gdt_set(SLOT + 16, ARENA, 0xffff, PRESENT | DATA_WRITE);
    go("width_16", &c);
    put(" eax %x", c.eax);
}

void test_code(void)
{
    go3("length_15", length_15);
    go3("length_16", length_16);
    go3("length_15_add", length_15_add);
    go3("length_16_add", length_16_add);
    test_modification();
    test_widths();
}
