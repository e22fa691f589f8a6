/* The AC'97 controller by its registers: buffers, interrupts, the codec. */
#include "recorder.h"

#include <string.h>

#include "devices/ac97.h"

enum {
    RAM_BYTES = 1 << 20,
    LIST = 0x1000,
    BUFFERS = 0x10000,
    BUFFER_BYTES = 0x1000,
    SLOT = 3,
    CODEC = 0xc000,
    MASTERS = 0xc400,
    IN = MASTERS,
    OUT = MASTERS + 0x10,
    MICROPHONE = MASTERS + 0x20,
    CONTROL = MASTERS + 0x2c,
    STATUS = MASTERS + 0x30,
    INTERRUPT_LINE = 0,
    RATE = 48000,
    COMPLETION = 1U << 31, /* of a descriptor: interrupt */
};

struct setting {
    struct bench *bench;
    struct ram ram;
    struct memory_map map;
    struct pci_bus bus;
    struct ac97 *ac97;
    struct recorder *recorder;
};

static void sink(void *opaque, unsigned number, bool level)
{
    assert_int_equal(number, SLOT * 8 * 4); /* INTA# */
    bench_sink(opaque, INTERRUPT_LINE, level);
}

static void write_word(struct setting *s, uint16_t port, uint16_t value)
{
    port_write(&s->bench->ports, port, value, 2);
}

static uint16_t read_word(struct setting *s, uint16_t port)
{
    return (uint16_t)port_read(&s->bench->ports, port, 2);
}

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    struct error error;
    s->bench = bench_create(0);
    assert_true(ram_create(&s->ram, "test", RAM_BYTES, &error));
    s->map.ram = &s->ram;
    memory_add(&s->map, &(struct memory_region){.name = "ram",
                                                .bytes = RAM_BYTES,
                                                .read = s->ram.host,
                                                .write = s->ram.host});
    pci_bus_init(&s->bus, &s->map, &s->bench->ports);
    s->bus.interrupt = sink;
    s->bus.interrupt_opaque = s->bench;
    s->recorder = recorder_create();
    s->ac97 =
        ac97_create(&s->bench->log, &s->bus, SLOT, &s->bench->clock, s->recorder->line);
    s->recorder->advance = ac97_advance;
    s->recorder->device = s->ac97;
    pci_config_write(&s->bus, SLOT * 8, PCI_BAR0, CODEC, 4);
    pci_config_write(&s->bus, SLOT * 8, PCI_BAR0 + 4, MASTERS, 4);
    pci_config_write(&s->bus, SLOT * 8, PCI_COMMAND,
                     PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
    port_write(&s->bench->ports, CONTROL, 2, 4); /* out of reset */
    write_word(s, CODEC + 0x02, 0);              /* nothing muted, 0 dB */
    write_word(s, CODEC + 0x18, 0x0808);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    device_destroy((struct device *)s->ac97);
    ram_destroy(&s->ram);
    free(s->recorder);
    free(s->bench);
    free(s);
    return 0;
}

/* Buffer `index` of the list: a ramp that tells where it is from. */
static void describe(struct setting *s, unsigned index, uint16_t samples,
                     uint32_t flags)
{
    uint32_t address = BUFFERS + index * BUFFER_BYTES;
    memory_write32(&s->map, LIST + index * 8, address);
    memory_write32(&s->map, LIST + index * 8 + 4, samples | flags);
    int16_t *place = (int16_t *)(s->ram.host + address);
    for (int i = 0; i < samples; i++) {
        place[i] = (int16_t)(index * 1000 + (unsigned)i);
    }
}

static void start(struct setting *s, uint16_t stream, uint8_t last, uint8_t control)
{
    port_write(&s->bench->ports, stream, LIST, 4);
    out8(s->bench, (uint16_t)(stream + 5), last);
    out8(s->bench, (uint16_t)(stream + 0xb), control);
}

static void run(struct setting *s, uint64_t ns)
{
    recorder_run(s->recorder, &s->bench->clock, ns);
}

static uint64_t ns_of(unsigned frames)
{
    return (frames * NS_PER_SECOND + RATE - 1) / RATE;
}

