/* Random sequences of instructions against the host's processor.
 *
 * As host_oracle_test, but some twenty instructions in a row run as one block under
 * the engine, or in pieces, with interrupts between them. A sequence is grown on the
 * host: each next instruction is made up for the state in which the ones before leave
 * the machine. Argument: "quick", "full" or "soak". A failure prints FAUMACHINE_SEED
 * and FAUMACHINE_CASE; with both in the environment that sequence runs alone. */
#include "duel.h"
#include "isa_generator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CASES_QUICK = 1000,
    CASES_FULL = 10000,
    CASES_SOAK = 2000000,
    INSTRUCTIONS_MIN = 5,
    INSTRUCTIONS_MAX = 20,
    INSTRUCTION_BYTES_MAX = 16,
    ITERATIONS_MAX = 64, /* of a repeated instruction */
    ATTEMPTS = 400,      /* to find the next instruction */
    FAILURES_SHOWN = 10,
};

struct sequence_test {
    struct duel duel;
    uint64_t seed;
    unsigned cases, run, instructions, faulted, failed;
    struct duel_case duel_case; /* the sequence */
    struct duel_case next;      /* its next instruction, from where it has got to */
    struct duel_case tried;
    struct duel_result result;
};

/* Runs `next` alone on the host and moves on to where it leads. */
static int step_on_host(struct duel_case *next)
{
    struct oracle_outcome outcome;
    gla_t address = duel_code_address(&next->before, next->before.eip);
    memset(host_oracle_code(), DUEL_CODE_FILLER, ORACLE_CODE_BYTES);
    memcpy(host_oracle_code() + (address - ORACLE_CODE), next->code, next->length);
    memcpy(host_oracle_data(), next->data, sizeof(next->data));
    uint32_t eip = next->before.eip;
    const struct oracle_bounds bounds = {
        .max_steps = ITERATIONS_MAX, .first_eip = eip, .last_eip = eip};
    host_oracle_run(&next->before, &bounds, &outcome);
    memcpy(next->data, host_oracle_data(), sizeof(next->data));
    next->before.eflags &= ~(uint32_t)(EFLAGS_TF | EFLAGS_RF);
    return outcome.vector;
}

/* Whether the instruction just tried leads back into the sequence, or into itself, or
 * goes on repeating. */
static bool jumps_into(const struct sequence_test *test, unsigned length, int vector)
{
    uint32_t first = test->duel_case.first_eip;
    uint32_t behind = test->next.before.eip + length;
    return vector < 0 && test->tried.before.eip - first < behind - first;
}

/* Makes up an instruction that fits without changing what is there: registers and
 * memory are as the sequence has left them. Only its displacement can be bent. */
static bool find_next(struct sequence_test *test, struct isa_generator *generator)
{
    struct instruction decoded;
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        unsigned row = random_below(&generator->random, instruction_row_count);
        if (isa_unsuited(generator, &instruction_rows[row])) {
            continue;
        }
        test->tried = test->next;
        bool steer = !random_one_in(&generator->random, 8);
        unsigned length = isa_random_instruction(generator, row, &test->tried,
                                                 test->tried.code, steer, &decoded);
        if (length == 0 || decoded.length == 0 ||
            isa_unsuited_in_sequence(&instruction_rows[decoded.row]) ||
            memcmp(&test->tried.before, &test->next.before,
                   sizeof(test->next.before)) != 0 ||
            memcmp(test->tried.data, test->next.data, sizeof(test->next.data)) != 0) {
            continue;
        }
        test->tried.length = length;
        int vector = step_on_host(&test->tried);
        if ((vector < 0 || random_one_in(&generator->random, 50)) &&
            !jumps_into(test, length, vector)) {
            return true;
        }
    }
    return false;
}

static void append(struct duel_case *sequence, const struct duel_case *instruction)
{
    memcpy(sequence->code + sequence->length, instruction->code, instruction->length);
    sequence->length += instruction->length;
    sequence->exemptions |= instruction->exemptions;
}

static void grow(struct sequence_test *test, struct isa_generator *generator)
{
    struct duel_case *sequence = &test->duel_case;
    unsigned wanted =
        INSTRUCTIONS_MIN +
        random_below(&generator->random, INSTRUCTIONS_MAX - INSTRUCTIONS_MIN + 1);
    memset(sequence, 0, sizeof(*sequence));
    isa_random_state(generator, sequence);
    sequence->first_eip = sequence->before.eip;
    test->next = *sequence;
    for (unsigned i = 0; i < wanted && find_next(test, generator); i++) {
        append(sequence, &test->tried);
        uint32_t behind = test->next.before.eip + test->tried.length;
        test->next = test->tried;
        test->next.exemptions = 0;
        test->instructions++;
        if (test->next.before.eip != behind) {
            break; /* a jump, or a fault */
        }
    }
    sequence->max_steps = INSTRUCTIONS_MAX * ITERATIONS_MAX;
    sequence->last_eip = sequence->first_eip + sequence->length - 1;
}

static void run_case(struct sequence_test *test, unsigned number)
{
    struct isa_generator generator = {
        .random = {test->seed ^ (uint64_t)number * 0x9e3779b97f4a7c15ULL},
        .cpu = test->duel.fixture.cpu,
    };
    grow(test, &generator);
    if (test->duel_case.length == 0) {
        return;
    }
    struct pacing *pacing = &test->duel.pacing;
    pacing->random.state = random_next(&generator.random);
    pacing->slices = random_one_in(&generator.random, 2);
    pacing->interrupts =
        duel_may_interrupt(&test->duel_case) && random_one_in(&generator.random, 4);
    duel_run(&test->duel, &test->duel_case, &test->result);
    test->run++;
    test->faulted += test->result.host.outcome.vector >= 0;
    if (!test->result.agree && test->failed++ < FAILURES_SHOWN) {
        printf("\nFAUMACHINE_SEED=%llu FAUMACHINE_CASE=%u\n",
               (unsigned long long)test->seed, number);
        duel_print(&test->duel_case, &test->result);
    }
}

static void host_agrees(void **state)
{
    struct sequence_test *test = *state;
    const char *only = getenv("FAUMACHINE_CASE");
    if (only) {
        run_case(test, (unsigned)strtoul(only, NULL, 0));
    }
    for (unsigned i = 0; i < test->cases && !only; i++) {
        run_case(test, i);
    }
    printf("%u sequences of %u instructions, %u faulted, %u failed\n", test->run,
           test->instructions, test->faulted, test->failed);
    assert_true(test->run > 0);
    assert_int_equal(test->failed, 0);
}

int main(int argc, char **argv)
{
    static struct sequence_test test = {.cases = CASES_QUICK};
    struct error error;
    if (argc > 1) {
        test.cases = strcmp(argv[1], "full") == 0   ? CASES_FULL
                     : strcmp(argv[1], "soak") == 0 ? CASES_SOAK
                                                    : CASES_QUICK;
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(host_agrees, &test),
    };
    int status = cmocka_run_group_tests_name("sequences", tests, NULL, NULL);
    duel_destroy(&test.duel);
    host_oracle_destroy();
    return status;
}
