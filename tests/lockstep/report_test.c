/* What `faumachine lockstep` prints, and its exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/lockstep.h"
#include "faulty.h"

enum { EXIT_SAME = 0, EXIT_PROBLEM = 1, EXIT_DIFFERENT = 2, REPORT_BYTES = 1 << 16 };

static char bios_path[] = "/tmp/faumachine-report-test-bios-XXXXXX";
static char report_path[] = "/tmp/faumachine-report-test-XXXXXX";
static char report[REPORT_BYTES];

/* Returns the exit status; what went to standard output is in `report`. */
static int run(struct lockstep_config config)
{
    const struct options options = {.action = OPTIONS_LOCKSTEP, .lockstep = config};
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    assert_true(before >= 0);
    assert_non_null(freopen(report_path, "w", stdout));
    int status = run_lockstep(&options);
    fflush(stdout);
    dup2(before, STDOUT_FILENO);
    close(before);
    FILE *file = fopen(report_path, "r");
    assert_non_null(file);
    report[fread(report, 1, sizeof(report) - 1, file)] = '\0';
    fclose(file);
    return status;
}

static struct lockstep_config counting_with(faulty_run *engine_run)
{
    struct lockstep_config config =
        faulty_config(bios_path, faulty_counting, sizeof(faulty_counting), engine_run);
    config.until = 100000;
    return config;
}

static void expect(const char *text)
{
    if (!strstr(report, text)) {
        fail_msg("no '%s' in:\n%s", text, report);
    }
}

static void no_difference(void **state)
{
    (void)state;
    assert_int_equal(run(counting_with(NULL)), EXIT_SAME);
    assert_string_equal(report, "No difference in 100000 instructions: runs.\n");
}

static void one_instruction(void **state)
{
    (void)state;
    faulty_at = FAULTY_BEFORE_LOOP + 9999 * FAULTY_LOOP + 3;
    assert_int_equal(run(counting_with(faulty_run_with_register)), EXIT_DIFFERENT);
    expect("The engines differ after 40003 instructions; after 40002 they were the "
           "same.\n");
    expect("\ninterpreter: runs\nfaulty: runs\n");
    expect("\nThe instruction:\n       40002  f000:0000000b: 43  inc bx\n");
    expect("\n                 common  interpreter    faulty\n");
    expect("\n  eax          00002710     00002710  00002710\n");
    expect("\n* ebx          0000270f     00002710  00002711\n");
    assert_null(strstr(report, "RAM"));
}

static void some_instructions(void **state)
{
    (void)state;
    faulty_at = 44444;
    assert_int_equal(run(counting_with(faulty_run_with_width)), EXIT_DIFFERENT);
    expect("It takes these 20 instructions in one go");
    expect("\nThe instructions:\n       44434  f000:");
    expect("\n       44453  f000:");
    assert_null(strstr(report, "       44454  "));
}

static void memory(void **state)
{
    (void)state;
    faulty_at = 33333;
    assert_int_equal(run(counting_with(faulty_run_with_memory)), EXIT_DIFFERENT);
    expect("\n1 bytes of RAM differ:\n* 000123456  00  10\n");
}

static void crash(void **state)
{
    (void)state;
    faulty_at = 22222;
    assert_int_equal(run(counting_with(faulty_run_with_crash)), EXIT_DIFFERENT);
    expect("\ninterpreter: runs\nfaulty: crashed: SIGSEGV\n");
}

static void problem(void **state)
{
    (void)state;
    struct lockstep_config config = counting_with(NULL);
    config.machine.bios = "/dev/null";
    assert_int_equal(run(config), EXIT_PROBLEM);
    assert_string_equal(report, "");
}

int main(void)
{
    if (!faulty_share()) {
        perror("mmap");
        return 1;
    }
    close(mkstemp(bios_path));
    close(mkstemp(report_path));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_difference),
        cmocka_unit_test(one_instruction),
        cmocka_unit_test(some_instructions),
        cmocka_unit_test(memory),
        cmocka_unit_test(crash),
        cmocka_unit_test(problem),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(bios_path);
    unlink(report_path);
    return failures;
}
