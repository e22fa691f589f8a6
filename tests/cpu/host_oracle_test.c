/* Every unprivileged instruction form against the host's processor.
 *
 * For each row of the instruction table random instances are run natively in
 * compatibility mode and under the engine, and compared: registers, flags, memory,
 * vector state, exceptions. Arguments: "quick", "full" or "soak" says how many; with
 * -v counts are shown for each row. A failure prints FAUMACHINE_SEED, FAUMACHINE_ROW
 * and FAUMACHINE_CASE; with all three in the environment that one case runs alone. */
#include "duel.h"
#include "isa_coverage.h"
#include "isa_generator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CASES_QUICK = 150,
    CASES_FULL = 2000,
    CASES_SOAK = 40000,
    FAILURES_SHOWN_PER_ROW = 2,
    FAILURES_SHOWN = 60,
};

struct counts {
    unsigned run, faulted, failed, undefined_differences;
};

struct oracle_test {
    struct duel duel;
    struct isa_coverage *coverage;
    struct counts *rows;
    uint64_t seed;
    unsigned cases; /* of each row */
    bool verbose;
    unsigned shown, failed;
    struct duel_case duel_case;
    struct duel_result result;
};

static bool environment_number(const char *name, unsigned *number)
{
    const char *text = getenv(name);
    if (text) {
        *number = (unsigned)strtoul(text, NULL, 0);
    }
    return text;
}

/* Each case has a generator of its own, so that it can be repeated alone. */
static bool generate(struct oracle_test *test, unsigned row, unsigned number,
                     struct instruction *decoded)
{
    struct isa_generator generator = {
        .random = {test->seed ^ ((uint64_t)row << 32 | number) * 0x9e3779b97f4a7c15ULL},
        .cpu = test->duel.fixture.cpu,
    };
    memset(&test->duel_case, 0, sizeof(test->duel_case));
    return isa_generate(&generator, row, &test->duel_case, decoded);
}

static void show_failure(struct oracle_test *test, unsigned row, unsigned number)
{
    struct counts *counts = &test->rows[row];
    if (counts->failed > FAILURES_SHOWN_PER_ROW || test->shown >= FAILURES_SHOWN) {
        return;
    }
    test->shown++;
    printf("\nFAUMACHINE_SEED=%llu FAUMACHINE_ROW=%u FAUMACHINE_CASE=%u (%s)\n",
           (unsigned long long)test->seed, row, number, instruction_rows[row].mnemonic);
    duel_print(&test->duel_case, &test->result);
}

static void run_case(struct oracle_test *test, unsigned row, unsigned number)
{
    struct instruction decoded;
    struct counts *counts = &test->rows[row];
    if (!generate(test, row, number, &decoded)) {
        return;
    }
    duel_run(&test->duel, &test->duel_case, &test->result);
    counts->run++;
    counts->faulted += test->result.host.outcome.vector >= 0;
    counts->undefined_differences += test->result.undefined_differences != 0;
    if (decoded.length) {
        isa_coverage_add_row(test->coverage, decoded.row,
                             test->result.guest.outcome.vector >= 0);
    }
    if (!test->result.agree) {
        counts->failed++;
        test->failed++;
        show_failure(test, row, number);
    }
}

static void print_counts(const struct oracle_test *test, unsigned row)
{
    const struct counts *counts = &test->rows[row];
    const struct instruction_row *r = &instruction_rows[row];
    if (test->verbose || counts->failed) {
        printf("row %4u %-16s map %u opcode %02x: %u run, %u faulted, %u differ in "
               "undefined flags, %u failed\n",
               row, r->mnemonic, r->map, r->opcode, counts->run, counts->faulted,
               counts->undefined_differences, counts->failed);
    }
}

static void print_summary(const struct oracle_test *test)
{
    const struct isa_generator generator = {.cpu = test->duel.fixture.cpu};
    struct counts sum = {0};
    unsigned not_run = 0;
    for (unsigned row = 0; row < instruction_row_count; row++) {
        const struct counts *counts = &test->rows[row];
        const char *why = isa_unsuited(&generator, &instruction_rows[row]);
        sum.run += counts->run;
        sum.faulted += counts->faulted;
        sum.undefined_differences += counts->undefined_differences;
        print_counts(test, row);
        if (why || counts->run == 0) {
            not_run++;
            printf("row %4u %s not compared: %s\n", row, instruction_rows[row].mnemonic,
                   why ? why : "the processor does not report its feature");
        }
    }
    printf("%u rows, %u not compared; %u instructions, %u faulted, %u differ in "
           "undefined flags, %u failed\n",
           instruction_row_count, not_run, sum.run, sum.faulted,
           sum.undefined_differences, test->failed);
}

static void host_agrees(void **state)
{
    struct oracle_test *test = *state;
    unsigned only_row, only_case;
    if (environment_number("FAUMACHINE_ROW", &only_row)) {
        assert_true(only_row < instruction_row_count);
        if (environment_number("FAUMACHINE_CASE", &only_case)) {
            run_case(test, only_row, only_case);
        } else {
            for (unsigned i = 0; i < test->cases; i++) {
                run_case(test, only_row, i);
            }
            print_counts(test, only_row);
        }
    } else {
        for (unsigned row = 0; row < instruction_row_count; row++) {
            for (unsigned i = 0; i < test->cases; i++) {
                run_case(test, row, i);
            }
        }
        print_summary(test);
    }
    assert_int_equal(test->failed, 0);
}

int main(int argc, char **argv)
{
    static struct oracle_test test = {.cases = CASES_QUICK};
    struct error error;
    for (int i = 1; i < argc; i++) {
        test.cases = strcmp(argv[i], "full") == 0   ? CASES_FULL
                     : strcmp(argv[i], "soak") == 0 ? CASES_SOAK
                                                    : test.cases;
        test.verbose |= strcmp(argv[i], "-v") == 0;
    }
    test.seed = random_seed();
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    if (!host_oracle_create(&error)) {
        printf("skipped: %s\n", error.text);
        return TEST_SKIPPED;
    }
    if (!duel_create(&test.duel, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    test.coverage = isa_coverage_open();
    test.rows = calloc(instruction_row_count, sizeof(test.rows[0]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(host_agrees, &test),
    };
    int status = cmocka_run_group_tests_name("host oracle", tests, NULL, NULL);
    isa_coverage_close(test.coverage);
    free(test.rows);
    duel_destroy(&test.duel);
    host_oracle_destroy();
    return status;
}
