/* The seam between scripts and an injector: there is inject() with one and not without,
 * texts and reports pass through, and what an injector refuses is told with its line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiment/experiment.h"

enum { BIOS_BYTES = 64 << 10, LIMIT_S = 20, SEED = 12 };

/* A machine whose BIOS does nothing, and what the injector has heard. */
struct world {
    char bios[64], script[64];
    char heard[64];
    unsigned injectors; /* that there are */
};

static struct world *the_world; /* for functions that are given a machine only */

static void write_file(char *path, size_t bytes, const char *data, size_t count)
{
    snprintf(path, bytes, "/tmp/faumachine-injection-XXXXXX");
    int fd = mkstemp(path);
    assert_int_equal(write(fd, data, count), count);
    close(fd);
}

static int set_up(void **state)
{
    static char bios[BIOS_BYTES];
    memset(bios, 0x90, sizeof(bios));
    memcpy(bios + 0xfff0, "\xeb\xfe", 2); /* jmp to itself */
    struct world *world = the_world = calloc(1, sizeof(*world));
    write_file(world->bios, sizeof(world->bios), bios, sizeof(bios));
    *state = world;
    alarm(LIMIT_S);
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    unlink(world->bios);
    free(world);
    alarm(0);
    return 0;
}

static bool configure(void *opaque, int count, char *const arguments[],
                      struct machine_config *config, struct error *error)
{
    const struct world *world = opaque;
    (void)count, (void)arguments, (void)error;
    *config = (struct machine_config){
        .ram_bytes = 4 << 20, .bios = world->bios, .engine = "interpreter"};
    return true;
}

static bool start(void *opaque, struct machine *machine, struct error *error)
{
    (void)opaque;
    return machine_power_on(machine, error);
}

static void ended(void *opaque, struct machine *machine)
{
    const struct world *world = opaque;
    (void)machine;
    assert_int_equal(world->injectors, 0);
}

static void print(void *opaque, const char *line)
{
    (void)opaque, (void)line;
}

static void *create(struct machine *machine, uint64_t seed, struct error *error)
{
    (void)machine, (void)error;
    assert_int_equal(seed, SEED);
    the_world->injectors++;
    return the_world;
}

static void destroy(void *injector)
{
    struct world *world = injector;
    world->injectors--;
}

static bool inject(void *injector, const char *text, struct error *error)
{
    struct world *world = injector;
    snprintf(world->heard, sizeof(world->heard), "%s", text);
    if (strcmp(text, "target=moon") == 0) {
        return error_set(error, "target=moon: there are ram and disk");
    }
    return true;
}

static void report(void *injector, unsigned fault, FILE *stream)
{
    (void)injector;
    fprintf(stream,
            "{\"fault\": %u, \"injected\": true, \"rate\": 0.5, \"nothing\": null, "
            "\"activated\": [\"0x1234\", {\"how\": \"read\"}]}",
            fault);
}

static const struct injector fake = {
    .create = create, .destroy = destroy, .inject = inject, .report = report};

/* The outcome; `expected` is part of the detail. */
static void run(struct world *world, const char *script,
                const struct injector *injector, const char *outcome,
                const char *expected, size_t faults)
{
    write_file(world->script, sizeof(world->script), script, strlen(script));
    const struct experiment_options options = {
        .script = world->script, .seed = SEED, .limit_s = LIMIT_S};
    const struct experiment_host host = {.configure = configure,
                                         .start = start,
                                         .ended = ended,
                                         .print = print,
                                         .injector = injector,
                                         .opaque = world};
    struct experiment_result result;
    struct error error = {.text = ""};
    bool good = experiment_run(&options, &host, &result, &error);
    unlink(world->script);
    assert_string_equal(error.text, "");
    assert_true(good);
    assert_non_null(strstr(result.detail, expected));
    assert_string_equal(result.outcome, outcome);
    assert_int_equal(json_array_size(result.faults), faults);
    experiment_result_free(&result);
}

static void test_injector(void **state)
{
    struct world *world = *state;
    run(world,
        "machine {memory = '4M'}\n"
        "inject('target=disk')\n"
        "local fault = inject('target=ram,bit=3')\n"
        "run_for('10 us')\n"
        "local report = fault_report(fault)\n"
        "expect_equal(report.fault, fault)\n"
        "expect_equal(report.injected, true)\n"
        "outcome(report.activated[2].how, report.activated[1])\n",
        &fake, "read", "0x1234", 2);
    assert_string_equal(world->heard, "target=ram,bit=3");
}

static void test_table(void **state)
{
    struct world *world = *state;
    run(world,
        "experiment {machine = {memory = '4M'}, fault = 'target=disk', outcome = 'x'}",
        &fake, "x", "", 1);
    assert_string_equal(world->heard, "target=disk");
}

static void test_refused(void **state)
{
    run(*state, "machine {memory = '4M'}\n\ninject('target=moon')", &fake, "error",
        ":3: inject: target=moon: there are ram and disk", 0);
    run(*state, "inject('target=ram')", &fake, "error", ":1: there is no machine yet",
        0);
    run(*state, "machine {memory = '4M'}\ninject(1)", &fake, "error",
        ":2: inject: a string is needed", 0);
    run(*state, "machine {memory = '4M'}\nfault_report(0)", &fake, "error",
        ":2: fault_report: there is no fault 0", 0);
}

static void test_none(void **state)
{
    run(*state, "machine {memory = '4M'}\ninject('target=ram')", NULL, "error",
        "global 'inject'", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_injector, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
