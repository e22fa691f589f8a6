/* The interrupt controller pair, by its registers and its INTR line. */
#include "bench.h"

#include "devices/i8259.h"

enum {
    MASTER = 0x20,
    SLAVE = 0xa0,
    ELCR = 0x4d0,
    EOI = 0x20,
    MASTER_BASE = 0x30,
    SLAVE_BASE = 0x70,
    AUTO_EOI = 0x02,
    NESTED = 0x10,
};

struct setting {
    struct bench *bench;
    struct i8259 *pic;
};

static void initialize(struct bench *bench, uint8_t icw4)
{
    out8(bench, MASTER, 0x11);
    out8(bench, MASTER + 1, MASTER_BASE);
    out8(bench, MASTER + 1, 0x04);
    out8(bench, MASTER + 1, 0x01 | icw4);
    out8(bench, SLAVE, 0x11);
    out8(bench, SLAVE + 1, SLAVE_BASE);
    out8(bench, SLAVE + 1, 0x02);
    out8(bench, SLAVE + 1, 0x01 | (icw4 & AUTO_EOI));
}

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    setting->bench = bench_create(0);
    setting->pic = i8259_create(&setting->bench->log, &setting->bench->ports,
                                bench_line(setting->bench, 0));
    initialize(setting->bench, 0);
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    device_destroy((struct device *)setting->pic);
    free(setting->bench);
    free(setting);
    return 0;
}

static void pulse(struct setting *setting, unsigned irq)
{
    i8259_set_irq(setting->pic, irq, true);
    i8259_set_irq(setting->pic, irq, false);
}

static uint8_t isr(struct setting *setting, uint16_t base)
{
    out8(setting->bench, base, 0x0b);
    return in8(setting->bench, base);
}

static uint8_t irr(struct setting *setting, uint16_t base)
{
    out8(setting->bench, base, 0x0a);
    return in8(setting->bench, base);
}

static void an_edge_interrupts_once(void **state)
{
    struct setting *s = *state;
    assert_false(s->bench->levels[0]);
    i8259_set_irq(s->pic, 3, true);
    assert_true(s->bench->levels[0]);
    assert_int_equal(irr(s, MASTER), 0x08);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 3);
    assert_false(s->bench->levels[0]);
    assert_int_equal(irr(s, MASTER), 0);
    assert_int_equal(isr(s, MASTER), 0x08);
    out8(s->bench, MASTER, EOI);
    assert_int_equal(isr(s, MASTER), 0);
    assert_false(s->bench->levels[0]);
    i8259_set_irq(s->pic, 3, true); /* unchanged */
    assert_false(s->bench->levels[0]);
    i8259_set_irq(s->pic, 3, false);
    i8259_set_irq(s->pic, 3, true);
    assert_true(s->bench->levels[0]);
}

static void a_masked_pulse_waits(void **state)
{
    struct setting *s = *state;
    out8(s->bench, MASTER + 1, 0xff);
    assert_int_equal(in8(s->bench, MASTER + 1), 0xff);
    pulse(s, 4);
    assert_false(s->bench->levels[0]);
    out8(s->bench, MASTER + 1, 0xef);
    assert_true(s->bench->levels[0]);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 4);
}

static void priorities_nest(void **state)
{
    struct setting *s = *state;
    pulse(s, 5);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 5);
    pulse(s, 6);
    pulse(s, 5);
    assert_false(s->bench->levels[0]);
    pulse(s, 1);
    assert_true(s->bench->levels[0]);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 1);
    assert_int_equal(isr(s, MASTER), 0x22);
    out8(s->bench, MASTER, EOI);
    assert_int_equal(isr(s, MASTER), 0x20);
    assert_false(s->bench->levels[0]);
    out8(s->bench, MASTER, 0x60 | 5);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 5);
    out8(s->bench, MASTER, EOI);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 6);
}

