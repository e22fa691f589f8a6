/* The timer and port 0x61, against counts and outputs worked out by hand, and edges
 * against the outputs that they foretell. */
#include "bench.h"

#include <time.h>

#include "devices/i8254.h"
#include "devices/i8254_counter.h"
#include "devices/port61.h"

enum { CONTROL = 0x43, CHANNEL0 = 0x40, CHANNEL2 = 0x42, PORT_B = 0x61 };

struct setting {
    struct bench *bench;
    struct i8254 *pit;
    struct port61 *port61;
};

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    s->bench = bench_create(0);
    s->pit = i8254_create(&s->bench->log, &s->bench->ports, &s->bench->clock,
                          bench_line(s->bench, 0));
    s->port61 =
        port61_create(&s->bench->log, &s->bench->ports, &s->bench->clock, s->pit);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    device_destroy((struct device *)s->port61);
    device_destroy((struct device *)s->pit);
    free(s->bench);
    free(s);
    return 0;
}

static uint64_t tick_ns(uint64_t tick)
{
    return (tick * NS_PER_SECOND + I8254_FREQUENCY_HZ - 1) / I8254_FREQUENCY_HZ;
}

static void go_to_tick(struct setting *s, uint64_t tick)
{
    step_ns(s->bench, tick_ns(tick) - clock_now_ns(&s->bench->clock));
}

static void program(struct setting *s, unsigned channel, uint8_t mode, uint16_t count)
{
    out8(s->bench, CONTROL, (uint8_t)(channel << 6 | 0x30 | mode));
    out8(s->bench, (uint16_t)(CHANNEL0 + channel), (uint8_t)count);
    out8(s->bench, (uint16_t)(CHANNEL0 + channel), (uint8_t)(count >> 8));
}

static uint16_t latched(struct setting *s, unsigned channel)
{
    out8(s->bench, CONTROL, (uint8_t)(channel << 6));
    uint8_t low = in8(s->bench, (uint16_t)(CHANNEL0 + channel));
    return (uint16_t)(low | in8(s->bench, (uint16_t)(CHANNEL0 + channel)) << 8);
}

static void nothing_ticks_before_it_is_programmed(void **state)
{
    struct setting *s = *state;
    assert_true(clock_next_deadline_ns(&s->bench->clock) == CLOCK_NEVER);
    assert_true(s->bench->levels[0]);
}

static void rate_generator_does_not_drift(void **state)
{
    struct setting *s = *state;
    program(s, 0, 0x04, 11932);
    unsigned before = s->bench->rises[0];
    for (unsigned i = 1; i <= 1000; i++) {
        go_to_tick(s, 1 + i * 11932ULL);
        assert_int_equal(s->bench->rises[0] - before, i);
        assert_int_equal(s->bench->rise_ns[0], tick_ns(1 + i * 11932ULL));
    }
    assert_int_equal(latched(s, 0), 11932);
    go_to_tick(s, 1 + 1000 * 11932ULL + 5000);
    assert_int_equal(latched(s, 0), 11932 - 5000);
}

static void a_late_host_gives_one_edge(void **state)
{
    struct setting *s = *state;
    program(s, 0, 0x04, 1000);
    unsigned before = s->bench->rises[0];
    clock_skip_to_ns(&s->bench->clock, tick_ns(1 + 10500));
    clock_run_timers(&s->bench->clock);
    assert_int_equal(s->bench->rises[0] - before, 1);
    go_to_tick(s, 1 + 11000);
    assert_int_equal(s->bench->rises[0] - before, 2);
}

static void terminal_count(void **state)
{
    struct setting *s = *state;
    program(s, 0, 0x00, 100);
    assert_false(s->bench->levels[0]);
    go_to_tick(s, 100);
    assert_false(s->bench->levels[0]);
    assert_int_equal(latched(s, 0), 1);
    go_to_tick(s, 101);
    assert_true(s->bench->levels[0]);
    assert_int_equal(latched(s, 0), 0);
    go_to_tick(s, 103);
    assert_int_equal(latched(s, 0), 0xfffe);
    /* The first byte of two stops it and takes the output down. */
    out8(s->bench, CHANNEL0, 50);
    assert_false(s->bench->levels[0]);
    go_to_tick(s, 200);
    assert_int_equal(latched(s, 0), 0xfffe);
    out8(s->bench, CHANNEL0, 0);
    go_to_tick(s, 250);
    assert_false(s->bench->levels[0]);
    go_to_tick(s, 251);
    assert_true(s->bench->levels[0]);
}

