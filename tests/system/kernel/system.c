/* Control registers, MSRs, SYSENTER, CPUID, the time stamp counter, privilege of system
 * instructions (SDM vol. 2 and vol. 3, chapter 2). */
#include "kernel.h"

enum {
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_TSC = 0x10,
    MSR_PAT = 0x277,
    MSR_EFER = 0xc0000080,
};

SNIPPET(write_cr0, "mov %eax, %cr0; mov %cr0, %ebx");
SNIPPET(write_cr4, "mov %eax, %cr4; mov %cr4, %ebx");
SNIPPET(write_cr1, ".byte 0x0f, 0x22, 0xc8");
SNIPPET(read_cr5, ".byte 0x0f, 0x20, 0xe8");
SNIPPET(write_cr3, "mov %eax, %cr3; mov %cr3, %ebx");
SNIPPET(read_cr0, "mov %cr0, %eax");
SNIPPET(lmsw, "lmsw %ax; smsw %ebx");
SNIPPET(smsw_memory, "movl $-1, (%edi); smsw (%edi); mov (%edi), %ebx");
SNIPPET(clts, "clts; mov %cr0, %ebx");
SNIPPET(rdmsr, "rdmsr");
SNIPPET(wrmsr, "wrmsr");
SNIPPET(rdtsc, "rdtsc; mov %eax, %esi; mov %edx, %edi; rdtsc; sub %esi, %eax;"
               "sbb %edi, %edx");
SNIPPET(rdpmc, "rdpmc");
SNIPPET(wbinvd, "wbinvd");
SNIPPET(invd, "invd");
SNIPPET(hlt, "hlt");
SNIPPET(lgdt, "lgdt (%ebx)");
SNIPPET(lidt, "lidt (%ebx)");
SNIPPET(sidt, "sidt (%edi); movl (%edi), %eax");
SNIPPET(lgdt_register, ".byte 0x0f, 1, 0xd0");
SNIPPET(invlpg_register, ".byte 0x0f, 1, 0xf8");
SNIPPET(sysenter, "sysenter");
SNIPPET(sysenter_target, "mov %cs, %eax; mov %ss, %ebx; pushf; pop %edx");
SNIPPET(sysexit, "sysexit");
SNIPPET(sysexit_target, "mov %cs, %eax; mov %ss, %ebx");
SNIPPET(lock_add, "lock addl $1, (%edi)");
SNIPPET(lock_add_register, ".byte 0xf0; add %eax, %ebx");
SNIPPET(lock_mov, ".byte 0xf0; mov %eax, (%edi)");
SNIPPET(lock_nop, ".byte 0xf0, 0x90");
SNIPPET(lock_cmp, ".byte 0xf0; cmp %eax, (%edi)");
SNIPPET(lock_bt, ".byte 0xf0; bt %eax, (%edi)");
SNIPPET(lock_bts, "lock bts %eax, (%edi)");
SNIPPET(lock_xchg, "lock xchg %eax, (%edi)");
SNIPPET(lock_inc, "lock incb (%edi)");
SNIPPET(lock_not, "lock notl (%edi)");
SNIPPET(lock_xadd, "lock xadd %eax, (%edi)");
SNIPPET(lock_cmpxchg8b, "lock cmpxchg8b (%edi)");
SNIPPET(lock_test, ".byte 0xf0; test %eax, (%edi)");
SNIPPET(lock_or_from, ".byte 0xf0; or (%edi), %eax");
SNIPPET(lock_hlt, ".byte 0xf0, 0xf4");
SNIPPET(ud0, ".byte 0x0f, 0xff, 0xc0");
SNIPPET(ud1, ".byte 0x0f, 0xb9, 0xc0");
SNIPPET(ud2, "ud2");
SNIPPET(les_register, ".byte 0xc4, 0xc0, 0, 0");
SNIPPET(lea_register, ".byte 0x8d, 0xc0");
SNIPPET(bound_register, ".byte 0x62, 0xc0");
SNIPPET(mov_fe, ".byte 0xc7, 0xc8, 0, 0, 0, 0");
SNIPPET(salc, ".byte 0xd6");
SNIPPET(rsm, "rsm");
SNIPPET(alignment, "mov 1(%edi), %eax");
SNIPPET(alignment_word, "mov 1(%edi), %ax");
SNIPPET(alignment_byte, "mov 1(%edi), %al");
SNIPPET(alignment_push, "dec %esp; push %eax");
SNIPPET(alignment_quad, "cmpxchg8b 4(%edi)");
SNIPPET(tsc_user, "rdtsc");

