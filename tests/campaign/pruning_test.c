/* Proves classes of faults by brute force: experiments at random points of a fault
 * space have to come to the same, to the last bit of the machine, as those that speak
 * for their classes; and what is said to have no effect ends as the golden run.
 *
 *     pruning_test GUEST POINTS
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "machine/inspect.h"
#include "proof.h"
#include "../engine.h"

static const char rows[] =
    "[{\"target\": \"ram\", \"address\": 2097152, \"bytes\": 64}," /* data */
    " {\"target\": \"ram\", \"address\": 327648, \"bytes\": 32},"  /* the stack */
    " {\"target\": \"ram\", \"address\": 65536, \"bytes\": 1200}," /* code */
    " {\"target\": \"ram\", \"address\": 262144, \"bytes\": 264}," /* the IDT */
    " {\"target\": \"ram\", \"address\": 1055744, \"bytes\": 12}," /* page tables */
    " {\"target\": \"register\", \"name\": [\"eax\", \"ecx\", \"edx\", \"ebx\", "
    "\"esp\","
    "  \"ebp\", \"esi\", \"edi\", \"eflags\", \"eip\", \"cr3\", \"ds\"]}]";

static const char *guest;
static unsigned points;

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    proof_power_on(world, guest);
    world->most_instructions = 1000;
    proof_run_golden(world, rows);
    assert_int_equal(world->golden.end, MACHINE_END_DEBUG_EXIT);
    assert_int_equal(world->golden.exit_code, 3);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    proof_forget_golden(world);
    machine_destroy(world->machine);
    free(world);
    return 0;
}

static void same_outcome(void **state)
{
    struct world *world = *state;
    unsigned kinds[CLASS_ALONE + 1] = {0};
    const struct instruction_range range = trace_range(world->trace);
    for (unsigned i = 0; i < points; i++) {
        /* Every other one a register: there is less of them. */
        struct fault_point point;
        for (unsigned try = 0;; try++) {
            point = space_draw(world->space, range, i, try);
            if ((world->space->rows[point.row].target == FAULT_REGISTER) == (i % 2)) {
                break;
            }
        }
        struct fault_class class;
        proof_check(world, &point, &class);
        kinds[class.kind]++;
    }
    for (unsigned kind = 0; kind <= CLASS_ALONE; kind++) {
        assert_true(kinds[kind] > 0);
    }
    print_message("%u points: %u read, %u overwritten, %u unused, %u alone\n", points,
                  kinds[CLASS_READ], kinds[CLASS_OVERWRITTEN], kinds[CLASS_UNUSED],
                  kinds[CLASS_ALONE]);
    print_message("%" PRIu64 " experiments, %.0f a second\n", world->experiments,
                  (double)world->experiments * NS_PER_SECOND /
                      (double)world->experiments_ns);
}

/* Classes cut the run of a bit into pieces without gaps. */
static void sizes_add_up(void **state)
{
    struct world *world = *state;
    const struct instruction_range range = trace_range(world->trace);
    uint64_t classes = 0, pruned = 0, bits = 0;
    for (uint64_t bit = 0; bit < world->space->bits; bit++) {
        uint64_t at = range.from;
        while (at < range.to) {
            struct fault_point point = space_point_at(
                world->space, range, bit * (range.to - range.from) + at - range.from);
            struct fault_class class, other;
            assert_int_equal(point.instruction, at);
            classes_find(world->trace, &point, &class);
            assert_true(class.points > 0);
            at += class.points;
            assert_true(at <= range.to);
            point.instruction = at - 1;
            classes_find(world->trace, &point, &other);
            assert_int_equal(class.kind, other.kind);
            assert_int_equal(class.points, other.points);
            assert_int_equal(class.representative.instruction,
                             other.representative.instruction);
            classes++;
            pruned += class.kind == CLASS_OVERWRITTEN || class.kind == CLASS_UNUSED;
        }
        bits++;
    }
    print_message("%" PRIu64 " points in %" PRIu64 " classes, of which %" PRIu64
                  " need an experiment\n",
                  bits * (range.to - range.from), classes, classes - pruned);
}

/* Where it is full, it says so. */
static void limited(void **state)
{
    struct world *world = *state;
    struct error error;
    proof_restore(world);
    struct access_trace *trace =
        trace_start(world->machine, world->space, 300000, &error);
    assert_non_null(trace);
    struct outcome outcome = proof_run(world);
    assert_false(trace_stop(trace, &error));
    assert_non_null(strstr(error.text, "do without pruning"));
    trace_free(trace);
    outcome.hash = machine_hash(world->machine);
    assert_true(proof_is_same(&outcome, &world->golden));
}

/* Who looks at a place afterwards uses it. */
static void looks(void **state)
{
    struct world *world = *state;
    struct error error;
    const struct fault_point byte = {.row = 0, .unit = 0x200030}, esi = {.row = 5, 6};
    struct fault_class class;
    proof_restore(world);
    struct access_trace *trace =
        trace_start(world->machine, world->space, TRACE_MOST_BYTES, &error);
    proof_run(world);
    trace_note_look(trace, byte.unit, 4);
    trace_note_look(trace, 0, 0);
    assert_true(trace_stop(trace, &error));
    struct instruction_range range = trace_range(trace);
    const struct fault_point *const points_there[] = {&byte, &esi};
    for (unsigned i = 0; i < 2; i++) {
        struct fault_point point = *points_there[i];
        point.instruction = range.to - 1;
        classes_find(world->trace, &point, &class);
        assert_int_equal(class.kind, CLASS_UNUSED);
        classes_find(trace, &point, &class);
        assert_int_equal(class.kind, CLASS_READ);
        assert_int_equal(class.representative.instruction, range.to - 1);
    }
    trace_free(trace);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    guest = argv[1];
    points = (unsigned)strtoul(argv[2], NULL, 10);
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_outcome),
        cmocka_unit_test(sizes_add_up),
        cmocka_unit_test(limited),
        cmocka_unit_test(looks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