static void software_strobe_fires_once(void **state)
{
    struct setting *s = *state;
    program(s, 0, 0x08, 100);
    unsigned before = s->bench->rises[0];
    go_to_tick(s, 101);
    assert_int_equal(s->bench->rises[0], before);
    go_to_tick(s, 102);
    assert_int_equal(s->bench->rises[0], before + 1);
    go_to_tick(s, 200000);
    assert_int_equal(s->bench->rises[0], before + 1);
    assert_true(clock_next_deadline_ns(&s->bench->clock) == CLOCK_NEVER);
}

static void square_wave(void **state)
{
    struct setting *s = *state;
    program(s, 0, 0x06, 7); /* odd: four high, three low */
    for (unsigned tick = 1; tick < 50; tick++) {
        go_to_tick(s, tick);
        unsigned position = (tick - 1) % 7;
        assert_int_equal(s->bench->levels[0], position < 4);
        assert_int_equal(latched(s, 0),
                         position < 4 ? 6 - 2 * position : 6 - 2 * (position - 4));
    }
}

static void a_new_count_waits_for_the_cycle(void **state)
{
    struct setting *s = *state;
    program(s, 0, 0x04, 1000);
    go_to_tick(s, 1 + 1500);
    out8(s->bench, CHANNEL0, 500 & 0xff);
    out8(s->bench, CHANNEL0, 500 >> 8);
    assert_int_equal(latched(s, 0), 500);
    out8(s->bench, CONTROL, 0xe2); /* read back: status of channel 0 */
    assert_int_equal(in8(s->bench, CHANNEL0), 0x80 | 0x40 | 0x34);
    unsigned before = s->bench->rises[0];
    go_to_tick(s, 1 + 2000);
    assert_int_equal(s->bench->rises[0], before + 1);
    assert_int_equal(latched(s, 0), 500);
    out8(s->bench, CONTROL, 0xe2);
    assert_int_equal(in8(s->bench, CHANNEL0), 0x80 | 0x34);
    go_to_tick(s, 1 + 2500);
    assert_int_equal(s->bench->rises[0], before + 2);
}

static void access_modes_and_bcd(void **state)
{
    struct setting *s = *state;
    out8(s->bench, CONTROL, 0x15); /* channel 0, low byte, mode 2, BCD */
    out8(s->bench, CHANNEL0, 0x25);
    go_to_tick(s, 1);
    assert_int_equal(in8(s->bench, CHANNEL0), 0x25);
    go_to_tick(s, 7);
    assert_int_equal(in8(s->bench, CHANNEL0), 0x19);
    out8(s->bench, CONTROL, 0x24); /* high byte, mode 2 */
    out8(s->bench, CHANNEL0, 0x02);
    go_to_tick(s, 8 + 0x101);
    assert_int_equal(in8(s->bench, CHANNEL0), 0x00);
    out8(s->bench, CONTROL, 0x31); /* both, mode 0, BCD: 0 means 10,000 */
    out8(s->bench, CHANNEL0, 0);
    out8(s->bench, CHANNEL0, 0);
    go_to_tick(s, 8 + 0x101 + 1 + 1);
    assert_int_equal(latched(s, 0), 0x9999);
}

static void latches_hold_until_read(void **state)
{
    struct setting *s = *state;
    program(s, 0, 0x04, 0x1234);
    go_to_tick(s, 1);
    out8(s->bench, CONTROL, 0xc2); /* read back count and status */
    go_to_tick(s, 100);
    out8(s->bench, CONTROL, 0x00); /* ignored: latched already */
    assert_int_equal(in8(s->bench, CHANNEL0), 0x80 | 0x34);
    assert_int_equal(in8(s->bench, CHANNEL0), 0x34);
    assert_int_equal(in8(s->bench, CHANNEL0), 0x12);
    assert_int_equal(in8(s->bench, CHANNEL0), (uint8_t)(0x1234 - 99));
}

static void the_gate_of_channel_2(void **state)
{
    struct setting *s = *state;
    program(s, 2, 0x00, 100); /* gate low: loaded but not counting */
    go_to_tick(s, 1000);
    assert_int_equal(in8(s->bench, PORT_B) & 0x20, 0);
    out8(s->bench, PORT_B, 0x01);
    go_to_tick(s, 1040);
    assert_int_equal(latched(s, 2), 60);
    out8(s->bench, PORT_B, 0x00);
    go_to_tick(s, 2000);
    assert_int_equal(latched(s, 2), 60);
    out8(s->bench, PORT_B, 0x01);
    go_to_tick(s, 2059);
    assert_int_equal(in8(s->bench, PORT_B) & 0x20, 0);
    go_to_tick(s, 2060);
    assert_int_equal(in8(s->bench, PORT_B) & 0x20, 0x20);
}

