/* ACPI registers, PM timer, power button and power-off, SMBus. */
#include "chipset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum {
    BASE = 0x600,
    STATUS = BASE,
    ENABLE = BASE + 2,
    CONTROL = BASE + 4,
    TIMER = BASE + 8,
    SMBUS = 0x700,
    SCI = 9,
    TIMER_HZ = 3579545,
};

static int setup(void **state)
{
    struct bench *bench = bench_create();
    config_write(bench, 1, 3, 0x40, BASE | 1, 4);
    config_write(bench, 1, 3, 0x80, 1, 1);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    bench_destroy(*state);
    return 0;
}

static uint32_t in(struct bench *bench, uint16_t port, unsigned width)
{
    return port_read(&bench->ports, port, width);
}

static void out(struct bench *bench, uint16_t port, uint32_t value, unsigned width)
{
    port_write(&bench->ports, port, value, width);
}

static void test_window(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(config_read(bench, 1, 3, 0x40, 4), BASE | 1);
    assert_int_equal(in(bench, CONTROL, 2), 0);
    config_write(bench, 1, 3, 0x40, 0xb000, 4);
    assert_int_equal(in(bench, CONTROL, 2), 0xffff);
    assert_int_equal(in(bench, 0xb004, 2), 0);
    config_write(bench, 1, 3, 0x80, 0, 1);
    assert_int_equal(in(bench, 0xb004, 2), 0xffff);
    /* SMM counts as set up: nobody would answer an SMI. */
    assert_int_equal(config_read(bench, 1, 3, 0x5b, 1), 0x02);
}

static void test_timer_counts(void **state)
{
    struct bench *bench = *state;
    uint32_t before = in(bench, TIMER, 4);
    clock_step_ns(&bench->clock, NS_PER_SECOND);
    uint32_t after = in(bench, TIMER, 4);
    assert_int_equal(after - before, TIMER_HZ);
    assert_int_equal(in(bench, TIMER + 1, 1), after >> 8 & 0xff);
    clock_step_ns(&bench->clock, 4 * NS_PER_SECOND);
    assert_int_equal(in(bench, TIMER, 4), (5ULL * TIMER_HZ) & 0xffffff);
}

/* On a clock that goes on while the bytes are put together. */
static void test_timer_never_goes_back(void **state)
{
    struct bench *bench = *state;
    clock_init(&bench->clock, CLOCK_KIND_HOST, 0);
    uint32_t before = in(bench, TIMER, 4);
    for (unsigned i = 0; i < 200000; i++) {
        uint32_t now = in(bench, TIMER, 4);
        assert_true(((now - before) & 0xffffff) < 0x800000);
        before = now;
    }
}

static void test_timer_overflow_interrupt(void **state)
{
    struct bench *bench = *state;
    out(bench, 0xb2, 0xf1, 1);
    assert_int_equal(in(bench, CONTROL, 2) & 1, 1);
    out(bench, ENABLE, 1, 2);
    clock_step_ns(&bench->clock, 2343 * 1000000ULL); /* 2^23 ticks are 2.3435 s */
    assert_false(bench->lines[SCI]);
    assert_int_equal(in(bench, STATUS, 2) & 1, 0);
    clock_step_ns(&bench->clock, 1000000);
    assert_true(bench->lines[SCI]);
    assert_int_equal(in(bench, STATUS, 2) & 1, 1);
    out(bench, STATUS, 1, 2);
    assert_false(bench->lines[SCI]);
    clock_step_ns(&bench->clock, 2344 * 1000000ULL);
    assert_true(bench->lines[SCI]);
    out(bench, ENABLE, 0, 2);
    assert_false(bench->lines[SCI]);
}

/* The status bit comes without anybody waiting for it, too. */
static void test_timer_status_without_enable(void **state)
{
    struct bench *bench = *state;
    clock_step_ns(&bench->clock, 3 * NS_PER_SECOND);
    assert_int_equal(clock_next_deadline_ns(&bench->clock), CLOCK_NEVER);
    assert_int_equal(in(bench, STATUS, 2) & 1, 1);
    out(bench, STATUS, 1, 1);
    assert_int_equal(in(bench, STATUS, 2) & 1, 0);
}

