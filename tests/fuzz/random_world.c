#include "random_world.h"

#include "code_generator.h"

#include <string.h>

enum {
    GDT = 0x1000,
    IDT = 0x2000,
    TASK = 0x3000,
    OTHER_TASK = 0x3800,
    PAGE_DIRECTORY = 0x5000,
    PAGE_TABLE = 0x6000,
    BOOT_SECTOR = 0x7c00,
    STACK = 0x20000,
    HANDLERS = 0x40000,
    GDT_ENTRIES = 32,
    TASK_BYTES = 0x80,
};
#define ACCESSED_AND_DIRTY 0x60U

/* What an iteration is about. */
struct plan {
    bool protected, paging, pae, v86, wide, user;
};

static void *ram(struct fuzz *fuzz, uint32_t address)
{
    return fuzz->machine->ram.host + address;
}

static void put32(struct fuzz *fuzz, uint32_t address, uint32_t value)
{
    memcpy(ram(fuzz, address), &value, sizeof(value));
}

static void put64(struct fuzz *fuzz, uint32_t address, uint64_t value)
{
    memcpy(ram(fuzz, address), &value, sizeof(value));
}

static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t access)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
           (uint64_t)(access & 0xf0ff) << 40 | (uint64_t)(limit >> 16 & 0xf) << 48 |
           (uint64_t)(base >> 24) << 56;
}

/* Selectors 8 to 0x38 are of use: flat code and data of privilege 0 and 3, tasks. The
 * rest are likely descriptors of all types. */
static void make_gdt(struct fuzz *fuzz, const struct plan *plan)
{
    uint32_t size = plan->wide ? 0xc000 : 0x8000;
    const uint64_t fixed[] = {
        0,
        descriptor(0, 0xfffff, size | 0x9b),
        descriptor(0, 0xfffff, size | 0x93),
        descriptor(0, 0xfffff, size | 0xfb),
        descriptor(0, 0xfffff, size | 0xf3),
        descriptor(TASK, TASK_BYTES - 1, 0x89),
        descriptor(OTHER_TASK, TASK_BYTES - 1, 0x89),
        descriptor(FUZZ_DATA, 0xff, 0x82),
    };
    for (unsigned i = 0; i < GDT_ENTRIES; i++) {
        uint64_t random = descriptor(
            fuzz_interesting(fuzz), (uint32_t)fuzz_random(fuzz),
            ((uint32_t)fuzz_random(fuzz) & 0xf07f) | (fuzz_one_in(fuzz, 8) ? 0 : 0x80));
        put64(fuzz, GDT + 8 * i, i < ARRAY_LENGTH(fixed) ? fixed[i] : random);
    }
}

static bool has_error_code(uint32_t vector)
{
    return vector == 8 || vector == 17 || (vector >= 10 && vector <= 14);
}

/* Goes on a few bytes behind what has faulted. */
static void make_skipping_handler(struct fuzz *fuzz, const struct plan *plan,
                                  uint32_t vector, uint8_t *handler)
{
    static const uint8_t wide[] = {0x83, 0xc4, 0x04,       /* add $4, %esp */
                                   0x83, 0x04, 0x24, 0x00, /* addl $0, (%esp) */
                                   0xcf};                  /* iret */
    static const uint8_t narrow[] = {0x83, 0xc4, 0x02,     /* add $2, %sp */
                                     0x55, 0x89, 0xe5,     /* push %bp; mov %sp, %bp */
                                     0x83, 0x46, 0x02, 0x00, /* addw $0, 2(%bp) */
                                     0x5d, 0xcf};            /* pop %bp; iret */
    enum { ERROR_CODE = 3, WIDE_STEP = 6, NARROW_STEP = 9 };
    const uint8_t *code = plan->wide ? wide : narrow;
    unsigned length = plan->wide ? sizeof(wide) : sizeof(narrow);
    unsigned skipped = plan->protected && has_error_code(vector) ? 0 : ERROR_CODE;
    unsigned step = plan->wide ? WIDE_STEP : NARROW_STEP;
    memcpy(handler, code + skipped, length - skipped);
    /* Interrupts and traps go on where they were. */
    if (vector < 32 && vector != 1 && vector != 3 && vector != 4) {
        handler[step - skipped] = (uint8_t)(1 + fuzz_below(fuzz, 4));
    }
}

/* Some code, then IRET, perhaps without the error code. */
static void make_random_handler(struct fuzz *fuzz, uint8_t *handler)
{
    generate_code(fuzz, handler, 8);
    handler[fuzz_below(fuzz, 12)] = 0xcf;
    handler[15] = 0xcf;
    if (fuzz_one_in(fuzz, 2)) {
        handler[0] = 0x83; /* add $4, %esp */
        handler[1] = 0xc4;
        handler[2] = 4;
        handler[3] = 0xcf;
    }
}

