/* Rows of the instruction table that neither the host nor the real-mode vectors can
 * judge: executed at privilege 0 through the engine, their effect checked by the Intel
 * SDM, vol. 2. */
#include "cpu_fixture.h"
#include "isa_coverage.h"

#include "cpu/core/cpuid.h"
#include "cpu/core/exception.h"
#include "cpu/mmu/mmu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    RAM_BYTES = 1 << 20,
    CODE = 0x400000, /* linear */
    DATA = 0x402000,
    CODE_PHYSICAL = FIXTURE_FREE_RAM,
    DATA_PHYSICAL = FIXTURE_FREE_RAM + 2 * PAGE_BYTES,
    OTHER_PHYSICAL = FIXTURE_FREE_RAM + 3 * PAGE_BYTES,
    PAGE_TABLE_WRITABLE = 3,
};

struct rows_world {
    struct cpu_fixture fixture;
    struct cpu *cpu;
    struct isa_coverage *coverage;
};

static int set_up(void **state)
{
    struct rows_world *world = calloc(1, sizeof(*world));
    struct error error;
    if (!world || !cpu_fixture_create(&world->fixture, RAM_BYTES, &error)) {
        free(world);
        return -1;
    }
    world->cpu = world->fixture.cpu;
    world->coverage = isa_coverage_open();
    cpu_fixture_protected_mode(&world->fixture, 0);
    cpu_fixture_map(&world->fixture, CODE, CODE_PHYSICAL, true, false);
    cpu_fixture_map(&world->fixture, DATA, DATA_PHYSICAL, true, false);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct rows_world *world = *state;
    isa_coverage_close(world->coverage);
    cpu_fixture_destroy(&world->fixture);
    free(world);
    return 0;
}

/* Executes one instruction; the vector that it raised, -1: none. */
static int execute(struct rows_world *world, const uint8_t *bytes, unsigned length)
{
    struct cpu *cpu = world->cpu;
    struct cpu_fixture_exception exception;
    cpu_fixture_store(&world->fixture, CODE_PHYSICAL, bytes, length);
    cpu->eip = CODE;
    cpu->regs[REGISTER_ESP] = FIXTURE_STACK_TOP;
    cpu->halted = false;
    uint32_t code_mode = cpu->code_mode;
    cpu_fixture_run(&world->fixture, 1);
    bool raised = cpu_fixture_exception(&world->fixture, &exception);
    isa_coverage_add(world->coverage, bytes, length, code_mode, raised);
    if (!raised) {
        assert_int_equal(cpu->eip, CODE + length);
    }
    return raised ? exception.vector : -1;
}

/* An instruction whose feature CPUID does not report: #UD is what it has to do. */
static void execute_absent(struct rows_world *world, const uint8_t *bytes,
                           unsigned length)
{
    uint32_t code_mode = world->cpu->code_mode;
    assert_int_equal(execute(world, bytes, length), EXCEPTION_UD);
    isa_coverage_add(world->coverage, bytes, length, code_mode, false);
}

#define EXECUTE(world, ...)                                                            \
    execute((world), (const uint8_t[]){__VA_ARGS__},                                   \
            sizeof((const uint8_t[]){__VA_ARGS__}))

static uint32_t data32(struct rows_world *world, unsigned offset)
{
    uint32_t value;
    memcpy(&value, cpu_fixture_ram(&world->fixture, DATA_PHYSICAL + offset),
           sizeof(value));
    return value;
}

static void set_data32(struct rows_world *world, unsigned offset, uint32_t value)
{
    cpu_fixture_store(&world->fixture, DATA_PHYSICAL + offset, &value, sizeof(value));
}

