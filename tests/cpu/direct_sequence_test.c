/* Random sequences under direct execution do what they do under the interpreter.
 *
 *   direct_sequence_test quick|full|soak
 *
 * Where a sequence stops, for an exception or a trap, all of the guest's state is
 * compared; then it goes on behind the instruction. Some are run under fire: another
 * thread and a timer kick and interrupt the CPU at any moment. A failure prints
 * FAUMACHINE_SEED and FAUMACHINE_CASE; with both in the environment that case runs
 * alone.
 *
 * What directly executed code shows by design is not compared: the pointers to the last
 * x87 instruction, and selectors that PUSH of a segment register by its opcode of one
 * byte shows (here the guest's flat segments have the numbers of the host's). Nor is
 * what follows when it reads the engine's own page at the end of its address space. */
#include "direct_sequence.h"
#include "isa_steering.h"

#include "cpu/core/fpu.h"
#include "cpu/decoder/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DR6_INITIAL 0xffff0ff0U

enum {
    CASES_QUICK = 600,
    CASES_FULL = 10000,
    CASES_SOAK = 1000000,
    FAILURES_SHOWN = 5,
    OPCODE_HLT = 0xf4,
    STOPS_MAX = 64,
    FIRST_CODE = 4 << 20, /* physical */
    CODE_PLACES = 512,
};
#define ENGINE_PAGE 0xfffff000U /* DIRECT_PAGE in cpu/direct/direct.h */

struct sequence_test {
    struct direct_world world;
    struct pacing pacing; /* of the direct side: who takes its interrupts */
    uint64_t seed;
    unsigned cases, run, instructions, stops, failed;
    bool under_fire;
    gpa_t code; /* where the case's pages of code are */
    struct sequence sequence;
    struct duel_result result;
};

static uint64_t random_rights(struct random *random, bool nx)
{
    static const uint64_t rights[] = {P | W | U, P | U,           P | W,
                                      0,         P | U | LEAF_NX, P | W | U | LEAF_NX};
    uint64_t chosen = rights[random_below(random, ARRAY_LENGTH(rights))];
    return nx ? chosen : chosen & ~LEAF_NX;
}

/* The second page of code and both of data have any rights; no page has been accessed.
 */
static void set_rights(struct sequence_test *test, struct random *random)
{
    const struct {
        gla_t linear;
        gpa_t physical;
        uint32_t rights; /* 0: any */
    } pages[] = {
        {ORACLE_CODE, test->code, ENTRY_LEAF_RIGHTS},
        {ORACLE_CODE + PAGE_BYTES, test->code + PAGE_BYTES, 0},
        {ORACLE_DATA, SEQUENCE_DATA, 0},
        {ORACLE_DATA + PAGE_BYTES, SEQUENCE_DATA + PAGE_BYTES, 0},
        {ORACLE_READ_ONLY, SEQUENCE_DATA + ORACLE_DATA_BYTES, P | U},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(pages); i++) {
        uint64_t rights = pages[i].rights ? pages[i].rights : ENTRY_LEAF_RIGHTS;
        if (!pages[i].rights && random_one_in(random, 3)) {
            rights = random_rights(random, test->world.paging == PAGING_PAE_NX);
        }
        direct_world_map(&test->world, test->world.roots[0], pages[i].linear,
                         pages[i].physical | rights);
    }
    direct_world_flush(&test->world);
}

static void start(struct sequence_test *test)
{
    const struct duel_case *duel_case = &test->sequence.duel_case;
    uint8_t code[ORACLE_CODE_BYTES];
    memset(code, OPCODE_HLT, sizeof(code));
    memcpy(code + (duel_case->before.eip - ORACLE_CODE), duel_case->code,
           duel_case->length);
    direct_world_store(&test->world, test->code, code, sizeof(code));
    direct_world_store(&test->world, SEQUENCE_DATA, duel_case->data, ORACLE_DATA_BYTES);
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        duel_load_guest(&test->world.sides[side].fixture, &duel_case->before);
        /* The reference has run it before, to make it up. */
        test->world.sides[side].cpu->dr[6] = DR6_INITIAL;
    }
}

static void keep(struct sequence_test *test, enum direct_side side,
                 struct duel_side *out)
{
    struct cpu_fixture *fixture = &test->world.sides[side].fixture;
    *out = (struct duel_side){.outcome = {.vector = -1}};
    fpu_park(fixture->cpu);
    duel_keep_guest(fixture, out);
    memcpy(out->data, cpu_fixture_ram(fixture, SEQUENCE_DATA), ORACLE_DATA_BYTES);
}

