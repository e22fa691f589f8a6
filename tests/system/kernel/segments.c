/* Loading segment registers, and the instructions that look at descriptors (SDM vol. 3,
 * 5.2-5.10; vol. 2, MOV, POP, LDS, LAR, LSL, VERR, ARPL, LLDT, LTR). */
#include "kernel.h"

SNIPPET(load_ds, "mov %eax, %ds");
SNIPPET(load_es, "mov %eax, %es");
SNIPPET(load_ss, "mov %eax, %ss");
SNIPPET(load_fs_pop, "push %eax; pop %fs");
SNIPPET(load_lds, "lds (%ebx), %edi");
SNIPPET(load_lss, "lss (%ebx), %esp");
SNIPPET(load_cs, ".byte 0x8e, 0xc8");
SNIPPET(load_segment_6, ".byte 0x8e, 0xf0");
SNIPPET(load_from_memory, "mov (%ebx), %es");
SNIPPET(pop_ss_16, "push %ax; .byte 0x66; pop %ss");
SNIPPET(store_segment,
        "mov %ds, %ebx; mov %ds, (%edi); mov %ds, %cx; push %es; pop %edx");
SNIPPET(use_null, "mov %ds, %edx; mov (%ebx), %eax");
SNIPPET(lar, "lar %ax, %ebx; pushf; pop %ecx; lsl %ax, %edx; pushf; pop %esi");
SNIPPET(lar16, "mov $-1, %ebx; mov $-1, %edx; .byte 0x66; lar %ax, %bx; "
               ".byte 0x66; lsl %ax, %dx");
SNIPPET(verify, "verr %ax; pushf; pop %ebx; verw %ax; pushf; pop %ecx");
SNIPPET(arpl, "arpl %cx, %ax; pushf; pop %ebx; arpl %cx, %dx; pushf; pop %esi");
SNIPPET(load_ldt, "lldt %ax; sldt %ebx");
SNIPPET(load_task, "ltr %ax; str %ebx");
SNIPPET(store_ldt_memory, "movl $-1, (%ebx); sldt (%ebx); mov (%ebx), %eax; str %cx");

static void load_kinds(const char *name, const void *code, bool user, uint32_t bits)
{
    gdt_set(SLOT, 0x1000, 0xfff, bits);
    struct context c = user ? ring3(code) : ring0(code);
    c.eax = SLOT | (user ? 3 : 0);
    go(name, &c);
    put(" type %x", gdt_bits(SLOT));
}

static void test_types(void)
{
    load_kinds("ds_data", load_ds, false, PRESENT | DATA_READ);
    load_kinds("ds_data_rw", load_ds, false, PRESENT | DATA_WRITE);
    load_kinds("ds_code_execute", load_ds, false, PRESENT | CODE_EXECUTE);
    load_kinds("ds_code_read", load_ds, false, PRESENT | CODE_READ);
    load_kinds("ds_not_present", load_ds, false, DATA_WRITE);
    load_kinds("ds_system", load_ds, false, PRESENT | TYPE_TSS);
    load_kinds("ds_empty", load_ds, false, 0);
    load_kinds("ds_wrong_and_absent", load_ds, false, CODE_EXECUTE);
    load_kinds("es_user_dpl0", load_es, true, PRESENT | DATA_WRITE);
    load_kinds("es_user_dpl3", load_es, true, PRESENT | DATA_WRITE | DPL3);
    load_kinds("es_user_conforming", load_es, true, PRESENT | CODE_CONFORMING);
    load_kinds("es_user_conforming_execute", load_es, true, PRESENT | 0x1c);
    load_kinds("fs_pop_not_present", load_fs_pop, false, DATA_WRITE);
    load_kinds("fs_pop_user_dpl2", load_fs_pop, true, PRESENT | DATA_WRITE | 0x40);
    load_kinds("ss_rw", load_ss, false, PRESENT | DATA_WRITE | BIG | GRANULAR);
    load_kinds("ss_read_only", load_ss, false, PRESENT | DATA_READ);
    load_kinds("ss_code", load_ss, false, PRESENT | CODE_READ);
    load_kinds("ss_not_present", load_ss, false, DATA_WRITE);
    load_kinds("ss_dpl3", load_ss, false, PRESENT | DATA_WRITE | DPL3);
    load_kinds("ss_user_dpl0", load_ss, true, PRESENT | DATA_WRITE);
    load_kinds("ss_user_dpl3", load_ss, true, PRESENT | DATA_WRITE | DPL3);
}

