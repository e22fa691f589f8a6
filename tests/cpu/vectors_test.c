/* Real mode against a real processor: every vector of the 80286 set.
 *
 * Each vector is one instruction with the registers and memory before and after it. The
 * file is found at ../shared/vectors/ from the project's root or where the environment
 * variable FAUMACHINE_VECTORS says; without it the test is skipped. Arguments: a form
 * and an index, to run that one vector only and see it in full. */
#include "cpu_fixture.h"
#include "isa_coverage.h"
#include "vectors.h"

#include "cpu/core/exception.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    RAM_BYTES = 16 << 20,
    FAILURES_SHOWN = 3, /* of each form */
    /* A repeated instruction may take 65,535 iterations. */
    BUDGET = 70000,
    /* FLAGS bits that the 80286 keeps 0 in real mode. */
    FLAGS_LATER = EFLAGS_IOPL | EFLAGS_NT | 0x8000,
    OPCODE_HLT = 0xf4,
};

struct run {
    struct cpu_fixture fixture;
    struct isa_coverage *coverage;
    const char *only_form;
    unsigned only_index;
    unsigned vectors, skipped, failures, failures_of_form;
    char form[8];
};

static void write_memory(struct run *run, const struct vector_memory *memory)
{
    for (unsigned i = 0; i < memory->runs; i++) {
        cpu_fixture_store(&run->fixture, memory->run[i].address, memory->run[i].bytes,
                          memory->run[i].count);
    }
}

static void clear_memory(struct run *run, const struct vector_memory *memory)
{
    static const uint8_t zeroes[VECTOR_RUN_BYTES];
    for (unsigned i = 0; i < memory->runs; i++) {
        cpu_fixture_store(&run->fixture, memory->run[i].address, zeroes,
                          memory->run[i].count);
    }
}

static void load_registers(struct run *run, const struct vector *vector)
{
    struct cpu *cpu = run->fixture.cpu;
    static const enum register_number order[8] = {
        REGISTER_EAX, REGISTER_EBX, REGISTER_ECX, REGISTER_EDX,
        REGISTER_ESP, REGISTER_EBP, REGISTER_ESI, REGISTER_EDI};
    for (unsigned i = 0; i < ARRAY_LENGTH(order); i++) {
        cpu->regs[order[i]] = vector->before[VECTOR_AX + i];
    }
    cpu_fixture_load_segment(&run->fixture, SEGMENT_CS, vector->before[VECTOR_CS]);
    cpu_fixture_load_segment(&run->fixture, SEGMENT_SS, vector->before[VECTOR_SS]);
    cpu_fixture_load_segment(&run->fixture, SEGMENT_DS, vector->before[VECTOR_DS]);
    cpu_fixture_load_segment(&run->fixture, SEGMENT_ES, vector->before[VECTOR_ES]);
    cpu->eip = vector->before[VECTOR_IP];
    cpu_set_eflags(cpu, vector->before[VECTOR_FLAGS] & ~(uint32_t)FLAGS_LATER);
    cpu->halted = false;
    cpu->shadow = 0;
    cpu->delivering = -1;
    cpu_update_mode(cpu);
}

static uint32_t register_now(const struct cpu *cpu, enum vector_register number)
{
    switch (number) {
    case VECTOR_AX:
        return cpu->regs[REGISTER_EAX];
    case VECTOR_BX:
        return cpu->regs[REGISTER_EBX];
    case VECTOR_CX:
        return cpu->regs[REGISTER_ECX];
    case VECTOR_DX:
        return cpu->regs[REGISTER_EDX];
    case VECTOR_SP:
        return cpu->regs[REGISTER_ESP];
    case VECTOR_BP:
        return cpu->regs[REGISTER_EBP];
    case VECTOR_SI:
        return cpu->regs[REGISTER_ESI];
    case VECTOR_DI:
        return cpu->regs[REGISTER_EDI];
    case VECTOR_CS:
        return cpu->segments[SEGMENT_CS].selector;
    case VECTOR_SS:
        return cpu->segments[SEGMENT_SS].selector;
    case VECTOR_DS:
        return cpu->segments[SEGMENT_DS].selector;
    case VECTOR_ES:
        return cpu->segments[SEGMENT_ES].selector;
    case VECTOR_IP:
        return cpu->eip & 0xffff; /* behind an HLT at FFFF later ones have 10000 */
    default:
        return cpu_eflags(cpu);
    }
}

