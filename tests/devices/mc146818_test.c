/* The real-time clock, by its registers. */
#include "bench.h"

#include "devices/mc146818.h"
#include "devices/mc146818_calendar.h"

enum {
    EPOCH_S = 1709251196, /* 2024-02-29 23:59:56 UTC, a Thursday */
    A = 0xa,
    B = 0xb,
    C = 0xc,
    D = 0xd,
    SET = 0x80,
    PERIODIC = 0x40,
    ALARM = 0x20,
    UPDATE = 0x10,
    BINARY = 0x04,
    HOURS_24 = 0x02,
    REQUEST = 0x80,
    CENTURY = 0x32,
};

struct setting {
    struct bench *bench;
    struct mc146818 *rtc;
};

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    s->bench = bench_create(EPOCH_S);
    s->rtc = mc146818_create(&s->bench->log, &s->bench->ports, &s->bench->clock,
                             bench_line(s->bench, 8));
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    device_destroy((struct device *)s->rtc);
    free(s->bench);
    free(s);
    return 0;
}

static uint8_t get(struct setting *s, uint8_t index)
{
    out8(s->bench, 0x70, index);
    return in8(s->bench, 0x71);
}

static void put(struct setting *s, uint8_t index, uint8_t value)
{
    out8(s->bench, 0x70, index);
    out8(s->bench, 0x71, value);
}

static void assert_time(struct setting *s, const uint8_t *expected)
{
    static const uint8_t order[] = {CENTURY, 9, 8, 7, 4, 2, 0, 6};
    for (unsigned i = 0; i < sizeof(order); i++) {
        assert_int_equal(get(s, order[i]), expected[i]);
    }
}

#define ASSERT_TIME(s, ...) assert_time(s, (const uint8_t[]){__VA_ARGS__})

static void time_goes_on_over_a_leap_day(void **state)
{
    struct setting *s = *state;
    ASSERT_TIME(s, 0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x56, 5);
    step_ns(s->bench, 4 * NS_PER_SECOND - 1);
    assert_int_equal(get(s, 0), 0x59);
    step_ns(s->bench, 1);
    ASSERT_TIME(s, 0x20, 0x24, 0x03, 0x01, 0x00, 0x00, 0x00, 6);
    assert_true(clock_next_deadline_ns(&s->bench->clock) == CLOCK_NEVER);
    assert_int_equal(get(s, D), 0x80);
}

static void formats(void **state)
{
    struct setting *s = *state;
    put(s, B, BINARY | HOURS_24);
    ASSERT_TIME(s, 20, 24, 2, 29, 23, 59, 56, 5);
    put(s, B, BINARY);
    assert_int_equal(get(s, 4), 0x80 | 11);
    put(s, B, 0);
    assert_int_equal(get(s, 4), 0x91);
    step_ns(s->bench, 4 * NS_PER_SECOND);
    assert_int_equal(get(s, 4), 0x12); /* midnight */
    put(s, 4, 0x92);                   /* noon */
    put(s, B, HOURS_24);
    assert_int_equal(get(s, 4), 0x12);
}

static void setting_the_time(void **state)
{
    struct setting *s = *state;
    step_ns(s->bench, 300000000);
    put(s, B, SET | HOURS_24);
    static const uint8_t values[][2] = {{CENTURY, 0x19}, {9, 0x99}, {8, 0x12},
                                        {7, 0x31},       {4, 0x23}, {2, 0x59},
                                        {0, 0x58},       {6, 6}};
    for (unsigned i = 0; i < ARRAY_LENGTH(values); i++) {
        put(s, values[i][0], values[i][1]);
    }
    step_ns(s->bench, 5 * NS_PER_SECOND);
    ASSERT_TIME(s, 0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58, 6);
    put(s, B, HOURS_24);
    step_ns(s->bench, 699999999); /* the seconds' phase has stayed */
    assert_int_equal(get(s, 0), 0x58);
    step_ns(s->bench, 1);
    assert_int_equal(get(s, 0), 0x59);
    step_ns(s->bench, NS_PER_SECOND);
    ASSERT_TIME(s, 0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 7);
}

