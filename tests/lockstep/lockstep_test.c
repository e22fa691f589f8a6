/* Two engines side by side: what one does wrong is found, to the instruction. The
 * faulty engines are the interpreter with one thing done to the machine, the engine or
 * the process at a certain instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/core/engine.h"
#include "lockstep/lockstep.h"

enum {
    BIOS_BYTES = 64 << 10,
    RESET_VECTOR = 0xfff0,
    EXIT_PORT = 0x501,
    BEFORE_LOOP = 4, /* instructions: the first jump and the three before the loop */
    LOOP = 4,        /* instructions */
    VARIABLE = 0x500,
    ELSEWHERE = 0x123456, /* in RAM, where nobody looks */
    WIDTH = 10,           /* of what needs a run without a stop */
    PATIENCE_MS = 500,
};

/* Counts in AX, and adds that up in memory, for ever. */
static const uint8_t counting[] = {
    0x31, 0xc0,             /* xor ax, ax */
    0x8e, 0xd8,             /* mov ds, ax */
    0x31, 0xdb,             /* xor bx, bx */
    0x40,                   /* inc ax */
    0x01, 0x06, 0x00, 0x05, /* add [0x500], ax */
    0x43,                   /* inc bx */
    0xeb, 0xf8,             /* jmp back to the first inc */
};

/* Where the engines under test do something wrong: after so many instructions. */
static uint64_t fault_at;

static void flip_register(struct cpu *cpu)
{
    cpu->regs[REGISTER_EBX] ^= 1;
}

static void flip_memory(struct cpu *cpu)
{
    cpu->wiring.memory->ram->host[ELSEWHERE] ^= 0x10;
}

static void crash(struct cpu *cpu)
{
    (void)cpu;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void hang(struct cpu *cpu)
{
    (void)cpu;
    for (;;) {
        pause();
    }
}

static enum cpu_exit run_with(struct cpu *cpu, uint64_t budget,
                              void (*fault)(struct cpu *cpu))
{
    if (cpu->retired < fault_at && fault_at - cpu->retired <= budget) {
        uint64_t end = cpu->retired + budget;
        enum cpu_exit why = interpreter_engine.run(cpu, fault_at - cpu->retired);
        if (cpu->retired == fault_at) {
            fault(cpu);
        }
        if (why != CPU_EXIT_BUDGET) {
            return why;
        }
        budget = end - cpu->retired;
    }
    return interpreter_engine.run(cpu, budget);
}

static enum cpu_exit run_with_register(struct cpu *cpu, uint64_t budget)
{
    return run_with(cpu, budget, flip_register);
}

static enum cpu_exit run_with_memory(struct cpu *cpu, uint64_t budget)
{
    return run_with(cpu, budget, flip_memory);
}

static enum cpu_exit run_with_crash(struct cpu *cpu, uint64_t budget)
{
    return run_with(cpu, budget, crash);
}

static enum cpu_exit run_with_hang(struct cpu *cpu, uint64_t budget)
{
    return run_with(cpu, budget, hang);
}

/* Only a run that has all of WIDTH instructions before and behind goes wrong. */
static enum cpu_exit run_with_width(struct cpu *cpu, uint64_t budget)
{
    bool wide =
        cpu->retired + WIDTH <= fault_at && cpu->retired + budget >= fault_at + WIDTH;
    return wide ? run_with(cpu, budget, flip_register)
                : interpreter_engine.run(cpu, budget);
}

/* Shared by all processes. */
static bool *done;

/* Goes wrong but once. */
static enum cpu_exit run_with_luck(struct cpu *cpu, uint64_t budget)
{
    enum cpu_exit why = *done ? interpreter_engine.run(cpu, budget)
                              : run_with(cpu, budget, flip_register);
    *done = *done || cpu->retired >= fault_at;
    return why;
}

static struct lockstep_result result;
static char bios_path[] = "/tmp/faumachine-lockstep-test-XXXXXX";

/* Runs `code` from f000:0000 under the interpreter and an engine with that `run`. */
static void run(const uint8_t *code, size_t length, uint64_t every, uint64_t until,
                enum cpu_exit (*engine_run)(struct cpu *cpu, uint64_t budget))
{
    static const uint8_t jump_to_start[] = {0xe9, 0x0d, 0x00};
    static uint8_t bios[BIOS_BYTES];
    memset(bios, 0, sizeof(bios));
    memcpy(bios, code, length);
    memcpy(bios + RESET_VECTOR, jump_to_start, sizeof(jump_to_start));
    FILE *file = fopen(bios_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bios, 1, sizeof(bios), file), sizeof(bios));
    fclose(file);
    struct cpu_engine engine = interpreter_engine;
    engine.name = "faulty";
    engine.run = engine_run ? engine_run : interpreter_engine.run;
    const struct lockstep_config config = {
        .machine = {.ram_bytes = 4 << 20,
                    .bios = bios_path,
                    .clock = CLOCK_KIND_COUNTED,
                    .debug_exit_port = EXIT_PORT},
        .engines = {{"interpreter", NULL}, {"faulty", &engine}},
        .every = every,
        .until = until,
        .patience_ms = PATIENCE_MS,
    };
    lockstep_run(&config, &result);
    if (result.outcome == LOCKSTEP_PROBLEM) {
        fail_msg("%s", result.error.text);
    }
}