static void make_handlers(struct fuzz *fuzz, const struct plan *plan)
{
    uint32_t skipping = fuzz_below(fuzz, 3); /* none, half of them, nearly all */
    for (uint32_t i = 0; i < 256; i++) {
        uint8_t *handler = ram(fuzz, HANDLERS + 16 * i);
        if (skipping == 0 || fuzz_one_in(fuzz, skipping == 1 ? 2 : 64)) {
            make_random_handler(fuzz, handler);
        } else {
            make_skipping_handler(fuzz, plan, i, handler);
        }
    }
}

static void make_idt(struct fuzz *fuzz, const struct plan *plan)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t offset = HANDLERS + 16 * i;
        uint32_t type = plan->wide ? 0xee : 0xe6;
        type |= fuzz_one_in(fuzz, 4); /* a trap gate */
        uint32_t selector = 8;
        if (fuzz_one_in(fuzz, 16)) {
            type = (uint32_t)fuzz_random(fuzz) & 0xff;
            selector = fuzz_below(fuzz, 8 * GDT_ENTRIES);
        }
        if (!plan->wide) {
            offset &= 0xffff;
        }
        put64(fuzz, IDT + 8 * i,
              (offset & 0xffff) | selector << 16 | (uint64_t)type << 40 |
                  (uint64_t)(offset >> 16) << 48);
        if (!plan->protected) {
            put32(fuzz, 4 * i, (HANDLERS >> 4) << 16 | (16 * i));
        }
    }
    make_handlers(fuzz, plan);
}

/* One to one, with holes and rights; the tables' own pages stay whole. */
static void make_page_tables(struct fuzz *fuzz, const struct plan *plan)
{
    uint32_t pages = (uint32_t)(fuzz->machine->ram.bytes >> 12);
    unsigned entry_bytes = plan->pae ? 8 : 4;
    for (uint32_t i = 0; i < pages; i++) {
        uint32_t rights = 7;
        if (i >= 8 && fuzz_one_in(fuzz, 16)) {
            rights = fuzz_below(fuzz, 8) | (fuzz_below(fuzz, 16) << 5);
        }
        uint64_t entry = (uint64_t)i << 12 | rights;
        if (plan->pae && fuzz_one_in(fuzz, 256)) {
            entry |= 1ULL << (32 + fuzz_below(fuzz, 32));
        }
        memcpy(ram(fuzz, FUZZ_PAGE_ENTRIES + i * entry_bytes), &entry, entry_bytes);
    }
    if (plan->pae) {
        for (uint32_t i = 0; i < 4; i++) {
            put64(fuzz, PAGE_DIRECTORY + 8 * i, PAGE_TABLE | 1);
        }
        for (uint32_t i = 0; i < 512; i++) {
            put64(fuzz, PAGE_TABLE + 8 * i,
                  i < 2 ? (FUZZ_PAGE_ENTRIES + 0x1000 * i) | 7 : 0);
        }
        put64(fuzz, PAGE_TABLE + 16, fuzz_random(fuzz));
    } else {
        put32(fuzz, PAGE_DIRECTORY, FUZZ_PAGE_ENTRIES | 7);
        put32(fuzz, PAGE_DIRECTORY + 4, (uint32_t)fuzz_random(fuzz));
        put32(fuzz, PAGE_DIRECTORY + 0xffc, PAGE_DIRECTORY | 7);
    }
}

static void make_tasks(struct fuzz *fuzz)
{
    for (uint32_t task = TASK; task <= OTHER_TASK; task += OTHER_TASK - TASK) {
        for (uint32_t i = 0; i < TASK_BYTES; i += 4) {
            put32(fuzz, task + i, fuzz_interesting(fuzz));
        }
        put32(fuzz, task + 0x04, STACK + 0xe000);
        put32(fuzz, task + 0x08, 0x10);
        put32(fuzz, task + 0x1c, PAGE_DIRECTORY);
        put32(fuzz, task + 0x20, FUZZ_CODE + fuzz_below(fuzz, FUZZ_CODE_BYTES));
        put32(fuzz, task + 0x24, 2);
        for (uint32_t i = 0; i < 6; i++) {
            put32(fuzz, task + 0x48 + 4 * i, i == 1 ? 8 : 0x10);
        }
        put32(fuzz, task + 0x60, fuzz_one_in(fuzz, 2) ? 0x38 : 0);
        put32(fuzz, task + 0x64, fuzz_one_in(fuzz, 8) ? 0x680001 : 0x680000);
    }
}

static struct plan make_plan(struct fuzz *fuzz)
{
    struct plan plan = {.protected = !fuzz_one_in(fuzz, 4)};
    if (plan.protected) {
        plan.paging = fuzz_one_in(fuzz, 2);
        plan.pae = plan.paging && fuzz_one_in(fuzz, 2);
        plan.wide = !fuzz_one_in(fuzz, 4);
        plan.v86 = fuzz_one_in(fuzz, 4);
        plan.user = plan.v86 || fuzz_one_in(fuzz, 2);
    }
    return plan;
}