static void the_slave_comes_through_input_2(void **state)
{
    struct setting *s = *state;
    pulse(s, 12);
    assert_int_equal(irr(s, MASTER), 0x04);
    assert_int_equal(irr(s, SLAVE), 0x10);
    pulse(s, 8);
    assert_int_equal(i8259_acknowledge(s->pic), SLAVE_BASE + 0);
    assert_int_equal(isr(s, MASTER), 0x04);
    assert_int_equal(isr(s, SLAVE), 0x01);
    out8(s->bench, SLAVE, EOI);
    out8(s->bench, MASTER, EOI);
    assert_true(s->bench->levels[0]);
    assert_int_equal(i8259_acknowledge(s->pic), SLAVE_BASE + 4);
    out8(s->bench, MASTER, EOI); /* the other order works as well */
    out8(s->bench, SLAVE, EOI);
    assert_false(s->bench->levels[0]);
}

static void levels_follow_their_line(void **state)
{
    struct setting *s = *state;
    out8(s->bench, ELCR, 0xff);
    out8(s->bench, ELCR + 1, 0xff);
    assert_int_equal(in8(s->bench, ELCR), 0xf8);
    assert_int_equal(in8(s->bench, ELCR + 1), 0xde);
    i8259_set_irq(s->pic, 11, true);
    assert_int_equal(i8259_acknowledge(s->pic), SLAVE_BASE + 3);
    out8(s->bench, SLAVE, EOI);
    out8(s->bench, MASTER, EOI);
    assert_true(s->bench->levels[0]); /* still high: again */
    assert_int_equal(i8259_acknowledge(s->pic), SLAVE_BASE + 3);
    i8259_set_irq(s->pic, 11, false);
    out8(s->bench, SLAVE, EOI);
    out8(s->bench, MASTER, EOI);
    assert_false(s->bench->levels[0]);
}

static void a_request_that_goes_is_spurious(void **state)
{
    struct setting *s = *state;
    out8(s->bench, ELCR, 0x20);
    i8259_set_irq(s->pic, 5, true);
    i8259_set_irq(s->pic, 5, false);
    assert_false(s->bench->levels[0]);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 7);
    assert_int_equal(isr(s, MASTER), 0);
    /* The slave's: the master's input is acknowledged, then the slave has none. */
    pulse(s, 9);
    out8(s->bench, MASTER, 0x0c); /* poll: the master acknowledges its input 2 */
    assert_int_equal(in8(s->bench, MASTER), 0x82);
    out8(s->bench, SLAVE + 1, 0x02);
    out8(s->bench, SLAVE, 0x0c);
    assert_int_equal(in8(s->bench, SLAVE), 0);
    assert_int_equal(isr(s, SLAVE), 0);
}

static void automatic_eoi_and_rotation(void **state)
{
    struct setting *s = *state;
    initialize(s->bench, AUTO_EOI);
    pulse(s, 3);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 3);
    assert_int_equal(isr(s, MASTER), 0);
    out8(s->bench, MASTER, 0x80); /* rotate in automatic EOI mode */
    pulse(s, 3);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 3);
    pulse(s, 1);
    pulse(s, 5);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 5);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 1);
    /* Two from the slave at once: its output must fall and rise in between. */
    pulse(s, 8);
    pulse(s, 9);
    uint8_t first = i8259_acknowledge(s->pic);
    assert_true(s->bench->levels[0]);
    uint8_t second = i8259_acknowledge(s->pic);
    assert_int_equal(first, SLAVE_BASE + 0);
    assert_int_equal(second, SLAVE_BASE + 1);
    assert_false(s->bench->levels[0]);
}

