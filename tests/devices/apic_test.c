/* The local APIC and the I/O APIC, wired to each other as on the board: registers,
 * priorities, the timer, messages. */
#include "bench.h"

#include "devices/io_apic.h"
#include "devices/local_apic.h"

enum { LOCAL = 0xfee00000, INTR = 0, EXTERNAL_VECTOR = 0x77 };

/* Registers of the local APIC. */
enum {
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    LVT_TIMER = 0x320,
    LVT_LINT0 = 0x350,
    LVT_LINT1 = 0x360,
    LVT_ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0,
    MASKED = 0x10000,
    PERIODIC = 0x20000,
    BY_1 = 0xb,
    BY_16 = 0x3,
};

/* Entries of the I/O APIC. */
enum { LEVEL = 1 << 15, REMOTE_IRR = 1 << 14, LOGICAL = 1 << 11, NMI = 4 << 8 };

struct setting {
    struct bench *bench;
    struct memory_map memory;
    struct local_apic *local;
    struct io_apic *io;
    unsigned nmis, inits, external;
};

static void count_nmi(void *opaque)
{
    struct setting *setting = opaque;
    setting->nmis++;
}

static void count_init(void *opaque)
{
    struct setting *setting = opaque;
    setting->inits++;
}

static uint8_t acknowledge_external(void *opaque)
{
    struct setting *setting = opaque;
    setting->external++;
    return EXTERNAL_VECTOR;
}

static void end(void *opaque, uint8_t vector)
{
    struct setting *setting = opaque;
    io_apic_end_of_interrupt(setting->io, vector);
}

static uint32_t get(struct setting *setting, unsigned offset)
{
    return memory_read32(&setting->memory, LOCAL + offset);
}

static void put(struct setting *setting, unsigned offset, uint32_t value)
{
    memory_write32(&setting->memory, LOCAL + offset, value);
}

static uint32_t get_io(struct setting *setting, unsigned index)
{
    memory_write32(&setting->memory, IO_APIC_ADDRESS, index);
    return memory_read32(&setting->memory, IO_APIC_ADDRESS + 0x10);
}

static void put_io(struct setting *setting, unsigned index, uint32_t value)
{
    memory_write32(&setting->memory, IO_APIC_ADDRESS, index);
    memory_write32(&setting->memory, IO_APIC_ADDRESS + 0x10, value);
}

static unsigned entry(unsigned pin)
{
    return 0x10 + 2 * pin;
}

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    struct bench *bench = setting->bench = bench_create(0);
    const struct local_apic_wiring wiring = {
        .intr = bench_line(bench, INTR),
        .nmi = count_nmi,
        .init = count_init,
        .acknowledge_external = acknowledge_external,
        .end_of_interrupt = end,
        .opaque = setting,
    };
    setting->local =
        local_apic_create(&bench->log, &setting->memory, &bench->clock, &wiring);
    setting->io = io_apic_create(&bench->log, &setting->memory, local_apic_receive,
                                 setting->local);
    put(setting, SVR, 0x1ff);
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    device_destroy((struct device *)setting->io);
    device_destroy((struct device *)setting->local);
    free(setting->bench);
    free(setting);
    return 0;
}

static bool intr(const struct setting *setting)
{
    return setting->bench->levels[INTR];
}

static uint8_t take(struct setting *setting)
{
    assert_true(intr(setting));
    return local_apic_acknowledge(setting->local);
}

static void send_self(struct setting *setting, uint8_t vector)
{
    put(setting, ICR, 0x40000 | vector);
}