static void load_segment(struct segment *segment, uint16_t selector, uint32_t base,
                         uint32_t limit, uint16_t access)
{
    *segment = (struct segment){
        .selector = selector, .base = base, .limit = limit, .access = access};
}

static void load_segments(struct cpu *cpu, const struct plan *plan)
{
    static const uint32_t places[] = {FUZZ_DATA, FUZZ_CODE, STACK,
                                      FUZZ_DATA, FUZZ_DATA, FUZZ_DATA};
    uint16_t big = plan->wide ? SEGMENT_BIG | SEGMENT_GRANULAR : SEGMENT_GRANULAR;
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        struct segment *segment = &cpu->segments[i];
        bool code = i == SEGMENT_CS;
        uint16_t kind = code && plan->protected && !plan->v86 ? 0x9b : 0x93;
        if (!plan->protected || plan->v86) {
            load_segment(segment, (uint16_t)(places[i] >> 4), places[i], 0xffff,
                         kind | (plan->v86 ? 0x60 : 0));
        } else if (plan->user) {
            load_segment(segment, code ? 0x1b : 0x23, 0, UINT32_MAX, kind | 0x60 | big);
        } else {
            load_segment(segment, code ? 0x08 : 0x10, 0, UINT32_MAX, kind | big);
        }
    }
    load_segment(&cpu->tr, 0x28, TASK, TASK_BYTES - 1, 0x8b);
}

/* The whole state of the CPU at the start. */
static void load_cpu(struct fuzz *fuzz, const struct plan *plan)
{
    struct cpu *cpu = &fuzz->machine->cpu;
    bool flat = plan->protected && !plan->v86;
    uint32_t offset = fuzz_below(fuzz, 64);
    for (unsigned i = 0; i < REGISTER_ZERO; i++) {
        cpu->regs[i] = fuzz_one_in(fuzz, 2)
                           ? (flat ? FUZZ_DATA : 0) + fuzz_below(fuzz, 0x1000)
                           : fuzz_interesting(fuzz);
    }
    cpu->regs[REGISTER_ESP] = (flat ? STACK : 0) + 0x8000;
    cpu->eip = (flat ? FUZZ_CODE : 0) + offset;
    cpu->gdtr = (struct descriptor_table){GDT, GDT_ENTRIES * 8 - 1};
    cpu->idtr = plan->protected ? (struct descriptor_table){IDT, 0x7ff}
                                : (struct descriptor_table){0, 0x3ff};
    cpu->cr0 = CR0_ET | (plan->protected ? CR0_PE : 0) | (plan->paging ? CR0_PG : 0);
    cpu->cr0 |= (uint32_t)fuzz_random(fuzz) & (CR0_MP | CR0_NE | CR0_WP | CR0_AM |
                                               (fuzz_one_in(fuzz, 8) ? CR0_TS : 0));
    cpu->cr4 = plan->pae ? CR4_PAE : 0;
    cpu->cr4 |=
        (uint32_t)fuzz_random(fuzz) & (CR4_VME | CR4_PVI | CR4_DE | CR4_PSE | CR4_PGE |
                                       CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE);
    cpu->efer = fuzz_one_in(fuzz, 2) ? EFER_NXE : 0;
    cpu->xcr0 = XCR0_X87 | (fuzz_one_in(fuzz, 2) ? XCR0_SSE | XCR0_AVX : 0);
    load_segments(cpu, plan);
    uint32_t flags = (uint32_t)fuzz_random(fuzz) & 0x247ed5;
    flags &= fuzz_one_in(fuzz, 8) ? UINT32_MAX : ~0x100U;
    flags |= fuzz_one_in(fuzz, 2) ? EFLAGS_IF : 0;
    cpu_set_eflags(cpu, flags | EFLAGS_ALWAYS_ONE | (plan->v86 ? EFLAGS_VM : 0));
    if (fuzz_one_in(fuzz, 8)) {
        cpu->dr[7] = (uint32_t)fuzz_random(fuzz) | 0x400;
        cpu->dr[0] = FUZZ_CODE + fuzz_below(fuzz, FUZZ_CODE_BYTES);
        cpu->dr[1] = FUZZ_DATA + fuzz_below(fuzz, FUZZ_DATA_BYTES);
        cpu->dr[7] &= ~0x2000U;
    }
    if (plan->pae) {
        for (unsigned i = 0; i < 4; i++) {
            cpu->pdpte[i] = PAGE_TABLE | 1;
        }
    }
    cpu->cr3 = PAGE_DIRECTORY;
    cpu_loaded(cpu);
}

