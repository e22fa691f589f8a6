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
#include <time.h>

#include "campaign/classes.h"
#include "faults/faults.h"
#include "faults/page_watch.h"
#include "faults/register_file.h"
#include "machine/checkpoint.h"
#include "machine/consoles.h"
#include "machine/control.h"
#include "machine/inspect.h"
#include "machine/seams.h"
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

struct outcome {
    enum machine_end end;
    int exit_code;
    uint64_t instructions, console, hash;
};

struct world {
    struct machine *machine;
    struct checkpoint *checkpoint;
    struct fault_space *space;
    struct access_trace *trace;
    struct outcome golden;
    uint64_t most_instructions;
    uint64_t console; /* a hash of what was sent */
    bool ready;
    uint64_t experiments, experiments_ns;
};

static const char *guest;
static unsigned points;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static void sent(void *opaque, unsigned console, uint8_t byte)
{
    struct world *world = opaque;
    if (!world->ready) {
        world->ready = true;
        machine_interrupt(world->machine);
        return;
    }
    world->console = (world->console ^ byte ^ console) * 0x9e3779b97f4a7c15ULL;
}

static struct outcome run(struct world *world)
{
    world->console = 0;
    struct machine_result result =
        machine_run(world->machine, world->most_instructions);
    return (struct outcome){
        .end = result.end,
        .exit_code = result.end == MACHINE_END_DEBUG_EXIT ? result.exit_code : 0,
        .instructions = machine_cpu(world->machine)->retired,
        .console = world->console,
    };
}

static void restore(struct world *world)
{
    struct error error;
    assert_true(checkpoint_restore(world->machine, world->checkpoint, &error));
}

/* What stays in its place in the end is taken back. */
static void invert(struct world *world, const struct fault_point *point)
{
    const struct space_row *row = &world->space->rows[point->row];
    if (row->target == FAULT_RAM) {
        const struct page_watches memory = {
            .map = machine_memory_to_change(world->machine)};
        *page_watch_ram(&memory, point->unit) ^= (uint8_t)(1U << point->bit);
        return;
    }
    uint8_t value[REGISTER_FILE_BYTES];
    const struct register_name *name = row->registers[point->unit].name;
    register_get(machine_cpu(world->machine), name, value);
    value[point->bit / 8] ^= (uint8_t)(1U << (point->bit % 8));
    register_set(world->machine, name, value);
}

static struct outcome experiment(struct world *world, const struct fault_point *point,
                                 bool take_back)
{
    struct error error = {.text = ""};
    char text[SPACE_TEXT_BYTES];
    uint64_t began_ns = now_ns();
    restore(world);
    space_describe(world->space, point, text);
    struct faults *faults =
        faults_create(world->machine, &(struct faults_config){.seed = 1}, &error);
    const struct fault *fault = faults_arm_text(faults, "-fault", text, &error);
    assert_string_equal(error.text, "");
    struct outcome outcome = run(world);
    assert_int_equal(fault_report(fault)->injections, 1);
    faults_destroy(faults);
    world->experiments_ns += now_ns() - began_ns;
    world->experiments++;
    if (take_back) {
        invert(world, point);
    }
    outcome.hash = machine_hash(world->machine);
    return outcome;
}

static bool is_same(const struct outcome *a, const struct outcome *b)
{
    return a->end == b->end && a->exit_code == b->exit_code &&
           a->instructions == b->instructions && a->console == b->console &&
           a->hash == b->hash;
}

static void print_outcome(const char *what, const struct outcome *outcome)
{
    print_error("%s: end %d, status %d, %" PRIu64 " instructions, console %" PRIx64
                ", hash %" PRIx64 "\n",
                what, outcome->end, outcome->exit_code, outcome->instructions,
                outcome->console, outcome->hash);
}

static void check_same(const struct world *world, const struct fault_point *point,
                       const struct fault_class *class, const struct outcome *found,
                       const struct outcome *expected)
{
    char text[SPACE_TEXT_BYTES];
    if (!is_same(found, expected)) {
        space_describe(world->space, point, text);
        print_error("%s: class %d, up to %" PRIu64 "\n", text, class->kind,
                    class->representative.instruction);
        print_outcome("this point", found);
        print_outcome("its class", expected);
        fail();
    }
}