static void test_identity(void **state)
{
    struct setting *s = *state;
    assert_int_equal(pci_config_read(&s->bus, SLOT * 8, 0, 4), 0x24158086);
    assert_int_equal(pci_config_read(&s->bus, SLOT * 8, PCI_CLASS_PROG, 4) & 0xffffff,
                     0x040100);
    assert_int_equal(read_word(s, CODEC + 0x7c), 0x8384);
    assert_int_equal(read_word(s, CODEC + 0x7e), 0x7600);
    assert_int_equal(port_read(&s->bench->ports, STATUS, 4), 0x100);
    assert_int_equal(in8(s->bench, MASTERS + 0x34), 0); /* taken by this read */
    assert_int_equal(in8(s->bench, MASTERS + 0x34), 1);
    read_word(s, CODEC); /* and given back by an access */
    assert_int_equal(in8(s->bench, MASTERS + 0x34), 0);
}

static void test_codec(void **state)
{
    struct setting *s = *state;
    write_word(s, CODEC + 0x02, 0xbf3f); /* six bits: five are there */
    assert_int_equal(read_word(s, CODEC + 0x02), 0x9f1f);
    write_word(s, CODEC + 0x2c, 22050); /* rates are fixed at first */
    assert_int_equal(read_word(s, CODEC + 0x2c), RATE);
    write_word(s, CODEC + 0x2a, 1);
    write_word(s, CODEC + 0x2c, 22050);
    assert_int_equal(read_word(s, CODEC + 0x2c), 22050);
    write_word(s, CODEC + 0x2c, 100);
    assert_int_equal(read_word(s, CODEC + 0x2c), 8000);
    write_word(s, CODEC + 0x2a, 0);
    assert_int_equal(read_word(s, CODEC + 0x2c), RATE);
    write_word(s, CODEC + 0x7c, 0);
    assert_int_equal(read_word(s, CODEC + 0x7c), 0x8384);
    write_word(s, CODEC + 0x00, 0);
    assert_int_equal(read_word(s, CODEC + 0x02), 0x8000);
    assert_int_equal(read_word(s, CODEC + 0x18), 0x8808);
    assert_int_equal(read_word(s, CODEC + 0x40), 0);
}

/* Each frame as memory has it, events when they are due, and a stop at the last. */
static void test_buffers(void **state)
{
    struct setting *s = *state;
    describe(s, 0, 960, COMPLETION);
    describe(s, 1, 480, 0);
    describe(s, 2, 0, COMPLETION); /* empty: no time, but an event */
    describe(s, 3, 960, 0);
    start(s, OUT, 3, 0x1d);
    assert_int_equal(in8(s->bench, OUT + 6), 0);
    run(s, ns_of(100));
    assert_int_equal(read_word(s, OUT + 8), 960 - 200);
    assert_int_equal(in8(s->bench, OUT + 4), 0);
    assert_int_equal(in8(s->bench, OUT + 0xa), 1);
    run(s, ns_of(480) - ns_of(100) - 1);
    assert_false(s->bench->levels[INTERRUPT_LINE]);
    run(s, 1);
    assert_true(s->bench->levels[INTERRUPT_LINE]);
    assert_int_equal(in8(s->bench, OUT + 4), 1);
    assert_int_equal(read_word(s, OUT + 6), 0x08);
    assert_int_equal(port_read(&s->bench->ports, STATUS, 4), 0x140);
    write_word(s, OUT + 6, 0x08);
    assert_false(s->bench->levels[INTERRUPT_LINE]);
    run(s, ns_of(720) - ns_of(480));
    assert_int_equal(in8(s->bench, OUT + 4), 3);
    assert_true(s->bench->levels[INTERRUPT_LINE]);
    write_word(s, OUT + 6, 0x1c);

    run(s, 1000000000);
    assert_int_equal(read_word(s, OUT + 6), 0x07); /* halted, at and past the last */
    assert_int_equal(read_word(s, OUT + 8), 0);
    assert_int_equal(s->bench->rise_ns[INTERRUPT_LINE], ns_of(1200));
    const struct recorder *recorder = s->recorder;
    assert_int_equal(recorder->count, 1200);
    assert_int_equal(recorder->gaps, 0);
    assert_false(recorder->sounds);
    assert_int_equal(recorder->frames[479].right, 959);
    assert_int_equal(recorder->frames[480].left, 1000);
    assert_int_equal(recorder->frames[720].left, 3000);
    assert_int_equal(recorder->frames[1199].right, 3959);
}

/* Naming a further buffer makes it go on from there. */
static void test_goes_on(void **state)
{
    struct setting *s = *state;
    describe(s, 0, 96, 0);
    describe(s, 1, 96, 0);
    start(s, OUT, 0, 0x01);
    run(s, 10000000);
    assert_int_equal(read_word(s, OUT + 6), 0x07);
    assert_false(s->bench->levels[INTERRUPT_LINE]); /* not enabled */
    out8(s->bench, OUT + 5, 1);
    assert_int_equal(read_word(s, OUT + 6), 0x04);
    run(s, 10000000);
    assert_int_equal(s->recorder->count, 96);
    assert_int_equal(s->recorder->gaps, 1);
    assert_int_equal(s->recorder->frames[48].left, 1000);
}

