/* The keyboard controller with keyboard and mouse, by its ports; and port 0x92. */
#include "bench.h"

#include "devices/i8042.h"
#include "devices/port92.h"

enum {
    DATA = 0x60,
    STATUS = 0x64,
    FULL = 0x01,
    FROM_MOUSE = 0x20,
    LINE_KEYBOARD = 1,
    LINE_A20 = 2,
    LINE_RESET = 3,
    LINE_FAST_A20 = 4,
    LINE_MOUSE = 12,
    ACK = 0xfa,
    BYTE_NS = 300000,
    KEY_A = 30,
    KEY_HOME = 102,
    KEY_F7 = 65,
};

struct setting {
    struct bench *bench;
    struct i8042 *controller;
    struct ps2_keyboard *keyboard;
    struct ps2_mouse *mouse;
};

static struct i8042 *create(struct bench *bench)
{
    return i8042_create(&bench->log, &bench->ports, &bench->clock,
                        bench_line(bench, LINE_KEYBOARD), bench_line(bench, LINE_MOUSE),
                        bench_line(bench, LINE_A20), bench_line(bench, LINE_RESET));
}

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    s->bench = bench_create(0);
    s->controller = create(s->bench);
    s->keyboard = i8042_keyboard(s->controller);
    s->mouse = i8042_mouse(s->controller);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    device_destroy((struct device *)s->controller);
    free(s->bench);
    free(s);
    return 0;
}

static void configure(struct setting *s, uint8_t config)
{
    out8(s->bench, STATUS, 0x60);
    out8(s->bench, DATA, config);
}

/* Polls for a byte from the keyboard or controller. */
static int poll_byte(struct setting *s)
{
    uint8_t status = in8(s->bench, STATUS);
    if (!(status & FULL)) {
        return -1;
    }
    assert_int_equal(status & FROM_MOUSE, 0);
    return in8(s->bench, DATA);
}

static int poll_mouse(struct setting *s)
{
    uint8_t status = in8(s->bench, STATUS);
    if (!(status & FULL)) {
        return -1;
    }
    assert_int_equal(status & FROM_MOUSE, FROM_MOUSE);
    return in8(s->bench, DATA);
}

#define EXPECT(s, poll, ...)                                                           \
    do {                                                                               \
        static const int expected[] = {__VA_ARGS__};                                   \
        for (unsigned i = 0; i < ARRAY_LENGTH(expected); i++) {                        \
            assert_int_equal(poll(s), expected[i]);                                    \
        }                                                                              \
        assert_int_equal(poll(s), -1);                                                 \
    } while (0)

#define EXPECT_BYTES(s, ...) EXPECT(s, poll_byte, __VA_ARGS__)
#define EXPECT_MOUSE(s, ...) EXPECT(s, poll_mouse, __VA_ARGS__)

static void command(struct setting *s, uint8_t value)
{
    out8(s->bench, STATUS, value);
}

static void to_mouse(struct setting *s, uint8_t value)
{
    command(s, 0xd4);
    out8(s->bench, DATA, value);
}

static void press(struct setting *s, uint16_t key)
{
    ps2_keyboard_key(s->keyboard, key, true);
    ps2_keyboard_key(s->keyboard, key, false);
}

static void controller_commands(void **state)
{
    struct setting *s = *state;
    assert_int_equal(in8(s->bench, STATUS), 0x10);
    command(s, 0xaa);
    EXPECT_BYTES(s, 0x55);
    assert_int_equal(in8(s->bench, STATUS), 0x1c); /* system flag; last: a command */
    command(s, 0xab);
    EXPECT_BYTES(s, 0x00);
    command(s, 0xa9);
    EXPECT_BYTES(s, 0x00);
    configure(s, 0x65);
    command(s, 0x20);
    EXPECT_BYTES(s, 0x65);
    command(s, 0xad);
    command(s, 0xa7);
    command(s, 0x20);
    EXPECT_BYTES(s, 0x75);
    command(s, 0xae);
    command(s, 0xa8);
    command(s, 0x20);
    EXPECT_BYTES(s, 0x45);
    command(s, 0x7f);
    out8(s->bench, DATA, 0x99);
    command(s, 0x3f);
    EXPECT_BYTES(s, 0x99);
    command(s, 0xd2);
    out8(s->bench, DATA, 0x1e);
    EXPECT_BYTES(s, 0x1e);
    command(s, 0xd3);
    out8(s->bench, DATA, 0x5a);
    EXPECT_MOUSE(s, 0x5a);
    command(s, 0xa4);
    EXPECT_BYTES(s, 0xf1);
    command(s, 0x99);
    assert_int_equal(s->bench->log.guest_errors, 1);
}