static void registers_after_reset(void **state)
{
    struct setting *setting = *state;
    bench_reset(setting->local);
    assert_int_equal(get(setting, ID), 0);
    assert_int_equal(get(setting, VERSION), 0x00050014);
    assert_int_equal(get(setting, SVR), 0xff);
    assert_int_equal(get(setting, DFR), 0xffffffff);
    assert_int_equal(get(setting, LVT_TIMER), MASKED);
    assert_int_equal(get(setting, LVT_LINT0), 0x700);
    assert_int_equal(get(setting, CURRENT), 0);
    /* Off, it keeps everything masked. */
    put(setting, LVT_TIMER, 0x40);
    assert_int_equal(get(setting, LVT_TIMER), MASKED | 0x40);
    /* Registers are one word each, and nothing is between them. */
    assert_int_equal(get(setting, VERSION + 4), 0);
    uint8_t byte;
    memory_read(&setting->memory, LOCAL + VERSION, &byte, 1);
    assert_int_equal(byte, 0xff);
    put(setting, SVR, 0x1ff);
    put(setting, LVT_TIMER, 0xffffffff);
    assert_int_equal(get(setting, LVT_TIMER), 0x300ff);
    put(setting, SVR, 0xff);
    assert_int_equal(get(setting, LVT_TIMER), 0x300ff);
    assert_int_equal(get(setting, LVT_LINT0), MASKED | 0x700);
}

static void priorities(void **state)
{
    struct setting *setting = *state;
    send_self(setting, 0x41);
    send_self(setting, 0x52);
    send_self(setting, 0x45);
    assert_int_equal(get(setting, IRR + 0x20), 1U << 1 | 1U << 5 | 1U << 18);
    assert_int_equal(take(setting), 0x52);
    assert_int_equal(get(setting, PPR), 0x50);
    assert_false(intr(setting)); /* 0x45 has to wait */
    send_self(setting, 0x58);    /* of the same class, too */
    assert_false(intr(setting));
    send_self(setting, 0x61);
    assert_int_equal(take(setting), 0x61);
    assert_int_equal(get(setting, ISR + 0x30), 1U << 1);
    put(setting, EOI, 0);
    assert_false(intr(setting));
    put(setting, EOI, 0);
    assert_int_equal(take(setting), 0x58);
    put(setting, EOI, 0);
    put(setting, TPR, 0x4f);
    assert_int_equal(get(setting, PPR), 0x4f);
    assert_false(intr(setting));
    put(setting, TPR, 0x3f);
    assert_int_equal(take(setting), 0x45);
    put(setting, EOI, 0);
    assert_int_equal(take(setting), 0x41);
    put(setting, EOI, 0);
    put(setting, EOI, 0); /* of nothing */
    assert_false(intr(setting));
}

/* What is no longer wanted when the CPU asks is the spurious vector, without trace. */
static void spurious(void **state)
{
    struct setting *setting = *state;
    put(setting, SVR, 0x1ef);
    send_self(setting, 0x41);
    put(setting, TPR, 0x50);
    assert_int_equal(local_apic_acknowledge(setting->local), 0xef);
    assert_int_equal(get(setting, ISR + 0x70), 0);
    assert_int_equal(get(setting, IRR + 0x20), 2);
}

static void one_shot_timer(void **state)
{
    struct setting *setting = *state;
    put(setting, DIVIDE, BY_16);
    put(setting, LVT_TIMER, 0x40);
    put(setting, INITIAL, 1000);
    step_ns(setting->bench, 15999);
    assert_int_equal(get(setting, CURRENT), 1);
    assert_false(intr(setting));
    step_ns(setting->bench, 1);
    assert_int_equal(take(setting), 0x40);
    assert_int_equal(get(setting, CURRENT), 0);
    put(setting, EOI, 0);
    step_ns(setting->bench, 1000000);
    assert_false(intr(setting));
    assert_int_equal(clock_next_deadline_ns(&setting->bench->clock), CLOCK_NEVER);
    /* Masked it counts, and nobody needs to be woken. */
    put(setting, LVT_TIMER, MASKED | 0x40);
    put(setting, DIVIDE, BY_1);
    put(setting, INITIAL, 1000);
    assert_int_equal(clock_next_deadline_ns(&setting->bench->clock), CLOCK_NEVER);
    step_ns(setting->bench, 400);
    assert_int_equal(get(setting, CURRENT), 600);
    put(setting, LVT_TIMER, 0x40);
    step_ns(setting->bench, 600);
    assert_int_equal(take(setting), 0x40);
    /* Zero stops it. */
    put(setting, INITIAL, 1000);
    put(setting, INITIAL, 0);
    assert_int_equal(clock_next_deadline_ns(&setting->bench->clock), CLOCK_NEVER);
}

