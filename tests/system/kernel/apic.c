/* Local APIC and I/O APIC, as a kernel uses them: the way of an interrupt from a chip,
 * or from the APIC itself, to its vector and its end. */
#include "apic.h"

enum {
    MSR_APIC_BASE = 0x1b,
    CPUID_APIC = 1 << 9,
    LVT_MASKED = 0x10000,
    LVT_PERIODIC = 0x20000,
    LVT_EXTINT = 0x700,
    LVT_NMI = 0x400,
    DIVIDE_BY_1 = 0xb,
    SHORT = 10000, /* of the timer, ticks */
    LONG = 0x7fffffff,
    PIC1 = 0x20,
    COM2 = 0x2f8,
    COM2_PIN = 3,
    TIMER_PIN = 2,
    RTC_PIN = 8,
    ENTRY_LEVEL = 0x8000,
    ENTRY_LOGICAL = 0x800,
    ENTRY_MASKED = 0x10000,
    SPINS = 1000000,
};

SNIPPET(send_nmi, "movl $0x400, 0xfee00300; nop; nop; nop; nop");
SNIPPET(open_window, "sti; nop; nop; nop; nop");
SNIPPET(wait_for_ever, "sti; 1: jmp 1b");
SNIPPET(wait_halted, "1: sti; hlt; jmp 1b");

void put_interrupt(const char *name, bool wait)
{
    struct context c = ring0(wait ? wait_for_ever : open_window);
    run(&c);
    if (name) {
        begin(name);
    }
    put(" %x", c.vector);
}

static void put_word(const char *name, uint32_t array, unsigned word)
{
    put(" %s %x", name, *apic(array + 0x10 * word));
}

static void test_registers(void)
{
    uint32_t eax = 1, ebx, ecx, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    begin("cpuid");
    put(" %x id %x", edx & CPUID_APIC, ebx >> 24);
    begin("base");
    put(" %x", (uint32_t)read_msr(MSR_APIC_BASE));
    begin("registers");
    put(" %x %x tpr %x ldr %x dfr %x", *apic(APIC_ID), *apic(APIC_VERSION),
        *apic(APIC_TPR), *apic(APIC_LDR), *apic(APIC_DFR));
    /* As the firmware leaves them: virtual wire mode. */
    begin("firmware");
    put(" svr %x lint0 %x lint1 %x", *apic(APIC_SPURIOUS), *apic(APIC_LINT0) & 0xffff,
        *apic(APIC_LINT1) & 0xffff);
    begin("off");
    write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) & ~0x800ULL);
    eax = 1;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    put(" %x", edx & CPUID_APIC);
    write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) | 0x800);
    *apic(APIC_SPURIOUS) = 0x1ff;
    *apic(APIC_LINT0) = LVT_EXTINT;
    *apic(APIC_LINT1) = LVT_NMI;
}

static void test_priorities(void)
{
    *apic(APIC_COMMAND) = TO_SELF | 0x61;
    *apic(APIC_COMMAND) = TO_SELF | 0x72;
    *apic(APIC_COMMAND) = TO_SELF | 0x65;
    begin("requested");
    put_word("irr", APIC_REQUESTED, 3);
    put_interrupt("first", false);
    put(" ppr %x", *apic(APIC_PPR));
    put_word("isr", APIC_IN_SERVICE, 3);
    put_interrupt("waits", false); /* none: the snippet ends with INT3 */
    *apic(APIC_COMMAND) = TO_SELF | 0x81;
    put_interrupt("higher", false);
    *apic(APIC_EOI) = 0;
    *apic(APIC_EOI) = 0;
    put_interrupt("second", false);
    *apic(APIC_EOI) = 0;
    *apic(APIC_TPR) = 0x60;
    put_interrupt("task_priority", false);
    *apic(APIC_TPR) = 0;
    put_interrupt("third", false);
    *apic(APIC_EOI) = 0;
    begin("clear");
    put_word("irr", APIC_REQUESTED, 3);
    put_word("isr", APIC_IN_SERVICE, 3);
}

static void test_commands(void)
{
    *apic(APIC_LDR) = 0x04000000;
    static const struct {
        const char *name;
        uint32_t high, low;
    } cases[] = {
        {"physical", 0, 0x60},
        {"other", 0x05000000, 0x60},
        {"broadcast", 0xff000000, 0x60},
        {"logical", 0x06000000, 0x860},
        {"other_logical", 0x02000000, 0x860},
        {"all", 0, 0x80060},
        {"others", 0, 0xc0060},
        {"lowest", 0, 0x160},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        *apic(APIC_COMMAND_HIGH) = cases[i].high;
        *apic(APIC_COMMAND) = cases[i].low;
        put_interrupt(joined("to", cases[i].name), false);
        *apic(APIC_EOI) = 0;
    }
    *apic(APIC_COMMAND_HIGH) = 0;
    struct context c = ring0(send_nmi);
    run(&c);
    begin("to_nmi");
    put(" %x", c.vector);
}