static void a20_and_reset(void **state)
{
    struct setting *s = *state;
    assert_true(s->bench->levels[LINE_A20]);
    command(s, 0xd0);
    EXPECT_BYTES(s, 0xcf);
    command(s, 0xd1);
    out8(s->bench, DATA, 0xdd);
    assert_false(s->bench->levels[LINE_A20]);
    command(s, 0xdf);
    assert_true(s->bench->levels[LINE_A20]);
    command(s, 0xdd);
    assert_false(s->bench->levels[LINE_A20]);
    command(s, 0xff); /* pulses nothing */
    assert_int_equal(s->bench->rises[LINE_RESET], 0);
    command(s, 0xfe);
    assert_int_equal(s->bench->rises[LINE_RESET], 1);
    command(s, 0xd1);
    out8(s->bench, DATA, 0x02);
    assert_int_equal(s->bench->rises[LINE_RESET], 2);
    bench_reset(s->controller);
    assert_true(s->bench->levels[LINE_A20]);
}

static void port_92(void **state)
{
    struct setting *s = *state;
    struct port92 *port = port92_create(&s->bench->log, &s->bench->ports,
                                        bench_line(s->bench, LINE_FAST_A20),
                                        bench_line(s->bench, LINE_RESET));
    assert_false(s->bench->levels[LINE_FAST_A20]);
    out8(s->bench, 0x92, 0x02);
    assert_true(s->bench->levels[LINE_FAST_A20]);
    assert_int_equal(in8(s->bench, 0x92), 0x02);
    out8(s->bench, 0x92, 0x03);
    assert_int_equal(s->bench->rises[LINE_RESET], 1);
    out8(s->bench, 0x92, 0x03); /* no edge */
    assert_int_equal(s->bench->rises[LINE_RESET], 1);
    bench_reset(port);
    assert_false(s->bench->levels[LINE_FAST_A20]);
    out8(s->bench, 0x92, 0x01);
    assert_int_equal(s->bench->rises[LINE_RESET], 2);
    device_destroy((struct device *)port);
}

static void keyboard_commands(void **state)
{
    struct setting *s = *state;
    configure(s, 0x00);
    out8(s->bench, DATA, 0xff);
    EXPECT_BYTES(s, ACK, 0xaa);
    out8(s->bench, DATA, 0xf2);
    EXPECT_BYTES(s, ACK, 0xab, 0x83);
    out8(s->bench, DATA, 0xfe);
    EXPECT_BYTES(s, 0x83);
    out8(s->bench, DATA, 0xee);
    EXPECT_BYTES(s, 0xee);
    out8(s->bench, DATA, 0xed);
    EXPECT_BYTES(s, ACK);
    out8(s->bench, DATA, 0x05);
    EXPECT_BYTES(s, ACK);
    assert_int_equal(s->keyboard->leds, 5);
    out8(s->bench, DATA, 0xed);
    out8(s->bench, DATA, 0xf4); /* a command instead of the parameter */
    EXPECT_BYTES(s, ACK);
    assert_int_equal(s->keyboard->leds, 5);
    out8(s->bench, DATA, 0xf0);
    EXPECT_BYTES(s, ACK);
    out8(s->bench, DATA, 0x00);
    EXPECT_BYTES(s, ACK, 0x02);
    out8(s->bench, DATA, 0xef);
    EXPECT_BYTES(s, 0xfe);
    out8(s->bench, DATA, 0xf5);
    EXPECT_BYTES(s, ACK);
    press(s, KEY_A);
    EXPECT_BYTES(s, -1);
    configure(s, 0x40); /* replies are translated like everything else */
    out8(s->bench, DATA, 0xf2);
    EXPECT_BYTES(s, ACK, 0xab, 0x41);
}

