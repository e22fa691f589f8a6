#include "proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "faults/faults.h"
#include "faults/page_watch.h"
#include "faults/register_file.h"
#include "machine/consoles.h"
#include "machine/control.h"
#include "machine/inspect.h"
#include "machine/seams.h"
#include "../engine.h"

uint64_t proof_now_ns(void)
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

struct outcome proof_run(struct world *world)
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

void proof_restore(struct world *world)
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
    uint64_t began_ns = proof_now_ns();
    proof_restore(world);
    space_describe(world->space, point, text);
    struct faults *faults =
        faults_create(world->machine, &(struct faults_config){.seed = 1}, &error);
    const struct fault *fault = faults_arm_text(faults, "-fault", text, &error);
    assert_string_equal(error.text, "");
    struct outcome outcome = proof_run(world);
    assert_int_equal(fault_report(fault)->injections, 1);
    faults_destroy(faults);
    world->experiments_ns += proof_now_ns() - began_ns;
    world->experiments++;
    if (take_back) {
        invert(world, point);
    }
    outcome.hash = machine_hash(world->machine);
    return outcome;
}

bool proof_is_same(const struct outcome *a, const struct outcome *b)
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
    if (!proof_is_same(found, expected)) {
        space_describe(world->space, point, text);
        print_error("%s: class %d, up to %" PRIu64 "\n", text, class->kind,
                    class->representative.instruction);
        print_outcome("this point", found);
        print_outcome("its class", expected);
        fail();
    }
}

/* -- the guest, up to the beginning of the golden run, and the golden run -- */

void proof_power_on(struct world *world, const char *bios)
{
    struct error error;
    const struct machine_config config = {
        .ram_bytes = 8 << 20,
        .bios = bios,
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
}

void proof_run_golden(struct world *world, const char *rows)
{
    struct error error = {.text = ""};
    const uint64_t from = machine_cpu(world->machine)->retired;
    world->checkpoint = checkpoint_take(world->machine, &error);
    assert_non_null(world->checkpoint);
    world->golden = proof_run(world);
    world->golden.hash = machine_hash(world->machine);

    json_t *json = json_loads(rows, 0, NULL);
    world->space = space_create(json, world->machine, &error);
    json_decref(json);
    assert_string_equal(error.text, "");
    proof_restore(world);
    world->trace = trace_start(world->machine, world->space, TRACE_MOST_BYTES, &error);
    assert_non_null(world->trace);
    struct outcome traced = proof_run(world);
    assert_true(trace_stop(world->trace, &error));
    traced.hash = machine_hash(world->machine);
    if (!proof_is_same(&traced, &world->golden)) {
        print_outcome("golden run", &world->golden);
        print_outcome("with a trace", &traced);
        fail();
    }
    struct instruction_range range = trace_range(world->trace);
    assert_int_equal(range.from, from);
    assert_int_equal(range.to, world->golden.instructions);
}

void proof_forget_golden(struct world *world)
{
    trace_free(world->trace);
    space_destroy(world->space);
    checkpoint_free(world->checkpoint);
}

void proof_check(struct world *world, const struct fault_point *point,
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
