/* Random programs against the host's processor.
 *
 * As host_sequence_test, but with loops, jumps, calls and code that changes itself
 * (program.h); and each is run several times over, so that later runs find what the
 * engine has kept of earlier ones, with or without a change to the code in between by
 * the guest's own store. The guest's runs are cut into pieces and interrupted; pages
 * are missing or read-only at first, so that faults come in the middle and are mended.
 * At each fault, and at the end, both sides must be the same.
 *
 * Argument: "quick", "full" or "soak". A failure prints FAUMACHINE_SEED and
 * FAUMACHINE_CASE; with both in the environment that program runs alone. */
#include "duel_compare.h"
#include "pester.h"
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CASES_QUICK = 300,
    CASES_FULL = 5000,
    CASES_SOAK = 1000000,
    PESTERED_PART = 8, /* one in so many programs is run again by pestered() */
    REPETITIONS = 20,  /* there */
    ROUNDS_MAX = 5,
    LEGS_MAX = 60,
    FAILURES_SHOWN = 10,
    /* Free room at the end of the code area. */
    HELPER = ORACLE_CODE + ORACLE_CODE_BYTES - 8,
    ALIAS = 0x28000000, /* another view of the code, for stores */
};

struct program_test {
    struct duel duel;
    struct pester pester;
    uint64_t seed;
    unsigned cases, run, legs, faults, failed;
    uint64_t steps, again;
    struct program_grower grower;
    struct program program;
    struct duel_result result;
};

/* The guest itself stores a byte to its code, as user or supervisor, perhaps through
 * another mapping. */
static void change_code_in_guest(struct program_test *test, struct random *random,
                                 gla_t address, uint8_t value)
{
    struct duel *duel = &test->duel;
    struct oracle_state state = {
        .eip = HELPER,
        .eflags = EFLAGS_ALWAYS_ONE,
        .segments = {ORACLE_DS, ORACLE_CS, ORACLE_DS, ORACLE_DS, ORACLE_DS, ORACLE_DS},
    };
    gla_t page = ALIAS | (address & (ORACLE_CODE_BYTES - 1) & ~PAGE_OFFSET_MASK);
    bool alias = random_one_in(random, 3);
    if (random_one_in(random, 3)) {
        for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
            state.segments[i] = i == SEGMENT_CS ? FIXTURE_KERNEL_CS : FIXTURE_KERNEL_DS;
        }
    }
    memcpy(state.vector, duel->fixture.cpu->fpu.area, sizeof(state.vector));
    state.regs[REGISTER_EAX] = value;
    state.regs[REGISTER_ECX] = address;
    if (alias) {
        cpu_fixture_map(&duel->fixture, page, DUEL_CODE_PHYSICAL + (page - ALIAS), true,
                        true);
        state.regs[REGISTER_ECX] = page | (address & PAGE_OFFSET_MASK);
    }
    duel_load_guest(&duel->fixture, &state);
    assert_int_equal(cpu_fixture_run(&duel->fixture, 1), CPU_EXIT_BUDGET);
    assert_int_equal(duel->fixture.cpu->eip, HELPER + 2);
    if (alias) {
        cpu_fixture_unmap(&duel->fixture, page);
    }
}

static void change_code(struct program_test *test, struct random *random)
{
    static const uint8_t helper[] = {0x88, 0x01}; /* mov [ecx], al */
    const struct program *program = &test->program;
    if (program->slot_count == 0) {
        return;
    }
    memcpy(host_oracle_code() + (HELPER - ORACLE_CODE), helper, sizeof(helper));
    cpu_fixture_store(&test->duel.fixture, DUEL_CODE_PHYSICAL + (HELPER - ORACLE_CODE),
                      helper, sizeof(helper));
    for (unsigned count = 1 + random_below(random, 3); count > 0; count--) {
        const struct slot *slot =
            &program->slots[random_below(random, program->slot_count)];
        uint8_t value = program_slot_value(random, slot);
        host_oracle_code()[slot->address - ORACLE_CODE] = value;
        change_code_in_guest(test, random, slot->address, value);
    }
}

static void protect_pages(struct program_test *test, struct random *random)
{
    for (unsigned i = 0; i < DUEL_PAGES; i++) {
        duel_protect(&test->duel, i, random_below(random, ORACLE_WRITABLE + 1));
    }
    test->duel.resumed_at = UINT32_MAX;
}

/* Runs from the start to the end, from fault to fault. */
static void run_legs(struct program_test *test, struct random *random)
{
    struct duel_case *duel_case = &test->program.duel_case;
    struct duel_result *result = &test->result;
    unsigned steps = duel_case->max_steps;
    duel_start(&test->duel, duel_case, result);
    for (unsigned leg = 0; leg < LEGS_MAX; leg++) {
        duel_leg(&test->duel, duel_case, result);
        test->legs++;
        test->faults += result->host.outcome.vector >= 0;
        test->steps += result->host.outcome.steps;
        duel_case->max_steps -= result->host.outcome.steps;
        if (!result->agree || !duel_resume(&test->duel, random, result)) {
            break;
        }
    }
    duel_case->max_steps = steps;
}