static void test_pause_and_reset(void **state)
{
    struct setting *s = *state;
    describe(s, 0, 960, 0);
    start(s, OUT, 0, 0x01);
    run(s, 5000000);
    out8(s->bench, OUT + 0xb, 0);
    run(s, 50000000);
    assert_int_equal(s->recorder->count, 240);
    assert_int_equal(read_word(s, OUT + 8), 480);
    assert_int_equal(in8(s->bench, OUT + 6) & 1, 1);
    out8(s->bench, OUT + 0xb, 1);
    run(s, 50000000);
    assert_int_equal(s->recorder->count, 480);
    out8(s->bench, OUT + 0xb, 2);
    assert_int_equal(in8(s->bench, OUT + 0xb), 0);
    assert_int_equal(in8(s->bench, OUT + 5), 0);
    assert_int_equal(read_word(s, OUT + 6), 1);
    assert_int_equal(port_read(&s->bench->ports, OUT, 4), 0);
}

static void test_rate_and_volume(void **state)
{
    struct setting *s = *state;
    write_word(s, CODEC + 0x2a, 1);
    write_word(s, CODEC + 0x2c, 8000);
    write_word(s, CODEC + 0x02, 0x0004); /* left 0 dB, right 6 dB less */
    describe(s, 9, 800, 0);
    memory_write32(&s->map, LIST, BUFFERS + 9 * BUFFER_BYTES);
    memory_write32(&s->map, LIST + 4, 800);
    start(s, OUT, 0, 0x01);
    run(s, 1000000000);
    assert_int_equal(s->recorder->rate, 8000);
    assert_int_equal(s->recorder->count, 400);
    assert_int_equal(s->recorder->frames[100].left, 9200);
    assert_in_range(s->recorder->frames[100].right, 4605, 4615);
    write_word(s, CODEC + 0x18, 0x8808);
    s->recorder->count = 0;
    out8(s->bench, OUT + 0xb, 2);
    start(s, OUT, 0, 0x01);
    run(s, 1000000000);
    assert_int_equal(s->recorder->count, 400);
    assert_int_equal(s->recorder->frames[100].left, 0);
}

/* Silence, at the pace of the frames: two channels, and one. */
static void test_inputs(void **state)
{
    struct setting *s = *state;
    describe(s, 0, 480, COMPLETION);
    start(s, IN, 0, 0x10);
    out8(s->bench, IN + 0xb, 0x11);
    run(s, ns_of(240));
    assert_true(s->bench->levels[INTERRUPT_LINE]);
    assert_int_equal(port_read(&s->bench->ports, STATUS, 4), 0x120);
    const int16_t *place = (const int16_t *)(s->ram.host + BUFFERS);
    for (unsigned i = 0; i < 480; i++) {
        assert_int_equal(place[i], 0);
    }
    out8(s->bench, IN + 0xb, 2);
    start(s, MICROPHONE, 0, 0x11);
    run(s, ns_of(240));
    assert_false(s->bench->levels[INTERRUPT_LINE]);
    run(s, ns_of(240));
    assert_int_equal(port_read(&s->bench->ports, STATUS, 4), 0x180);
    assert_int_equal(s->recorder->count, 0);
}

/* A list without a single sample ends at once. */
static void test_empty_list(void **state)
{
    struct setting *s = *state;
    start(s, OUT, 31, 0x01);
    assert_int_equal(read_word(s, OUT + 6), 0x07);
    assert_int_equal(in8(s->bench, OUT + 4), 31);
}

static void test_state(void **state)
{
    struct setting *s = *state;
    describe(s, 0, 960, COMPLETION);
    start(s, OUT, 0, 0x1d);
    run(s, 4000000);
    bench_copy_state(s->ac97, s->ac97);
    assert_int_equal(s->recorder->starts, 2); /* it sounds again */
    run(s, 50000000);
    assert_int_equal(s->recorder->count, 480);
    assert_int_equal(s->recorder->gaps, 0);
}

#define AC97_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AC97_TEST(test_identity),        AC97_TEST(test_codec),
        AC97_TEST(test_buffers),         AC97_TEST(test_goes_on),
        AC97_TEST(test_pause_and_reset), AC97_TEST(test_rate_and_volume),
        AC97_TEST(test_inputs),          AC97_TEST(test_empty_list),
        AC97_TEST(test_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
