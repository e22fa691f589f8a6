/* The run loop and its clock, with a BIOS of a few bytes: what ends a run, and who may
 * ask for the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/machine_internal.h"

enum {
    BIOS_BYTES = 64 << 10,
    RESET_VECTOR = 0xfff0,
    STOP_AFTER_US = 100000,
    LIMIT_S = 20, /* a machine that cannot be stopped ends the test */
};

/* A machine whose BIOS is `code`, to be run from f000:0000. */
static struct machine *create(const uint8_t *code, size_t length, enum clock_kind clock)
{
    static uint8_t bios[BIOS_BYTES];
    static const uint8_t jump_to_start[] = {0xe9, 0x0d, 0x00};
    memset(bios, 0, sizeof(bios));
    memcpy(bios, code, length);
    memcpy(bios + RESET_VECTOR, jump_to_start, sizeof(jump_to_start));
    char path[] = "/tmp/faumachine-run-test-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, bios, sizeof(bios)), sizeof(bios));
    close(fd);
    const struct machine_config config = {
        .ram_bytes = 4 << 20,
        .bios = path,
        .clock = clock,
    };
    struct error error = {.text = ""};
    struct machine *machine = machine_create(&config, &error);
    unlink(path);
    assert_string_equal(error.text, "");
    return machine;
}

static void *stop_soon(void *machine)
{
    usleep(STOP_AFTER_US);
    machine_stop(machine);
    return NULL;
}

/* Runs `code` until another thread stops it. */
static void run_and_stop(const uint8_t *code, size_t length, enum clock_kind clock)
{
    struct machine *machine = create(code, length, clock);
    pthread_t thread;
    alarm(LIMIT_S);
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, machine), 0);
    struct machine_result result = machine_run(machine, 0);
    alarm(0);
    pthread_join(thread, NULL);
    assert_int_equal(result.end, MACHINE_END_STOPPED);
    machine_destroy(machine);
}

/* The timer runs, but its interrupt gets nowhere: time is skipped from tick to tick. */
static void halted_with_masked_timer(void **state)
{
    static const uint8_t code[] = {
        0xb0, 0x34, 0xe6, 0x43, /* mov al, 0x34; out 0x43, al: channel 0, mode 2 */
        0xb0, 0x00, 0xe6, 0x40, /* mov al, 0; out 0x40, al */
        0xb0, 0x10, 0xe6, 0x40, /* mov al, 0x10; out 0x40, al */
        0xfb, 0xf4, 0xeb, 0xfd, /* sti; hlt; jmp back to the hlt */
    };
    run_and_stop(code, sizeof(code), CLOCK_KIND_COUNTED);
    run_and_stop(code, sizeof(code), CLOCK_KIND_HOST);
}

/* As fast as it can be programmed: a tick is due whenever one looks. */
static void halted_with_fast_timer(void **state)
{
    static const uint8_t code[] = {
        0xb0, 0x14, 0xe6, 0x43, /* mov al, 0x14; out 0x43, al: low byte only, mode 2 */
        0xb0, 0x02, 0xe6, 0x40, /* mov al, 2; out 0x40, al */
        0xfb, 0xf4, 0xeb, 0xfd, /* sti; hlt; jmp back to the hlt */
    };
    run_and_stop(code, sizeof(code), CLOCK_KIND_COUNTED);
    run_and_stop(code, sizeof(code), CLOCK_KIND_HOST);
}

static void halted_for_good(void **state)
{
    static const uint8_t code[] = {0xfa, 0xf4, 0xeb, 0xfc}; /* cli; hlt; jmp */
    run_and_stop(code, sizeof(code), CLOCK_KIND_COUNTED);
    run_and_stop(code, sizeof(code), CLOCK_KIND_HOST);
}

static void busy(void **state)
{
    static const uint8_t code[] = {0xeb, 0xfe}; /* jmp to itself */
    run_and_stop(code, sizeof(code), CLOCK_KIND_COUNTED);
    run_and_stop(code, sizeof(code), CLOCK_KIND_HOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halted_with_masked_timer),
        cmocka_unit_test(halted_with_fast_timer),
        cmocka_unit_test(halted_for_good),
        cmocka_unit_test(busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