static void with_eax(const char *name, const void *code, uint32_t eax, uint32_t mask)
{
    struct context c = ring0(code);
    uint32_t cr0 = get_cr0();
    c.eax = eax;
    c.ebx = 0xbad;
    go(name, &c);
    put(" %x", c.ebx & mask);
    set_cr0(cr0);
    set_cr4(0);
}

static void test_control_registers(void)
{
    uint32_t cr0 = get_cr0();
    with_eax("cr0_nw_without_cd", write_cr0, cr0 | CR0_NW, 0xffffffff);
    with_eax("cr0_cd_nw", write_cr0, cr0 | CR0_NW | CR0_CD, 0xffffffff);
    with_eax("cr0_cd", write_cr0, cr0 | CR0_CD, 0xffffffff);
    with_eax("cr0_reserved", write_cr0, cr0 | 0x1ffaffc0, 0xffffffff);
    with_eax("cr0_et_clear", write_cr0, cr0 & ~0x10U, 0xffffffff);
    with_eax("cr4_all_known", write_cr4, 0x7fe & ~0x28U, 0xffffffff);
    with_eax("cr1", write_cr1, 0, 0);
    with_eax("cr5", read_cr5, 0, 0);
    with_eax("cr3", write_cr3, 0x12345678, 0xffffffff);
    set_cr3(0);
    with_eax("lmsw_clears_pe", lmsw, 0, 0xf);
    with_eax("lmsw_sets", lmsw, 0xffff, 0x1f);
    with_eax("clts", clts, 0, 8);
    struct context c = ring0(smsw_memory);
    c.edi = ARENA;
    go("smsw_memory", &c);
    put(" %x", c.ebx & 0xffff0001);
    go3("read_cr0_user", read_cr0);
    go3("write_cr0_user", write_cr0);
    go3("lmsw_user", lmsw);
    go3("clts_user", clts);
    go3("wbinvd_user", wbinvd);
    go3("invd_user", invd);
    go3("hlt_user", hlt);
    go3("rdmsr_user", rdmsr);
    go3("wrmsr_user", wrmsr);
    go3("lgdt_user", lgdt);
    go3("lidt_user", lidt);
    go3("invlpg_register", invlpg_register);
    go3("lgdt_register", lgdt_register);
    c = ring3(sidt);
    c.edi = USER_STACK_TOP;
    go("sidt_user", &c);
    put(" %x", c.eax & 0xffff);
    go0("wbinvd", wbinvd);
    go0("rsm", rsm);
    go0("ud0", ud0);
    go0("ud1", ud1);
    go0("ud2", ud2);
    go0("les_register", les_register);
    go0("lea_register", lea_register);
    go0("bound_register", bound_register);
    go0("mov_c7_1", mov_fe);
    go0("salc", salc);
}

static void msr(const char *name, const void *code, uint32_t number, uint64_t value,
                bool show)
{
    struct context c = ring0(code);
    c.ecx = number;
    c.eax = (uint32_t)value;
    c.edx = (uint32_t)(value >> 32);
    go(name, &c);
    if (show) {
        put(" %x %x", c.edx, c.eax);
    }
}

static void test_msrs(void)
{
    msr("rdmsr_unknown", rdmsr, 0x12345, 0, false);
    msr("wrmsr_unknown", wrmsr, 0x12345, 0, false);
    msr("wrmsr_sysenter", wrmsr, MSR_SYSENTER_ESP, 0x87654321, false);
    msr("rdmsr_sysenter", rdmsr, MSR_SYSENTER_ESP, 0, true);
    msr("rdmsr_pat", rdmsr, MSR_PAT, 0, true);
    msr("wrmsr_pat_bad", wrmsr, MSR_PAT, 0x0007040600070402, false);
    msr("wrmsr_efer_bad", wrmsr, MSR_EFER, 1ULL << 32, false);
    msr("wrmsr_efer", wrmsr, MSR_EFER, 0x800, false);
    msr("rdmsr_efer", rdmsr, MSR_EFER, 0, true);
    msr("wrmsr_efer_0", wrmsr, MSR_EFER, 0, false);
    msr("wrmsr_tsc", wrmsr, MSR_TSC, 0x100000000, false);
    struct context c = ring0(rdmsr);
    c.ecx = MSR_TSC;
    go("rdmsr_tsc", &c);
    put(" high %x", c.edx);
    go0("rdtsc", rdtsc);
    c = ring0(rdtsc);
    run(&c);
    begin("rdtsc_advances");
    put(" %s", c.edx == 0 && c.eax > 0 ? "yes" : "no");
    set_cr4(CR4_TSD);
    go3("rdtsc_tsd_user", tsc_user);
    go0("rdtsc_tsd", tsc_user);
    set_cr4(0);
    go3("rdtsc_user", tsc_user);
    go3("rdpmc_user", rdpmc);
}

