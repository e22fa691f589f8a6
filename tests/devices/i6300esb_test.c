/* The watchdog timer, programmed as its Linux driver does. */
#include "chipset.h"

#include "devices/i6300esb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum { SLOT = 5, BAR = 0xe0000000, IRQ = 10 };
enum { PRELOAD1 = BAR, PRELOAD2 = BAR + 4, INTERRUPT = BAR + 8, RELOAD = BAR + 12 };
enum { CONFIGURATION = 0x60, LOCK = 0x68, LOCKED = 1, ENABLE = 2, FREE = 4 };

/* A unit of the slow clock: 2^15 cycles of 30 ns. */
#define UNIT_NS (32768ULL * 30)

struct setting {
    struct bench *bench;
    struct i6300esb *watchdog;
    unsigned acts;
};

static void act(void *opaque)
{
    struct setting *setting = opaque;
    setting->acts++;
}

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    struct bench *bench = setting->bench = bench_create();
    setting->watchdog =
        i6300esb_create(&bench->log, bench->bus, SLOT, &bench->clock, act, setting);
    config_write(bench, SLOT, 0, PCI_BAR0, BAR, 4);
    config_write(bench, SLOT, 0, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    config_write(bench, 1, 0, 0x60, 0x0a0a0a0a, 4); /* all PIRQs are interrupt 10 */
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    device_destroy((struct device *)setting->watchdog);
    bench_destroy(setting->bench);
    free(setting);
    return 0;
}

static void put16(struct setting *setting, uint32_t address, uint16_t value)
{
    memory_write(&setting->bench->memory, address, &value, sizeof(value));
}

static void put(struct setting *setting, uint32_t address, uint32_t value)
{
    put16(setting, RELOAD, 0x80);
    put16(setting, RELOAD, 0x86);
    memory_write32(&setting->bench->memory, address, value);
}

static uint32_t status(struct setting *setting)
{
    return memory_read32(&setting->bench->memory, RELOAD);
}

static void start(struct setting *setting, uint8_t lock)
{
    put(setting, PRELOAD1, 99);
    put(setting, PRELOAD2, 49);
    config_write(setting->bench, SLOT, 0, LOCK, lock, 1);
}

static void step(struct setting *setting, uint64_t ns)
{
    clock_step_ns(&setting->bench->clock, ns);
}

static void two_stages(void **state)
{
    struct setting *setting = *state;
    assert_int_equal(config_read(setting->bench, SLOT, 0, 0, 4), 0x25ab8086);
    start(setting, ENABLE);
    step(setting, 100 * UNIT_NS - 1);
    assert_false(setting->bench->isa[IRQ]);
    step(setting, 1);
    assert_true(setting->bench->isa[IRQ]);
    put16(setting, INTERRUPT, 1);
    assert_false(setting->bench->isa[IRQ]);
    step(setting, 50 * UNIT_NS - 1);
    assert_int_equal(setting->acts, 0);
    step(setting, 1);
    assert_int_equal(setting->acts, 1);
    assert_int_equal(status(setting), 0x200);
    step(setting, 1000 * UNIT_NS);
    assert_int_equal(setting->acts, 1);
    put(setting, RELOAD, 0x200);
    assert_int_equal(status(setting), 0);
}

static void reloaded(void **state)
{
    struct setting *setting = *state;
    config_write(setting->bench, SLOT, 0, CONFIGURATION, 3, 2); /* no interrupt */
    start(setting, ENABLE);
    for (unsigned i = 0; i < 5; i++) {
        step(setting, 120 * UNIT_NS);
        put(setting, RELOAD, 0x100);
    }
    assert_int_equal(setting->acts, 0);
    assert_false(setting->bench->isa[IRQ]);
    step(setting, 140 * UNIT_NS);
    put16(setting, RELOAD, 0x100); /* without the sequence it is none */
    step(setting, 10 * UNIT_NS);
    assert_int_equal(setting->acts, 1);
}

static void switched_off_and_locked(void **state)
{
    struct setting *setting = *state;
    start(setting, ENABLE);
    config_write(setting->bench, SLOT, 0, LOCK, 0, 1);
    step(setting, 1000 * UNIT_NS);
    assert_int_equal(setting->acts, 0);
    start(setting, ENABLE | LOCKED);
    config_write(setting->bench, SLOT, 0, LOCK, 0, 1);
    assert_int_equal(config_read(setting->bench, SLOT, 0, LOCK, 1), ENABLE | LOCKED);
    step(setting, 150 * UNIT_NS);
    assert_int_equal(setting->acts, 1);
}

/* Fast units, no output; and the free-running mode never acts. */
static void modes(void **state)
{
    struct setting *setting = *state;
    config_write(setting->bench, SLOT, 0, CONFIGURATION, 0x27, 2);
    start(setting, ENABLE);
    step(setting, 150 * 32 * 30);
    assert_int_equal(status(setting), 0x200);
    assert_int_equal(setting->acts, 0);
    put(setting, RELOAD, 0x200);
    config_write(setting->bench, SLOT, 0, LOCK, 0, 1);
    config_write(setting->bench, SLOT, 0, CONFIGURATION, 0, 2);
    start(setting, ENABLE | FREE);
    step(setting, 1000 * UNIT_NS);
    assert_int_equal(setting->acts, 0);
    assert_true(setting->bench->isa[IRQ]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(two_stages),
        TEST(reloaded),
        TEST(switched_off_and_locked),
        TEST(modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
