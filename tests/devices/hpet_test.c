/* The event timers: counter, comparators, where their interrupts go. */
#include "bench.h"

#include "devices/hpet.h"

enum { IRQ0, IRQ8, INPUT2 };

enum {
    CAPABILITIES = 0x00,
    CONFIGURATION = 0x10,
    STATUS = 0x20,
    COUNTER = 0xf0,
    RUNS = 1,
    LEGACY = 2,
    LEVEL = 2,
    ENABLED = 4,
    PERIODIC = 8,
    SET_VALUE = 0x40,
    BITS_32 = 0x100,
    ROUTE_2 = 2 << 9,
    TICK_NS = 10,
};

struct setting {
    struct bench *bench;
    struct memory_map memory;
    struct hpet *hpet;
};

static uint32_t get(struct setting *setting, unsigned offset)
{
    return memory_read32(&setting->memory, HPET_ADDRESS + offset);
}

static void put(struct setting *setting, unsigned offset, uint32_t value)
{
    memory_write32(&setting->memory, HPET_ADDRESS + offset, value);
}

static unsigned configuration(unsigned timer)
{
    return 0x100 + 0x20 * timer;
}

static unsigned comparator(unsigned timer)
{
    return 0x108 + 0x20 * timer;
}

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    struct bench *bench = setting->bench = bench_create(0);
    const struct irq_line legacy[] = {bench_line(bench, IRQ0), bench_line(bench, IRQ8)};
    setting->hpet = hpet_create(&bench->log, &setting->memory, &bench->clock, legacy,
                                bench_line(bench, INPUT2));
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    device_destroy((struct device *)setting->hpet);
    free(setting->bench);
    free(setting);
    return 0;
}

static void registers(void **state)
{
    struct setting *setting = *state;
    assert_int_equal(get(setting, CAPABILITIES), 0x8086a201);
    assert_int_equal(get(setting, CAPABILITIES + 4), 10000000);
    assert_int_equal(get(setting, configuration(2)), 0x30);
    assert_int_equal(get(setting, configuration(2) + 4), 4);
    assert_int_equal(get(setting, configuration(3)), 0);
    put(setting, configuration(1), 0xffffffff);
    assert_int_equal(get(setting, configuration(1)), 0x3f7e);
    step_ns(setting->bench, 1000);
    assert_int_equal(get(setting, COUNTER), 0);
    put(setting, COUNTER, 0xfffffffe);
    put(setting, COUNTER + 4, 7);
    put(setting, CONFIGURATION, RUNS);
    step_ns(setting->bench, 5 * TICK_NS);
    assert_int_equal(get(setting, COUNTER), 3);
    assert_int_equal(get(setting, COUNTER + 4), 8);
    put(setting, CONFIGURATION, 0);
    step_ns(setting->bench, 1000);
    assert_int_equal(get(setting, COUNTER), 3);
}

static void one_shot(void **state)
{
    struct setting *setting = *state;
    struct bench *bench = setting->bench;
    put(setting, CONFIGURATION, RUNS);
    put(setting, configuration(0), ENABLED | ROUTE_2 | BITS_32);
    put(setting, comparator(0), 100);
    step_ns(bench, 100 * TICK_NS - 1);
    assert_int_equal(bench->rises[INPUT2], 0);
    step_ns(bench, 1);
    assert_int_equal(bench->rises[INPUT2], 1);
    assert_false(bench->levels[INPUT2]);
    assert_int_equal(get(setting, STATUS), 0);
    /* Again when 32 bits have gone round, and at once when it is told so. */
    step_ns(bench, (1ULL << 32) * TICK_NS);
    assert_int_equal(bench->rises[INPUT2], 2);
    put(setting, comparator(0), get(setting, COUNTER) + 1);
    step_ns(bench, TICK_NS);
    assert_int_equal(bench->rises[INPUT2], 3);
    put(setting, configuration(0), ROUTE_2);
    assert_int_equal(clock_next_deadline_ns(&bench->clock), CLOCK_NEVER);
    /* An input that it cannot have. */
    put(setting, configuration(0), ENABLED | 5 << 9);
    put(setting, comparator(0), get(setting, COUNTER) + 1);
    step_ns(bench, TICK_NS);
    assert_int_equal(bench->rises[INPUT2], 3);
}

