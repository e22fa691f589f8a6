/* A booting guest is put back to checkpoints, and goes on as it did the first time: at
 * every point registers, devices and RAM are what they are in a machine that was never
 * put back.
 *
 *   checkpoint_test FETCH_GUEST
 *
 * Ends with status 77 (skipped) when the guest cannot be fetched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "../engine.h"
#include "debian_guest.h"
#include "machine/checkpoint.h"

enum { POINTS = 4, TIMES = 200 };
static const uint64_t first_point = 600000000, distance = 20000000;
static const char command_line[] = "console=ttyS0 panic=-1 faumachine.batch";

static struct machine *create(const struct debian_guest *guest)
{
    struct machine_config config =
        debian_guest_configuration(guest, tested_engine_name(), command_line);
    config.serial[0] = "null";
    struct error error = {.text = ""};
    struct machine *machine = machine_create(&config, &error);
    if (!machine) {
        fail_msg("%s", error.text);
    }
    return machine;
}

static void run(struct machine *machine, uint64_t instructions)
{
    assert_int_equal(machine_run(machine, instructions).end, MACHINE_END_BUDGET);
}

static struct checkpoint *take(struct machine *machine)
{
    struct error error;
    struct checkpoint *checkpoint = checkpoint_take(machine, &error);
    assert_non_null(checkpoint);
    return checkpoint;
}

static void restore(struct machine *machine, const struct checkpoint *checkpoint)
{
    struct error error;
    assert_true(checkpoint_restore(machine, checkpoint, &error));
}

/* Puts the machine back to point `from`, and runs it to the last one. */
static void go_again(struct machine *machine, struct checkpoint *const *checkpoints,
                     const uint64_t *hashes, unsigned from)
{
    restore(machine, checkpoints[from]);
    assert_int_equal(machine_hash(machine), hashes[from]);
    for (unsigned i = from + 1; i < POINTS; i++) {
        run(machine, distance);
        assert_int_equal(machine_hash(machine), hashes[i]);
    }
}

static void goes_on_as_before(void **state)
{
    struct checkpoint *checkpoints[POINTS];
    uint64_t hashes[POINTS];
    struct machine *machine = create(*state);
    for (unsigned i = 0; i < POINTS; i++) {
        run(machine, i ? distance : first_point);
        hashes[i] = machine_hash(machine);
        assert_true(i == 0 || hashes[i] != hashes[i - 1]);
    }
    machine_destroy(machine);
    machine = create(*state);
    for (unsigned i = 0; i < POINTS; i++) {
        run(machine, i ? distance : first_point);
        checkpoints[i] = take(machine);
        assert_int_equal(machine_hash(machine), hashes[i]);
    }
    for (unsigned i = 0; i < POINTS; i++) {
        go_again(machine, checkpoints, hashes, i);
        go_again(machine, checkpoints, hashes, POINTS - 1 - i);
    }
    checkpoint_free(checkpoints[1]);
    go_again(machine, checkpoints, hashes, 0);
    for (unsigned i = 0; i < POINTS; i++) {
        if (i != 1) {
            checkpoint_free(checkpoints[i]);
        }
    }
    machine_destroy(machine);
}

/* How many mappings this process has, and how many pages. */
static void count_host(unsigned *mappings, unsigned long *pages)
{
    FILE *file = fopen("/proc/self/maps", "r");
    *mappings = 0;
    for (int c; (c = fgetc(file)) != EOF;) {
        *mappings += c == '\n';
    }
    fclose(file);
    file = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(file, "%*u %lu", pages), 1);
    fclose(file);
}

/* Nothing grows with the number of times, and from short runs the same comes out. */
static void many_times(void **state)
{
    enum { SLACK_MAPPINGS = 300, SLACK_PAGES = 2000, WARM = 20 };
    struct machine *machine = create(*state);
    unsigned mappings, mappings_later;
    unsigned long pages, pages_later;
    run(machine, first_point);
    struct checkpoint *checkpoint = take(machine);
    uint64_t hash = 0;
    for (unsigned i = 0; i < TIMES; i++) {
        run(machine, 1000000);
        uint64_t now = i % 20 == 0 ? machine_hash(machine) : hash;
        hash = i == 0 ? now : hash;
        assert_int_equal(now, hash);
        restore(machine, checkpoint);
        if (i == WARM) {
            count_host(&mappings, &pages);
        }
    }
    count_host(&mappings_later, &pages_later);
    print_message("mappings: %u, then %u; pages: %lu, then %lu\n", mappings,
                  mappings_later, pages, pages_later);
    assert_in_range(mappings_later, 0, mappings + SLACK_MAPPINGS);
    assert_in_range(pages_later, 0, pages + SLACK_PAGES);
    checkpoint_free(checkpoint);
    machine_destroy(machine);
}

int main(int argc, char *argv[])
{
    static struct debian_guest guest;
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    if (argc != 2 || !debian_guest_fetch(argv[1], &guest)) {
        puts("cannot fetch the guest: skipped");
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(goes_on_as_before, &guest),
        cmocka_unit_test_prestate(many_times, &guest),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