static void periodic_timer(void **state)
{
    struct setting *setting = *state;
    put(setting, DIVIDE, BY_1);
    put(setting, LVT_TIMER, PERIODIC | 0x40);
    put(setting, INITIAL, 1000);
    for (unsigned i = 1; i <= 3; i++) {
        step_ns(setting->bench, 1000);
        assert_int_equal(setting->bench->rise_ns[INTR], 1000 * i);
        assert_int_equal(take(setting), 0x40);
        put(setting, EOI, 0);
    }
    /* Not taken for long it is one interrupt, and the phase stays. */
    step_ns(setting->bench, 10300);
    assert_int_equal(clock_next_deadline_ns(&setting->bench->clock), CLOCK_NEVER);
    assert_int_equal(get(setting, CURRENT), 700);
    assert_int_equal(take(setting), 0x40);
    put(setting, EOI, 0);
    assert_false(intr(setting));
    step_ns(setting->bench, 700);
    assert_int_equal(take(setting), 0x40);
    put(setting, EOI, 0);
    /* Another divisor goes on from where the count is. */
    step_ns(setting->bench, 500);
    put(setting, DIVIDE, BY_16);
    assert_int_equal(get(setting, CURRENT), 500);
    step_ns(setting->bench, 7999);
    assert_false(intr(setting));
    step_ns(setting->bench, 1);
    assert_true(intr(setting));
}

/* Loaded into another, an interrupt that is due comes when it is due. */
static void saved_timer(void **state)
{
    struct setting *setting = *state;
    put(setting, DIVIDE, BY_1);
    put(setting, LVT_TIMER, 0x40);
    put(setting, INITIAL, 1000);
    step_ns(setting->bench, 100);
    struct state_buffer saved = {0};
    struct error error;
    device_save((struct device *)setting->local, &saved);
    bench_reset(setting->local);
    assert_true(device_load((struct device *)setting->local, &saved, &error));
    state_buffer_free(&saved);
    assert_int_equal(get(setting, CURRENT), 900);
    step_ns(setting->bench, 900);
    assert_int_equal(take(setting), 0x40);
}

static void external_interrupts(void **state)
{
    struct setting *setting = *state;
    local_apic_set_pin(setting->local, LOCAL_APIC_LINT0, true);
    assert_int_equal(take(setting), EXTERNAL_VECTOR);
    /* The 8259's come after the APIC's own. */
    send_self(setting, 0x31);
    assert_int_equal(take(setting), 0x31);
    assert_int_equal(take(setting), EXTERNAL_VECTOR);
    put(setting, LVT_LINT0, MASKED | 0x700);
    assert_false(intr(setting));
    put(setting, LVT_LINT0, 0x700);
    assert_true(intr(setting));
    /* As an interrupt of its own: one for each edge. */
    put(setting, EOI, 0);
    put(setting, LVT_LINT0, 0x66);
    assert_false(intr(setting));
    local_apic_set_pin(setting->local, LOCAL_APIC_LINT0, false);
    local_apic_set_pin(setting->local, LOCAL_APIC_LINT0, true);
    assert_int_equal(take(setting), 0x66);
    assert_false(intr(setting));
    assert_int_equal(setting->external, 2);
}

static void non_maskable(void **state)
{
    struct setting *setting = *state;
    local_apic_set_pin(setting->local, LOCAL_APIC_LINT1, true);
    assert_int_equal(setting->nmis, 0);
    local_apic_set_pin(setting->local, LOCAL_APIC_LINT1, false);
    put(setting, LVT_LINT1, 0x400);
    local_apic_set_pin(setting->local, LOCAL_APIC_LINT1, true);
    assert_int_equal(setting->nmis, 1);
    put(setting, ICR, 0x40400);
    assert_int_equal(setting->nmis, 2);
    put_io(setting, entry(5), NMI);
    io_apic_set_pin(setting->io, 5, true);
    assert_int_equal(setting->nmis, 3);
    assert_int_equal(get_io(setting, entry(5)), NMI);
}

