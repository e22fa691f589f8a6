/* Descriptor tables, the main task's segment, page tables. */
#include "kernel.h"

#include "tables.h"

enum {
    GDT_ENTRIES = CATCHERS / 8 + CATCHER_COUNT,
    TSS_ESP0 = 1,
    TSS_SS0 = 2,
    TSS_IO_MAP = 25,
    IO_MAP_BYTES = 8192,
    REDIRECTION_OFFSET = 104,
    IO_MAP_OFFSET = REDIRECTION_OFFSET + 32,
    MAIN_TSS_BYTES = IO_MAP_OFFSET + IO_MAP_BYTES + 1,
    CATCHER_WORDS = 26,
    CATCHER_STACK_BYTES = 1024,
    PAGE_BITS = 7, /* present, writable, user */
    PAGE_ENTRIES = 1024,
};

uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(16)));
uint64_t idt[256] __attribute__((aligned(16)));
uint32_t main_tss[(MAIN_TSS_BYTES + 3) / 4] __attribute__((aligned(16)));

static uint32_t catchers[CATCHER_COUNT][CATCHER_WORDS];
static uint8_t catcher_stacks[CATCHER_COUNT][CATCHER_STACK_BYTES]
    __attribute__((aligned(16)));
extern const uint8_t catcher_stubs[];

struct __attribute__((packed)) table_register {
    uint16_t limit;
    uint32_t base;
};

void copy(uint32_t to, const void *from, uint32_t bytes)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
}

void fill(uint32_t to, uint8_t value, uint32_t bytes)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
}

