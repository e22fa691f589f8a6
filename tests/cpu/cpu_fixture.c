#include "cpu_fixture.h"

#include "cpu/core/exception.h"
#include "cpu/mmu/mmu.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_PRESENT = 1,
    PAGE_WRITABLE = 2,
    PAGE_USER = 4,
    TABLES_PAGES = 6,
    OPCODE_HLT = 0xf4,
    OPCODE_IRET = 0xcf,
    GATE_INTERRUPT32 = 0x8e00,
    GATE_DPL3 = 0x6000,
    TSS_BYTES = 104,
    TSS_ESP0 = 4,
    TSS_SS0 = 8,
    TSS_IO_MAP = 102,
    ACCESS_CODE32 = 0xc09b,
    ACCESS_DATA32 = 0xc093,
    ACCESS_CODE16 = 0x009b,
    ACCESS_DATA16 = 0x0093,
    ACCESS_DPL3 = 0x60,
    ACCESS_TSS32_BUSY = 0x008b,
    ACCESS_LDT = 0x0082,
};

enum cpu_exit cpu_fixture_run(struct cpu_fixture *fixture, uint64_t budget)
{
    return fixture->engine->run(fixture->cpu, budget);
}

bool cpu_fixture_create(struct cpu_fixture *fixture, uint64_t ram_bytes,
                        struct error *error)
{
    return cpu_fixture_create_with(fixture, tested_engine_name(), ram_bytes, error);
}

bool cpu_fixture_create_with(struct cpu_fixture *fixture, const char *engine,
                             uint64_t ram_bytes, struct error *error)
{
    const struct cpu_engine *found = cpu_engine_find(engine);
    if (!found) {
        return error_set(error, "engine %s: not built in", engine);
    }
    return cpu_fixture_create_by(fixture, found, NULL, ram_bytes, error);
}

bool cpu_fixture_create_by(struct cpu_fixture *fixture, const struct cpu_engine *engine,
                           const char *syscall_redirect, uint64_t ram_bytes,
                           struct error *error)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->engine = engine;
    if (!ram_create(&fixture->ram, "test-ram", ram_bytes, error)) {
        return false;
    }
    fixture->memory.ram = &fixture->ram;
    memory_add(&fixture->memory,
               &(struct memory_region){.name = "ram",
                                       .bytes = ram_bytes,
                                       .priority = MEMORY_PRIORITY_RAM,
                                       .read = fixture->ram.host,
                                       .write = fixture->ram.host});
    clock_init(&fixture->clock, CLOCK_KIND_MANUAL, 0);
    lock_init(&fixture->lock);
    struct cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~(size_t)63);
    memset(cpu, 0, sizeof(*cpu));
    cpu->wiring = (struct cpu_wiring){
        .lock = &fixture->lock,
        .log = &fixture->log,
        .clock = &fixture->clock,
        .tsc_clock = &fixture->clock,
        .memory = &fixture->memory,
        .ports = &fixture->ports,
        .syscall_redirect = syscall_redirect,
    };
    cpu->statistics = calloc(1, sizeof(*cpu->statistics));
    fixture->cpu = cpu;
    if (!fixture->engine->create(cpu, error)) {
        free(cpu->statistics);
        free(cpu);
        ram_destroy(&fixture->ram);
        return false;
    }
    cpu_reset(cpu);
    return true;
}

void cpu_fixture_destroy(struct cpu_fixture *fixture)
{
    fixture->engine->destroy(fixture->cpu);
    free(fixture->cpu->statistics);
    free(fixture->cpu);
    ram_destroy(&fixture->ram);
    lock_destroy(&fixture->lock);
}

void cpu_fixture_store(struct cpu_fixture *fixture, gpa_t address, const void *bytes,
                       size_t count)
{
    memory_write(&fixture->memory, address, bytes, count);
}

uint8_t *cpu_fixture_ram(struct cpu_fixture *fixture, gpa_t address)
{
    assert(address < fixture->ram.bytes);
    return fixture->ram.host + address;
}

static void store32(struct cpu_fixture *fixture, gpa_t address, uint32_t value)
{
    memcpy(cpu_fixture_ram(fixture, address), &value, sizeof(value));
}

static uint32_t load32(struct cpu_fixture *fixture, gpa_t address)
{
    uint32_t value;
    memcpy(&value, cpu_fixture_ram(fixture, address), sizeof(value));
    return value;
}

void cpu_fixture_map(struct cpu_fixture *fixture, gla_t linear, gpa_t physical,
                     bool writable, bool user)
{
    gpa_t directory_entry = FIXTURE_PAGE_DIRECTORY + (linear >> 22) * 4;
    uint32_t table = load32(fixture, directory_entry);
    if (!(table & PAGE_PRESENT)) {
        table = (uint32_t)fixture->next_page_table | PAGE_PRESENT | PAGE_WRITABLE |
                PAGE_USER;
        fixture->next_page_table += PAGE_BYTES;
        assert(fixture->next_page_table <= FIXTURE_FREE_RAM);
        store32(fixture, directory_entry, table);
    }
    gpa_t entry = (table & ~(uint32_t)PAGE_OFFSET_MASK) + ((linear >> 12) & 0x3ff) * 4;
    store32(fixture, entry,
            (uint32_t)physical | PAGE_PRESENT | (writable ? PAGE_WRITABLE : 0) |
                (user ? PAGE_USER : 0));
    mmu_flush_all(fixture->cpu);
}

