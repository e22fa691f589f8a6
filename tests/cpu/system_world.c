#include "system_world.h"

#include "cpu/core/instruction.h"
#include "cpu/interpreter/code_cache.h"
#include "cpu/interpreter/system.h"
#include "cpu/mmu/mmu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    FLAT = SEGMENT_BIG | SEGMENT_GRANULAR,
    CODE = 0x9b,
    DATA = 0x93,
    GDT_SELECTORS = WORLD_GDT_LIMIT + 1,
};

void world_store8(struct world *world, uint32_t address, uint8_t value)
{
    cpu_fixture_store(&world->fixture, address, &value, sizeof(value));
}

void world_store16(struct world *world, uint32_t address, uint16_t value)
{
    cpu_fixture_store(&world->fixture, address, &value, sizeof(value));
}

void world_store32(struct world *world, uint32_t address, uint32_t value)
{
    cpu_fixture_store(&world->fixture, address, &value, sizeof(value));
}

uint16_t world_load16(struct world *world, uint32_t address)
{
    uint16_t value;
    memcpy(&value, cpu_fixture_ram(&world->fixture, address), sizeof(value));
    return value;
}

uint32_t world_load32(struct world *world, uint32_t address)
{
    uint32_t value;
    memcpy(&value, cpu_fixture_ram(&world->fixture, address), sizeof(value));
    return value;
}

static uint32_t descriptor_place(uint16_t selector)
{
    return (selector & 4 ? WORLD_LDT : WORLD_GDT) + (selector & ~7U);
}

void world_descriptor(struct world *world, uint16_t selector, uint32_t base,
                      uint32_t limit, uint16_t access)
{
    uint64_t descriptor = cpu_fixture_descriptor(base, limit, access);
    cpu_fixture_store(&world->fixture, descriptor_place(selector), &descriptor,
                      sizeof(descriptor));
}

uint8_t world_access_byte(struct world *world, uint16_t selector)
{
    return *cpu_fixture_ram(&world->fixture, descriptor_place(selector) + 5);
}

static void store_gate(struct world *world, uint32_t place, uint8_t type,
                       uint16_t target_selector, uint32_t target_offset,
                       unsigned parameters)
{
    world_store32(world, place,
                  (target_offset & 0xffff) | (uint32_t)target_selector << 16);
    world_store32(world, place + 4,
                  (target_offset & 0xffff0000) | (uint32_t)type << 8 | parameters);
}

void world_gate(struct world *world, uint16_t selector, uint8_t type,
                uint16_t target_selector, uint32_t target_offset, unsigned parameters)
{
    store_gate(world, descriptor_place(selector), type, target_selector, target_offset,
               parameters);
}

void world_vector(struct world *world, uint8_t vector, uint8_t type,
                  uint16_t target_selector, uint32_t target_offset)
{
    store_gate(world, WORLD_IDT + 8U * vector, type, target_selector, target_offset, 0);
}

static uint32_t frame_address(struct world *world)
{
    const struct cpu *cpu = world->cpu;
    return cpu->segments[SEGMENT_SS].base + (cpu->regs[REGISTER_ESP] & cpu->stack_mask);
}

uint32_t world_frame32(struct world *world, unsigned index)
{
    return world_load32(world, frame_address(world) + 4 * index);
}

uint16_t world_frame16(struct world *world, unsigned index)
{
    return world_load16(world, frame_address(world) + 2 * index);
}