/* Compilers call these by name. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

void *memcpy(void *to, const void *from, size_t bytes)
{
    copy((uint32_t)to, from, bytes);
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    fill((uint32_t)to, (uint8_t)value, bytes);
    return to;
}

void gdt_set(uint32_t selector, uint32_t base, uint32_t limit, uint32_t bits)
{
    gdt[selector / 8] =
        (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
        (uint64_t)(bits & 0xff) << 40 | (uint64_t)(limit >> 16 & 0xf) << 48 |
        (uint64_t)(bits >> 12 & 0xf) << 52 | (uint64_t)(base >> 24) << 56;
}

uint32_t gdt_bits(uint32_t selector)
{
    return (uint32_t)(gdt[selector / 8] >> 40) & 0xff;
}

uint64_t gate(uint32_t selector, uint32_t offset, uint32_t bits, uint32_t parameters)
{
    return (offset & 0xffff) | selector << 16 | (uint64_t)parameters << 32 |
           (uint64_t)bits << 40 | (uint64_t)(offset >> 16) << 48;
}

void gdt_set_gate(uint32_t selector, uint64_t descriptor)
{
    gdt[selector / 8] = descriptor;
}

void idt_reset(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        bool open = i == 3 || i == 4 || i >= 0x80;
        idt[i] = gate(KERNEL_CODE, (uint32_t)vector_stubs + i * VECTOR_STUB_BYTES,
                      PRESENT | TYPE_INTERRUPT_GATE | (open ? DPL3 : 0), 0);
    }
}

void catch_by_task(uint32_t vector)
{
    enum {
        TSS_CR3 = 7,
        TSS_EIP,
        TSS_EFLAGS,
        TSS_ESP = 14,
        TSS_ES = 18,
        TSS_CS,
        TSS_SS,
        TSS_DS,
        TSS_FS,
        TSS_GS,
        TSS_LDT,
    };
    uint32_t *tss = catchers[vector];
    uint32_t selector = CATCHERS + 8 * vector;
    fill((uint32_t)tss, 0, sizeof(catchers[0]));
    tss[TSS_CR3] = main_tss[TSS_CR3] = get_cr3();
    tss[TSS_EIP] = (uint32_t)catcher_stubs + vector * VECTOR_STUB_BYTES;
    tss[TSS_EFLAGS] = 2;
    tss[TSS_ESP] = (uint32_t)catcher_stacks[vector + 1];
    tss[TSS_CS] = KERNEL_CODE;
    for (unsigned i = TSS_ES; i <= TSS_GS; i++) {
        tss[i] = i == TSS_CS ? KERNEL_CODE : KERNEL_DATA;
    }
    gdt_set(selector, (uint32_t)tss, 4 * CATCHER_WORDS - 1, PRESENT | TYPE_TSS);
    idt[vector] = gate(selector, 0, PRESENT | TYPE_TASK_GATE, 0);
}

void main_task_reload(void)
{
    gdt_set(MAIN_TASK, (uint32_t)main_tss, MAIN_TSS_BYTES - 1, PRESENT | TYPE_TSS);
    __asm__ volatile("clts; ltr %w0" ::"r"(MAIN_TASK));
}

void io_allow(uint32_t port, bool allowed)
{
    uint8_t *map = (uint8_t *)main_tss + IO_MAP_OFFSET;
    map[port / 8] =
        (uint8_t)((map[port / 8] & ~(1U << port % 8)) | (allowed ? 0 : 1U << port % 8));
}

void redirect(uint32_t vector, bool to_v86)
{
    uint8_t *map = (uint8_t *)main_tss + REDIRECTION_OFFSET;
    map[vector / 8] = (uint8_t)((map[vector / 8] & ~(1U << vector % 8)) |
                                (to_v86 ? 0 : 1U << vector % 8));
}

void tables_load(void)
{
    struct table_register gdtr = {sizeof(gdt) - 1, (uint32_t)gdt};
    struct table_register idtr = {sizeof(idt) - 1, (uint32_t)idt};
    gdt_set(MAIN_TASK, (uint32_t)main_tss, MAIN_TSS_BYTES - 1, PRESENT | TYPE_TSS);
    __asm__ volatile("lgdt %0\n"
                     "lidt %1\n"
                     "lldt %w2\n"
                     "ltr %w3\n"
                     "ljmp $" STRING(8) ", $1f\n"
                                        "1: mov %4, %%ds\n"
                                        "mov %4, %%es\n"
                                        "mov %4, %%fs\n"
                                        "mov %4, %%gs\n"
                                        "mov %4, %%ss\n" ::"m"(gdtr),
                     "m"(idtr), "r"(0), "r"(MAIN_TASK), "r"(KERNEL_DATA));
}

void tables_init(void)
{
    const uint32_t flat = PRESENT | BIG | GRANULAR;
    gdt_set(KERNEL_CODE, 0, 0xfffff, flat | CODE_READ | ACCESSED);
    gdt_set(KERNEL_DATA, 0, 0xfffff, flat | DATA_WRITE | ACCESSED);
    gdt_set(USER_CODE, 0, 0xfffff, flat | CODE_READ | ACCESSED | DPL3);
    gdt_set(USER_DATA, 0, 0xfffff, flat | DATA_WRITE | ACCESSED | DPL3);
    gdt_set(CODE16, 0, 0xffff, PRESENT | CODE_READ | ACCESSED);
    gdt_set(DATA16, 0, 0xffff, PRESENT | DATA_WRITE | ACCESSED);
    idt_reset();
    main_tss[TSS_ESP0] = TRAP_STACK_TOP;
    main_tss[TSS_SS0] = KERNEL_DATA;
    main_tss[TSS_IO_MAP] = IO_MAP_OFFSET << 16;
    fill((uint32_t)main_tss + REDIRECTION_OFFSET, 0xff,
         MAIN_TSS_BYTES - REDIRECTION_OFFSET);
    tables_load();
}

uint32_t *page_entry(uint32_t address)
{
    return (uint32_t *)(TABLES + 0x1000 + (address >> 12) * 4);
}

void paging_on(void)
{
    uint32_t *directory = (uint32_t *)TABLES;
    fill(TABLES, 0, 0x1000);
    for (uint32_t i = 0; i < MAPPED_MIB / 4; i++) {
        directory[i] = (TABLES + 0x1000 * (i + 1)) | PAGE_BITS;
    }
    for (uint32_t i = 0; i < MAPPED_MIB / 4 * PAGE_ENTRIES; i++) {
        *page_entry(i << 12) = i << 12 | PAGE_BITS;
    }
    set_cr3(TABLES);
    set_cr0(get_cr0() | CR0_PG);
}

void paging_off(void)
{
    set_cr0(get_cr0() & ~(CR0_PG | CR0_WP));
    set_cr4(get_cr4() & ~(uint32_t)(CR4_PSE | CR4_PAE | CR4_PGE));
    set_cr3(0);
}