static void the_divider_starts_half_a_second_off(void **state)
{
    struct setting *s = *state;
    step_ns(s->bench, 300000000);
    put(s, B, SET | HOURS_24);
    put(s, A, 0x76);
    put(s, 0, 0x10);
    put(s, B, HOURS_24);
    step_ns(s->bench, 10 * NS_PER_SECOND);
    assert_int_equal(get(s, 0), 0x10);
    put(s, A, 0x26);
    step_ns(s->bench, NS_PER_SECOND / 2 - 1);
    assert_int_equal(get(s, 0), 0x10);
    step_ns(s->bench, 1);
    assert_int_equal(get(s, 0), 0x11);
}

static void update_in_progress(void **state)
{
    struct setting *s = *state;
    assert_int_equal(get(s, A), 0x26);
    step_ns(s->bench, NS_PER_SECOND - 2228000 - 1);
    assert_int_equal(get(s, A), 0x26);
    step_ns(s->bench, 1);
    assert_int_equal(get(s, A), 0xa6);
    step_ns(s->bench, 2228000);
    assert_int_equal(get(s, A), 0x26);
    put(s, B, SET | HOURS_24);
    step_ns(s->bench, NS_PER_SECOND - 1000);
    assert_int_equal(get(s, A), 0x26);
}

static void update_interrupt(void **state)
{
    struct setting *s = *state;
    get(s, C);
    put(s, B, HOURS_24 | UPDATE);
    step_ns(s->bench, NS_PER_SECOND - 1);
    assert_false(s->bench->levels[8]);
    step_ns(s->bench, 1);
    assert_true(s->bench->levels[8]);
    assert_true(clock_next_deadline_ns(&s->bench->clock) == CLOCK_NEVER);
    assert_int_equal(get(s, C) & (REQUEST | UPDATE), REQUEST | UPDATE);
    assert_false(s->bench->levels[8]);
    assert_int_equal(get(s, C), 0);
    step_ns(s->bench, NS_PER_SECOND);
    assert_true(s->bench->levels[8]);
    put(s, B, HOURS_24);
    assert_false(s->bench->levels[8]);
}

static void periodic_interrupt(void **state)
{
    struct setting *s = *state;
    put(s, B, HOURS_24 | PERIODIC); /* 1024 Hz */
    for (unsigned i = 1; i <= 1024; i++) {
        step_ns(s->bench,
                (i * NS_PER_SECOND + 1023) / 1024 - clock_now_ns(&s->bench->clock) - 1);
        assert_false(s->bench->levels[8]);
        step_ns(s->bench, 1);
        assert_true(s->bench->levels[8]);
        assert_int_equal(get(s, C) & PERIODIC, PERIODIC);
    }
    assert_int_equal(s->bench->rises[8], 1024);
    put(s, A, 0x21); /* 256 Hz, as rate 8 */
    step_ns(s->bench, 3906249);
    assert_false(s->bench->levels[8]);
    step_ns(s->bench, 1);
    assert_true(s->bench->levels[8]);
    get(s, C);
    put(s, A, 0x20);
    step_ns(s->bench, NS_PER_SECOND);
    assert_false(s->bench->levels[8]);
    put(s, B, HOURS_24);
    put(s, A, 0x2f); /* without an interrupt the flag is set all the same */
    get(s, C);
    step_ns(s->bench, NS_PER_SECOND / 2);
    assert_int_equal(get(s, C), PERIODIC);
}