static void triggered_modes(void **state)
{
    struct setting *s = *state;
    program(s, 2, 0x02, 10); /* one-shot */
    assert_true(i8254_channel_output(s->pit, 2));
    go_to_tick(s, 100);
    out8(s->bench, PORT_B, 0x01);
    assert_true(i8254_channel_output(s->pit, 2));
    go_to_tick(s, 101);
    assert_false(i8254_channel_output(s->pit, 2));
    go_to_tick(s, 105);
    out8(s->bench, PORT_B, 0x00);
    out8(s->bench, PORT_B, 0x01); /* again, before it is over */
    go_to_tick(s, 115);
    assert_false(i8254_channel_output(s->pit, 2));
    go_to_tick(s, 116);
    assert_true(i8254_channel_output(s->pit, 2));

    program(s, 2, 0x0a, 10); /* hardware strobe */
    out8(s->bench, PORT_B, 0x00);
    out8(s->bench, PORT_B, 0x01);
    go_to_tick(s, 126);
    assert_true(i8254_channel_output(s->pit, 2));
    go_to_tick(s, 127);
    assert_false(i8254_channel_output(s->pit, 2));
    go_to_tick(s, 128);
    assert_true(i8254_channel_output(s->pit, 2));
}

static void port_61_toggles_and_keeps(void **state)
{
    struct setting *s = *state;
    uint8_t first = in8(s->bench, PORT_B) & 0x10;
    step_ns(s->bench, 15085);
    assert_int_not_equal(in8(s->bench, PORT_B) & 0x10, first);
    step_ns(s->bench, 15085);
    assert_int_equal(in8(s->bench, PORT_B) & 0x10, first);
    out8(s->bench, PORT_B, 0xff);
    assert_int_equal(in8(s->bench, PORT_B) & 0xcf, 0x0f);
    assert_false(port61_report_error(s->port61, PORT61_SYSTEM_ERROR));
    out8(s->bench, PORT_B, 0x00);
    assert_true(port61_report_error(s->port61, PORT61_CHANNEL_CHECK));
    assert_int_equal(in8(s->bench, PORT_B) & 0xc0, 0x40);
    out8(s->bench, PORT_B, 0x08);
    assert_int_equal(in8(s->bench, PORT_B) & 0xc0, 0);
}

/* The edges foretold must be those that the output makes, whatever was written when. */
static void foretold_edges_come_true(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    for (unsigned round = 0; round < 300; round++) {
        struct i8254_counter counter = {.gate = true};
        uint64_t tick = 1000;
        i8254_counter_program(&counter, (uint8_t)(0x30 | rand() % 6 << 1), tick);
        i8254_counter_write(&counter, (uint16_t)(2 + rand() % 12), tick);
        bool output = i8254_counter_output(&counter, tick);
        uint64_t rise = i8254_counter_next_rise(&counter, tick);
        uint64_t fall = i8254_counter_next_fall(&counter, tick);
        for (unsigned i = 0; i < 200; i++) {
            tick++;
            bool now = i8254_counter_output(&counter, tick);
            assert_int_equal(now && !output, tick == rise);
            assert_int_equal(!now && output, tick == fall);
            if (rand() % 20 == 0) {
                i8254_counter_write(&counter, (uint16_t)(2 + rand() % 12), tick);
            } else if (rand() % 20 == 0) {
                i8254_counter_set_gate(&counter, rand() % 2, tick);
            }
            output = i8254_counter_output(&counter, tick);
            rise = i8254_counter_next_rise(&counter, tick);
            fall = i8254_counter_next_fall(&counter, tick);
        }
    }
}

static void state_survives(void **state)
{
    struct setting *s = *state;
    program(s, 0, 0x04, 11932);
    go_to_tick(s, 5000);
    struct bench *bench = bench_create(0);
    struct i8254 *other =
        i8254_create(&bench->log, &bench->ports, &bench->clock, bench_line(bench, 0));
    clock_skip_to_ns(&bench->clock, tick_ns(5000));
    bench_copy_state(s->pit, other);
    unsigned before = bench->rises[0];
    step_ns(bench, tick_ns(11933) - tick_ns(5000));
    assert_int_equal(bench->rises[0], before + 1);
    assert_int_equal(bench->rise_ns[0], tick_ns(11933));
    bench_reset(other);
    assert_true(clock_next_deadline_ns(&bench->clock) == CLOCK_NEVER);
    device_destroy((struct device *)other);
    free(bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_ticks_before_it_is_programmed),
        TEST(rate_generator_does_not_drift),
        TEST(a_late_host_gives_one_edge),
        TEST(terminal_count),
        TEST(software_strobe_fires_once),
        TEST(square_wave),
        TEST(a_new_count_waits_for_the_cycle),
        TEST(access_modes_and_bcd),
        TEST(latches_hold_until_read),
        TEST(the_gate_of_channel_2),
        TEST(triggered_modes),
        TEST(port_61_toggles_and_keeps),
        TEST(foretold_edges_come_true),
        TEST(state_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
