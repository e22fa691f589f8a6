/* tests/cpu/fpu_world.h: a CPU in flat protected mode without paging, into which single
 * vector instructions are fed. Thread: one. */
#ifndef TESTS_CPU_FPU_WORLD_H
#define TESTS_CPU_FPU_WORLD_H

#include "isa_coverage.h"

#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "cpu/core/instruction_table.h"

enum {
    WORLD_RAM_BYTES = 1 << 20,
    WORLD_DATA = 0x10000, /* page-aligned; the operand at EDI is around here */
    WORLD_EIP = 0x1234,
};

struct fpu_world {
    struct cpu *cpu;
    struct isa_coverage *coverage;
    struct ram ram;
    struct memory_map memory;
    struct lock lock;
    struct log log;
    struct clock clock;
    struct cpu_statistics statistics;
    struct instruction instruction; /* the last one, as decoded */
    unsigned ferr_raised, ferr_lowered;
};

void fpu_world_create(struct fpu_world *world);
void fpu_world_destroy(struct fpu_world *world);

uint8_t *fpu_world_ram(struct fpu_world *world, gpa_t address);

/* Executes one instruction; returns the exception's vector or -1. Keeps the decoded
 * instruction (and its stub) in `world`. */
int fpu_world_run(struct fpu_world *world, const uint8_t *bytes, unsigned length);
/* Once more. */
int fpu_world_again(struct fpu_world *world);

#define FPU_RUN(world, ...)                                                            \
    fpu_world_run((world), (const uint8_t[]){__VA_ARGS__},                             \
                  sizeof((const uint8_t[]){__VA_ARGS__}))

#endif