static void test_acpi_enable_decides_sci(void **state)
{
    struct bench *bench = *state;
    out(bench, ENABLE, 0x100, 2);
    piix4_pm_power_button(bench->pm);
    assert_int_equal(in(bench, STATUS, 2), 0x100);
    assert_false(bench->lines[SCI]);
    out(bench, 0xb2, 0xf1, 1);
    assert_true(bench->lines[SCI]);
    out(bench, 0xb2, 0xf0, 1);
    assert_false(bench->lines[SCI]);
    assert_int_equal(in(bench, 0xb2, 1), 0xf0);
    out(bench, 0xb3, 0x5a, 1);
    assert_int_equal(in(bench, 0xb3, 1), 0x5a);
}

static void test_double_word_covers_both(void **state)
{
    struct bench *bench = *state;
    piix4_pm_power_button(bench->pm);
    out(bench, STATUS, 0x05210100, 4);
    assert_int_equal(in(bench, STATUS, 4), 0x05210000);
    out(bench, ENABLE + 1, 0x04, 1);
    assert_int_equal(in(bench, ENABLE, 2), 0x0421);
}

static void test_power_off(void **state)
{
    struct bench *bench = *state;
    out(bench, CONTROL, 0x0000, 2);
    out(bench, CONTROL, 1 << 10 | 0x2000, 2); /* S3: is not there */
    assert_int_equal(bench->power_offs, 0);
    out(bench, CONTROL, 0x2001, 2);
    assert_int_equal(bench->power_offs, 1);
    assert_int_equal(in(bench, CONTROL, 2), 0x0001);
    out(bench, CONTROL + 1, 0x20, 1); /* by bytes */
    assert_int_equal(bench->power_offs, 2);
}

static void test_gpe(void **state)
{
    struct bench *bench = *state;
    out(bench, 0xafe0, 0x12340000, 4);
    assert_int_equal(in(bench, 0xafe0, 4), 0x12340000);
    assert_int_equal(in(bench, 0xafe3, 1), 0x12);
}

static void test_smbus_is_empty(void **state)
{
    struct bench *bench = *state;
    config_write(bench, 1, 3, 0x90, SMBUS | 1, 4);
    config_write(bench, 1, 3, 0xd2, 0x09, 1);
    assert_int_equal(in(bench, SMBUS, 1), 0xff);
    config_write(bench, 1, 3, PCI_COMMAND, PCI_COMMAND_IO, 2);
    assert_int_equal(in(bench, SMBUS, 1), 0);
    out(bench, SMBUS + 4, 0xa1, 1);
    out(bench, SMBUS + 2, 0x49, 1); /* start, interrupt */
    assert_int_equal(in(bench, SMBUS, 1), 0x04);
    assert_true(bench->lines[SCI]);
    out(bench, SMBUS, 0xff, 1);
    assert_int_equal(in(bench, SMBUS, 1), 0);
    assert_false(bench->lines[SCI]);
}

static void test_load_keeps_the_deadline(void **state)
{
    struct bench *bench = *state;
    struct device *device = (struct device *)bench->pm;
    struct state_buffer saved = {0};
    struct error error;
    out(bench, 0xb2, 0xf1, 1);
    out(bench, ENABLE, 1, 2);
    uint64_t deadline_ns = clock_next_deadline_ns(&bench->clock);
    device_save(device, &saved);
    device->class->reset(device);
    device->class->reset_lines(device);
    assert_int_equal(clock_next_deadline_ns(&bench->clock), CLOCK_NEVER);
    assert_int_equal(in(bench, ENABLE, 2), 0xffff);
    assert_true(device_load(device, &saved, &error));
    assert_int_equal(clock_next_deadline_ns(&bench->clock), deadline_ns);
    assert_int_equal(in(bench, ENABLE, 2), 1);
    state_buffer_free(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_never_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_overflow_interrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_status_without_enable, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_acpi_enable_decides_sci, setup, teardown),
        cmocka_unit_test_setup_teardown(test_double_word_covers_both, setup, teardown),
        cmocka_unit_test_setup_teardown(test_power_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gpe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_smbus_is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load_keeps_the_deadline, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
