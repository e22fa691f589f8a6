/* Translations and decoded code that change under the CPU's feet: large pages, code
 * that is modified by itself, through another mapping, by DMA and by another thread,
 * instructions across pages; and runs that are cut into pieces anywhere. */
#include "cpu/interpreter/code_cache.h"
#include "cpu/mmu/access.h"
#include "cpu_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

enum {
    RAM_BYTES = 16 << 20,
    CODE = 0x100000, /* linear and physical */
    ALIAS = 0x200000,
    DATA = 0x300000,
    STACK_TOP = 0x310000,
    LARGE_LINEAR = 0x40000000,
    LARGE_FIRST = 0x400000,
    LARGE_SECOND = 0x800000,
    PDE_LARGE = 0x83, /* present, writable, 4 MiB */
};

static struct cpu_fixture fixture;

static int setup(void **state)
{
    struct error error;
    (void)state;
    if (!cpu_fixture_create(&fixture, RAM_BYTES, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    cpu_fixture_protected_mode(&fixture, 0);
    for (uint32_t page = 0; page < 16; page++) {
        uint32_t offset = page * PAGE_BYTES;
        cpu_fixture_map(&fixture, CODE + offset, CODE + offset, true, true);
        cpu_fixture_map(&fixture, DATA + offset, DATA + offset, true, true);
    }
    fixture.cpu->eip = CODE;
    fixture.cpu->regs[REGISTER_ESP] = STACK_TOP;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cpu_fixture_destroy(&fixture);
    return 0;
}

static void store(gpa_t address, const char *bytes, size_t count)
{
    cpu_fixture_store(&fixture, address, bytes, count);
}

/* Runs from CODE to the HLT that ends it; the EAX it leaves. */
static uint32_t run_to_halt(void)
{
    struct cpu_fixture_exception exception;
    fixture.cpu->eip = CODE;
    fixture.cpu->halted = false;
    assert_int_equal(cpu_fixture_run(&fixture, 100000), CPU_EXIT_HALT);
    assert_false(cpu_fixture_exception(&fixture, &exception));
    return fixture.cpu->regs[REGISTER_EAX];
}

/* INVLPG of one address drops what is cached of all of its large page. */
static void test_invlpg_of_large_page(void **state)
{
    (void)state;
    struct cpu *cpu = fixture.cpu;
    gpa_t pde = (cpu->cr3 & ~0xfffU) + (LARGE_LINEAR >> 22) * 4;
    cpu->cr4 |= CR4_PSE;
    *(uint32_t *)cpu_fixture_ram(&fixture, LARGE_FIRST + 0x5000) = 1;
    *(uint32_t *)cpu_fixture_ram(&fixture, LARGE_SECOND + 0x5000) = 2;
    *(uint32_t *)cpu_fixture_ram(&fixture, pde) = LARGE_FIRST | PDE_LARGE;
    mmu_flush_all(cpu);
    assert_int_equal(supervisor_read32(cpu, LARGE_LINEAR + 0x5000), 1);
    *(uint32_t *)cpu_fixture_ram(&fixture, pde) = LARGE_SECOND | PDE_LARGE;
    mmu_flush_page(cpu, LARGE_LINEAR + 0x123456);
    assert_int_equal(supervisor_read32(cpu, LARGE_LINEAR + 0x5000), 2);
}

/* A store into the block that runs: the next instruction is the new one. */
static void test_code_modifies_itself(void **state)
{
    (void)state;
    /* mov byte [CODE + 8], 42; mov al, 1 (at + 7; its operand becomes 42); hlt */
    static const char code[] = "\xc6\x05\x08\x00\x10\x00\x2a\xb0\x01\xf4";
    fixture.cpu->regs[REGISTER_EAX] = 0;
    store(CODE, code, sizeof(code) - 1);
    assert_int_equal(run_to_halt(), 42);
    store(CODE + 8, "\x01", 1);
    assert_int_equal(run_to_halt(), 42);
}

static void test_code_modified_through_alias(void **state)
{
    (void)state;
    /* mov byte [ALIAS + 8], 43; mov al, 1; hlt */
    static const char code[] = "\xc6\x05\x08\x00\x20\x00\x2b\xb0\x01\xf4";
    fixture.cpu->regs[REGISTER_EAX] = 0;
    cpu_fixture_map(&fixture, ALIAS, CODE, true, true);
    mmu_flush_all(fixture.cpu);
    /* The alias is in the TLB, writable, before the page holds decoded code. */
    supervisor_write8(fixture.cpu, ALIAS + 0x800, 0);
    store(CODE, code, sizeof(code) - 1);
    assert_int_equal(run_to_halt(), 43);
}

static void test_code_modified_by_dma(void **state)
{
    (void)state;
    fixture.cpu->regs[REGISTER_EAX] = 0;
    store(CODE, "\xb0\x01\xf4", 3); /* mov al, 1; hlt */
    assert_int_equal(run_to_halt(), 1);
    memory_write(&fixture.memory, CODE, "\xb0\x02", 2);
    assert_int_equal(run_to_halt(), 2);
}

static void *write_code(void *unused)
{
    (void)unused;
    lock_take(&fixture.lock);
    memory_write(&fixture.memory, CODE, "\xb0\x03", 2);
    lock_release(&fixture.lock);
    return NULL;
}

static void test_code_modified_by_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    fixture.cpu->regs[REGISTER_EAX] = 0;
    store(CODE, "\xb0\x01\xf4", 3);
    assert_int_equal(run_to_halt(), 1);
    assert_int_equal(pthread_create(&thread, NULL, write_code, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(run_to_halt(), 3);
}

/* mov eax, imm32 across the end of a page: both parts are fetched where they are now.
 */
static void test_instruction_across_pages(void **state)
{
    (void)state;
    enum { START = PAGE_BYTES - 2 };
    store(CODE, "\xe9\xf9\x0f\x00\x00", 5); /* jmp CODE + START */
    store(CODE + START, "\xb8\x11\x22\x33\x44\xf4", 6);
    assert_int_equal(run_to_halt(), 0x44332211);
    store(CODE + 0x8000, "\x55\x66\x77\xf4", 4);
    cpu_fixture_map(&fixture, CODE + PAGE_BYTES, CODE + 0x8000, true, true);
    mmu_flush_page(fixture.cpu, CODE + PAGE_BYTES);
    assert_int_equal(run_to_halt(), 0x77665511);
}

/* Operands in two parts fault at their first byte that is not there. */
static void test_first_byte_faults(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        size_t bytes;
    } cases[] = {
        {"\x0f\x01\x05\x00\x00\x40\x00", 7}, /* sgdt [LARGE_FIRST] */
        {"\xff\x2d\x00\x00\x40\x00", 6},     /* jmp far [LARGE_FIRST] */
        {"\xff\x1d\x00\x00\x40\x00", 6},     /* call far [LARGE_FIRST] */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct cpu_fixture_exception exception;
        store(CODE, cases[i].code, cases[i].bytes);
        fixture.cpu->eip = CODE;
        fixture.cpu->halted = false;
        assert_int_equal(cpu_fixture_run(&fixture, 100), CPU_EXIT_HALT);
        assert_true(cpu_fixture_exception(&fixture, &exception));
        assert_int_equal(exception.vector, EXCEPTION_PF);
        assert_int_equal(fixture.cpu->cr2, LARGE_FIRST);
    }
}

/* A loop of everything that is counted in a way of its own: jumps, calls, repeated
 * strings, slow accesses (across pages), an instruction across pages. */
static const char endless[] = "\xbe\x00\x00\x30\x00"     /* mov esi, DATA */
                              "\xbf\xfa\x0f\x30\x00"     /* mov edi, DATA + 0xffa */
                              "\xb9\x25\x00\x00\x00"     /* mov ecx, 37 */
                              "\xf3\xa4"                 /* rep movsb */
                              "\x83\xc3\x07"             /* add ebx, 7 */
                              "\x89\x1d\xfe\x1f\x30\x00" /* mov [DATA + 0x1ffe], ebx */
                              "\x11\xd8"                 /* adc eax, ebx */
                              "\xb9\x03\x00\x00\x00"     /* mov ecx, 3 */
                              "\xe8\x06\x00\x00\x00"     /* call + 6 */
                              "\xe2\xf9"                 /* loop (to the call) */
                              "\xeb\xd6"                 /* jmp to the start */
                              "\x90\x90"
                              "\x50"                     /* push eax */
                              "\x8b\x05\xfe\x1f\x30\x00" /* mov eax, [DATA + 0x1ffe] */
                              "\x31\xc2"                 /* xor edx, eax */
                              "\x58"                     /* pop eax */
                              "\xc3";                    /* ret */

static uint64_t hash_of_cpu(void)
{
    return state_hash(fixture.cpu->retired, cpu_fields, fixture.cpu);
}

static void start_endless(void)
{
    memset(cpu_fixture_ram(&fixture, DATA), 0, 4 * PAGE_BYTES);
    store(CODE, endless, sizeof(endless) - 1);
    for (unsigned i = 0; i < 8; i++) {
        fixture.cpu->regs[i] = i == REGISTER_ESP ? STACK_TOP : 0;
    }
    cpu_set_eflags(fixture.cpu, 0);
    fixture.cpu->eip = CODE;
    fixture.cpu->retired = 0;
}

static void test_runs_cut_anywhere_are_the_same(void **state)
{
    (void)state;
    enum { INSTRUCTIONS = 50000 };
    const char *given = getenv("FAUMACHINE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    start_endless();
    assert_int_equal(cpu_fixture_run(&fixture, INSTRUCTIONS), CPU_EXIT_BUDGET);
    assert_int_equal(fixture.cpu->retired, INSTRUCTIONS);
    uint64_t whole = hash_of_cpu();
    start_endless();
    while (fixture.cpu->retired < INSTRUCTIONS) {
        uint64_t left = INSTRUCTIONS - fixture.cpu->retired;
        uint64_t piece = (unsigned)rand_r(&seed) % 100;
        piece = piece < left ? piece : left;
        uint64_t before = fixture.cpu->retired;
        assert_int_equal(cpu_fixture_run(&fixture, piece), CPU_EXIT_BUDGET);
        assert_int_equal(fixture.cpu->retired, before + piece);
    }
    assert_int_equal(hash_of_cpu(), whole);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        TEST(test_invlpg_of_large_page),
        TEST(test_code_modifies_itself),
        TEST(test_code_modified_through_alias),
        TEST(test_code_modified_by_dma),
        TEST(test_code_modified_by_another_thread),
        TEST(test_instruction_across_pages),
        TEST(test_first_byte_faults),
        TEST(test_runs_cut_anywhere_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
