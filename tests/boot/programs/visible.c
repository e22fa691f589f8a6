/* What user code can see of the system without asking the kernel. Values differ from
 * the host's, and from machine to machine; so lines that begin with a * are for the
 * reader only. */
#define _GNU_SOURCE
#include "catch.h"
#include <stdio.h>
#include <string.h>

/* Linux's for i386. */
enum {
    GDT_LIMIT = 0xff,
    IDT_LIMIT = 0x7ff,
    TASK_SELECTOR = 0x80,
    KERNEL_CODE = 0x60,
    KERNEL_DATA = 0x68,
    MACHINE_STATUS = 0x33, /* PE, MP, ET, NE */
    UMIP = 1 << 2,
};

struct table {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

struct leaf {
    uint32_t a, b, c, d;
};

static struct leaf ask(uint32_t number, uint32_t part)
{
    struct leaf leaf;
    asm volatile("cpuid"
                 : "=a"(leaf.a), "=b"(leaf.b), "=c"(leaf.c), "=d"(leaf.d)
                 : "a"(number), "c"(part));
    return leaf;
}

static void show_tables(void)
{
    struct table gdt = {0}, idt = {0};
    uint32_t local = 0xffffffff, task = 0xffffffff, status = 0xffffffff;
    asm volatile("sgdt %0; sidt %1; sldt %2; str %3; smsw %4"
                 : "=m"(gdt), "=m"(idt), "=r"(local), "=r"(task), "=r"(status));
    if (!kernel_is_i386() || ask(7, 0).c & UMIP) {
        return; /* the kernel answers */
    }
    printf("* GDT %08x %04x, IDT %08x %04x, LDT %04x, task %04x, status %08x\n",
           gdt.base, gdt.limit, idt.base, idt.limit, local, task, status);
    bool right = gdt.limit == GDT_LIMIT && gdt.base >= 0xc0000000 &&
                 idt.limit == IDT_LIMIT && idt.base >= 0xc0000000 && local == 0 &&
                 task == TASK_SELECTOR && (status & 0xffff) == MACHINE_STATUS;
    if (!right) {
        check("tables", false);
    }
}

/* LAR and LSL, ZF and all. */
static void show_segment(const char *what, uint32_t selector)
{
    uint32_t rights = 0, limit = 0;
    uint8_t has_rights, has_limit;
    asm volatile("lar %4, %0; setz %1; lsl %4, %2; setz %3"
                 : "+&r"(rights), "=&q"(has_rights), "+&r"(limit), "=&q"(has_limit)
                 : "r"(selector)
                 : "cc");
    printf("%s: rights %#x (%u), limit %#x (%u)\n", what, rights, has_rights, limit,
           has_limit);
}

static void show_segments(void)
{
    uint16_t code, data, stack;
    asm volatile("mov %%cs, %0; mov %%ds, %1; mov %%ss, %2"
                 : "=r"(code), "=r"(data), "=r"(stack));
    show_segment("code", code);
    show_segment("data", data);
    show_segment("stack", stack);
    bool guest = kernel_is_i386();
    show_segment("the kernel's code", guest ? KERNEL_CODE : 0x10);
    show_segment("the kernel's data", guest ? KERNEL_DATA : 0x18);
    show_segment("nothing", 0);
    show_segment("behind the table", 0xff8);
}

static void show_flags(void)
{
    uint32_t flags;
    asm volatile("pushf; andl $~0x8d5, (%%esp); popf; pushf; pop %0"
                 : "=r"(flags)::"cc");
    printf("flags: %#x\n", flags);
    asm volatile("pushf; xorl $0x200000, (%%esp); popf; pushf; pop %0\n"
                 "pushf; xorl $0x200000, (%%esp); popf"
                 : "=r"(flags)
                 :
                 : "cc");
    check("ID can be changed", flags & 0x200000);
}

static uint64_t read_tsc(void)
{
    uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void read_counters(unsigned rounds)
{
    uint64_t last = read_tsc();
    unsigned right = 0;
    for (unsigned i = 0; i < rounds * 10; i++) {
        uint64_t now = read_tsc();
        right += now > last;
        last = now;
    }
    check_equal("RDTSC goes on", (long)right, 10 * (long)rounds);
    uint32_t a;
    FAULTING("rdpmc", : "=a"(a) : "c"(0) : "edx");
    print_caught("RDPMC");
    FAULTING("rdmsr", : "=a"(a) : "c"(0x10) : "edx");
    print_caught("RDMSR");
}

/* Whatever CPUID promises to a program must work there. */
static void try_features(void)
{
    struct leaf basic = ask(1, 0), more = ask(7, 0), extended = ask(0x80000001, 0);
    uint32_t a = 0;
    const char *lacking = NULL;
#define TRY(present, name, instruction)                                                \
    do {                                                                               \
        if (present) {                                                                 \
            FAULTING(instruction, : "+a"(a) : : "ecx", "edx", "cc", "memory");         \
            lacking = caught.signal ? name : lacking;                                  \
        }                                                                              \
    } while (0)
    bool avx = basic.c >> 28 & basic.c >> 27 & 1;
    if (basic.c >> 27 & 1) {
        uint32_t enabled = 0;
        FAULTING("xgetbv", : "=a"(enabled) : "c"(0) : "edx");
        lacking = caught.signal ? "OSXSAVE" : lacking;
        if (kernel_is_i386()) {
            printf("* XCR0 %#x\n", enabled);
        }
        avx = avx && (enabled & 6) == 6;
    }
    TRY(basic.d >> 8 & 1, "CX8", "cmpxchg8b -16(%%esp)");
    TRY(basic.d >> 15 & 1, "CMOV", "cmovc %%eax, %%eax");
    TRY(basic.d >> 23 & 1, "MMX", "paddb %%mm0, %%mm0; emms");
    TRY(basic.d >> 25 & 1, "SSE", "addps %%xmm0, %%xmm0");
    TRY(basic.d >> 26 & 1, "SSE2", "paddb %%xmm0, %%xmm0");
    TRY(basic.c & 1, "SSE3", "haddps %%xmm0, %%xmm0");
    TRY(basic.c >> 1 & 1, "PCLMULQDQ", "pclmulqdq $0, %%xmm0, %%xmm0");
    TRY(basic.c >> 9 & 1, "SSSE3", "pabsb %%xmm0, %%xmm0");
    TRY(basic.c >> 12 & avx & 1, "FMA", "vfmadd132ps %%ymm0, %%ymm0, %%ymm0");
    TRY(basic.c >> 19 & 1, "SSE4.1", "pmaxsd %%xmm0, %%xmm0");
    TRY(basic.c >> 20 & 1, "SSE4.2", "pcmpgtq %%xmm0, %%xmm0");
    TRY(basic.c >> 22 & 1, "MOVBE", "movbe -16(%%esp), %%eax");
    TRY(basic.c >> 23 & 1, "POPCNT", "popcnt %%eax, %%eax");
    TRY(basic.c >> 25 & 1, "AES", "aesenc %%xmm0, %%xmm0");
    TRY(avx, "AVX", "vaddps %%ymm0, %%ymm0, %%ymm0; vzeroupper");
    TRY(basic.c >> 29 & avx & 1, "F16C", "vcvtph2ps %%xmm0, %%ymm0; vzeroupper");
    TRY(basic.c >> 30 & 1, "RDRAND", "rdrand %%eax");
    TRY(more.b >> 3 & 1, "BMI1", "andn %%eax, %%eax, %%eax");
    TRY(more.b >> 5 & avx & 1, "AVX2", "vpaddb %%ymm0, %%ymm0, %%ymm0; vzeroupper");
    TRY(more.b >> 8 & 1, "BMI2", "pdep %%eax, %%eax, %%eax");
    TRY(more.b >> 18 & 1, "RDSEED", "rdseed %%eax");
    TRY(more.b >> 19 & 1, "ADX", "adcx %%eax, %%eax");
    TRY(more.b >> 24 & 1, "CLWB", "clwb -16(%%esp)");
    TRY(more.b >> 29 & 1, "SHA", "sha1msg1 %%xmm0, %%xmm0");
    TRY(more.c >> 22 & 1, "RDPID", "rdpid %%eax");
    TRY(extended.c >> 5 & 1, "LZCNT", "lzcnt %%eax, %%eax");
    TRY(extended.d >> 27 & 1, "RDTSCP", "rdtscp");
#undef TRY
    check("all features work", !lacking);
    if (lacking) {
        printf("* %s does not work\n", lacking);
    }
}

/* For the eye, and for comparing engines with each other. */
static void list_features(void)
{
    struct leaf name = ask(0, 0), largest = ask(0x80000000, 0);
    if (!kernel_is_i386()) {
        return;
    }
    for (uint32_t i = 0; i <= name.a; i++) {
        struct leaf leaf = ask(i, 0);
        printf("* CPUID %08x: %08x %08x %08x %08x\n", i, leaf.a, leaf.b, leaf.c,
               leaf.d);
    }
    for (uint32_t i = 0x80000000; i <= largest.a; i++) {
        struct leaf leaf = ask(i, 0);
        printf("* CPUID %08x: %08x %08x %08x %08x\n", i, leaf.a, leaf.b, leaf.c,
               leaf.d);
    }
}

void visible_kind(unsigned rounds)
{
    catch_faults();
    show_tables();
    show_segments();
    show_flags();
    read_counters(rounds);
    try_features();
    list_features();
}