static void test_sysenter(void)
{
    write_msr(MSR_SYSENTER_CS, 0);
    go3("sysenter_null", sysenter);
    go0("sysexit_null", sysexit);
    write_msr(MSR_SYSENTER_CS, KERNEL_CODE);
    write_msr(MSR_SYSENTER_ESP, GUEST_STACK_TOP - 0x100);
    write_msr(MSR_SYSENTER_EIP, (uint32_t)sysenter_target);
    struct context c = ring3(sysenter);
    c.eflags |= FLAG_IF | FLAG_CF;
    c.code = (uint32_t)sysenter_target;
    go("sysenter", &c);
    put(" cs %x ss %x esp %x flags %x ds %x", c.eax, c.ebx, c.esp, c.edx,
        c.ds & 0xffff);
    c = ring0(sysexit);
    c.ecx = USER_STACK_TOP - 0x40;
    c.edx = (uint32_t)sysexit_target;
    c.code = c.edx;
    c.eflags |= FLAG_IF;
    go("sysexit", &c);
    put(" cs %x ss %x esp %x flags %x", c.eax, c.ebx, c.esp, c.eflags);
    go3("sysexit_user", sysexit);
}

static void lock(const char *name, const void *code)
{
    struct context c = ring0(code);
    c.edi = ARENA;
    go(name, &c);
}

static void test_lock(void)
{
    lock("lock_add", lock_add);
    lock("lock_add_register", lock_add_register);
    lock("lock_mov", lock_mov);
    lock("lock_nop", lock_nop);
    lock("lock_cmp", lock_cmp);
    lock("lock_bt", lock_bt);
    lock("lock_bts", lock_bts);
    lock("lock_xchg", lock_xchg);
    lock("lock_inc", lock_inc);
    lock("lock_not", lock_not);
    lock("lock_xadd", lock_xadd);
    lock("lock_cmpxchg8b", lock_cmpxchg8b);
    lock("lock_test", lock_test);
    lock("lock_or_from", lock_or_from);
}

static void align(const char *name, const void *code, uint32_t flags, bool user)
{
    struct context c = user ? ring3(code) : ring0(code);
    c.edi = USER_STACK_TOP;
    c.eflags |= flags;
    go(name, &c);
}

static void test_alignment(void)
{
    set_cr0(get_cr0() | CR0_AM);
    align("ac_dword", alignment, FLAG_AC, true);
    align("ac_word", alignment_word, FLAG_AC, true);
    align("ac_byte", alignment_byte, FLAG_AC, true);
    align("ac_push", alignment_push, FLAG_AC, true);
    align("ac_quad", alignment_quad, FLAG_AC, true);
    align("ac_clear", alignment, 0, true);
    align("ac_ring0", alignment, FLAG_AC, false);
    set_cr0(get_cr0() & ~(uint32_t)CR0_AM);
    align("ac_without_am", alignment, FLAG_AC, true);
}

static void test_cpuid(void)
{
    uint32_t a, b, c, d;
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0));
    begin("cpuid");
    put(" leaves %s", a >= 1 ? "yes" : "no");
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
    /* FPU DE PSE TSC MSR PAE CX8 PGE CMOV MMX FXSR SSE SSE2 */
    put(" features %x", d & 0x0780a179);
    set_cr4(CR4_OSXSAVE);
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
    put(" osxsave %x", c >> 27 & 1);
    set_cr4(0);
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
    put(" %x", c >> 27 & 1);
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x80000000));
    put(" extended %s", a >= 0x80000004 ? "yes" : "no");
}

void test_hazards(void)
{
    with_eax("cr0_pg_without_pe", write_cr0, (get_cr0() & ~1U) | CR0_PG, 0xfff);
    lock("lock_hlt", lock_hlt);
    with_eax("cr4_vmxe", write_cr4, 0x2000, 0xffffffff);
    with_eax("cr4_bit_15", write_cr4, 0x8000, 0xffffffff);
    with_eax("cr4_bit_31", write_cr4, 0x80000000, 0xffffffff);
}

void test_system(void)
{
    test_control_registers();
    test_msrs();
    test_sysenter();
    test_lock();
    test_alignment();
    test_cpuid();
}
