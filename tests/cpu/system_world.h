/* tests/cpu/system_world.h: a small world of descriptors for tests of segmentation,
 * privilege and interrupts.
 *
 * No paging: linear addresses are physical ones. All segments are flat unless they say
 * otherwise. Instructions are decoded from bytes at CS:EIP and executed one at a time,
 * without the engine's run loop, so that a fault is seen before it is delivered.
 * Thread: one. */
#ifndef TESTS_CPU_SYSTEM_WORLD_H
#define TESTS_CPU_SYSTEM_WORLD_H

#include "cpu_fixture.h"
#include "isa_coverage.h"

#include "cpu/core/exception.h"

enum {
    WORLD_GDT = 0x1000,
    WORLD_GDT_LIMIT = 0x1ff,
    WORLD_IDT = 0x2000,
    WORLD_LDT = 0x3000,
    WORLD_LDT_LIMIT = 0x3f,
    WORLD_TSS = 0x4000,
    WORLD_TSS_LIMIT = 0x2087, /* redirection map, I/O map and its last byte */
    WORLD_IO_MAP = 0x88,      /* offset in the TSS */
    WORLD_OTHER_TSS = 0x7000,
    WORLD_TSS16 = 0x7800,
    WORLD_STACK0 = 0x9000, /* tops, by privilege level */
    WORLD_STACK1 = 0xa000,
    WORLD_STACK3 = 0xb000,
    WORLD_CODE = 0x10000,
    WORLD_HANDLER = 0x12000,
    WORLD_DATA = 0x20000,
    WORLD_OTHER_CODE = 0x30000,
    WORLD_RAM_BYTES = 0x200000,
};

/* Selectors, RPL 0. */
enum {
    CODE0 = 0x08,
    DATA0 = 0x10,
    CODE3 = 0x18,
    DATA3 = 0x20,
    CODE1 = 0x28,
    DATA1 = 0x30,
    CONFORMING0 = 0x38,
    READ_ONLY0 = 0x40,
    EXECUTE_ONLY0 = 0x48,
    ABSENT_DATA0 = 0x50,
    EXPAND_DOWN0 = 0x58, /* limit 0xfff */
    LDT = 0x60,
    TSS = 0x68, /* busy: the current one */
    OTHER_TSS = 0x70,
    TSS_16 = 0x78,
    GATE = 0x80, /* for tests to fill in */
    ABSENT_CODE0 = 0x88,
    CODE16 = 0x90,      /* 64 KiB */
    STACK16 = 0x98,     /* 64 KiB, DPL 0 */
    SHORT_CODE0 = 0xa0, /* limit 0xff */
    CONFORMING3 = 0xa8,
    SHORT_STACK1 = 0xb0, /* limit 0xf */
    FREE = 0xb8,
    BEYOND = 0x200,
    LDT_DATA0 = 0x0c, /* in the LDT */
    LDT_CODE3 = 0x14,
};

/* Types of system descriptors, present, DPL 0. */
enum {
    TYPE_TSS16 = 0x81,
    TYPE_LDT = 0x82,
    TYPE_TSS16_BUSY = 0x83,
    TYPE_CALL16 = 0x84,
    TYPE_TASK = 0x85,
    TYPE_INTERRUPT16 = 0x86,
    TYPE_TSS32 = 0x89,
    TYPE_TSS32_BUSY = 0x8b,
    TYPE_CALL32 = 0x8c,
    TYPE_INTERRUPT32 = 0x8e,
    TYPE_TRAP32 = 0x8f,
    DPL3 = 0x60,
    DPL1 = 0x20,
    ABSENT = 0x80, /* to be taken away */
};

struct world {
    struct cpu_fixture fixture;
    struct isa_coverage *coverage;
    struct cpu *cpu;
    bool repeats; /* repeated string instructions go on until they are done */
};

/* What became of one instruction (or call). */
struct outcome {
    bool raised;
    uint8_t vector;
    bool has_error;
    uint32_t error;
    bool unchanged; /* the architectural state is as before */
};

/* In protected mode at CPL 0. cmocka's setup and teardown. */
int world_setup(void **state);
int world_teardown(void **state);

/* Segments, stack and code of ring `cpl` (0, 1 or 3); IOPL 0, IF clear. */
void world_protected(struct world *world, unsigned cpl);
/* CS 1000, other segments 2000, SS 0800, SP 1000; vectors at 0. */
void world_real(struct world *world);
/* The same in virtual-8086 mode, with the given IOPL. */
void world_v86(struct world *world, unsigned iopl);

void world_store8(struct world *world, uint32_t address, uint8_t value);
void world_store16(struct world *world, uint32_t address, uint16_t value);
void world_store32(struct world *world, uint32_t address, uint32_t value);
uint16_t world_load16(struct world *world, uint32_t address);
uint32_t world_load32(struct world *world, uint32_t address);

void world_descriptor(struct world *world, uint16_t selector, uint32_t base,
                      uint32_t limit, uint16_t access);
/* Descriptor's access byte in memory. */
uint8_t world_access_byte(struct world *world, uint16_t selector);
void world_gate(struct world *world, uint16_t selector, uint8_t type,
                uint16_t target_selector, uint32_t target_offset, unsigned parameters);
void world_vector(struct world *world, uint8_t vector, uint8_t type,
                  uint16_t target_selector, uint32_t target_offset);

/* A dword of the frame at SS:ESP, counted from the top. */
uint32_t world_frame32(struct world *world, unsigned index);
uint16_t world_frame16(struct world *world, unsigned index);

/* Executes the instruction whose bytes are given at CS:EIP. */
struct outcome world_execute(struct world *world, const void *bytes, size_t count);
#define EXECUTE(world, ...)                                                            \
    world_execute((world), (const uint8_t[]){__VA_ARGS__},                             \
                  sizeof((const uint8_t[]){__VA_ARGS__}))

/* Runs `call` and catches what it raises. */
struct outcome world_call(struct world *world, void (*call)(struct cpu *, void *),
                          void *opaque);

/* Not raised. */
#define assert_done(outcome) assert_false((outcome).raised)

void world_assert_fault(struct outcome outcome, unsigned vector, bool has_error,
                        uint32_t error, const char *file, int line);
/* Raised, and nothing has changed. */
#define assert_fault(outcome, vector, error)                                           \
    world_assert_fault(outcome, vector, true, error, __FILE__, __LINE__)
#define assert_fault_without_error(outcome, vector)                                    \
    world_assert_fault(outcome, vector, false, 0, __FILE__, __LINE__)

/* Each runs its group; the number of failures. */
int system_segment_tests(void);
int system_transfer_tests(void);
int system_return_tests(void);
int system_interrupt_tests(void);
int system_task_tests(void);
int system_flag_tests(void);
int system_register_tests(void);
int system_port_tests(void);

#endif