static void load_selector(const char *name, const void *code, bool user,
                          uint32_t selector)
{
    struct context c = user ? ring3(code) : ring0(code);
    c.eax = selector;
    go(name, &c);
    put(" ds %x es %x", c.ds & 0xffff, c.es & 0xffff);
}

static void test_selectors(void)
{
    load_selector("ds_null", load_ds, false, 0);
    load_selector("ds_null_rpl3", load_ds, false, 3);
    load_selector("ss_null", load_ss, false, 0);
    load_selector("ss_user_null", load_ss, true, 3);
    load_selector("ds_past_gdt", load_ds, false, 0x7ff8);
    load_selector("ds_no_ldt", load_ds, false, 0x14);
    load_selector("ds_no_ldt_null", load_ds, false, 4);
    load_selector("ss_rpl_wrong", load_ss, false, USER_DATA);
    load_selector("ds_rpl3_dpl0", load_ds, false, KERNEL_DATA | 3);
    load_selector("ds_rpl3_dpl3", load_ds, false, USER_DATA);
    load_selector("ds_user_rpl0_dpl3", load_ds, true, USER_DATA & ~3);
    load_selector("cs", load_cs, false, KERNEL_CODE);
    load_selector("segment_6", load_segment_6, false, KERNEL_CODE);
    load_selector("pop_ss_16", pop_ss_16, false, KERNEL_DATA);
    *at(ARENA) = 0xaaaa0000 | KERNEL_DATA;
    struct context c = ring0(load_from_memory);
    c.ebx = ARENA;
    go("from_memory", &c);
    *at(ARENA) = 0x12345678;
    *at(ARENA + 4) = SLOT;
    gdt_set(SLOT, 0, 0xfffff, PRESENT | DATA_WRITE | BIG | GRANULAR);
    c = ring0(load_lds);
    c.ebx = ARENA;
    go("lds", &c);
    put(" ds %x edi %x", c.ds, c.edi);
    gdt_set(SLOT, 0, 0xfffff, DATA_WRITE | BIG | GRANULAR);
    c = ring0(load_lds);
    c.ebx = ARENA;
    go("lds_absent", &c);
    put(" ds %x edi %x", c.ds, c.edi);
    c = ring0(load_lss);
    c.ebx = ARENA;
    go("lss_absent", &c);
    put(" esp %x", c.esp);
    c = ring0(store_segment);
    c.ebx = c.ecx = c.edx = 0xffffffff;
    c.edi = ARENA + 8;
    *at(ARENA + 8) = 0xffffffff;
    go("store", &c);
    put(" ebx %x ecx %x edx %x memory %x", c.ebx, c.ecx, c.edx, *at(ARENA + 8));
    c = ring0(use_null);
    c.ds = 0;
    go("use_null", &c);
    put(" edx %x", c.edx);
    c = ring3(use_null);
    c.ds = 2;
    go("use_null_rpl2", &c);
    put(" edx %x", c.edx);
}

static void look(const char *name, bool user, uint32_t bits)
{
    gdt_set(SLOT, 0x12345678, 0x8765, bits);
    struct context c = user ? ring3(lar) : ring0(lar);
    c.eax = SLOT | (user ? 3 : 0);
    c.ebx = c.edx = 0xdeadbeef;
    go(name, &c);
    put(" lar %x zf %x lsl %x zf %x", c.ebx, c.ecx >> 6 & 1, c.edx, c.esi >> 6 & 1);
    c = user ? ring3(verify) : ring0(verify);
    c.eax = SLOT | (user ? 3 : 0);
    run(&c);
    put(" verr %x verw %x", c.ebx >> 6 & 1, c.ecx >> 6 & 1);
}

