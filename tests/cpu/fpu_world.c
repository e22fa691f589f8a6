#include "fpu_world.h"

#include "cpu/decoder/decoder.h"
#include "cpu/interpreter/host_unit.h"
#include "cpu/mmu/mmu.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct handler_set exec_vector, exec_x87, exec_fwait, exec_fxsave,
    exec_fxrstor, exec_xsave, exec_xsaveopt, exec_xrstor, exec_ldmxcsr, exec_stmxcsr,
    exec_xgetbv, exec_xsetbv, exec_cpuid;

static const struct handler_set *const handlers[HANDLER_COUNT] = {
    [HANDLER_vector] = &exec_vector,     [HANDLER_x87] = &exec_x87,
    [HANDLER_fwait] = &exec_fwait,       [HANDLER_fxsave] = &exec_fxsave,
    [HANDLER_fxrstor] = &exec_fxrstor,   [HANDLER_xsave] = &exec_xsave,
    [HANDLER_xsaveopt] = &exec_xsaveopt, [HANDLER_xrstor] = &exec_xrstor,
    [HANDLER_ldmxcsr] = &exec_ldmxcsr,   [HANDLER_stmxcsr] = &exec_stmxcsr,
    [HANDLER_xgetbv] = &exec_xgetbv,     [HANDLER_xsetbv] = &exec_xsetbv,
    [HANDLER_cpuid] = &exec_cpuid,
};

static void set_ferr(void *opaque, bool level)
{
    struct fpu_world *world = opaque;
    if (level) {
        world->ferr_raised++;
    } else {
        world->ferr_lowered++;
    }
}

static void flat_segments(struct cpu *cpu)
{
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        cpu->segments[i].selector = 0x10;
        cpu->segments[i].base = 0;
        cpu->segments[i].limit = UINT32_MAX;
        cpu->segments[i].access = SEGMENT_PRESENT | SEGMENT_NOT_SYSTEM |
                                  SEGMENT_WRITABLE | SEGMENT_ACCESSED | SEGMENT_BIG |
                                  SEGMENT_GRANULAR;
    }
    cpu->segments[SEGMENT_CS].selector = 0x08;
    cpu->segments[SEGMENT_CS].access |= SEGMENT_CODE;
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        segment_update(&cpu->segments[i]);
    }
}

void fpu_world_create(struct fpu_world *world)
{
    struct error error;
    memset(world, 0, sizeof(*world));
    if (!ram_create(&world->ram, "fpu-test", WORLD_RAM_BYTES, &error)) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    world->memory.ram = &world->ram;
    memory_add(&world->memory, &(struct memory_region){.name = "ram",
                                                       .bytes = WORLD_RAM_BYTES,
                                                       .read = world->ram.host,
                                                       .write = world->ram.host});
    clock_init(&world->clock, CLOCK_KIND_MANUAL, 0);
    lock_init(&world->lock);
    size_t bytes = (sizeof(struct cpu) + 63) & ~(size_t)63;
    struct cpu *cpu = aligned_alloc(64, bytes);
    memset(cpu, 0, bytes);
    world->cpu = cpu;
    cpu->statistics = &world->statistics;
    cpu->wiring = (struct cpu_wiring){
        .lock = &world->lock,
        .log = &world->log,
        .clock = &world->clock,
        .tsc_clock = &world->clock,
        .memory = &world->memory,
        .set_ferr = set_ferr,
        .opaque = world,
    };
    if (!mmu_create(cpu, &error) || !host_unit_create(cpu, &error)) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    world->coverage = isa_coverage_open();
    cpu_reset(cpu);
    cpu->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE;
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->xcr0 = cpu->cpuid.host_xsave_mask;
    flat_segments(cpu);
    cpu_update_mode(cpu);
    mmu_flush_all(cpu);
}

void fpu_world_destroy(struct fpu_world *world)
{
    isa_coverage_close(world->coverage);
    host_unit_destroy(world->cpu);
    mmu_destroy(world->cpu);
    free(world->cpu);
    ram_destroy(&world->ram);
    lock_destroy(&world->lock);
}

uint8_t *fpu_world_ram(struct fpu_world *world, gpa_t address)
{
    assert(address < WORLD_RAM_BYTES);
    return world->ram.host + address;
}

int fpu_world_again(struct fpu_world *world)
{
    struct cpu *cpu = world->cpu;
    const struct instruction *instruction = &world->instruction;
    const struct handler_set *set = handlers[instruction_row(instruction)->handler];
    assert(set);
    cpu->current = instruction;
    volatile int vector = -1;
    if (setjmp(cpu->unwind) == 0) {
        set->register32(cpu, instruction);
    } else {
        vector = cpu->pending.vector;
    }
    fpu_park(cpu); /* the test itself uses vector registers */
    isa_coverage_add_row(world->coverage, instruction->row, vector >= 0);
    return vector;
}

int fpu_world_run(struct fpu_world *world, const uint8_t *bytes, unsigned length)
{
    struct cpu *cpu = world->cpu;
    enum decode_result result =
        decode_instruction(&world->instruction, bytes, length, WORLD_EIP,
                           CODE_MODE_32 | (cpu_protected(cpu) ? CODE_MODE_VEX : 0));
    if (result != DECODE_OK || world->instruction.length != length) {
        fprintf(stderr, "not decoded:");
        for (unsigned i = 0; i < length; i++) {
            fprintf(stderr, " %02x", bytes[i]);
        }
        fprintf(stderr, "\n");
        abort();
    }
    return fpu_world_again(world);
}