/* The hidden parts of segment registers. */
static void compare_segments(struct sequence_test *test)
{
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        const struct segment *a = &test->world.sides[SIDE_REFERENCE].cpu->segments[i];
        const struct segment *b = &test->world.sides[SIDE_DIRECT].cpu->segments[i];
        if (a->base != b->base || a->limit != b->limit || a->access != b->access) {
            duel_differ(&test->result, "segment %u: %08x %08x %04x, %08x %08x %04x\n",
                        i, a->base, a->limit, a->access, b->base, b->limit, b->access);
        }
    }
}

static void compare(struct sequence_test *test, struct duel_case *duel_case)
{
    struct duel_result *result = &test->result;
    struct world *worlds = test->world.sides;
    gpa_t place;
    if (!duel_compare_states(duel_case, result)) {
        return;
    }
    const struct oracle_outcome *host = &result->host.outcome;
    const struct oracle_outcome *guest = &result->guest.outcome;
    if (!duel_case->exemptions && host->vector == guest->vector &&
        (host->error != guest->error || host->cr2 != guest->cr2)) {
        duel_differ(result, "error %x, %x; CR2 %08x, %08x\n", host->error, guest->error,
                    host->cr2, guest->cr2);
    }
    if (worlds[SIDE_REFERENCE].cpu->dr[6] != worlds[SIDE_DIRECT].cpu->dr[6]) {
        duel_differ(result, "DR6 %08x, %08x\n", worlds[SIDE_REFERENCE].cpu->dr[6],
                    worlds[SIDE_DIRECT].cpu->dr[6]);
    }
    compare_segments(test);
    if (!direct_world_ram_agrees(&test->world, test->code,
                                 test->code + ORACLE_CODE_BYTES, &place)) {
        duel_differ(result, "code differs at %08x\n",
                    (uint32_t)(place - test->code + ORACLE_CODE));
    }
    if (!duel_case->exemptions &&
        !direct_world_ram_agrees(&test->world, WORLD_TABLES, worlds[0].next_table,
                                 &place)) {
        duel_differ(result, "page tables differ at %08x\n", (uint32_t)place);
    }
}

/* Number of the item at (or, `behind`, right behind) EIP; items: none. */
static unsigned find_item(const struct sequence *sequence, uint32_t eip)
{
    unsigned item = 0;
    while (item < sequence->items &&
           sequence->duel_case.first_eip + sequence->item[item].offset != eip) {
        item++;
    }
    return item;
}

static void set_frame(struct sequence_test *test, uint32_t eip)
{
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        struct cpu_fixture *fixture = &test->world.sides[side].fixture;
        struct cpu_fixture_exception exception;
        assert_true(cpu_fixture_exception(fixture, &exception));
        gpa_t frame = cpu_fixture_table_address(fixture->cpu->regs[REGISTER_ESP]);
        bool has_error = *(uint32_t *)cpu_fixture_ram(fixture, frame) != exception.eip;
        uint32_t *words = (uint32_t *)cpu_fixture_ram(fixture, frame + 4 * has_error);
        words[0] = eip;
        words[2] &= ~(uint32_t)(EFLAGS_TF | EFLAGS_RF | EFLAGS_AC);
        cpu_fixture_resume(fixture);
    }
}

/* Whether the instruction that has faulted accesses the engine's own page, which guest
 * code can read, or begins there and goes on at 0. */
static bool reaches_engine(const struct sequence_test *test, unsigned item)
{
    const struct oracle_state *state = &test->result.host.state;
    const struct oracle_outcome *outcome = &test->result.host.outcome;
    const struct sequence *sequence = &test->sequence;
    struct duel_case now = {.before = *state};
    struct instruction instruction;
    bool decoded =
        decode_instruction(&instruction,
                           sequence->duel_case.code + sequence->item[item].offset,
                           INSTRUCTION_LENGTH_MAX, state->eip,
                           CODE_MODE_32 | CODE_MODE_VEX | CODE_MODE_USER) == DECODE_OK;
    bool there = decoded && instruction.memory &&
                 steering_operand_address(&now, &instruction) >= ENGINE_PAGE;
    return outcome->vector >= EXCEPTION_SS && outcome->vector <= EXCEPTION_PF &&
           (there || (outcome->vector == EXCEPTION_PF && outcome->cr2 >= ENGINE_PAGE));
}

