/* The UART, by its registers, its line and its interrupt; and the debug ports. */
#include "bench.h"

#include <string.h>

#include "devices/debug_console.h"
#include "devices/isa_debug_exit.h"
#include "devices/ns16550a.h"

enum {
    DATA = 0x3f8,
    IER = 0x3f9,
    IIR = 0x3fa,
    LCR = 0x3fb,
    MCR = 0x3fc,
    LSR = 0x3fd,
    MSR = 0x3fe,
    SCRATCH = 0x3ff,
    IRQ = 4,
};

struct setting {
    struct bench *bench;
    struct ns16550a *uart;
    char sent[64];
    unsigned sent_count, accepted;
    uint32_t exit_value;
};

static void transmit(void *opaque, uint8_t byte)
{
    struct setting *s = opaque;
    assert_true(s->sent_count < sizeof(s->sent));
    s->sent[s->sent_count++] = (char)byte;
}

static void accept_input(void *opaque)
{
    struct setting *s = opaque;
    s->accepted++;
}

static struct serial_line line_of(struct setting *s)
{
    return (struct serial_line){transmit, accept_input, s};
}

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    s->bench = bench_create(0);
    s->uart = ns16550a_create(&s->bench->log, &s->bench->ports, &s->bench->clock, DATA,
                              bench_line(s->bench, IRQ), line_of(s));
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    device_destroy((struct device *)s->uart);
    free(s->bench);
    free(s);
    return 0;
}

static void receive(struct setting *s, const char *text)
{
    ns16550a_receive(s->uart, (const uint8_t *)text, strlen(text));
}

static void registers_after_reset(void **state)
{
    struct setting *s = *state;
    assert_int_equal(in8(s->bench, IER), 0);
    assert_int_equal(in8(s->bench, IIR), 0x01);
    assert_int_equal(in8(s->bench, LCR), 0);
    assert_int_equal(in8(s->bench, LSR), 0x60);
    assert_int_equal(in8(s->bench, MSR), 0xb0);
    out8(s->bench, IER, 0xff);
    assert_int_equal(in8(s->bench, IER), 0x0f);
    out8(s->bench, SCRATCH, 0x5a);
    assert_int_equal(in8(s->bench, SCRATCH), 0x5a);
    out8(s->bench, LCR, 0x83);
    out8(s->bench, DATA, 0x34);
    out8(s->bench, IER, 0x12);
    assert_int_equal(in8(s->bench, DATA), 0x34);
    assert_int_equal(in8(s->bench, IER), 0x12);
    out8(s->bench, LCR, 0x03);
    assert_int_equal(in8(s->bench, IER), 0x0f);
    assert_int_equal(s->sent_count, 0);
}

static void transmitting(void **state)
{
    struct setting *s = *state;
    out8(s->bench, DATA, 'a');
    assert_false(s->bench->levels[IRQ]);
    out8(s->bench, IER, 0x02); /* empty already: interrupts at once */
    assert_true(s->bench->levels[IRQ]);
    assert_int_equal(in8(s->bench, IIR), 0x02);
    assert_false(s->bench->levels[IRQ]);
    assert_int_equal(in8(s->bench, IIR), 0x01);
    unsigned rises = s->bench->rises[IRQ];
    out8(s->bench, DATA, 'b');
    assert_true(s->bench->levels[IRQ]);
    out8(s->bench, DATA, 'c'); /* instead of reading IIR: falls and rises again */
    assert_int_equal(s->bench->rises[IRQ], rises + 2);
    assert_int_equal(in8(s->bench, IIR), 0x02);
    out8(s->bench, IER, 0x00);
    out8(s->bench, IER, 0x02);
    assert_int_equal(in8(s->bench, IIR), 0x02);
    assert_int_equal(in8(s->bench, LSR), 0x60);
    assert_memory_equal(s->sent, "abc", 3);
}

static void receiving_without_fifo(void **state)
{
    struct setting *s = *state;
    assert_int_equal(ns16550a_room(s->uart), 1);
    receive(s, "x");
    assert_int_equal(ns16550a_room(s->uart), 0);
    assert_false(s->bench->levels[IRQ]);
    out8(s->bench, IER, 0x01);
    assert_true(s->bench->levels[IRQ]);
    assert_int_equal(in8(s->bench, IIR), 0x04);
    receive(s, "y");
    assert_int_equal(in8(s->bench, LSR), 0x63);
    assert_int_equal(in8(s->bench, LSR), 0x61);
    unsigned accepted = s->accepted;
    assert_int_equal(in8(s->bench, DATA), 'y');
    assert_int_equal(s->accepted, accepted + 1);
    assert_false(s->bench->levels[IRQ]);
    assert_int_equal(in8(s->bench, LSR), 0x60);
}

