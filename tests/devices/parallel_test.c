/* The parallel port, as a driver prints. */
#include "bench.h"

#include "devices/parallel.h"

enum { BASE = 0x378, STATUS = BASE + 1, CONTROL = BASE + 2, IRQ = 7 };
enum { STROBE = 1, RUN = 4, SELECT = 8, INTERRUPT = 0x10, INPUT = 0x20 };

struct setting {
    struct bench *bench;
    struct parallel *port;
    uint8_t printed[8];
    unsigned count;
};

static void print(void *opaque, uint8_t byte)
{
    struct setting *setting = opaque;
    setting->printed[setting->count++] = byte;
}

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    struct bench *bench = setting->bench = bench_create(0);
    setting->port =
        parallel_create(&bench->log, &bench->ports, BASE, bench_line(bench, IRQ),
                        (struct serial_line){.transmit = print, .opaque = setting});
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    device_destroy((struct device *)setting->port);
    free(setting->bench);
    free(setting);
    return 0;
}

static void strobe(struct bench *bench, uint8_t byte, uint8_t control)
{
    out8(bench, BASE, byte);
    out8(bench, CONTROL, control | STROBE);
    out8(bench, CONTROL, control);
}

static void prints(void **state)
{
    struct setting *setting = *state;
    struct bench *bench = setting->bench;
    assert_int_equal(in8(bench, STATUS) & 0xf8, 0xd8);
    strobe(bench, 'a', RUN | SELECT);
    assert_int_equal(bench->rises[IRQ], 0);
    strobe(bench, 'b', RUN | SELECT | INTERRUPT);
    assert_int_equal(bench->rises[IRQ], 1);
    assert_false(bench->levels[IRQ]);
    strobe(bench, 'c', SELECT); /* held in its initial state */
    strobe(bench, 'd', RUN);    /* not selected */
    assert_int_equal(setting->count, 2);
    assert_memory_equal(setting->printed, "ab", 2);
}

static void registers(void **state)
{
    struct setting *setting = *state;
    struct bench *bench = setting->bench;
    assert_int_equal(in8(bench, CONTROL), 0xcc);
    out8(bench, BASE, 0x5a);
    assert_int_equal(in8(bench, BASE), 0x5a);
    out8(bench, CONTROL, INPUT | RUN);
    assert_int_equal(in8(bench, BASE), 0xff);
    assert_int_equal(in8(bench, CONTROL), 0xe4);
    out8(bench, CONTROL, RUN);
    assert_int_equal(in8(bench, BASE), 0x5a);
    out8(bench, STATUS, 0);
    assert_int_equal(in8(bench, STATUS) & 0xf8, 0xd8);
    assert_int_equal(in8(bench, BASE + 3), 0xff);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(prints), TEST(registers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