static void sldt_stores_selector(void **state)
{
    struct rows_world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EAX] = 0xffffffff;
    assert_int_equal(EXECUTE(world, 0x0f, 0x00, 0xc0), -1); /* SLDT EAX */
    assert_int_equal(cpu->regs[REGISTER_EAX], FIXTURE_LDT_SELECTOR);
    cpu->regs[REGISTER_EAX] = 0xffffffff;
    assert_int_equal(EXECUTE(world, 0x66, 0x0f, 0x00, 0xc0), -1); /* SLDT AX */
    assert_int_equal(cpu->regs[REGISTER_EAX], 0xffff0000 | FIXTURE_LDT_SELECTOR);
    cpu->regs[REGISTER_EBX] = DATA;
    set_data32(world, 0, 0xffffffff);
    assert_int_equal(EXECUTE(world, 0x0f, 0x00, 0x03), -1); /* SLDT [EBX] */
    assert_int_equal(data32(world, 0), 0xffff0000 | FIXTURE_LDT_SELECTOR);
}

static void sidt_and_lgdt(void **state)
{
    struct rows_world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EBX] = DATA;
    set_data32(world, 4, 0xffffffff);
    assert_int_equal(EXECUTE(world, 0x0f, 0x01, 0x0b), -1); /* SIDT [EBX] */
    assert_int_equal(data32(world, 0), FIXTURE_IDT << 16 | cpu->idtr.limit);
    assert_int_equal(data32(world, 4), 0xffff0000 | FIXTURE_IDT >> 16);
    assert_int_equal(EXECUTE(world, 0x66, 0x0f, 0x01, 0x0b), -1); /* 24-bit base */
    assert_int_equal(data32(world, 4), 0xffff0000 | ((FIXTURE_IDT >> 16) & 0xff));

    set_data32(world, 0, 0x10004321);
    set_data32(world, 4, 0x0000feed);
    assert_int_equal(EXECUTE(world, 0x0f, 0x01, 0x13), -1); /* LGDT [EBX] */
    assert_int_equal(cpu->gdtr.limit, 0x4321);
    assert_int_equal(cpu->gdtr.base, 0xfeed1000);
    assert_int_equal(EXECUTE(world, 0x66, 0x0f, 0x01, 0x13), -1); /* 24-bit base */
    assert_int_equal(cpu->gdtr.base, 0x00ed1000);
}

/* Points DATA's page-table entry elsewhere, without telling anybody. */
static void remap_data(struct rows_world *world, gpa_t physical)
{
    uint32_t entry = (uint32_t)physical | PAGE_TABLE_WRITABLE;
    uint32_t directory_entry;
    memcpy(&directory_entry,
           cpu_fixture_ram(&world->fixture, FIXTURE_PAGE_DIRECTORY + (DATA >> 22) * 4),
           sizeof(directory_entry));
    gpa_t table = directory_entry & ~(uint32_t)PAGE_OFFSET_MASK;
    cpu_fixture_store(&world->fixture, table + ((DATA >> PAGE_SHIFT) & 0x3ff) * 4,
                      &entry, sizeof(entry));
}

static void invlpg_forgets_translation(void **state)
{
    static const uint32_t there = 0x22222222;
    struct rows_world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EBX] = DATA;
    set_data32(world, 0, 0x11111111);
    cpu_fixture_store(&world->fixture, OTHER_PHYSICAL, &there, sizeof(there));
    assert_int_equal(EXECUTE(world, 0x8b, 0x03), -1); /* MOV EAX, [EBX] */
    assert_int_equal(cpu->regs[REGISTER_EAX], 0x11111111);
    remap_data(world, OTHER_PHYSICAL);
    assert_int_equal(EXECUTE(world, 0x0f, 0x01, 0x3b), -1); /* INVLPG [EBX] */
    assert_int_equal(EXECUTE(world, 0x8b, 0x03), -1);
    assert_int_equal(cpu->regs[REGISTER_EAX], there);
}