void cpu_fixture_unmap(struct cpu_fixture *fixture, gla_t linear)
{
    uint32_t table = load32(fixture, FIXTURE_PAGE_DIRECTORY + (linear >> 22) * 4);
    assert(table & PAGE_PRESENT);
    gpa_t entry = (table & ~(uint32_t)PAGE_OFFSET_MASK) + ((linear >> 12) & 0x3ff) * 4;
    store32(fixture, entry, 0);
    mmu_flush_all(fixture->cpu);
}

uint64_t cpu_fixture_descriptor(uint32_t base, uint32_t limit, uint16_t access)
{
    if (access & SEGMENT_GRANULAR) {
        limit >>= 12;
    }
    uint32_t low = (base << 16) | (limit & 0xffff);
    uint32_t high = (base & 0xff000000) | (limit & 0xf0000) | ((base >> 16) & 0xff) |
                    (uint32_t)(access & 0xf0ff) << 8;
    return (uint64_t)high << 32 | low;
}

static gpa_t descriptor_address(uint16_t selector)
{
    gla_t table = selector & 4 ? FIXTURE_LDT : FIXTURE_GDT;
    return cpu_fixture_table_address(table) + (selector & ~7U);
}

void cpu_fixture_set_descriptor(struct cpu_fixture *fixture, uint16_t selector,
                                uint64_t descriptor)
{
    memcpy(cpu_fixture_ram(fixture, descriptor_address(selector)), &descriptor,
           sizeof(descriptor));
}

static void load_from_tables(struct cpu_fixture *fixture, struct segment *segment,
                             uint16_t selector)
{
    *segment = (struct segment){.selector = selector};
    if ((selector & ~3U) == 0) {
        return;
    }
    uint32_t low = load32(fixture, descriptor_address(selector));
    uint32_t high = load32(fixture, descriptor_address(selector) + 4);
    segment->access = (uint16_t)((high >> 8) & 0xf0ff);
    segment->base = low >> 16 | (high & 0xff) << 16 | (high & 0xff000000);
    segment->limit = (low & 0xffff) | (high & 0xf0000);
    if (segment->access & SEGMENT_GRANULAR) {
        segment->limit = segment->limit << 12 | 0xfff;
    }
}

void cpu_fixture_load_segment(struct cpu_fixture *fixture, enum segment_number number,
                              uint16_t selector)
{
    struct cpu *cpu = fixture->cpu;
    struct segment *segment = &cpu->segments[number];
    if (cpu->cr0 & CR0_PE) {
        load_from_tables(fixture, segment, selector);
    } else {
        *segment = (struct segment){.selector = selector,
                                    .access = ACCESS_DATA16,
                                    .base = (uint32_t)selector << 4,
                                    .limit = 0xffff};
    }
    segment_update(segment);
}

static void lay_out_gdt(struct cpu_fixture *fixture)
{
    static const struct {
        uint16_t selector;
        uint32_t base, limit;
        uint16_t access;
    } entries[] = {
        {FIXTURE_KERNEL_CS, 0, UINT32_MAX, ACCESS_CODE32},
        {FIXTURE_KERNEL_DS, 0, UINT32_MAX, ACCESS_DATA32},
        {FIXTURE_KERNEL_CS16, 0, 0xffff, ACCESS_CODE16},
        {FIXTURE_KERNEL_DS16, 0, 0xffff, ACCESS_DATA16},
        {FIXTURE_USER_CS, 0, UINT32_MAX, ACCESS_CODE32 | ACCESS_DPL3},
        {FIXTURE_USER_DS, 0, UINT32_MAX, ACCESS_DATA32 | ACCESS_DPL3},
        {FIXTURE_TSS_SELECTOR, FIXTURE_TSS, TSS_BYTES - 1, ACCESS_TSS32_BUSY},
        {FIXTURE_LDT_SELECTOR, FIXTURE_LDT, FIXTURE_LDT_BYTES - 1, ACCESS_LDT},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(entries); i++) {
        cpu_fixture_set_descriptor(fixture, entries[i].selector,
                                   cpu_fixture_descriptor(entries[i].base,
                                                          entries[i].limit,
                                                          entries[i].access));
    }
}

static void set_gate(struct cpu_fixture *fixture, unsigned vector, gla_t handler)
{
    gpa_t gate = cpu_fixture_table_address(FIXTURE_IDT) + 8 * vector;
    bool user = vector == EXCEPTION_BP || vector == EXCEPTION_OF;
    store32(fixture, gate, (handler & 0xffff) | FIXTURE_KERNEL_CS << 16);
    store32(fixture, gate + 4,
            (handler & 0xffff0000) | GATE_INTERRUPT32 | (user ? GATE_DPL3 : 0));
}

