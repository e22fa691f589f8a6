/* With a counted clock a run is a function of its input: the same machine boots the
 * same kernel twice, once in one go from point to point, once in odd slices, and at
 * every point registers, devices and RAM are the same. The second run is always the
 * interpreter's: engines do not differ either. With another command line they do.
 *
 *   determinism_test FETCH_GUEST
 *
 * Ends with status 77 (skipped) when the guest cannot be fetched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine.h"
#include "debian_guest.h"
#include "machine/machine.h"

enum { POINTS = 6 };
static const uint64_t point_distance = 600000000; /* instructions */
static const uint64_t slice = 7654321;
static const char command_line[] = "console=ttyS0 panic=-1 faumachine.batch";

struct guest {
    struct debian_guest debian;
    char serial[64], log[80]; /* a file, and "file:" with its name */
};

/* One run: hashes at points, and what the guest has printed. */
struct record {
    uint64_t hashes[POINTS];
    char *output;
    size_t output_length;
};

static void read_file(const char *path, struct record *record)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long length = ftell(file);
    assert_true(length >= 0);
    rewind(file);
    record->output = malloc((size_t)length + 1);
    assert_non_null(record->output);
    record->output_length = fread(record->output, 1, (size_t)length, file);
    record->output[record->output_length] = 0;
    fclose(file);
}

static struct machine *power_on(const struct guest *guest, const char *engine,
                                const char *append)
{
    struct machine_config config =
        debian_guest_configuration(&guest->debian, engine, append);
    config.serial[0] = guest->log;
    struct error error = {.text = ""};
    struct machine *machine = machine_create(&config, &error);
    if (!machine) {
        fail_msg("%s", error.text);
    }
    return machine;
}

/* Runs past `points` points, at most `most` instructions at a time. */
static void boot(const struct guest *guest, const char *engine, const char *append,
                 unsigned points, uint64_t most, struct record *record)
{
    struct machine *machine = power_on(guest, engine, append);
    for (unsigned i = 0; i < points; i++) {
        for (uint64_t left = point_distance; left > 0;) {
            uint64_t now = left < most ? left : most;
            struct machine_result result = machine_run(machine, now);
            assert_int_equal(result.end, MACHINE_END_BUDGET);
            left -= now;
        }
        record->hashes[i] = machine_hash(machine);
        print_message("%4" PRIu64 " million instructions: %016" PRIx64 "\n",
                      (i + 1) * point_distance / 1000000, record->hashes[i]);
    }
    machine_destroy(machine);
    read_file(guest->serial, record);
}

static void same_input_same_run(void **state)
{
    const struct guest *guest = *state;
    struct record first = {0}, second = {0};
    boot(guest, tested_engine_name(), command_line, POINTS, UINT64_MAX, &first);
    boot(guest, interpreter_engine.name, command_line, POINTS, slice, &second);
    for (unsigned i = 0; i < POINTS; i++) {
        assert_int_equal(first.hashes[i], second.hashes[i]);
        assert_true(i == 0 || first.hashes[i] != first.hashes[i - 1]);
    }
    /* So far into the boot that timers, interrupts and devices have had their say. */
    assert_non_null(strstr(first.output, "Linux version"));
    assert_int_equal(first.output_length, second.output_length);
    assert_memory_equal(first.output, second.output, first.output_length);
    free(first.output);
    free(second.output);
}

static void other_input_other_run(void **state)
{
    const struct guest *guest = *state;
    enum { ENOUGH = 2 };
    struct record first = {0}, second = {0};
    boot(guest, tested_engine_name(), command_line, ENOUGH, UINT64_MAX, &first);
    boot(guest, tested_engine_name(), "console=ttyS0 panic=-1 faumachine.other", ENOUGH,
         UINT64_MAX, &second);
    assert_true(first.hashes[ENOUGH - 1] != second.hashes[ENOUGH - 1]);
    free(first.output);
    free(second.output);
}

int main(int argc, char *argv[])
{
    static struct guest guest;
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    if (argc != 2 || !debian_guest_fetch(argv[1], &guest.debian)) {
        puts("cannot fetch the guest: skipped");
        return TEST_SKIPPED;
    }
    strcpy(guest.serial, "/tmp/faumachine-determinism-XXXXXX");
    int fd = mkstemp(guest.serial);
    if (fd < 0) {
        perror("mkstemp");
        return 1;
    }
    close(fd);
    snprintf(guest.log, sizeof(guest.log), "file:%s", guest.serial);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(same_input_same_run, &guest),
        cmocka_unit_test_prestate(other_input_other_run, &guest),
    };
    int failures = cmocka_run_group_tests_name("determinism", tests, NULL, NULL);
    unlink(guest.serial);
    return failures;
}