static void commands(void **state)
{
    struct setting *setting = *state;
    put(setting, LDR, 0x02000000);
    static const struct {
        uint32_t high, low;
        bool arrives;
    } cases[] = {
        {0x00000000, 0x00040, true},  {0x01000000, 0x00040, false},
        {0xff000000, 0x00040, true},  {0x02000000, 0x00840, true},
        {0x04000000, 0x00840, false}, {0x07000000, 0x00840, true},
        {0x01000000, 0x40040, true},  {0x01000000, 0x80040, true},
        {0x00000000, 0xc0040, false}, {0x00000000, 0x00140, true},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        put(setting, ICR_HIGH, cases[i].high);
        put(setting, ICR, cases[i].low);
        assert_int_equal(get(setting, ICR), cases[i].low);
        assert_int_equal(intr(setting), cases[i].arrives);
        if (intr(setting)) {
            assert_int_equal(take(setting), 0x40);
            put(setting, EOI, 0);
        }
    }
    /* Clusters: one in four bits, a member in four. */
    put(setting, DFR, 0x0fffffff);
    put(setting, LDR, 0x32000000);
    put(setting, ICR_HIGH, 0x33000000);
    put(setting, ICR, 0x840);
    assert_int_equal(take(setting), 0x40);
    put(setting, EOI, 0);
    put(setting, ICR_HIGH, 0x23000000);
    put(setting, ICR, 0x840);
    assert_false(intr(setting));
}

/* INIT starts the processor anew and leaves the ID; it never waits for a STARTUP. */
static void init(void **state)
{
    struct setting *setting = *state;
    put(setting, ID, 0x03000000);
    put(setting, LVT_TIMER, 0x40);
    send_self(setting, 0x50);
    put(setting, ICR, 0x48500 & ~0x4000); /* level de-assert: nothing */
    assert_int_equal(setting->inits, 0);
    put(setting, ICR, 0x44500);
    assert_int_equal(setting->inits, 1);
    assert_false(intr(setting));
    assert_int_equal(get(setting, ID), 0x03000000);
    assert_int_equal(get(setting, SVR), 0xff);
    put(setting, ICR, 0x44610);
    assert_int_equal(setting->inits, 1);
}

static void errors(void **state)
{
    struct setting *setting = *state;
    put(setting, LVT_ERROR, 0x3e);
    send_self(setting, 0x0f);
    assert_int_equal(take(setting), 0x3e);
    put(setting, EOI, 0);
    assert_int_equal(get(setting, ESR), 0); /* shown after a write only */
    put(setting, ESR, 0);
    assert_int_equal(get(setting, ESR), 0x20);
    put_io(setting, entry(3), 0x05);
    io_apic_set_pin(setting->io, 3, true);
    get(setting, 0x40);
    put(setting, ESR, 0);
    assert_int_equal(get(setting, ESR), 0xc0);
    put(setting, ESR, 0);
    assert_int_equal(get(setting, ESR), 0);
    /* An error's own vector may be one. */
    put(setting, LVT_ERROR, 0x02);
    send_self(setting, 0x01);
    put(setting, ESR, 0);
    assert_int_equal(get(setting, ESR), 0x60);
}

static void moved_and_switched_off(void **state)
{
    struct setting *setting = *state;
    local_apic_set_base(setting->local, 0xfed80900);
    assert_int_equal(get(setting, VERSION), 0xffffffff);
    assert_int_equal(memory_read32(&setting->memory, 0xfed80000 + VERSION), 0x50014);
    /* Off, the pins are the CPU's, and messages go nowhere. */
    local_apic_set_base(setting->local, 0xfee00100);
    assert_int_equal(get(setting, VERSION), 0xffffffff);
    const struct interrupt_message message = {.vector = 0x40};
    assert_false(local_apic_receive(setting->local, &message));
    local_apic_set_pin(setting->local, LOCAL_APIC_LINT1, true);
    assert_int_equal(setting->nmis, 1);
    local_apic_set_pin(setting->local, LOCAL_APIC_LINT0, true);
    assert_int_equal(take(setting), EXTERNAL_VECTOR);
}