static void rotation_on_eoi(void **state)
{
    struct setting *s = *state;
    pulse(s, 4);
    i8259_acknowledge(s->pic);
    out8(s->bench, MASTER, 0xa0); /* rotate on non-specific EOI: 4 is lowest now */
    pulse(s, 4);
    pulse(s, 0);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 0);
    out8(s->bench, MASTER, 0xe0 | 0); /* rotate on specific EOI: 0 is lowest now */
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 4);
    out8(s->bench, MASTER, EOI);
    out8(s->bench, MASTER, 0xc0 | 5); /* set priority: 6 is highest */
    pulse(s, 0);
    pulse(s, 6);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 6);
}

static void special_mask_mode_lets_lower_ones_in(void **state)
{
    struct setting *s = *state;
    pulse(s, 1);
    i8259_acknowledge(s->pic);
    pulse(s, 5);
    assert_false(s->bench->levels[0]);
    out8(s->bench, MASTER + 1, 0x02);
    assert_false(s->bench->levels[0]);
    out8(s->bench, MASTER, 0x68);
    assert_true(s->bench->levels[0]);
    assert_int_equal(i8259_acknowledge(s->pic), MASTER_BASE + 5);
    out8(s->bench, MASTER, EOI); /* ends 5: the masked 1 is left alone */
    assert_int_equal(isr(s, MASTER), 0x02);
    out8(s->bench, MASTER, 0x48);
    pulse(s, 5);
    assert_false(s->bench->levels[0]);
}

static void special_fully_nested_mode(void **state)
{
    struct setting *s = *state;
    pulse(s, 12);
    i8259_acknowledge(s->pic);
    pulse(s, 8);
    assert_false(s->bench->levels[0]);
    bench_reset(s->pic);
    initialize(s->bench, NESTED);
    pulse(s, 12);
    i8259_acknowledge(s->pic);
    pulse(s, 3);
    assert_false(s->bench->levels[0]);
    pulse(s, 8);
    assert_true(s->bench->levels[0]);
    assert_int_equal(i8259_acknowledge(s->pic), SLAVE_BASE + 0);
}

static void polling_acknowledges(void **state)
{
    struct setting *s = *state;
    out8(s->bench, MASTER, 0x0c);
    assert_int_equal(in8(s->bench, MASTER), 0);
    pulse(s, 6);
    out8(s->bench, MASTER, 0x0c);
    assert_int_equal(in8(s->bench, MASTER), 0x86);
    assert_false(s->bench->levels[0]);
    assert_int_equal(isr(s, MASTER), 0x40);
}

static void initialization_forgets_edges(void **state)
{
    struct setting *s = *state;
    i8259_set_irq(s->pic, 3, true);
    initialize(s->bench, 0);
    assert_false(s->bench->levels[0]);
    assert_int_equal(in8(s->bench, MASTER + 1), 0);
    i8259_set_irq(s->pic, 3, false);
    i8259_set_irq(s->pic, 3, true);
    assert_true(s->bench->levels[0]);
}

static void state_survives(void **state)
{
    struct setting *s = *state;
    struct bench *other_bench = bench_create(0);
    struct i8259 *other = i8259_create(&other_bench->log, &other_bench->ports,
                                       bench_line(other_bench, 0));
    pulse(s, 9);
    pulse(s, 4);
    out8(s->bench, MASTER + 1, 0x10);
    bench_copy_state(s->pic, other);
    assert_true(other_bench->levels[0]);
    assert_int_equal(i8259_acknowledge(other), SLAVE_BASE + 1);
    device_destroy((struct device *)other);
    free(other_bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_edge_interrupts_once),
        TEST(a_masked_pulse_waits),
        TEST(priorities_nest),
        TEST(the_slave_comes_through_input_2),
        TEST(levels_follow_their_line),
        TEST(a_request_that_goes_is_spurious),
        TEST(automatic_eoi_and_rotation),
        TEST(rotation_on_eoi),
        TEST(special_mask_mode_lets_lower_ones_in),
        TEST(special_fully_nested_mode),
        TEST(polling_acknowledges),
        TEST(initialization_forgets_edges),
        TEST(state_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