static void receiving_with_fifo(void **state)
{
    struct setting *s = *state;
    out8(s->bench, IIR, 0x81); /* trigger at 8 */
    out8(s->bench, LCR, 0x03);
    out8(s->bench, IER, 0x01);
    assert_int_equal(in8(s->bench, IIR), 0xc1);
    receive(s, "1234567");
    assert_false(s->bench->levels[IRQ]);
    receive(s, "8");
    assert_true(s->bench->levels[IRQ]);
    assert_int_equal(in8(s->bench, IIR), 0xc4);
    assert_int_equal(ns16550a_room(s->uart), 8);
    assert_int_equal(in8(s->bench, DATA), '1');
    assert_false(s->bench->levels[IRQ]);
    /* Four characters of 10 bits at 9600 baud later: timeout. */
    step_ns(s->bench, 4 * 1041666 - 10);
    assert_false(s->bench->levels[IRQ]);
    step_ns(s->bench, 20);
    assert_true(s->bench->levels[IRQ]);
    assert_int_equal(in8(s->bench, IIR), 0xcc);
    assert_int_equal(in8(s->bench, DATA), '2');
    assert_false(s->bench->levels[IRQ]);
    receive(s, "0123456789abcdef"); /* ten fit */
    assert_int_equal(in8(s->bench, LSR), 0x63);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(in8(s->bench, DATA), "3456780123456789"[i]);
    }
    assert_int_equal(in8(s->bench, LSR), 0x60);
    assert_true(clock_next_deadline_ns(&s->bench->clock) == CLOCK_NEVER);
    receive(s, "zz");
    out8(s->bench, IIR, 0x03); /* clear the receiver */
    assert_int_equal(in8(s->bench, LSR), 0x60);
}

static void a_break_interrupts(void **state)
{
    struct setting *s = *state;
    out8(s->bench, IIR, 0x01);
    out8(s->bench, IER, 0x05);
    receive(s, "a");
    ns16550a_break(s->uart);
    assert_int_equal(in8(s->bench, IIR), 0xc4); /* the break is not at the head yet */
    assert_int_equal(in8(s->bench, LSR), 0xe1);
    assert_int_equal(in8(s->bench, DATA), 'a');
    assert_int_equal(in8(s->bench, IIR), 0xc6);
    assert_int_equal(in8(s->bench, LSR), 0xf1);
    assert_int_equal(in8(s->bench, IIR), 0xc4);
    assert_int_equal(in8(s->bench, DATA), 0);
    assert_int_equal(in8(s->bench, LSR), 0x60);
}

static void loopback_and_modem_lines(void **state)
{
    struct setting *s = *state;
    out8(s->bench, MCR, 0x1a); /* loop, OUT2, RTS */
    assert_int_equal(in8(s->bench, MSR) & 0xf0, 0x90);
    assert_int_equal(in8(s->bench, MSR), 0x90);
    out8(s->bench, IER, 0x08);
    out8(s->bench, MCR, 0x1e); /* OUT1: RI rises, which is no event */
    assert_int_equal(in8(s->bench, IIR), 0x01);
    out8(s->bench, MCR, 0x1a);
    assert_true(s->bench->levels[IRQ]);
    assert_int_equal(in8(s->bench, IIR), 0x00);
    assert_int_equal(in8(s->bench, MSR), 0x94);
    assert_false(s->bench->levels[IRQ]);
    out8(s->bench, DATA, 'q');
    assert_int_equal(s->sent_count, 0);
    assert_int_equal(in8(s->bench, LSR), 0x61);
    assert_int_equal(in8(s->bench, DATA), 'q');
    assert_int_equal(ns16550a_room(s->uart), 0);
    receive(s, "lost");
    assert_int_equal(in8(s->bench, LSR), 0x60);
    unsigned accepted = s->accepted;
    out8(s->bench, MCR, 0x0b);
    assert_int_equal(s->accepted, accepted + 1);
    assert_int_equal(in8(s->bench, MSR) & 0xf0, 0xb0);
}

static void state_survives(void **state)
{
    struct setting *s = *state;
    out8(s->bench, IIR, 0xc1);
    out8(s->bench, IER, 0x01);
    receive(s, "abc");
    struct setting other = {.bench = bench_create(0)};
    other.uart =
        ns16550a_create(&other.bench->log, &other.bench->ports, &other.bench->clock,
                        DATA, bench_line(other.bench, IRQ), line_of(&other));
    bench_copy_state(s->uart, other.uart);
    assert_int_equal(other.accepted,
                     1); /* there may be room now where there was none */
    assert_false(other.bench->levels[IRQ]);
    step_ns(other.bench, NS_PER_SECOND / 100);
    assert_true(other.bench->levels[IRQ]);
    assert_int_equal(in8(other.bench, DATA), 'a');
    bench_reset(other.uart);
    assert_false(other.bench->levels[IRQ]);
    assert_int_equal(in8(other.bench, LSR), 0x60);
    device_destroy((struct device *)other.uart);
    free(other.bench);
}

static void record_exit(void *opaque, uint32_t value)
{
    struct setting *s = opaque;
    s->exit_value = value;
}

static void debug_ports(void **state)
{
    struct setting *s = *state;
    struct debug_console *console =
        debug_console_create(&s->bench->log, &s->bench->ports, 0x402, line_of(s));
    assert_int_equal(in8(s->bench, 0x402), 0xe9);
    out8(s->bench, 0x402, '!');
    assert_int_equal(s->sent[0], '!');
    struct isa_debug_exit *port =
        isa_debug_exit_create(&s->bench->log, &s->bench->ports, 0x501, record_exit, s);
    assert_int_equal(in8(s->bench, 0x501), 0);
    port_write(&s->bench->ports, 0x501, 0x12345678, 4);
    assert_int_equal(s->exit_value, 0x12345678);
    out8(s->bench, 0x501, 0x31);
    assert_int_equal(s->exit_value, 0x31);
    device_destroy((struct device *)console);
    device_destroy((struct device *)port);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registers_after_reset),  TEST(transmitting),
        TEST(receiving_without_fifo), TEST(receiving_with_fifo),
        TEST(a_break_interrupts),     TEST(loopback_and_modem_lines),
        TEST(state_survives),         TEST(debug_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