static void keys_in_each_set(void **state)
{
    struct setting *s = *state;
    configure(s, 0x40);
    press(s, KEY_A);
    EXPECT_BYTES(s, 0x1e, 0x9e);
    press(s, KEY_HOME);
    EXPECT_BYTES(s, 0xe0, 0x47, 0xe0, 0xc7);
    press(s, KEY_F7);
    EXPECT_BYTES(s, 0x41, 0xc1);
    press(s, PS2_KEY_PAUSE);
    EXPECT_BYTES(s, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    press(s, PS2_KEY_PRINT_SCREEN);
    EXPECT_BYTES(s, 0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa);
    ps2_keyboard_key(s->keyboard, PS2_KEY_LEFT_ALT, true);
    press(s, PS2_KEY_PRINT_SCREEN);
    ps2_keyboard_key(s->keyboard, PS2_KEY_LEFT_ALT, false);
    EXPECT_BYTES(s, 0x38, 0x54, 0xd4, 0xb8);
    configure(s, 0x00);
    press(s, KEY_A);
    EXPECT_BYTES(s, 0x1c, 0xf0, 0x1c);
    press(s, KEY_F7);
    EXPECT_BYTES(s, 0x83, 0xf0, 0x83);
    out8(s->bench, DATA, 0xf0);
    out8(s->bench, DATA, 1);
    EXPECT_BYTES(s, ACK);
    press(s, KEY_HOME);
    EXPECT_BYTES(s, 0xe0, 0x47, 0xe0, 0xc7);
    out8(s->bench, DATA, 0xf0);
    out8(s->bench, DATA, 3);
    EXPECT_BYTES(s, ACK);
    press(s, KEY_HOME); /* makes only */
    EXPECT_BYTES(s, 0x6e);
    out8(s->bench, DATA, 0xf8);
    EXPECT_BYTES(s, ACK);
    press(s, KEY_HOME);
    EXPECT_BYTES(s, 0x6e, 0xf0, 0x6e);
    out8(s->bench, DATA, 0xfd);
    out8(s->bench, DATA, 0x1c);
    EXPECT_BYTES(s, ACK);
    press(s, KEY_A);
    EXPECT_BYTES(s, 0x1c);
}

/* In set 1 the first 83 keys are numbered by their codes; every code translated must
 * come from exactly the key that has it. */
static void every_key_translates(void **state)
{
    struct setting *s = *state;
    configure(s, 0x40);
    for (uint16_t key = 1; key <= 83; key++) {
        press(s, key);
        assert_int_equal(poll_byte(s), key);
        assert_int_equal(poll_byte(s), key | 0x80);
        assert_int_equal(poll_byte(s), -1);
    }
    uint8_t seen[512] = {0};
    for (uint16_t key = 1; key < PS2_KEYS; key++) {
        bool extended;
        uint8_t code = ps2_set2_code(key, &extended);
        if (code) {
            assert_int_equal(seen[code | extended << 8], 0);
            seen[code | extended << 8] = 1;
        }
    }
    ps2_keyboard_key(s->keyboard, 0, true);
    ps2_keyboard_key(s->keyboard, 0xffff, true);
    assert_int_equal(poll_byte(s), -1);
}

static void keys_interrupt_after_a_while(void **state)
{
    struct setting *s = *state;
    configure(s, 0x41);
    ps2_keyboard_key(s->keyboard, KEY_HOME, true);
    assert_false(s->bench->levels[LINE_KEYBOARD]);
    step_ns(s->bench, BYTE_NS);
    assert_true(s->bench->levels[LINE_KEYBOARD]);
    assert_int_equal(in8(s->bench, DATA), 0xe0);
    assert_false(s->bench->levels[LINE_KEYBOARD]);
    step_ns(s->bench, BYTE_NS - 1);
    assert_false(s->bench->levels[LINE_KEYBOARD]);
    step_ns(s->bench, 1);
    assert_true(s->bench->levels[LINE_KEYBOARD]);
    assert_int_equal(s->bench->rises[LINE_KEYBOARD], 2);
    assert_int_equal(in8(s->bench, STATUS) & FULL, FULL);
    assert_int_equal(in8(s->bench, DATA), 0x47);
    ps2_keyboard_key(s->keyboard, KEY_HOME, false);
    command(s, 0xad); /* switched off: waits */
    step_ns(s->bench, NS_PER_SECOND);
    assert_int_equal(in8(s->bench, STATUS) & FULL, 0);
    command(s, 0xae);
    EXPECT_BYTES(s, 0xe0, 0xc7);
    assert_true(clock_next_deadline_ns(&s->bench->clock) == CLOCK_NEVER);
}

static void keys_repeat(void **state)
{
    struct setting *s = *state;
    configure(s, 0x40);
    ps2_keyboard_key(s->keyboard, KEY_A, true);
    ps2_keyboard_key(s->keyboard, KEY_A, true); /* the host's own repetition */
    EXPECT_BYTES(s, 0x1e);
    step_ns(s->bench, NS_PER_SECOND / 2 - 1);
    EXPECT_BYTES(s, -1);
    step_ns(s->bench, 1);
    EXPECT_BYTES(s, 0x1e);
    unsigned count = 0;
    for (unsigned i = 0; i < 1000; i++) {
        step_ns(s->bench, NS_PER_SECOND / 1000);
        count += poll_byte(s) == 0x1e;
    }
    assert_int_equal(count, 10);            /* 10.9 a second */
    step_ns(s->bench, 100 * NS_PER_SECOND); /* nobody reads: one waits behind another */
    EXPECT_BYTES(s, 0x1e, 0x1e);
    ps2_keyboard_key(s->keyboard, KEY_A, false);
    EXPECT_BYTES(s, 0x9e);
    step_ns(s->bench, 2 * NS_PER_SECOND);
    EXPECT_BYTES(s, -1);
    out8(s->bench, DATA, 0xf3);
    out8(s->bench, DATA, 0x00); /* 250 ms, 30 a second */
    EXPECT_BYTES(s, ACK);
    ps2_keyboard_key(s->keyboard, KEY_A, true);
    EXPECT_BYTES(s, 0x1e);
    count = 0;
    for (unsigned i = 0; i < 1250; i++) {
        step_ns(s->bench, NS_PER_SECOND / 1000);
        count += poll_byte(s) == 0x1e;
    }
    assert_true(count >= 30 && count <= 31);
}

static void a_full_keyboard_says_so(void **state)
{
    struct setting *s = *state;
    configure(s, 0x00);
    for (unsigned i = 0; i < 40; i++) {
        press(s, KEY_A);
    }
    int last = -1;
    unsigned count = 0;
    for (int byte = poll_byte(s); byte >= 0; byte = poll_byte(s)) {
        last = byte;
        count++;
    }
    assert_int_equal(last, 0x00);
    assert_int_equal(count, PS2_QUEUE_BYTES);
    press(s, KEY_A);
    EXPECT_BYTES(s, 0x1c, 0xf0, 0x1c);
}

static void mouse_commands(void **state)
{
    struct setting *s = *state;
    configure(s, 0x00);
    to_mouse(s, 0xff);
    EXPECT_MOUSE(s, ACK, 0xaa, 0x00);
    to_mouse(s, 0xe9);
    EXPECT_MOUSE(s, ACK, 0x00, 0x02, 100);
    to_mouse(s, 0xe8);
    to_mouse(s, 0x03);
    EXPECT_MOUSE(s, ACK);
    to_mouse(s, 0xe7);
    EXPECT_MOUSE(s, ACK);
    to_mouse(s, 0xf4);
    EXPECT_MOUSE(s, ACK);
    to_mouse(s, 0xe9);
    EXPECT_MOUSE(s, ACK, 0x30, 0x03, 100);
    to_mouse(s, 0xee);
    EXPECT_MOUSE(s, ACK);
    to_mouse(s, 0xf2);
    EXPECT_MOUSE(s, 0xf2);
    to_mouse(s, 0xec);
    EXPECT_MOUSE(s, ACK);
    to_mouse(s, 0xf3);
    to_mouse(s, 0x00);
    EXPECT_MOUSE(s, 0xfe);
    to_mouse(s, 60);
    EXPECT_MOUSE(s, ACK);
    to_mouse(s, 0x11);
    EXPECT_MOUSE(s, 0xfe);
    to_mouse(s, 0xf0);
    ps2_mouse_move(s->mouse, 3, 4, 0, PS2_MOUSE_RIGHT);
    EXPECT_MOUSE(s, ACK);
    to_mouse(s, 0xeb);
    EXPECT_MOUSE(s, ACK, 0x2a, 3, 0xfc);
}

static void mouse_packets(void **state)
{
    struct setting *s = *state;
    configure(s, 0x02);
    ps2_mouse_move(s->mouse, 5, 5, 0, 0);
    EXPECT_MOUSE(s, -1);
    to_mouse(s, 0xf4);
    EXPECT_MOUSE(s, ACK);
    ps2_mouse_move(s->mouse, 5, -6, 1, PS2_MOUSE_LEFT);
    step_ns(s->bench, BYTE_NS);
    assert_true(s->bench->levels[LINE_MOUSE]);
    EXPECT_MOUSE(s, 0x09, 5, 6);
    ps2_mouse_move(s->mouse, -1, 1, 0, PS2_MOUSE_LEFT);
    ps2_mouse_move(s->mouse, -2, 2, 0, PS2_MOUSE_LEFT);
    EXPECT_MOUSE(s, -1); /* not before the next sample */
    step_ns(s->bench, 10000000);
    EXPECT_MOUSE(s, 0x39, 0xfd, 0xfd);
    ps2_mouse_move(s->mouse, 0, 0, 0, 0); /* a click is told at once */
    ps2_mouse_move(s->mouse, 0, 0, 0, PS2_MOUSE_MIDDLE);
    EXPECT_MOUSE(s, 0x08, 0, 0, 0x0c, 0, 0);
    ps2_mouse_move(s->mouse, 300, 0, 0, PS2_MOUSE_MIDDLE);
    step_ns(s->bench, 10000000);
    EXPECT_MOUSE(s, 0x0c, 255, 0);
    step_ns(s->bench, 10000000);
    EXPECT_MOUSE(s, 0x0c, 45, 0);
}

static void set_rates(struct setting *s, uint8_t first, uint8_t second, uint8_t third)
{
    const uint8_t rates[] = {first, second, third};
    for (unsigned i = 0; i < ARRAY_LENGTH(rates); i++) {
        to_mouse(s, 0xf3);
        EXPECT_MOUSE(s, ACK);
        to_mouse(s, rates[i]);
        EXPECT_MOUSE(s, ACK);
    }
}

static void intellimouse(void **state)
{
    struct setting *s = *state;
    configure(s, 0x00);
    set_rates(s, 200, 100, 80);
    to_mouse(s, 0xf2);
    EXPECT_MOUSE(s, ACK, 3);
    to_mouse(s, 0xf4);
    EXPECT_MOUSE(s, ACK);
    ps2_mouse_move(s->mouse, 0, 0, 1, 0);
    EXPECT_MOUSE(s, 0x08, 0, 0, 0xff);
    set_rates(s, 200, 200, 80);
    to_mouse(s, 0xf2);
    EXPECT_MOUSE(s, ACK, 4);
    ps2_mouse_move(s->mouse, 0, 0, -2, PS2_MOUSE_SIDE);
    EXPECT_MOUSE(s, 0x08, 0, 0, 0x12);
    to_mouse(s, 0xff);
    EXPECT_MOUSE(s, ACK, 0xaa, 0);
    to_mouse(s, 0xf2);
    EXPECT_MOUSE(s, ACK, 0);
}

static void state_survives(void **state)
{
    struct setting *s = *state;
    configure(s, 0x41);
    ps2_keyboard_key(s->keyboard, KEY_HOME, true);
    struct setting other = {.bench = bench_create(0)};
    other.controller = create(other.bench);
    bench_copy_state(s->controller, other.controller);
    step_ns(other.bench, BYTE_NS);
    assert_true(other.bench->levels[LINE_KEYBOARD]);
    EXPECT_BYTES(&other, 0xe0, 0x47);
    step_ns(other.bench, NS_PER_SECOND / 2);
    EXPECT_BYTES(&other, 0xe0, 0x47);
    device_destroy((struct device *)other.controller);
    free(other.bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(controller_commands),
        TEST(a20_and_reset),
        TEST(port_92),
        TEST(keyboard_commands),
        TEST(keys_in_each_set),
        TEST(every_key_translates),
        TEST(keys_interrupt_after_a_while),
        TEST(keys_repeat),
        TEST(a_full_keyboard_says_so),
        TEST(mouse_commands),
        TEST(mouse_packets),
        TEST(intellimouse),
        TEST(state_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
