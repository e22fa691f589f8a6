/* Who may use which unit when (SDM vol. 3, 2.5, 13.1), unmasked exceptions, images. */
#include "kernel.h"

enum { AREA = ARENA + 0x400, CR0_NE_BIT = CR0_NE };

SNIPPET(x87, "fld1; fstp %st");
SNIPPET(wait_instruction, "fwait");
SNIPPET(mmx, "movd %eax, %mm0; emms");
SNIPPET(sse, "movd %eax, %xmm0");
SNIPPET(sse_memory, "movaps (%edi), %xmm0");
SNIPPET(fence, "mfence");
SNIPPET(prefetch, "prefetchnta (%edi)");
SNIPPET(movnti, "movnti %eax, (%edi)");
SNIPPET(avx, "vmovdqu (%edi), %ymm0");
SNIPPET(fxsave, "fxsave (%edi)");
SNIPPET(fxrstor, "fxrstor (%edi)");
SNIPPET(xgetbv, "xor %ecx, %ecx; xgetbv");
SNIPPET(xsetbv, "xor %ecx, %ecx; xsetbv");
SNIPPET(xsave, "xsave (%edi)");
SNIPPET(xrstor, "xrstor (%edi)");
SNIPPET(ldmxcsr, "ldmxcsr (%edi)");
SNIPPET(fninit, "fninit; fnstsw %ax; fnstcw (%edi)");
SNIPPET(divide_by_zero, "fninit; fldcw (%edi); fldz; fld1; fdivp; nop; fld1");
SNIPPET(divide_wait, "fninit; fldcw (%edi); fldz; fld1; fdivp; nop; fwait");
SNIPPET(divide_no_wait, "fninit; fldcw (%edi); fldz; fld1; fdivp; nop; fnstsw %ax;"
                        "fnclex; fld1");
SNIPPET(divide_mmx, "fninit; fldcw (%edi); fldz; fld1; fdivp; nop; movd %eax, %mm0");
SNIPPET(sse_divide, "ldmxcsr (%edi); xorps %xmm0, %xmm0; xorps %xmm1, %xmm1;"
                    "divps %xmm1, %xmm0");
SNIPPET(sse_restore, "ldmxcsr (%edi); stmxcsr 4(%edi)");
SNIPPET(image, "fninit; fld1; fldz; fxsave (%edi)");
SNIPPET(image_environment, "fninit; fld1; fnstenv (%edi)");
SNIPPET(xsave_image, "fninit; fld1; pcmpeqd %xmm3, %xmm3; xsave (%edi)");
SNIPPET(xsave_init, "fninit; xrstor (%edi); movd %xmm3, %ebx; fnstsw %ax");
SNIPPET(sti_divide,
        "fninit; fldcw (%edi); sti; fldz; fld1; fdivp; nop; fld1; nop; nop");

static void set(uint32_t cr0, uint32_t cr4)
{
    const uint32_t mine = CR0_MP | CR0_EM | CR0_TS | CR0_NE;
    set_cr0((get_cr0() & ~mine) | cr0);
    set_cr4(cr4);
}

static void gated(const char *name, uint32_t cr0, uint32_t cr4)
{
    static const struct {
        const char *name;
        const uint8_t *code;
    } units[] = {
        {"x87", x87},         {"wait", wait_instruction},
        {"mmx", mmx},         {"sse", sse},
        {"fence", fence},     {"prefetch", prefetch},
        {"movnti", movnti},   {"avx", avx},
        {"fxsave", fxsave},   {"xgetbv", xgetbv},
        {"ldmxcsr", ldmxcsr}, {"xsave", xsave},
    };
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        *at(AREA) = 0x1f80;
        set(cr0, cr4);
        struct context c = ring0(units[i].code);
        c.edi = AREA;
        c.eax = 7;
        go(joined(name, units[i].name), &c);
        set(CR0_NE, 0);
    }
}

static void test_gates(void)
{
    const uint32_t osfxsr = CR4_OSFXSR | CR4_OSXMMEXCPT;
    gated("plain", CR0_NE, 0);
    gated("osfxsr", CR0_NE, osfxsr);
    gated("ts", CR0_NE | CR0_TS, osfxsr);
    gated("ts_mp", CR0_NE | CR0_TS | CR0_MP, osfxsr | CR4_OSXSAVE);
    gated("mp", CR0_NE | CR0_MP, osfxsr);
    gated("em", CR0_NE | CR0_EM, osfxsr);
    gated("em_ts", CR0_NE | CR0_EM | CR0_TS, osfxsr);
    gated("osxsave", CR0_NE, osfxsr | CR4_OSXSAVE);
}

static void x87_case(const char *name, const void *code, uint32_t control)
{
    set(CR0_NE, CR4_OSFXSR);
    struct context c = ring0(code);
    c.edi = AREA;
    *at(AREA) = control;
    go(name, &c);
    put(" eax %x", c.eax & 0xffff);
    __asm__ volatile("fninit");
}