static bool count_failure(struct run *run, const struct vector *vector)
{
    run->failures++;
    if (run->failures_of_form++ == 0 || run->failures_of_form <= FAILURES_SHOWN) {
        print_message("%s %u: %s; before: %s\n", vector->form, vector->index,
                      vector->disassembly, vector->before_text);
        return true;
    }
    return false;
}

/* Appends to a text of limited size. */
__attribute__((format(printf, 3, 4))) static void note(char *text, size_t size,
                                                       const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
}

static void compare_registers(struct run *run, const struct vector *vector,
                              uint32_t undefined_flags, char *text, size_t size)
{
    const struct cpu *cpu = run->fixture.cpu;
    for (unsigned i = 0; i < VECTOR_REGISTERS; i++) {
        uint32_t want = vector->after[i], got = register_now(cpu, i);
        if (i == VECTOR_FLAGS) {
            uint32_t mask = ~(undefined_flags | FLAGS_LATER) & 0xffff;
            want &= mask;
            got &= mask;
        }
        if (want != got) {
            note(text, size, "  %s: expected %x, got %x\n", vector_register_names[i],
                 want, got);
        }
    }
}

/* `expected` is what memory must be; FLAGS pushed by an exception are compared without
 * the undefined ones. */
static void compare_memory(struct run *run, const struct vector *vector,
                           const struct vector_memory *expected, bool changed,
                           uint32_t undefined_flags, char *text, size_t size)
{
    for (unsigned i = 0; i < expected->runs; i++) {
        const struct vector_run *part = &expected->run[i];
        for (unsigned k = 0; k < part->count; k++) {
            uint32_t address = part->address + k;
            if (!changed && vector_memory_covers(&vector->memory_after, address)) {
                continue;
            }
            uint8_t mask = 0xff;
            if (vector->exception >= 0 && address - vector->flags_address < 2) {
                unsigned shift = 8 * (address - vector->flags_address);
                mask = (uint8_t) ~((undefined_flags | FLAGS_LATER) >> shift);
            }
            uint8_t got = *cpu_fixture_ram(&run->fixture, address);
            if ((got ^ part->bytes[k]) & mask) {
                note(text, size, "  [%x]: expected %02x, got %02x\n", address,
                     part->bytes[k], got);
            }
        }
    }
}

/* What later processors do instead: another exception, wherever its vector leads. */
static void run_expecting(struct run *run, const struct vector *vector,
                          enum exception_vector exception)
{
    static const uint8_t halt = OPCODE_HLT;
    struct cpu *cpu = run->fixture.cpu;
    uint32_t place = 0x600;
    while (vector_memory_covers(&vector->memory_before, place)) {
        place++;
    }
    uint32_t pointer = place; /* segment 0 */
    cpu_fixture_store(&run->fixture, place, &halt, 1);
    cpu_fixture_store(&run->fixture, exception * 4U, &pointer, 4);
    enum cpu_exit why = cpu_fixture_run(&run->fixture, BUDGET);
    if (why != CPU_EXIT_HALT || cpu->segments[SEGMENT_CS].selector != 0 ||
        cpu->eip != place + 1) {
        if (count_failure(run, vector)) {
            print_message("  expected exception %d\n", exception);
        }
    }
    static const uint8_t zeroes[4];
    cpu_fixture_store(&run->fixture, place, zeroes, 1);
    cpu_fixture_store(&run->fixture, exception * 4U, zeroes, 4);
    /* The stack that took FLAGS, CS and IP, which the vector does not list. */
    for (unsigned i = 1; i <= 6; i++) {
        uint16_t offset = (uint16_t)(vector->before[VECTOR_SP] - i);
        cpu_fixture_store(&run->fixture, vector->before[VECTOR_SS] * 16U + offset,
                          zeroes, 1);
    }
}