static void edges(void **state)
{
    struct setting *setting = *state;
    io_apic_set_pin(setting->io, 4, true); /* masked: lost */
    put_io(setting, entry(4), 0x44);
    assert_false(intr(setting));
    io_apic_set_pin(setting->io, 4, false);
    io_apic_set_pin(setting->io, 4, true);
    io_apic_set_pin(setting->io, 4, false);
    assert_int_equal(take(setting), 0x44);
    assert_int_equal(get(setting, TMR + 0x20), 0);
    /* One while the one before is in service waits. */
    io_apic_set_pin(setting->io, 4, true);
    assert_false(intr(setting));
    put(setting, EOI, 0);
    assert_int_equal(take(setting), 0x44);
    put(setting, EOI, 0);
    /* To another processor: gone. */
    io_apic_set_pin(setting->io, 4, false);
    put_io(setting, entry(4) + 1, 0x05000000);
    io_apic_set_pin(setting->io, 4, true);
    assert_false(intr(setting));
}

static void levels(void **state)
{
    struct setting *setting = *state;
    put_io(setting, entry(11), LEVEL | 0x59);
    io_apic_set_pin(setting->io, 11, true);
    assert_int_equal(get_io(setting, entry(11)), LEVEL | REMOTE_IRR | 0x59);
    assert_int_equal(get(setting, TMR + 0x20), 1U << 25);
    assert_int_equal(take(setting), 0x59);
    put(setting, EOI, 0); /* the line is still active */
    assert_int_equal(take(setting), 0x59);
    io_apic_set_pin(setting->io, 11, false);
    assert_int_equal(get_io(setting, entry(11)), LEVEL | REMOTE_IRR | 0x59);
    put(setting, EOI, 0);
    assert_int_equal(get_io(setting, entry(11)), LEVEL | 0x59);
    assert_false(intr(setting));
    /* Masked while active: it comes when it is unmasked. */
    put_io(setting, entry(11), MASKED | LEVEL | 0x59);
    io_apic_set_pin(setting->io, 11, true);
    assert_false(intr(setting));
    put_io(setting, entry(11), LEVEL | 0x59);
    assert_int_equal(take(setting), 0x59);
    /* Its own EOI register, and a change to edge, end it, too. */
    memory_write32(&setting->memory, IO_APIC_ADDRESS + 0x40, 0x58);
    assert_false(intr(setting));
    io_apic_set_pin(setting->io, 11, false);
    memory_write32(&setting->memory, IO_APIC_ADDRESS + 0x40, 0x59);
    assert_int_equal(get_io(setting, entry(11)), LEVEL | 0x59);
    io_apic_set_pin(setting->io, 11, true);
    put_io(setting, entry(11), MASKED | 0x59);
    assert_int_equal(get_io(setting, entry(11)), MASKED | 0x59);
}

static void io_registers(void **state)
{
    struct setting *setting = *state;
    bench_reset(setting->io);
    assert_int_equal(get_io(setting, 1), 0x00170020);
    put_io(setting, 0, 0xffffffff);
    assert_int_equal(get_io(setting, 0), 0x0f000000);
    assert_int_equal(get_io(setting, 2), 0x0f000000);
    put_io(setting, entry(23), 0xffffffff);
    put_io(setting, entry(23) + 1, 0xffffffff);
    assert_int_equal(get_io(setting, entry(23)), 0x1afff);
    assert_int_equal(get_io(setting, entry(23) + 1), 0xff000000);
    put_io(setting, entry(24), 0);
    assert_int_equal(get_io(setting, entry(24)), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(registers_after_reset),
        TEST(priorities),
        TEST(spurious),
        TEST(one_shot_timer),
        TEST(periodic_timer),
        TEST(saved_timer),
        TEST(external_interrupts),
        TEST(non_maskable),
        TEST(commands),
        TEST(init),
        TEST(errors),
        TEST(moved_and_switched_off),
        TEST(edges),
        TEST(levels),
        TEST(io_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