static void test_timer(void)
{
    *apic(APIC_DIVIDE) = DIVIDE_BY_1;
    *apic(APIC_TIMER) = 0x60;
    *apic(APIC_INITIAL) = SHORT;
    put_interrupt("one_shot", true);
    put(" count %x", *apic(APIC_CURRENT));
    *apic(APIC_EOI) = 0;
    *apic(APIC_TIMER) = LVT_PERIODIC | 0x62;
    *apic(APIC_INITIAL) = SHORT;
    begin("periodic");
    for (unsigned i = 0; i < 100; i++) {
        struct context c = ring0(i % 2 ? wait_halted : wait_for_ever);
        run(&c);
        *apic(APIC_EOI) = 0;
        if (c.vector != 0x62) {
            put(" %x", c.vector);
        }
    }
    *apic(APIC_TIMER) = LVT_MASKED | 0x62;
    struct context c = ring0(open_window); /* for one that was on its way */
    run(&c);
    *apic(APIC_EOI) = 0;
    *apic(APIC_INITIAL) = SHORT;
    wait_for_clock();
    put_interrupt("masked", false);
    *apic(APIC_INITIAL) = LONG;
    uint32_t before = *apic(APIC_CURRENT), after = before;
    for (unsigned i = 0; i < SPINS && after == before; i++) {
        after = *apic(APIC_CURRENT);
    }
    begin("counts_down");
    put(" %s", after < before && before <= LONG ? "yes" : "no");
    *apic(APIC_INITIAL) = 0;
    put(" stopped at %x", *apic(APIC_CURRENT));
    *apic(APIC_TIMER) = LVT_MASKED;
}

static void test_virtual_wire(void)
{
    outb(PIC1 + 1, 0xfe);
    wait_for_clock();
    put_interrupt("virtual_wire", false);
    outb(PIC1, 0x20);
    *apic(APIC_LINT0) = LVT_MASKED | LVT_EXTINT;
    wait_for_clock();
    put_interrupt("lint0_masked", false);
    *apic(APIC_LINT0) = LVT_EXTINT;
    put_interrupt("lint0_unmasked", false);
    outb(PIC1, 0x20);
    outb(PIC1 + 1, 0xff);
}

static void test_edges(void)
{
    begin("io_version");
    put(" %x", get_io_apic(1));
    set_io_apic(IO_APIC_ENTRY + 2 * TIMER_PIN + 1, 0);
    set_io_apic(IO_APIC_ENTRY + 2 * TIMER_PIN, 0x70);
    wait_for_clock();
    put_interrupt("edge", false);
    put_word("tmr", APIC_LEVEL, 3);
    wait_for_clock();
    put_interrupt("edge_in_service", false);
    *apic(APIC_EOI) = 0;
    put_interrupt("edge_after_eoi", false);
    *apic(APIC_EOI) = 0;
    set_io_apic(IO_APIC_ENTRY + 2 * TIMER_PIN, ENTRY_MASKED | 0x70);
    wait_for_clock();
    set_io_apic(IO_APIC_ENTRY + 2 * TIMER_PIN, 0x70);
    put_interrupt("edge_masked", false);
    set_io_apic(IO_APIC_ENTRY + 2 * TIMER_PIN, ENTRY_MASKED);
}

/* The transmitter of COM2 asks for bytes until somebody looks. */
static void test_levels(void)
{
    uint32_t entry = IO_APIC_ENTRY + 2 * COM2_PIN;
    outb(COM2 + 4, 8); /* OUT2 */
    set_io_apic(entry + 1, 0x04000000);
    set_io_apic(entry, ENTRY_LEVEL | ENTRY_LOGICAL | 0x73);
    outb(COM2 + 1, 2);
    begin("level_sent");
    put(" %x", get_io_apic(entry));
    put_interrupt("level", false);
    put_word("tmr", APIC_LEVEL, 3);
    *apic(APIC_EOI) = 0;
    put_interrupt("level_again", false);
    inb(COM2 + 2);
    begin("level_fallen");
    put(" %x", get_io_apic(entry));
    *apic(APIC_EOI) = 0;
    put_interrupt("level_ended", false);
    put(" %x", get_io_apic(entry));
    outb(COM2 + 1, 0);
    outb(COM2 + 4, 0);
    set_io_apic(entry, ENTRY_MASKED);
}

void test_apic(void)
{
    test_registers();
    test_priorities();
    test_commands();
    test_timer();
    test_virtual_wire();
    test_edges();
    test_levels();
}