static void test_exceptions(void)
{
    x87_case("init", fninit, 0);
    put(" control %x", *at(AREA) & 0xffff);
    x87_case("divide_masked", divide_by_zero, 0x37f);
    x87_case("divide", divide_by_zero, 0x37b);
    x87_case("divide_wait", divide_wait, 0x37b);
    x87_case("divide_no_wait", divide_no_wait, 0x37b);
    x87_case("divide_mmx", divide_mmx, 0x37b);
    set(CR0_NE, CR4_OSFXSR | CR4_OSXMMEXCPT);
    struct context c = ring0(sse_divide);
    c.edi = AREA;
    *at(AREA) = 0x1f00;
    go("sse_invalid", &c);
    c = ring0(sse_restore);
    c.edi = AREA;
    *at(AREA) = 0x1f80;
    run(&c);
    set(CR0_NE, CR4_OSFXSR);
    c = ring0(sse_divide);
    c.edi = AREA;
    *at(AREA) = 0x1f00;
    go("sse_invalid_without_osxmmexcpt", &c);
    *at(AREA) = 0x80001f80;
    c = ring0(ldmxcsr);
    c.edi = AREA;
    go("mxcsr_reserved", &c);
    *at(AREA) = 0x1f80;
    c = ring0(sse_restore);
    c.edi = AREA;
    go("mxcsr", &c);
    put(" %x", *at(AREA + 4));
    c = ring0(sse_memory);
    c.edi = AREA + 4;
    go("movaps_unaligned", &c);
    c = ring0(fxsave);
    c.edi = AREA + 8;
    go("fxsave_unaligned", &c);
}

/* With CR0.NE clear an exception comes as IRQ 13. */
static void test_irq13(void)
{
    set(0, CR4_OSFXSR);
    *at(AREA) = 0x37b;
    outb(0x21, 0xfb);
    outb(0xa1, 0xdf);
    struct context c = ring0(sti_divide);
    c.edi = AREA;
    go("irq13", &c);
    outb(0xf0, 0);
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
    outb(0xa1, 0xff);
    outb(0x21, 0xff);
    __asm__ volatile("fnclex; fninit");
    set(CR0_NE, 0);
}

static void test_images(void)
{
    set(CR0_NE, CR4_OSFXSR);
    fill(AREA, 0xaa, 0x400);
    struct context c = ring0(image);
    c.edi = AREA;
    go("fxsave_image", &c);
    put(" fcw %x fsw %x ftw %x st0 %x %x st1 %x %x mxcsr %x rest %x",
        *at(AREA) & 0xffff, *at(AREA) >> 16, *at(AREA + 4) & 0xff, *at(AREA + 36),
        *at(AREA + 40) & 0xffff, *at(AREA + 52), *at(AREA + 56) & 0xffff,
        *at(AREA + 24), *at(AREA + 508));
    *at(AREA + 24) = 0x80000000;
    c = ring0(fxrstor);
    c.edi = AREA;
    go("fxrstor_reserved", &c);
    c = ring0(image_environment);
    c.edi = AREA;
    go("environment", &c);
    put(" %x %x %x", *at(AREA), *at(AREA + 4), *at(AREA + 8));
    set(CR0_NE, CR4_OSFXSR | CR4_OSXSAVE);
    c = ring0(xsetbv);
    c.eax = 2;
    go("xsetbv_without_x87", &c);
    c = ring0(xsetbv);
    c.eax = 5;
    go("xsetbv_avx_without_sse", &c);
    c = ring0(xsetbv);
    c.eax = 0x40000007;
    go("xsetbv_unknown", &c);
    c = ring3(xsetbv);
    c.eax = 7;
    go("xsetbv_user", &c);
    c = ring0(xsetbv);
    c.eax = 3;
    go("xsetbv", &c);
    c = ring3(xgetbv);
    go("xgetbv_user", &c);
    put(" %x", c.eax);
    go0("avx_off", avx);
    fill(AREA, 0, 0x400);
    c = ring0(xsave_image);
    c.edi = AREA;
    c.eax = 3;
    go("xsave_image", &c);
    put(" header %x %x xmm3 %x fcw %x", *at(AREA + 512), *at(AREA + 516),
        *at(AREA + 160 + 48), *at(AREA) & 0xffff);
    *at(AREA + 512) = 1;
    c = ring0(xsave_init);
    c.edi = AREA;
    c.eax = 3;
    go("xrstor_init", &c);
    put(" xmm3 %x fsw %x", c.ebx, c.eax & 0xffff);
    *at(AREA + 512) = 0x80;
    c = ring0(xrstor);
    c.edi = AREA;
    c.eax = 7;
    go("xrstor_bad_header", &c);
    c = ring0(xsave);
    c.edi = AREA + 32;
    c.eax = 3;
    go("xsave_unaligned", &c);
    c = ring0(xsetbv);
    c.eax = 7;
    go("xsetbv_avx", &c);
    c = ring0(avx);
    c.edi = AREA;
    go("avx_on", &c);
    c = ring0(xsetbv);
    c.eax = 1;
    run(&c);
    set(CR0_NE, 0);
}

void test_fpu(void)
{
    __asm__ volatile("fninit");
    test_gates();
    test_exceptions();
    test_irq13();
    test_images();
}