static bool fails(struct program_test *test, unsigned number, unsigned round)
{
    if (test->result.agree) {
        return false;
    }
    if (test->failed++ < FAILURES_SHOWN) {
        printf("\nFAUMACHINE_SEED=%llu FAUMACHINE_CASE=%u, round %u\n",
               (unsigned long long)test->seed, number, round);
        duel_print(&test->program.duel_case, &test->result);
    }
    return true;
}

static void grow(struct program_test *test, struct isa_generator *generator,
                 unsigned number)
{
    generator->random.state = test->seed ^ (uint64_t)number * 0x9e3779b97f4a7c15ULL;
    generator->cpu = test->duel.fixture.cpu;
    program_grow(&test->grower, generator, &test->program);
}

static void run_case(struct program_test *test, unsigned number)
{
    struct isa_generator generator;
    struct random *random = &generator.random;
    struct pacing *pacing = &test->duel.pacing;
    grow(test, &generator, number);
    if (test->program.duel_case.length == 0) {
        return;
    }
    test->run++;
    bool resumes = duel_may_interrupt(&test->program.duel_case);
    bool paging = resumes && random_one_in(random, 2);
    unsigned rounds = 1 + random_below(random, ROUNDS_MAX);
    pacing->random.state = random_next(random);
    pacing->slices = !random_one_in(random, 4);
    pacing->interrupts = resumes && random_one_in(random, 2);
    for (unsigned round = 0; round < rounds; round++) {
        if (round == 0 || random_one_in(random, 8)) {
            duel_place_code(&test->duel, &test->program.duel_case);
        } else if (random_one_in(random, 2)) {
            change_code(test, random);
        }
        if (paging) {
            protect_pages(test, random);
        }
        run_legs(test, random);
        for (unsigned i = 0; i < DUEL_PAGES && paging; i++) {
            duel_protect(&test->duel, i, ORACLE_WRITABLE);
        }
        if (fails(test, number, round)) {
            break;
        }
    }
    pacing->slices = pacing->interrupts = false;
}

/* Many runs, while another thread and a timer kick and interrupt. Programs that leave
 * their code as it was only. */
static void run_pestered(struct program_test *test, unsigned number)
{
    struct isa_generator generator;
    uint8_t code[ORACLE_CODE_BYTES];
    struct duel_case *duel_case = &test->program.duel_case;
    grow(test, &generator, number);
    if (duel_case->length == 0 || !duel_may_interrupt(duel_case)) {
        return;
    }
    duel_place_code(&test->duel, duel_case);
    memcpy(code, host_oracle_code(), sizeof(code));
    duel_start(&test->duel, duel_case, &test->result);
    duel_leg(&test->duel, duel_case, &test->result);
    bool unchanged = memcmp(code, host_oracle_code(), sizeof(code)) == 0;
    for (unsigned i = 0; i < REPETITIONS && unchanged && test->result.agree; i++) {
        test->duel.pacing.slices = random_one_in(&generator.random, 4);
        duel_again(&test->duel, duel_case, &test->result);
        test->again++;
    }
    fails(test, number, 0);
    test->duel.pacing.slices = false;
}

static void for_all_cases(struct program_test *test, unsigned step,
                          void (*run)(struct program_test *, unsigned))
{
    const char *only = getenv("FAUMACHINE_CASE");
    test->failed = 0;
    if (only) {
        run(test, (unsigned)strtoul(only, NULL, 0));
    }
    for (unsigned i = 0; i < test->cases && !only; i += step) {
        run(test, i);
    }
}

static void host_agrees(void **state)
{
    struct program_test *test = *state;
    for_all_cases(test, 1, run_case);
    printf("%u programs, %llu instructions in %u legs, %u faults, %llu interrupts; %u "
           "failed\n",
           test->run, (unsigned long long)test->steps, test->legs, test->faults,
           (unsigned long long)test->duel.pacing.taken, test->failed);
    assert_true(test->run > 0);
    assert_int_equal(test->failed, 0);
}

static void host_agrees_when_pestered(void **state)
{
    struct program_test *test = *state;
    struct pacing *pacing = &test->duel.pacing;
    pacing->taken = pacing->kicks = 0;
    assert_true(pester_start(&test->pester, test->duel.fixture.cpu, &pacing->running));
    for_all_cases(test, PESTERED_PART, run_pestered);
    pester_stop(&test->pester);
    printf("%llu runs, %llu kicks, %llu interrupts; %u failed\n",
           (unsigned long long)test->again, (unsigned long long)pacing->kicks,
           (unsigned long long)pacing->taken, test->failed);
    assert_int_equal(test->failed, 0);
}

int main(int argc, char **argv)
{
    static struct program_test test = {.cases = CASES_QUICK};
    struct error error;
    if (argc > 1) {
        test.cases = strcmp(argv[1], "full") == 0   ? CASES_FULL
                     : strcmp(argv[1], "soak") == 0 ? CASES_SOAK
                                                    : CASES_QUICK;
    }
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    test.seed = random_seed();
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
        cmocka_unit_test_prestate(host_agrees_when_pestered, &test),
    };
    int status = cmocka_run_group_tests_name("programs", tests, NULL, NULL);
    duel_destroy(&test.duel);
    host_oracle_destroy();
    return status;
}