/* Runs to the next stop. False: there is nothing more to do. */
static bool leg(struct sequence_test *test)
{
    const struct sequence *sequence = &test->sequence;
    struct duel_case *duel_case = &test->sequence.duel_case;
    if (!direct_world_run(&test->world, SIDE_REFERENCE)) {
        return false; /* it goes on for ever */
    }
    bool halted = test->under_fire
                      ? direct_world_run_under_fire(&test->world, &test->pacing)
                      : direct_world_run(&test->world, SIDE_DIRECT);
    if (!halted) {
        duel_differ(&test->result, "no halt\n");
        return false;
    }
    test->stops++;
    keep(test, SIDE_REFERENCE, &test->result.host);
    keep(test, SIDE_DIRECT, &test->result.guest);
    uint32_t eip = test->result.host.state.eip;
    unsigned item = find_item(sequence, eip);
    if (reaches_engine(test, item) || eip - ORACLE_DATA < ORACLE_DATA_BYTES) {
        return false; /* or random data was executed */
    }
    duel_case->exemptions = sequence->item[item].exemptions;
    compare(test, duel_case);
    struct cpu_fixture_exception exception;
    if (item == sequence->items || duel_case->exemptions || !test->result.agree ||
        !cpu_fixture_exception(&test->world.sides[SIDE_REFERENCE].fixture,
                               &exception)) {
        return false;
    }
    bool trap = exception.vector == EXCEPTION_BP || exception.vector == EXCEPTION_DB ||
                exception.vector == EXCEPTION_OF ||
                exception.vector == SEQUENCE_SYSTEM_CALL;
    set_frame(test,
              trap ? eip : duel_case->first_eip + sequence->item[item + 1].offset);
    return true;
}

static void show(const struct sequence_test *test, unsigned number)
{
    printf("\nFAUMACHINE_SEED=%llu FAUMACHINE_CASE=%u, paging %d%s\n",
           (unsigned long long)test->seed, number, test->world.paging,
           test->under_fire ? ", under fire" : "");
    duel_print(&test->sequence.duel_case, &test->result);
}

static void run_case(struct sequence_test *test, unsigned number)
{
    struct random seeds = {test->seed};
    seeds.state = random_next(&seeds) + number;
    struct isa_generator generator = {
        .random = {random_next(&seeds)},
        .cpu = test->world.sides[SIDE_REFERENCE].cpu,
    };
    /* A page that is rewritten too often is interpreted. */
    test->code = FIRST_CODE + number / DIRECT_PAGINGS % CODE_PLACES * ORACLE_CODE_BYTES;
    sequence_lay_out(&test->world);
    sequence_grow(&test->world, &generator, &test->sequence);
    set_rights(test, &generator.random);
    start(test);
    test->under_fire = random_one_in(&generator.random, 3) &&
                       duel_may_interrupt(&test->sequence.duel_case);
    test->result = (struct duel_result){.agree = true};
    for (unsigned i = 0; i < STOPS_MAX && leg(test); i++) {
    }
    test->run++;
    test->instructions += test->sequence.items;
    if (!test->result.agree && test->failed++ < FAILURES_SHOWN) {
        show(test, number);
    }
}

static void run_cases(struct sequence_test *test, enum direct_paging paging)
{
    const char *only = getenv("FAUMACHINE_CASE");
    direct_world_create(&test->world, paging);
    sequence_lay_out(&test->world);
    direct_world_take_interrupts(&test->world, &test->pacing);
    for (unsigned i = paging; i < test->cases; i += DIRECT_PAGINGS) {
        if (!only || strtoul(only, NULL, 0) == i) {
            run_case(test, i);
        }
    }
    direct_world_print_statistics(&test->world);
    direct_world_destroy(&test->world);
}

static void interpreter_agrees(void **state)
{
    struct sequence_test *test = *state;
    for (unsigned paging = 0; paging < DIRECT_PAGINGS; paging++) {
        run_cases(test, paging);
    }
    printf("%u sequences of %u instructions, %u stops, %u failed\n", test->run,
           test->instructions, test->stops, test->failed);
    assert_true(test->run > 0);
    assert_int_equal(test->failed, 0);
}

int main(int argc, char **argv)
{
    static struct sequence_test test = {.cases = CASES_QUICK};
    if (argc > 1) {
        test.cases = strcmp(argv[1], "full") == 0   ? CASES_FULL
                     : strcmp(argv[1], "soak") == 0 ? CASES_SOAK
                                                    : CASES_QUICK;
    }
    test.seed = random_seed();
    const char *lacks = direct_world_lacks();
    if (lacks) {
        printf("skipped: %s\n", lacks);
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(interpreter_agrees, &test),
    };
    return cmocka_run_group_tests_name("direct sequences", tests, NULL, NULL);
}