/* Nothing of memory is lost: there are no caches to be written back late. */
static void cache_instructions_keep_memory(void **state)
{
    struct rows_world *world = *state;
    world->cpu->regs[REGISTER_EAX] = 0x12345678;
    world->cpu->regs[REGISTER_EBX] = DATA;
    assert_int_equal(EXECUTE(world, 0x89, 0x03), -1); /* MOV [EBX], EAX */
    assert_int_equal(EXECUTE(world, 0x0f, 0x09), -1); /* WBINVD */
    assert_int_equal(EXECUTE(world, 0x0f, 0x08), -1); /* INVD */
    assert_int_equal(data32(world, 0), 0x12345678);
}

static void rdtscp_reads_time(void **state)
{
    struct rows_world *world = *state;
    struct cpu *cpu = world->cpu;
    if (!cpuid_has(cpu, CPUID_RDTSCP)) {
        execute_absent(world, (const uint8_t[]){0x0f, 0x01, 0xf9}, 3);
        return;
    }
    cpu->tsc_offset = 0x123456789abcdef0;
    uint64_t before = cpu_tsc(cpu);
    cpu->regs[REGISTER_ECX] = 0xffffffff;
    assert_int_equal(EXECUTE(world, 0x0f, 0x01, 0xf9), -1);
    uint64_t got = (uint64_t)cpu->regs[REGISTER_EDX] << 32 | cpu->regs[REGISTER_EAX];
    assert_true(got >= before && got <= cpu_tsc(cpu));
    assert_int_equal(cpu->regs[REGISTER_ECX], 0); /* IA32_TSC_AUX as after reset */
}

static void rdpmc_has_no_counters(void **state)
{
    struct rows_world *world = *state;
    world->cpu->regs[REGISTER_ECX] = 0;
    assert_int_equal(EXECUTE(world, 0x0f, 0x33), EXCEPTION_GP);
}

/* RDRAND or RDSEED, by ModRM: all flags but CF are cleared, and CF says that the number
 * is good. `feature`: of enum cpuid_feature. */
static void check_random(struct rows_world *world, unsigned feature, uint8_t modrm)
{
    struct cpu *cpu = world->cpu;
    if (!cpuid_has(cpu, (enum cpuid_feature)feature)) {
        execute_absent(world, (const uint8_t[]){0x0f, 0xc7, modrm}, 3);
        return;
    }
    uint32_t all_or = 0, all_and = UINT32_MAX;
    for (unsigned i = 0; i < 64; i++) {
        cpu_set_eflags(cpu, EFLAGS_ARITHMETIC & ~EFLAGS_CF);
        cpu->regs[REGISTER_EDX] = 0;
        assert_int_equal(EXECUTE(world, 0x0f, 0xc7, modrm), -1);
        assert_int_equal(cpu_eflags(cpu) & EFLAGS_ARITHMETIC, EFLAGS_CF);
        all_or |= cpu->regs[REGISTER_EDX];
        all_and &= cpu->regs[REGISTER_EDX];
    }
    assert_int_equal(all_or, UINT32_MAX);
    assert_int_equal(all_and, 0);
    cpu->regs[REGISTER_EDX] = 0xabcd0000;
    assert_int_equal(EXECUTE(world, 0x66, 0x0f, 0xc7, modrm), -1);
    assert_int_equal(cpu->regs[REGISTER_EDX] >> 16, 0xabcd);
}

static void random_numbers(void **state)
{
    check_random(*state, CPUID_RDRAND, 0xf2); /* RDRAND EDX */
    check_random(*state, CPUID_RDSEED, 0xfa); /* RDSEED EDX */
}

int main(void)
{
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
#define ROWS_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROWS_TEST(sldt_stores_selector),
        ROWS_TEST(sidt_and_lgdt),
        ROWS_TEST(invlpg_forgets_translation),
        ROWS_TEST(cache_instructions_keep_memory),
        ROWS_TEST(rdtscp_reads_time),
        ROWS_TEST(rdpmc_has_no_counters),
        ROWS_TEST(random_numbers),
    };
    return cmocka_run_group_tests_name("system rows", tests, NULL, NULL);
}