static void lay_out_tables(struct world *world)
{
    static const struct {
        uint16_t selector;
        uint32_t base, limit;
        uint16_t access;
    } entries[] = {
        {CODE0, 0, UINT32_MAX, CODE | FLAT},
        {DATA0, 0, UINT32_MAX, DATA | FLAT},
        {CODE3, 0, UINT32_MAX, CODE | FLAT | DPL3},
        {DATA3, 0, UINT32_MAX, DATA | FLAT | DPL3},
        {CODE1, 0, UINT32_MAX, CODE | FLAT | DPL1},
        {DATA1, 0, UINT32_MAX, DATA | FLAT | DPL1},
        {CONFORMING0, 0, UINT32_MAX, CODE | SEGMENT_CONFORMING | FLAT},
        {CONFORMING3, 0, UINT32_MAX, CODE | SEGMENT_CONFORMING | FLAT | DPL3},
        {READ_ONLY0, 0, UINT32_MAX, (DATA & ~SEGMENT_WRITABLE) | FLAT},
        {EXECUTE_ONLY0, 0, UINT32_MAX, (CODE & ~SEGMENT_READABLE) | FLAT},
        {ABSENT_DATA0, 0, UINT32_MAX, (DATA & ~SEGMENT_PRESENT) | FLAT},
        {ABSENT_CODE0, 0, UINT32_MAX, (CODE & ~SEGMENT_PRESENT) | FLAT},
        {EXPAND_DOWN0, 0, 0xfff, DATA | SEGMENT_EXPAND_DOWN | SEGMENT_BIG},
        {LDT, WORLD_LDT, WORLD_LDT_LIMIT, TYPE_LDT},
        {TSS, WORLD_TSS, WORLD_TSS_LIMIT, TYPE_TSS32_BUSY},
        {OTHER_TSS, WORLD_OTHER_TSS, 0x67, TYPE_TSS32},
        {TSS_16, WORLD_TSS16, 0x2b, TYPE_TSS16},
        {CODE16, 0, 0xffff, CODE},
        {STACK16, 0, 0xffff, DATA},
        {SHORT_CODE0, WORLD_CODE, 0xff, CODE | SEGMENT_BIG},
        {SHORT_STACK1, WORLD_STACK1, 0xf, DATA | SEGMENT_BIG | DPL1},
        {LDT_DATA0, 0, UINT32_MAX, DATA | FLAT},
        {LDT_CODE3, 0, UINT32_MAX, CODE | FLAT | DPL3},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(entries); i++) {
        world_descriptor(world, entries[i].selector, entries[i].base, entries[i].limit,
                         entries[i].access);
    }
}

static void lay_out_tss(struct world *world)
{
    world_store32(world, WORLD_TSS + 4, WORLD_STACK0);
    world_store32(world, WORLD_TSS + 8, DATA0);
    world_store32(world, WORLD_TSS + 12, WORLD_STACK1);
    world_store32(world, WORLD_TSS + 16, DATA1 | 1);
    world_store16(world, WORLD_TSS + 0x66, WORLD_IO_MAP);
    world_store8(world, WORLD_TSS + WORLD_TSS_LIMIT, 0xff);
}

static void fill_register(struct cpu *cpu, struct segment *segment, uint16_t selector,
                          struct world *world)
{
    uint32_t low = world_load32(world, descriptor_place(selector));
    uint32_t high = world_load32(world, descriptor_place(selector) + 4);
    (void)cpu;
    *segment = (struct segment){
        .selector = selector,
        .access = (uint16_t)((high >> 8) & 0xf0ff),
        .base = low >> 16 | (high & 0xff) << 16 | (high & 0xff000000),
        .limit = (low & 0xffff) | (high & 0xf0000),
    };
    if (segment->access & SEGMENT_GRANULAR) {
        segment->limit = segment->limit << 12 | 0xfff;
    }
    segment_update(segment);
}

void world_protected(struct world *world, unsigned cpl)
{
    static const uint16_t code[] = {CODE0, CODE1 | 1, 0, CODE3 | 3};
    static const uint16_t data[] = {DATA0, DATA1 | 1, 0, DATA3 | 3};
    static const uint32_t stacks[] = {WORLD_STACK0, WORLD_STACK1, 0, WORLD_STACK3};
    struct cpu *cpu = world->cpu;
    cpu->cr0 = CR0_PE | CR0_ET;
    cpu_set_eflags(cpu, 0);
    cpu->gdtr = (struct descriptor_table){WORLD_GDT, WORLD_GDT_LIMIT};
    cpu->idtr = (struct descriptor_table){WORLD_IDT, 0x7ff};
    fill_register(cpu, &cpu->ldtr, LDT, world);
    fill_register(cpu, &cpu->tr, TSS, world);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        fill_register(cpu, &cpu->segments[i], i == SEGMENT_CS ? code[cpl] : data[cpl],
                      world);
    }
    cpu->regs[REGISTER_ESP] = stacks[cpl];
    cpu->eip = WORLD_CODE;
    cpu_update_mode(cpu);
}