/* Mostly it starts again when it is through, or sooner. */
static void make_code(struct fuzz *fuzz)
{
    static const unsigned lengths[] = {FUZZ_CODE_BYTES, FUZZ_CODE_BYTES,
                                       FUZZ_CODE_BYTES, 0x100, 0x40};
    unsigned length = lengths[fuzz_below(fuzz, ARRAY_LENGTH(lengths))];
    uint8_t *code = ram(fuzz, FUZZ_CODE);
    generate_code(fuzz, code, FUZZ_CODE_BYTES);
    if (!fuzz_one_in(fuzz, 8)) {
        int32_t back = -(int32_t)length;
        code[length - 5] = 0xe9; /* jmp; with 16-bit operands the last two are left */
        memcpy(code + length - 4, &back, sizeof(back));
    }
}

/* The interval timer interrupts every few thousand instructions, by gates of our IDT.
 */
static void start_timer(struct fuzz *fuzz)
{
    enum { PIC = 0x20, PIC_MASK = 0x21, PIT = 0x40, PIT_CONTROL = 0x43 };
    const struct {
        uint16_t port;
        uint8_t value;
    } writes[] = {
        {PIC, 0x11},         {PIC_MASK, 0x20},
        {PIC_MASK, 4},       {PIC_MASK, 3},
        {PIC_MASK, 0xfe}, /* ends by itself; only the timer */
        {PIT_CONTROL, 0x14}, {PIT, (uint8_t)(2 + fuzz_below(fuzz, 8))},
    };
    lock_take(&fuzz->machine->lock);
    for (unsigned i = 0; i < ARRAY_LENGTH(writes); i++) {
        port_write(&fuzz->machine->ports, writes[i].port, writes[i].value, 1);
    }
    lock_release(&fuzz->machine->lock);
}

void random_world_prepare(struct fuzz *fuzz)
{
    struct plan plan = make_plan(fuzz);
    uint8_t *data = ram(fuzz, FUZZ_DATA);
    make_gdt(fuzz, &plan);
    make_idt(fuzz, &plan);
    make_tasks(fuzz);
    make_page_tables(fuzz, &plan);
    make_code(fuzz);
    generate_code(fuzz, ram(fuzz, BOOT_SECTOR), 512);
    for (unsigned i = 0; i < FUZZ_DATA_BYTES; i += 4) {
        uint32_t value = fuzz_interesting(fuzz);
        memcpy(data + i, &value, sizeof(value));
    }
    for (uint32_t i = 0; i < 0x100; i += 4) {
        put32(fuzz, STACK + 0x8000 + i, fuzz_interesting(fuzz));
    }
    load_cpu(fuzz, &plan);
    if (fuzz_one_in(fuzz, 2)) {
        start_timer(fuzz);
    }
    if (!plan.protected && fuzz_one_in(fuzz, 2)) {
        struct cpu *cpu = &fuzz->machine->cpu;
        load_segment(&cpu->segments[SEGMENT_CS], 0, 0, 0xffff, 0x93);
        cpu->eip = BOOT_SECTOR;
        cpu_loaded(cpu);
    }
}

uint64_t random_world_allowance(struct machine *machine, uint64_t end)
{
    uint64_t left = end - machine->cpu.retired;
    uint64_t deadline_ns = clock_next_deadline_ns(&machine->clock);
    uint64_t now_ns = clock_now_ns(&machine->clock);
    if (deadline_ns != CLOCK_NEVER) {
        uint64_t until = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        left = until < left ? until : left;
    }
    return left;
}

bool random_world_wait(struct machine *machine)
{
    uint64_t deadline_ns = clock_next_deadline_ns(&machine->clock);
    if (!(machine->cpu.system_flags & EFLAGS_IF) || deadline_ns == CLOCK_NEVER) {
        return false;
    }
    if (deadline_ns > clock_now_ns(&machine->clock)) {
        clock_skip_to_ns(&machine->clock, deadline_ns);
    }
    return true;
}

uint64_t random_world_tables(const struct machine *machine)
{
    static const uint32_t tables[] = {PAGE_DIRECTORY, PAGE_TABLE, FUZZ_PAGE_ENTRIES,
                                      FUZZ_PAGE_ENTRIES + PAGE_BYTES};
    uint32_t entries[PAGE_BYTES / 4];
    uint64_t hash = machine->cpu.cr3;
    for (unsigned i = 0; i < ARRAY_LENGTH(tables); i++) {
        memcpy(entries, machine->ram.host + tables[i], sizeof(entries));
        for (unsigned k = 0; k < ARRAY_LENGTH(entries); k++) {
            hash = (hash ^ (entries[k] & ~ACCESSED_AND_DIRTY)) * 0x9e3779b97f4a7c15;
        }
    }
    return hash;
}
