/* tests/cpu/cpu_fixture.h: a CPU with RAM and nothing else, for tests.
 *
 * It runs under the engine of tests/engine.h; a test begins with tested_engine().
 * The machine has RAM from physical address 0, no device and no interrupts; ports read
 * as ones. It comes up as after power-on. cpu_fixture_protected_mode() then lays out
 * tables for a small protected-mode world: paging with nothing mapped but the tables
 * themselves, a GDT with the selectors below, and an IDT whose handlers all consist of
 * one HLT at privilege 0, so that an exception ends a run in a state in which
 * cpu_fixture_exception() can tell what was delivered. Thread: one. */
#ifndef TESTS_CPU_CPU_FIXTURE_H
#define TESTS_CPU_CPU_FIXTURE_H

#include "base/error.h"
#include "cpu/core/cpu.h"
#include "../engine.h"

struct cpu_fixture {
    struct cpu *cpu;
    const struct cpu_engine *engine;
    struct ram ram;
    struct memory_map memory;
    struct port_space ports;
    struct clock clock;
    struct lock lock;
    struct log log;
    gpa_t next_page_table;
};

/* Where the protected-mode world's own tables lie, linear; physical memory below
 * FIXTURE_FREE_RAM belongs to them. */
enum {
    FIXTURE_TABLES_PHYSICAL = 0x1000,
    FIXTURE_PAGE_DIRECTORY = 0x10000,
    FIXTURE_PAGE_TABLES = 0x11000,
    FIXTURE_FREE_RAM = 0x40000,
};
#define FIXTURE_TABLES 0xfffe0000U
#define FIXTURE_GDT (FIXTURE_TABLES + 0x0000)
#define FIXTURE_IDT (FIXTURE_TABLES + 0x1000)
#define FIXTURE_TSS (FIXTURE_TABLES + 0x2000)
#define FIXTURE_LDT (FIXTURE_TABLES + 0x3000)
#define FIXTURE_HANDLERS (FIXTURE_TABLES + 0x4000)
#define FIXTURE_RETURN (FIXTURE_TABLES + 0x4f00) /* an IRET */
#define FIXTURE_STACK_TOP (FIXTURE_TABLES + 0x6000)

/* Selectors of the GDT. */
enum {
    FIXTURE_KERNEL_CS = 0x08,
    FIXTURE_KERNEL_DS = 0x10,
    FIXTURE_KERNEL_CS16 = 0x18,
    FIXTURE_USER_CS = 0x23, /* the numbers of Linux on x86-64 */
    FIXTURE_USER_DS = 0x2b,
    FIXTURE_KERNEL_DS16 = 0x30,
    FIXTURE_TSS_SELECTOR = 0x38,
    FIXTURE_LDT_SELECTOR = 0x40,
    FIXTURE_FREE_SELECTOR = 0x48, /* this and the following up to GDT_BYTES */
    FIXTURE_GDT_BYTES = 0x100,
    FIXTURE_LDT_BYTES = 0x40,
};

/* What an exception left on the privilege 0 stack. */
struct cpu_fixture_exception {
    uint8_t vector;
    uint32_t error, eip, cs, eflags;
    uint32_t esp, ss; /* only if `inner`: it came from an outer privilege level */
    bool inner;
};

/* `ram_bytes`: at least FIXTURE_FREE_RAM. */
bool cpu_fixture_create(struct cpu_fixture *fixture, uint64_t ram_bytes,
                        struct error *error);
/* The same with this engine, which may be asked for a way to redirect system calls
 * (cpu/direct/redirect.h), or NULL. */
bool cpu_fixture_create_by(struct cpu_fixture *fixture, const struct cpu_engine *engine,
                           const char *syscall_redirect, uint64_t ram_bytes,
                           struct error *error);
/* The same under an engine of the test's own choice. */
bool cpu_fixture_create_with(struct cpu_fixture *fixture, const char *engine,
                             uint64_t ram_bytes, struct error *error);
void cpu_fixture_destroy(struct cpu_fixture *fixture);

/* Runs the engine. */
enum cpu_exit cpu_fixture_run(struct cpu_fixture *fixture, uint64_t budget);

/* Protected mode with paging, at privilege `cpl` (0 or 3) in the flat segments. */
void cpu_fixture_protected_mode(struct cpu_fixture *fixture, unsigned cpl);

/* Writes RAM so that decoded code is forgotten. */
void cpu_fixture_store(struct cpu_fixture *fixture, gpa_t address, const void *bytes,
                       size_t count);
/* RAM at `address`, for looking and for writing what is never executed. */
uint8_t *cpu_fixture_ram(struct cpu_fixture *fixture, gpa_t address);

/* Maps one 4 KiB page; unmaps one that was mapped. */
void cpu_fixture_map(struct cpu_fixture *fixture, gla_t linear, gpa_t physical,
                     bool writable, bool user);
void cpu_fixture_unmap(struct cpu_fixture *fixture, gla_t linear);

/* Physical place of something in the tables above. */
static inline gpa_t cpu_fixture_table_address(gla_t linear)
{
    return linear - FIXTURE_TABLES + FIXTURE_TABLES_PHYSICAL;
}

/* A code, data or system descriptor. `access`: as struct segment has it; `limit` in
 * bytes (with SEGMENT_GRANULAR: of which the low 12 bits are ones). */
uint64_t cpu_fixture_descriptor(uint32_t base, uint32_t limit, uint16_t access);
/* Puts a descriptor where `selector` finds it, in GDT or LDT. */
void cpu_fixture_set_descriptor(struct cpu_fixture *fixture, uint16_t selector,
                                uint64_t descriptor);

/* Loads a segment register from the tables without any check of privilege, or, in real
 * mode, from the selector. Call cpu_update_mode() after the last one. */
void cpu_fixture_load_segment(struct cpu_fixture *fixture, enum segment_number number,
                              uint16_t selector);

/* After CPU_EXIT_HALT in protected mode: whether that was the handler of an exception,
 * and which. */
bool cpu_fixture_exception(struct cpu_fixture *fixture,
                           struct cpu_fixture_exception *exception);
/* Goes on after it, by an IRET, with the instruction that raised it. */
void cpu_fixture_resume(struct cpu_fixture *fixture);

/* Makes the handler of `vector`, which has no error code, return at once. */
void cpu_fixture_return_from(struct cpu_fixture *fixture, uint8_t vector);

#endif