static void run_and_compare(struct run *run, const struct vector *vector)
{
    struct cpu *cpu = run->fixture.cpu;
    enum cpu_exit why = cpu_fixture_run(&run->fixture, BUDGET);
    char text[2048] = "";
    if (why != CPU_EXIT_HALT) {
        note(text, sizeof(text), "  does not come to its HLT, EIP is %x\n", cpu->eip);
    }
    uint32_t undefined = vector_undefined_flags(vector);
    compare_registers(run, vector, undefined, text, sizeof(text));
    compare_memory(run, vector, &vector->memory_after, true, undefined, text,
                   sizeof(text));
    compare_memory(run, vector, &vector->memory_before, false, undefined, text,
                   sizeof(text));
    if (text[0] && count_failure(run, vector)) {
        print_message("%s", text);
    }
}

/* All that the vectors of a form have listed is zero again: any other byte that is not
 * was written astray. */
static void check_stray_writes(struct run *run)
{
    const uint8_t *ram = cpu_fixture_ram(&run->fixture, 0);
    for (uint32_t page = 0; page < RAM_BYTES; page += PAGE_BYTES) {
        if (ram[page] == 0 && memcmp(ram + page, ram + page + 1, PAGE_BYTES - 1) == 0) {
            continue;
        }
        for (uint32_t i = page; i < page + PAGE_BYTES; i++) {
            if (ram[i]) {
                print_message("%s: stray write to %x\n", run->form, i);
                cpu_fixture_store(&run->fixture, i, "", 1);
                run->failures++;
            }
        }
    }
}

static void begin_form(struct run *run, const char *form)
{
    if (run->form[0]) {
        check_stray_writes(run);
        if (run->failures_of_form > FAILURES_SHOWN) {
            print_message("%s: %u failures in all\n", run->form, run->failures_of_form);
        }
    }
    run->failures_of_form = 0;
    snprintf(run->form, sizeof(run->form), "%s", form);
}

static void run_vector(struct run *run, struct vector *vector)
{
    if (strcmp(run->form, vector->form) != 0) {
        begin_form(run, vector->form);
    }
    enum vector_rule rule = vector_later_rule(vector);
    if (rule == VECTOR_SKIP) {
        run->skipped++;
        return;
    }
    run->vectors++;
    load_registers(run, vector);
    write_memory(run, &vector->memory_before);
    isa_coverage_add(run->coverage, vector->bytes, vector->length, 0,
                     vector->exception >= 0);
    if (rule == VECTOR_INVALID_OPCODE) {
        run_expecting(run, vector, EXCEPTION_UD);
    } else if (rule == VECTOR_STACK_FAULT) {
        run_expecting(run, vector, EXCEPTION_SS);
    } else {
        run_and_compare(run, vector);
    }
    clear_memory(run, &vector->memory_before);
    clear_memory(run, &vector->memory_after);
}

static void vectors_agree(void **state)
{
    struct run *run = *state;
    FILE *file = vectors_open();
    if (!file) {
        print_message("no real-mode vectors: set FAUMACHINE_VECTORS\n");
        skip();
    }
    char line[VECTOR_LINE_BYTES];
    struct vector vector;
    while (fgets(line, sizeof(line), file)) {
        if (!vector_parse(line, &vector)) {
            fail_msg("cannot read a vector: %s", line);
        }
        if (!run->only_form || (strcmp(run->only_form, vector.form) == 0 &&
                                run->only_index == vector.index)) {
            run_vector(run, &vector);
        }
    }
    vectors_close(file);
    begin_form(run, "");
    print_message("%u vectors, %u not applicable, %u failures\n", run->vectors,
                  run->skipped, run->failures);
    assert_true(run->vectors > 0);
    assert_int_equal(run->failures, 0);
}

int main(int argc, char **argv)
{
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    FILE *file = vectors_open();
    if (!file) {
        printf("no real-mode vectors here: skipped\n");
        return TEST_SKIPPED;
    }
    vectors_close(file);
    static struct run run;
    struct error error;
    if (!cpu_fixture_create(&run.fixture, RAM_BYTES, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    if (argc == 3) {
        run.only_form = argv[1];
        run.only_index = (unsigned)strtoul(argv[2], NULL, 10);
    }
    run.coverage = isa_coverage_open();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(vectors_agree, &run),
    };
    int status = cmocka_run_group_tests_name("real-mode vectors", tests, NULL, NULL);
    isa_coverage_close(run.coverage);
    cpu_fixture_destroy(&run.fixture);
    return status;
}
