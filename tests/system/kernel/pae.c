/* Paging with 64-bit entries (SDM vol. 3, 4.4), execute-disable. */
#include "kernel.h"

enum {
    P = 1,
    W = 2,
    U = 4,
    LARGE = 0x80,
    POINTERS = TABLES + 0x40000, /* four entries, 32 bytes */
    DIRECTORIES = TABLES + 0x41000,
    TABLE = TABLES + 0x45000, /* of the 2 MiB around PAGE */
    PAGE = ARENA + 0x200000,
    FRAME = ARENA + 0x300000,
    MSR_EFER = 0xc0000080,
    EFER_NXE = 0x800,
};
#define NX (1ULL << 63)

SNIPPET(read, "mov (%ebx), %eax");
SNIPPET(write, "mov %eax, (%ebx)");
SNIPPET(execute, "call *%ebx");
SNIPPET(load_cr3, "mov %eax, %cr3");
SNIPPET(load_cr0, "mov %eax, %cr0");

static volatile uint64_t *quad(uint32_t address)
{
    return (volatile uint64_t *)address;
}

static void map(uint64_t entry)
{
    *quad(TABLE) = entry;
    __asm__ volatile("invlpg (%0)" ::"r"(PAGE) : "memory");
}

static void access(const char *name, const void *code, bool user, uint64_t entry)
{
    map(entry);
    set_cr2(0);
    struct context c = user ? ring3(code) : ring0(code);
    c.ebx = PAGE + 8;
    go(name, &c);
    put(" cr2 %x entry %x %x", get_cr2(), (uint32_t)(*quad(TABLE) >> 32),
        (uint32_t)*quad(TABLE) & 0xfff);
}

static void test_rights(void)
{
    access("read", read, true, FRAME | P | U);
    access("write", write, true, FRAME | P | W | U);
    access("write_read_only", write, true, FRAME | P | U);
    access("execute", execute, true, FRAME | P | U);
    access("reserved_high", read, true, FRAME | P | U | 1ULL << 52);
    access("reserved_62", read, true, FRAME | P | U | 1ULL << 62);
    access("reserved_write", write, false, FRAME | P | W | 1ULL << 61);
    access("reserved_absent", read, true, FRAME | 1ULL << 61);
    access("nx_without_nxe", read, true, FRAME | P | U | NX);
    write_msr(MSR_EFER, EFER_NXE);
    access("nx_read", read, true, FRAME | P | U | NX);
    access("nx_execute", execute, true, FRAME | P | U | NX);
    access("nx_execute_super", execute, false, FRAME | P | W | NX);
    access("nxe_execute", execute, true, FRAME | P | U);
    access("nxe_execute_of_super", execute, true, FRAME | P);
    access("nxe_execute_absent", execute, true, 0);
    access("nxe_read_absent", read, true, 0);
    *quad(DIRECTORIES + (PAGE >> 21) * 8) |= NX;
    set_cr3(get_cr3());
    access("nx_directory", execute, true, FRAME | P | U);
    *quad(DIRECTORIES + (PAGE >> 21) * 8) &= ~NX;
    set_cr3(get_cr3());
    write_msr(MSR_EFER, 0);
}

static void test_large(void)
{
    uint64_t old = *quad(DIRECTORIES + (PAGE >> 21) * 8);
    *quad(DIRECTORIES + (PAGE >> 21) * 8) = (ARENA + 0x200000) | P | W | U | LARGE;
    set_cr3(get_cr3());
    struct context c = ring3(write);
    c.ebx = FRAME + 0x10;
    c.eax = 0x1234;
    go("large_write", &c);
    put(" memory %x entry %x", *at(FRAME + 0x10),
        (uint32_t)*quad(DIRECTORIES + (PAGE >> 21) * 8) & 0xfff);
    *quad(DIRECTORIES + (PAGE >> 21) * 8) |= 0x2000;
    set_cr3(get_cr3());
    c = ring3(read);
    c.ebx = FRAME;
    go("large_reserved", &c);
    put(" cr2 %x", get_cr2());
    *quad(DIRECTORIES + (PAGE >> 21) * 8) = old;
    set_cr3(get_cr3());
}

/* The four entries are read when CR3 is loaded, and checked then. */
static void test_pointers(void)
{
    set_cr2(0);
    *quad(POINTERS + 16) = 0;
    set_cr3(POINTERS);
    struct context c = ring0(read);
    c.ebx = 0x80000000;
    go("pointer_absent", &c);
    put(" cr2 %x", get_cr2());
    *quad(POINTERS + 16) = DIRECTORIES | P;
    c = ring0(read);
    c.ebx = 0x80000000 + PAGE + 8;
    map(FRAME | P | W | U);
    go("pointer_not_reloaded", &c);
    put(" cr2 %x", get_cr2());
    set_cr3(POINTERS);
    c = ring0(read);
    c.ebx = 0x80000000 + PAGE + 8;
    go("pointer_reloaded", &c);
    *quad(POINTERS + 16) = DIRECTORIES | P | W;
    c = ring0(load_cr3);
    c.eax = POINTERS;
    go("pointer_reserved", &c);
    put(" cr3 %x", get_cr3());
    *quad(POINTERS + 16) = DIRECTORIES | 6;
    c = ring0(load_cr3);
    c.eax = POINTERS;
    go("pointer_reserved_absent", &c);
    *quad(POINTERS + 16) = DIRECTORIES | P | 1ULL << 63;
    c = ring0(load_cr3);
    c.eax = POINTERS;
    go("pointer_nx", &c);
    *quad(POINTERS + 16) = DIRECTORIES | P;
    set_cr3(POINTERS);
}

void test_pae(void)
{
    fill(TABLES + 0x40000, 0, 0x6000);
    fill(FRAME, 0xc3, 0x1000);
    for (uint32_t i = 0; i < MAPPED_MIB / 2; i++) {
        *quad(DIRECTORIES + 8 * i) = (uint64_t)i << 21 | P | W | U | LARGE;
    }
    *quad(DIRECTORIES + (PAGE >> 21) * 8) = TABLE | P | W | U;
    for (uint32_t i = 0; i < 512; i++) {
        *quad(TABLE + 8 * i) = (PAGE + (i << 12)) | P | W | U;
    }
    *quad(POINTERS) = DIRECTORIES | P;
    set_cr4(CR4_PAE);
    set_cr3(POINTERS);
    set_cr0(get_cr0() | CR0_PG);
    test_rights();
    test_large();
    test_pointers();
    begin("cr4");
    put(" %x", get_cr4());
    paging_off();
    /* Turning paging on with bad entries. */
    *quad(POINTERS + 16) = DIRECTORIES | P | 6;
    set_cr4(CR4_PAE);
    set_cr3(POINTERS);
    struct context c = ring0(load_cr0);
    c.eax = get_cr0() | CR0_PG;
    go("pointer_reserved_at_pg", &c);
    put(" pg %x", get_cr0() >> 31);
    paging_off();
}