static void test_queries(void)
{
    look("look_data", false, PRESENT | DATA_READ);
    look("look_data_rw", false, PRESENT | DATA_WRITE | GRANULAR | BIG);
    look("look_data_absent", false, DATA_WRITE);
    look("look_code", false, PRESENT | CODE_READ);
    look("look_code_execute", false, PRESENT | CODE_EXECUTE);
    look("look_user_data0", true, PRESENT | DATA_WRITE);
    look("look_user_data3", true, PRESENT | DATA_WRITE | DPL3);
    look("look_user_conforming", true, PRESENT | CODE_CONFORMING);
    look("look_user_code0", true, PRESENT | CODE_READ);
    for (uint32_t type = 0; type < 16; type++) {
        static const char *const names[] = {
            "look_system_0", "look_system_1", "look_system_2", "look_system_3",
            "look_system_4", "look_system_5", "look_system_6", "look_system_7",
            "look_system_8", "look_system_9", "look_system_a", "look_system_b",
            "look_system_c", "look_system_d", "look_system_e", "look_system_f"};
        look(names[type], false, PRESENT | type);
    }
    struct context c = ring0(lar);
    c.ebx = c.edx = 0xdeadbeef;
    go("look_null", &c);
    put(" lar %x zf %x lsl %x zf %x", c.ebx, c.ecx >> 6 & 1, c.edx, c.esi >> 6 & 1);
    gdt_set(SLOT, 0, 0xfffff, PRESENT | DATA_WRITE | GRANULAR | BIG);
    c = ring0(lar16);
    c.eax = SLOT;
    go("look_16", &c);
    put(" lar %x lsl %x", c.ebx, c.edx);
    c = ring3(arpl);
    c.eax = 0x10;
    c.ecx = 0x2;
    c.edx = 0x13;
    go("arpl", &c);
    put(" %x zf %x %x zf %x", c.eax, c.ebx >> 6 & 1, c.edx, c.esi >> 6 & 1);
}

static void system_segment(const char *name, const void *code, uint32_t selector,
                           uint32_t bits, uint32_t limit)
{
    gdt_set(SLOT, ARENA, limit, bits);
    struct context c = ring0(code);
    c.eax = selector;
    go(name, &c);
    put(" type %x %x", gdt_bits(SLOT), c.ebx);
    __asm__ volatile("lldt %w0" ::"r"(0));
    gdt_set(MAIN_TASK, (uint32_t)main_tss, 0x2088, PRESENT | TYPE_TSS);
    __asm__ volatile("ltr %w0" ::"r"(MAIN_TASK));
}

static void test_system_segments(void)
{
    system_segment("lldt", load_ldt, SLOT, PRESENT | TYPE_LDT, 0xff);
    system_segment("lldt_null", load_ldt, 0, 0, 0);
    system_segment("lldt_null_rpl", load_ldt, 3, 0, 0);
    system_segment("lldt_absent", load_ldt, SLOT, TYPE_LDT, 0xff);
    system_segment("lldt_data", load_ldt, SLOT, PRESENT | DATA_WRITE, 0xff);
    system_segment("lldt_in_ldt", load_ldt, SLOT | 4, PRESENT | TYPE_LDT, 0xff);
    system_segment("ltr", load_task, SLOT, PRESENT | TYPE_TSS, 0x67);
    system_segment("ltr_16", load_task, SLOT, PRESENT | TYPE_TSS16, 0x2b);
    system_segment("ltr_busy", load_task, SLOT, PRESENT | TYPE_TSS | TYPE_BUSY, 0x67);
    system_segment("ltr_absent", load_task, SLOT, TYPE_TSS, 0x67);
    system_segment("ltr_null", load_task, 0, 0, 0);
    system_segment("ltr_small", load_task, SLOT, PRESENT | TYPE_TSS, 0x10);
    system_segment("ltr_data", load_task, SLOT, PRESENT | DATA_WRITE, 0x67);
    go3("lldt_user", load_ldt);
    go3("ltr_user", load_task);
    struct context c = ring3(store_ldt_memory);
    c.ebx = USER_STACK_TOP - 64;
    c.ecx = 0xffffffff;
    go("sldt_user", &c);
    put(" memory %x str %x", c.eax, c.ecx);
}

void test_segments(void)
{
    test_types();
    test_selectors();
    test_queries();
    test_system_segments();
}