static void alarm_interrupt(void **state)
{
    struct setting *s = *state;
    put(s, 1, 0x05);
    put(s, 3, 0x00);
    put(s, 5, 0xff); /* any hour */
    put(s, B, HOURS_24 | ALARM);
    get(s, C);
    step_ns(s->bench, 9 * NS_PER_SECOND - 1);
    assert_false(s->bench->levels[8]);
    step_ns(s->bench, 1);
    assert_true(s->bench->levels[8]);
    assert_int_equal(get(s, C) & (REQUEST | ALARM), REQUEST | ALARM);
    step_ns(s->bench, 3600 * NS_PER_SECOND - 1);
    assert_false(s->bench->levels[8]);
    step_ns(s->bench, 1);
    assert_true(s->bench->levels[8]);
    put(s, 5, 0x3a); /* never */
    get(s, C);
    assert_true(clock_next_deadline_ns(&s->bench->clock) == CLOCK_NEVER);
    step_ns(s->bench, 90000 * NS_PER_SECOND);
    assert_int_equal(get(s, C) & ALARM, 0);
    put(s, 5, 0x02);
    step_ns(s->bench, 90000 * NS_PER_SECOND); /* seen after the fact, too */
    assert_int_equal(get(s, C) & ALARM, ALARM);
}

static void memory_and_reset(void **state)
{
    struct setting *s = *state;
    mc146818_set(s->rtc, 0x35, 0xab);
    assert_int_equal(get(s, 0x35), 0xab);
    put(s, 0x7f, 0x12);
    put(s, 0x0f, 0x05);
    out8(s->bench, 0x70, 0x80 | 0x7f);
    assert_true(mc146818_nmi_masked(s->rtc));
    assert_int_equal(in8(s->bench, 0x71), 0x12);
    put(s, B, HOURS_24 | UPDATE);
    step_ns(s->bench, NS_PER_SECOND);
    assert_true(s->bench->levels[8]);
    bench_reset(s->rtc);
    assert_false(s->bench->levels[8]);
    assert_false(mc146818_nmi_masked(s->rtc));
    assert_int_equal(get(s, B), HOURS_24);
    assert_int_equal(get(s, 0x35), 0xab);
    assert_int_equal(get(s, 0x0f), 0x05);
    assert_int_equal(get(s, 0), 0x57);
}

static void calendar_is_its_own_inverse(void **state)
{
    int64_t previous = INT64_MIN;
    for (int64_t day = -200000; day < 2900000; day += 17) {
        int64_t seconds = day * 86400 + (day & 0xffff);
        struct calendar_time time = calendar_from_seconds(seconds);
        assert_true(time.month >= 1 && time.month <= 12 && time.day >= 1 &&
                    time.day <= 31 && time.weekday >= 1 && time.weekday <= 7);
        assert_true(calendar_to_seconds(&time) == seconds);
        assert_true(seconds > previous);
        previous = seconds;
    }
    struct calendar_time time = calendar_from_seconds(951782400); /* 2000-02-29 */
    assert_int_equal(time.year * 10000 + time.month * 100 + time.day, 20000229);
    assert_int_equal(time.weekday, 3);
}

static void state_survives(void **state)
{
    struct setting *s = *state;
    put(s, B, HOURS_24 | UPDATE);
    step_ns(s->bench, 2 * NS_PER_SECOND);
    get(s, C);
    struct setting other = {.bench = bench_create(0)};
    other.rtc = mc146818_create(&other.bench->log, &other.bench->ports,
                                &other.bench->clock, bench_line(other.bench, 8));
    clock_skip_to_ns(&other.bench->clock, clock_now_ns(&s->bench->clock));
    bench_copy_state(s->rtc, other.rtc);
    ASSERT_TIME(&other, 0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58, 5);
    step_ns(other.bench, NS_PER_SECOND);
    assert_true(other.bench->levels[8]);
    device_destroy((struct device *)other.rtc);
    free(other.bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(time_goes_on_over_a_leap_day),
        TEST(formats),
        TEST(setting_the_time),
        TEST(the_divider_starts_half_a_second_off),
        TEST(update_in_progress),
        TEST(update_interrupt),
        TEST(periodic_interrupt),
        TEST(alarm_interrupt),
        TEST(memory_and_reset),
        cmocka_unit_test(calendar_is_its_own_inverse),
        TEST(state_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