/* Contents as selectors give them in real and virtual-8086 mode. */
static void real_segments(struct cpu *cpu, uint16_t access)
{
    static const uint16_t selectors[] = {0x2000, 0x1000, 0x0800,
                                         0x2000, 0x2000, 0x2000};
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        cpu->segments[i] = (struct segment){
            .selector = selectors[i],
            .access = access,
            .base = (uint32_t)selectors[i] << 4,
            .limit = 0xffff,
        };
        segment_update(&cpu->segments[i]);
    }
    cpu->regs[REGISTER_ESP] = 0x1000;
    cpu->eip = 0;
    cpu_update_mode(cpu);
}

void world_real(struct world *world)
{
    struct cpu *cpu = world->cpu;
    cpu->cr0 = CR0_ET;
    cpu_set_eflags(cpu, 0);
    cpu->idtr = (struct descriptor_table){0, 0x3ff};
    real_segments(cpu, DATA);
}

void world_v86(struct world *world, unsigned iopl)
{
    world_protected(world, 3);
    cpu_set_eflags(world->cpu, EFLAGS_VM | iopl << 12);
    real_segments(world->cpu, DATA | DPL3);
}

int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct error error;
    if (!world || !cpu_fixture_create(&world->fixture, WORLD_RAM_BYTES, &error)) {
        free(world);
        return -1;
    }
    world->cpu = world->fixture.cpu;
    world->coverage = isa_coverage_open();
    lay_out_tables(world);
    lay_out_tss(world);
    world_protected(world, 0);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    isa_coverage_close(world->coverage);
    cpu_fixture_destroy(&world->fixture);
    free(world);
    return 0;
}

static uint64_t hash_of(const struct cpu *cpu)
{
    return state_hash(0, cpu_fields, cpu);
}

struct outcome world_call(struct world *world, void (*call)(struct cpu *, void *),
                          void *opaque)
{
    struct cpu *cpu = world->cpu;
    uint64_t before = hash_of(cpu);
    struct outcome outcome = {0};
    cpu->block_start = NULL;
    if (_setjmp(cpu->unwind) == 0) {
        call(cpu, opaque);
    } else {
        outcome.raised = true;
        outcome.vector = cpu->pending.vector;
        outcome.has_error = cpu->pending.has_error;
        outcome.error = cpu->pending.error;
    }
    cpu->block_start = NULL;
    outcome.unchanged = hash_of(cpu) == before;
    return outcome;
}

static void execute_one(struct cpu *cpu, void *opaque)
{
    (void)opaque;
    const struct block *block = code_cache_part(cpu, code_cache_find(cpu), 1);
    const struct instruction *instruction = block->instructions;
    cpu->block_start = instruction;
    while (instruction) {
        cpu->current = instruction;
        instruction = instruction->execute(cpu, instruction);
    }
}

struct outcome world_execute(struct world *world, const void *bytes, size_t count)
{
    struct cpu *cpu = world->cpu;
    cpu_fixture_store(&world->fixture, cpu->segments[SEGMENT_CS].base + cpu->eip, bytes,
                      count);
    /* No further block is chained to this one. */
    uint32_t code_mode = cpu->code_mode;
    uint32_t step = world->repeats ? 0 : CPU_REQUEST_STEP;
    atomic_fetch_or(&cpu->request, step);
    struct outcome outcome = world_call(world, execute_one, NULL);
    atomic_fetch_and(&cpu->request, ~step);
    isa_coverage_add(world->coverage, bytes, (unsigned)count, code_mode,
                     outcome.raised);
    return outcome;
}

void world_assert_fault(struct outcome outcome, unsigned vector, bool has_error,
                        uint32_t error, const char *file, int line)
{
    if (!outcome.raised || outcome.vector != vector || outcome.error != error ||
        outcome.has_error != has_error || !outcome.unchanged) {
        fprintf(stderr, "want fault %u, error %#x; got %s %u, error %#x%s\n", vector,
                error, outcome.raised ? "fault" : "none,", outcome.vector,
                outcome.error, outcome.unchanged ? "" : ", and the state has changed");
        _fail(file, line);
    }
}