/* -- the guest, up to the beginning of the golden run, and the golden run -- */

static void power_on(struct world *world)
{
    struct error error;
    const struct machine_config config = {
        .ram_bytes = 8 << 20,
        .bios = guest,
        .engine = tested_engine_name(),
        .clock = CLOCK_KIND_COUNTED,
        .no_reboot = true,
        .halt_ends = true,
        .devices = {"isa-debug-exit,iobase=0xf4"},
    };
    const struct console_listener listener = {.sent = sent, .opaque = world};
    world->machine = machine_create(&config, &error);
    assert_non_null(world->machine);
    machine_listen_to_consoles(world->machine, &listener);
    assert_int_equal(machine_run(world->machine, 100000).end, MACHINE_END_INTERRUPTED);
    world->checkpoint = checkpoint_take(world->machine, &error);
    assert_non_null(world->checkpoint);
}

static void run_golden(struct world *world)
{
    struct error error = {.text = ""};
    uint64_t from = machine_cpu(world->machine)->retired;
    world->most_instructions = 20000;
    world->golden = run(world);
    world->golden.hash = machine_hash(world->machine);
    assert_int_equal(world->golden.end, MACHINE_END_DEBUG_EXIT);
    assert_int_equal(world->golden.exit_code, 3);
    world->most_instructions = 2 * (world->golden.instructions - from);

    json_t *json = json_loads(rows, 0, NULL);
    world->space = space_create(json, world->machine, &error);
    json_decref(json);
    assert_string_equal(error.text, "");
    restore(world);
    uint64_t began_ns = now_ns();
    world->trace = trace_start(world->machine, world->space, TRACE_MOST_BYTES, &error);
    assert_non_null(world->trace);
    struct outcome traced = run(world);
    assert_true(trace_stop(world->trace, &error));
    began_ns = now_ns() - began_ns;
    traced.hash = machine_hash(world->machine);
    assert_true(is_same(&traced, &world->golden));
    struct instruction_range range = trace_range(world->trace);
    assert_int_equal(range.from, from);
    assert_int_equal(range.to, world->golden.instructions);
    struct trace_statistics statistics = trace_statistics(world->trace);
    print_message("golden run: %" PRIu64 " instructions, %" PRIu64
                  " accesses in %" PRIu64 " KiB, %.2f million instructions a second\n",
                  range.to - range.from, statistics.accesses, statistics.bytes >> 10,
                  (double)(range.to - range.from) * 1000 / (double)began_ns);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    power_on(world);
    run_golden(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    trace_free(world->trace);
    space_destroy(world->space);
    checkpoint_free(world->checkpoint);
    machine_destroy(world->machine);
    free(world);
    return 0;
}

/* -- proofs -- */

static void check_point(struct world *world, const struct fault_point *point,
                        struct fault_class *class)
{
    classes_find(world->trace, point, class);
    if (class->kind == CLASS_ALONE ||
        (class->kind == CLASS_READ &&
         class->representative.instruction == point->instruction)) {
        return;
    }
    struct outcome found = experiment(world, point, class->kind == CLASS_UNUSED);
    struct outcome expected = class->kind == CLASS_READ
                                  ? experiment(world, &class->representative, false)
                                  : world->golden;
    check_same(world, point, class, &found, &expected);
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
        check_point(world, &point, &class);
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
    restore(world);
    struct access_trace *trace =
        trace_start(world->machine, world->space, 300000, &error);
    assert_non_null(trace);
    struct outcome outcome = run(world);
    assert_false(trace_stop(trace, &error));
    assert_non_null(strstr(error.text, "do without pruning"));
    trace_free(trace);
    outcome.hash = machine_hash(world->machine);
    assert_true(is_same(&outcome, &world->golden));
}

/* Who looks at a place afterwards uses it. */
static void looks(void **state)
{
    struct world *world = *state;
    struct error error;
    const struct fault_point byte = {.row = 0, .unit = 0x200030}, esi = {.row = 5, 6};
    struct fault_class class;
    restore(world);
    struct access_trace *trace =
        trace_start(world->machine, world->space, TRACE_MOST_BYTES, &error);
    run(world);
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