/* As Linux programs it: the first write sets the comparator, the second the period. */
static void periodic_legacy(void **state)
{
    struct setting *setting = *state;
    struct bench *bench = setting->bench;
    put(setting, configuration(0), ENABLED | PERIODIC | SET_VALUE | BITS_32);
    put(setting, comparator(0), 500);
    put(setting, comparator(0), 100);
    put(setting, CONFIGURATION, RUNS | LEGACY);
    step_ns(bench, 500 * TICK_NS);
    assert_int_equal(bench->rises[IRQ0], 1);
    step_ns(bench, 1000 * TICK_NS);
    assert_int_equal(bench->rises[IRQ0], 11);
    assert_int_equal(bench->rise_ns[IRQ0], 1500 * TICK_NS);
    assert_int_equal(get(setting, comparator(0)), 1600);
    /* A host that comes late makes one of all it has missed. */
    clock_skip_to_ns(&bench->clock, 2045 * TICK_NS);
    clock_run_timers(&bench->clock);
    assert_int_equal(bench->rises[IRQ0], 12);
    assert_int_equal(get(setting, comparator(0)), 2100);
}

static void level(void **state)
{
    struct setting *setting = *state;
    struct bench *bench = setting->bench;
    put(setting, configuration(1), ENABLED | LEVEL | BITS_32);
    put(setting, comparator(1), 10);
    put(setting, CONFIGURATION, RUNS | LEGACY);
    step_ns(bench, 10 * TICK_NS);
    assert_true(bench->levels[IRQ8]);
    assert_int_equal(get(setting, STATUS), 2);
    put(setting, STATUS, 1);
    assert_true(bench->levels[IRQ8]);
    put(setting, STATUS, 2);
    assert_false(bench->levels[IRQ8]);
    assert_int_equal(get(setting, STATUS), 0);
}

/* The 8254 and the RTC pass until the chip takes their lines. */
static void legacy_sources(void **state)
{
    struct setting *setting = *state;
    struct bench *bench = setting->bench;
    hpet_set_legacy_source(setting->hpet, HPET_TIMER_LINE, true);
    assert_true(bench->levels[IRQ0]);
    put(setting, CONFIGURATION, LEGACY);
    assert_false(bench->levels[IRQ0]);
    hpet_set_legacy_source(setting->hpet, HPET_RTC_LINE, true);
    assert_false(bench->levels[IRQ8]);
    put(setting, CONFIGURATION, 0);
    assert_true(bench->levels[IRQ0]);
    assert_true(bench->levels[IRQ8]);
}

static void saved(void **state)
{
    struct setting *setting = *state;
    struct bench *bench = setting->bench;
    put(setting, configuration(2), ENABLED | ROUTE_2);
    put(setting, comparator(2), 100);
    put(setting, comparator(2) + 4, 0);
    put(setting, CONFIGURATION, RUNS);
    step_ns(bench, 40 * TICK_NS);
    struct state_buffer buffer = {0};
    struct error error;
    device_save((struct device *)setting->hpet, &buffer);
    bench_reset(setting->hpet);
    assert_true(device_load((struct device *)setting->hpet, &buffer, &error));
    state_buffer_free(&buffer);
    assert_int_equal(get(setting, COUNTER), 40);
    step_ns(bench, 60 * TICK_NS);
    assert_int_equal(bench->rises[INPUT2], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(registers), TEST(one_shot),       TEST(periodic_legacy),
        TEST(level),     TEST(legacy_sources), TEST(saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
