/* Two engines side by side: what one does wrong is found, to the instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faulty.h"

static struct lockstep_result result;
static char bios_path[] = "/tmp/faumachine-lockstep-test-XXXXXX";

static void run(const uint8_t *code, size_t length, uint64_t every, uint64_t until,
                faulty_run *engine_run)
{
    struct lockstep_config config = faulty_config(bios_path, code, length, engine_run);
    config.every = every;
    config.until = until;
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
    run(faulty_counting, sizeof(faulty_counting), 1000, 123456, NULL);
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
        faulty_at = places[i];
        run(faulty_counting, sizeof(faulty_counting), 1000, 100000,
            faulty_run_with_register);
        expect_interval(faulty_at - 1, faulty_at);
        assert_true(find_row("ebx")->differs);
        assert_int_equal(differing_rows(), 1);
        assert_int_equal(result.memory_bytes, 0);
        assert_int_equal(result.code_count, 1);
        lockstep_result_free(&result);
    }
}

/* From power-on it is run twice: to find that there is a difference, and to save the
 * last common state. All further attempts begin there. */
static void few_starts(void **state)
{
    (void)state;
    faulty_at = 543210;
    faulty_shared->created = 0;
    run(faulty_counting, sizeof(faulty_counting), 100000, 0, faulty_run_with_width);
    expect_interval(faulty_at - FAULTY_WIDTH, faulty_at + FAULTY_WIDTH);
    assert_int_equal(faulty_shared->created, 2);
}

static void its_report(void **state)
{
    (void)state;
    /* The tenth time round, at "inc bx". */
    faulty_at = FAULTY_BEFORE_LOOP + 9 * FAULTY_LOOP + 3;
    run(faulty_counting, sizeof(faulty_counting), 1000, 0, faulty_run_with_register);
    expect_interval(faulty_at - 1, faulty_at);
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
    faulty_at = 54321;
    run(faulty_counting, sizeof(faulty_counting), 1000, 100000, faulty_run_with_memory);
    expect_interval(faulty_at - 1, faulty_at);
    assert_int_equal(differing_rows(), 0);
    assert_int_equal(result.memory_bytes, 1);
    assert_int_equal(result.memory_count, 1);
    assert_int_equal(result.memory[0].address, FAULTY_ADDRESS);
    assert_int_equal(result.memory[0].values[0], 0);
    assert_int_equal(result.memory[0].values[1], 0x10);
    lockstep_result_free(&result);
    faulty_at = 1;
    run(faulty_counting, sizeof(faulty_counting), 1000, 100000, faulty_run_with_memory);
    expect_interval(0, 1);
    assert_int_equal(result.code[0].bytes[0], 0xe9);
}

static void crashed_engine(void **state)
{
    (void)state;
    faulty_at = 4242;
    run(faulty_counting, sizeof(faulty_counting), 1000, 10000, faulty_run_with_crash);
    expect_interval(faulty_at - 1, faulty_at);
    assert_string_equal(result.ends[0], "runs");
    assert_string_equal(result.ends[1], "crashed: SIGSEGV");
    assert_string_equal(find_row("ebx")->values[2], "");
}

static void hanging_engine(void **state)
{
    (void)state;
    faulty_at = 42;
    run(faulty_counting, sizeof(faulty_counting), 100, 10000, faulty_run_with_hang);
    expect_interval(faulty_at - 1, faulty_at);
    assert_string_equal(result.ends[1], "hangs: does not get there");
}

static void difference_that_needs_a_long_run(void **state)
{
    (void)state;
    faulty_at = 77777;
    run(faulty_counting, sizeof(faulty_counting), 1000, 100000, faulty_run_with_width);
    expect_interval(faulty_at - FAULTY_WIDTH, faulty_at + FAULTY_WIDTH);
    assert_int_equal(result.code_count, 2 * FAULTY_WIDTH);
    assert_true(find_row("ebx")->differs);
}

static void difference_that_comes_once(void **state)
{
    (void)state;
    faulty_shared->done = false;
    faulty_at = 5500;
    run(faulty_counting, sizeof(faulty_counting), 1000, 10000, faulty_run_with_luck);
    assert_int_equal(result.outcome, LOCKSTEP_DIFFERENT);
    assert_true(result.vanished);
    assert_true(result.instructions < faulty_at);
    assert_int_equal(result.different, 6000);
    assert_true(find_row("ebx")->differs);
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
    assert_int_equal(result.instructions, 3);
    run(leaving, sizeof(leaving), 1000, 0, NULL);
    assert_int_equal(result.outcome, LOCKSTEP_SAME);
    assert_string_equal(result.ends[1], "the guest has ended the run with status 11");
    faulty_at = 3; /* one does not end as the other */
    run(leaving, sizeof(leaving), 1000, 0, faulty_run_with_crash);
    expect_interval(faulty_at - 1, faulty_at);
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
    if (!faulty_share()) {
        perror("mmap");
        return 1;
    }
    close(mkstemp(bios_path));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_differs, free_result),
        cmocka_unit_test_teardown(flipped_register, free_result),
        cmocka_unit_test_teardown(few_starts, free_result),
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