static int free_result(void **state)
{
    (void)state;
    lockstep_result_free(&result);
    return 0;
}

static const struct lockstep_row *find_row(const char *name)
{
    for (size_t i = 0; i < result.row_count; i++) {
        if (strcmp(result.rows[i].name, name) == 0) {
            return &result.rows[i];
        }
    }
    fail_msg("nothing is told of %s", name);
    return NULL;
}

static unsigned differing_rows(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < result.row_count; i++) {
        count += result.rows[i].differs;
    }
    return count;
}

static void expect_interval(uint64_t same, uint64_t different)
{
    assert_int_equal(result.outcome, LOCKSTEP_DIFFERENT);
    assert_false(result.vanished);
    assert_int_equal(result.instructions, same);
    assert_int_equal(result.different, different);
}

static void nothing_differs(void **state)
{
    (void)state;
    run(counting, sizeof(counting), 1000, 123456, NULL);
    assert_int_equal(result.outcome, LOCKSTEP_SAME);
    assert_int_equal(result.instructions, 123456);
    assert_string_equal(result.ends[0], "runs");
}

/* For each way to lie in an interval. (What happens to BX before instruction 4 is done
 * is made good by it.) */
static void flipped_register(void **state)
{
    (void)state;
    static const uint64_t places[] = {4, 5, 999, 1000, 1001, 54321, 99999, 100000};
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        fault_at = places[i];
        run(counting, sizeof(counting), 1000, 100000, run_with_register);
        expect_interval(fault_at - 1, fault_at);
        assert_true(find_row("ebx")->differs);
        assert_int_equal(differing_rows(), 1);
        assert_int_equal(result.memory_bytes, 0);
        assert_int_equal(result.code_count, 1);
        lockstep_result_free(&result);
    }
}

static void its_report(void **state)
{
    (void)state;
    /* The tenth time round, at "inc bx". */
    fault_at = BEFORE_LOOP + 9 * LOOP + 3;
    run(counting, sizeof(counting), 1000, 0, run_with_register);
    expect_interval(fault_at - 1, fault_at);
    const struct lockstep_row *row = find_row("ebx");
    assert_string_equal(row->values[0], "00000009");
    assert_string_equal(row->values[1], "0000000a");
    assert_string_equal(row->values[2], "0000000b");
    assert_string_equal(find_row("eax")->values[0], "0000000a");
    assert_false(find_row("eax")->differs);
    assert_int_equal(result.code[0].bytes[0], 0x43);
    assert_int_equal(result.code[0].eip, 11);
    assert_int_equal(result.code[0].cs, 0xf000);
    assert_true(result.code[0].is16);
    assert_false(result.code[0].interrupted);
}

static void flipped_memory(void **state)
{
    (void)state;
    fault_at = 54321;
    run(counting, sizeof(counting), 1000, 100000, run_with_memory);
    expect_interval(fault_at - 1, fault_at);
    assert_int_equal(differing_rows(), 0);
    assert_int_equal(result.memory_bytes, 1);
    assert_int_equal(result.memory_count, 1);
    assert_int_equal(result.memory[0].address, ELSEWHERE);
    assert_int_equal(result.memory[0].values[0], 0);
    assert_int_equal(result.memory[0].values[1], 0x10);
    lockstep_result_free(&result);
    fault_at = 1;
    run(counting, sizeof(counting), 1000, 100000, run_with_memory);
    expect_interval(0, 1);
    assert_int_equal(result.code[0].bytes[0], 0xe9);
}