/* One gate a vector, all to ring 0; the handler of vector v is at offset 2 * v. */
static void lay_out_idt(struct cpu_fixture *fixture)
{
    for (unsigned vector = 0; vector < 256; vector++) {
        gla_t handler = FIXTURE_HANDLERS + 2 * vector;
        set_gate(fixture, vector, handler);
        *cpu_fixture_ram(fixture, cpu_fixture_table_address(handler)) = OPCODE_HLT;
    }
    *cpu_fixture_ram(fixture, cpu_fixture_table_address(FIXTURE_RETURN)) = OPCODE_IRET;
}

void cpu_fixture_return_from(struct cpu_fixture *fixture, uint8_t vector)
{
    set_gate(fixture, vector, FIXTURE_RETURN);
}

static void lay_out_tss(struct cpu_fixture *fixture)
{
    gpa_t tss = cpu_fixture_table_address(FIXTURE_TSS);
    store32(fixture, tss + TSS_ESP0, FIXTURE_STACK_TOP);
    store32(fixture, tss + TSS_SS0, FIXTURE_KERNEL_DS);
    store32(fixture, tss + TSS_IO_MAP - 2, TSS_BYTES << 16);
}

static void set_control_registers(struct cpu *cpu)
{
    cpu->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    cpu->cr3 = FIXTURE_PAGE_DIRECTORY;
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->xcr0 = 7;
    cpu->gdtr = (struct descriptor_table){FIXTURE_GDT, FIXTURE_GDT_BYTES - 1};
    cpu->idtr = (struct descriptor_table){FIXTURE_IDT, 256 * 8 - 1};
}

void cpu_fixture_protected_mode(struct cpu_fixture *fixture, unsigned cpl)
{
    struct cpu *cpu = fixture->cpu;
    lay_out_gdt(fixture);
    lay_out_idt(fixture);
    lay_out_tss(fixture);
    memset(cpu_fixture_ram(fixture, FIXTURE_PAGE_DIRECTORY), 0, PAGE_BYTES);
    memset(cpu_fixture_ram(fixture, FIXTURE_PAGE_TABLES), 0,
           FIXTURE_FREE_RAM - FIXTURE_PAGE_TABLES);
    fixture->next_page_table = FIXTURE_PAGE_TABLES;
    for (unsigned i = 0; i < TABLES_PAGES; i++) {
        cpu_fixture_map(fixture, FIXTURE_TABLES + i * PAGE_BYTES,
                        FIXTURE_TABLES_PHYSICAL + i * PAGE_BYTES, true, false);
    }
    set_control_registers(cpu);
    load_from_tables(fixture, &cpu->tr, FIXTURE_TSS_SELECTOR);
    load_from_tables(fixture, &cpu->ldtr, FIXTURE_LDT_SELECTOR);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        uint16_t data = cpl == 3 ? FIXTURE_USER_DS : FIXTURE_KERNEL_DS;
        uint16_t code = cpl == 3 ? FIXTURE_USER_CS : FIXTURE_KERNEL_CS;
        cpu_fixture_load_segment(fixture, i, i == SEGMENT_CS ? code : data);
    }
    cpu_update_mode(cpu);
    mmu_flush_all(cpu);
}

static bool has_error_code(uint8_t vector)
{
    return vector == EXCEPTION_DF || vector == EXCEPTION_AC ||
           (vector >= EXCEPTION_TS && vector <= EXCEPTION_PF);
}

bool cpu_fixture_exception(struct cpu_fixture *fixture,
                           struct cpu_fixture_exception *exception)
{
    const struct cpu *cpu = fixture->cpu;
    uint32_t offset = cpu->eip - FIXTURE_HANDLERS;
    if (!cpu->halted || cpu->cpl != 0 || offset > 512) {
        return false;
    }
    *exception = (struct cpu_fixture_exception){.vector = (uint8_t)((offset - 1) / 2)};
    gpa_t frame = cpu_fixture_table_address(cpu->regs[REGISTER_ESP]);
    if (has_error_code(exception->vector)) {
        exception->error = load32(fixture, frame);
        frame += 4;
    }
    exception->eip = load32(fixture, frame);
    exception->cs = load32(fixture, frame + 4);
    exception->eflags = load32(fixture, frame + 8);
    exception->inner = (exception->cs & 3) != 0;
    if (exception->inner) {
        exception->esp = load32(fixture, frame + 12);
        exception->ss = load32(fixture, frame + 16);
    }
    return true;
}

void cpu_fixture_resume(struct cpu_fixture *fixture)
{
    struct cpu *cpu = fixture->cpu;
    unsigned vector = (cpu->eip - 1 - FIXTURE_HANDLERS) / 2;
    cpu->regs[REGISTER_ESP] += has_error_code((uint8_t)vector) ? 4 : 0;
    cpu->eip = FIXTURE_RETURN;
    cpu->halted = false;
    cpu_fixture_run(fixture, 1);
}