static void crashed_engine(void **state)
{
    (void)state;
    fault_at = 4242;
    run(counting, sizeof(counting), 1000, 10000, run_with_crash);
    expect_interval(fault_at - 1, fault_at);
    assert_string_equal(result.ends[0], "runs");
    assert_string_equal(result.ends[1], "crashed: SIGSEGV");
    assert_string_equal(find_row("ebx")->values[2], "");
}

static void hanging_engine(void **state)
{
    (void)state;
    fault_at = 42;
    run(counting, sizeof(counting), 100, 10000, run_with_hang);
    expect_interval(fault_at - 1, fault_at);
    assert_string_equal(result.ends[1], "hangs: does not get there");
}

static void difference_that_needs_a_long_run(void **state)
{
    (void)state;
    fault_at = 77777;
    run(counting, sizeof(counting), 1000, 100000, run_with_width);
    expect_interval(fault_at - WIDTH, fault_at + WIDTH);
    assert_int_equal(result.code_count, 2 * WIDTH);
    assert_true(find_row("ebx")->differs);
}

static void difference_that_comes_once(void **state)
{
    (void)state;
    done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                -1, 0);
    assert_ptr_not_equal(done, MAP_FAILED);
    fault_at = 5500;
    run(counting, sizeof(counting), 1000, 10000, run_with_luck);
    assert_int_equal(result.outcome, LOCKSTEP_DIFFERENT);
    assert_true(result.vanished);
    assert_true(result.instructions < fault_at);
    assert_int_equal(result.different, 6000);
    assert_true(find_row("ebx")->differs);
    munmap(done, sizeof(*done));
}

static void guests_that_end(void **state)
{
    (void)state;
    static const uint8_t halting[] = {0xfa, 0xf4}; /* cli; hlt */
    static const uint8_t leaving[] = {
        0xba, 0x01, 0x05, 0xb0, 0x05, 0xee, /* mov dx, 0x501; mov al, 5; out dx, al */
        0xeb, 0xfe,                         /* jmp to itself */
    };
    run(halting, sizeof(halting), 1000, 0, NULL);
    assert_int_equal(result.outcome, LOCKSTEP_SAME);
    assert_string_equal(result.ends[1], "the CPU has halted for good");
    run(leaving, sizeof(leaving), 1000, 0, NULL);
    assert_int_equal(result.outcome, LOCKSTEP_SAME);
    assert_string_equal(result.ends[1], "the guest has ended the run with status 11");
    fault_at = 3; /* one does not end as the other */
    run(leaving, sizeof(leaving), 1000, 0, run_with_crash);
    expect_interval(fault_at - 1, fault_at);
}

static void machines_that_cannot_be(void **state)
{
    (void)state;
    const struct lockstep_config config = {
        .machine = {.ram_bytes = 4 << 20,
                    .bios = "/dev/null",
                    .clock = CLOCK_KIND_COUNTED},
        .engines = {{"interpreter", NULL}, {"interpreter", NULL}},
        .every = 1000,
    };
    lockstep_run(&config, &result);
    assert_int_equal(result.outcome, LOCKSTEP_PROBLEM);
    assert_non_null(strstr(result.error.text, "/dev/null"));
}

int main(void)
{
    close(mkstemp(bios_path));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_differs, free_result),
        cmocka_unit_test_teardown(flipped_register, free_result),
        cmocka_unit_test_teardown(its_report, free_result),
        cmocka_unit_test_teardown(flipped_memory, free_result),
        cmocka_unit_test_teardown(crashed_engine, free_result),
        cmocka_unit_test_teardown(hanging_engine, free_result),
        cmocka_unit_test_teardown(difference_that_needs_a_long_run, free_result),
        cmocka_unit_test_teardown(difference_that_comes_once, free_result),
        cmocka_unit_test_teardown(guests_that_end, free_result),
        cmocka_unit_test_teardown(machines_that_cannot_be, free_result),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(bios_path);
    return failures;
}
