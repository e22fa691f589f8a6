/* Chips beside the interrupt controllers: event timers, buttons and alarms of power
 * management, the watchdog, a parallel port and more serial ones. */
#include "apic.h"

enum {
    HPET = 0xfed00000,
    HPET_CONFIGURATION = 0x10,
    HPET_STATUS = 0x20,
    HPET_COUNTER = 0xf0,
    HPET_TIMER = 0x100, /* 0x20 each: configuration, comparator at 8 */
    HPET_RUNS = 1,
    HPET_LEGACY = 2,
    TIMER_LEVEL = 2,
    TIMER_ENABLED = 4,
    TIMER_PERIODIC = 8,
    TIMER_SET = 0x40,
    TIMER_32_BITS = 0x100,
    TIMER_INPUT_2 = 2 << 9,
    TICKS = 100000, /* a millisecond: QEMU may be late */
    PM = 0x600,
    PM_ENABLE = PM + 2,
    PM_CONTROL = PM + 4,
    POWER_BUTTON = 0x100,
    SCI_PIN = 9,
    TIMER_PIN = 2,
    ENTRY_LEVEL = 0x8000,
    ENTRY_MASKED = 0x10000,
    PARALLEL = 0x378,
    SPINS = 1000000,
};

SNIPPET(window_of_time, "sti; nop; nop; nop; nop");

static volatile uint32_t *hpet(uint32_t offset)
{
    return at((uint32_t)HPET + offset);
}

static void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static uint16_t inw(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void route(unsigned pin, uint32_t entry)
{
    set_io_apic(IO_APIC_ENTRY + 2 * pin + 1, 0);
    set_io_apic(IO_APIC_ENTRY + 2 * pin, entry);
}

/* Enabled last: to QEMU a comparator of ones has been met already. */
static void arm_timer(unsigned number, uint32_t configuration, uint32_t ticks)
{
    uint32_t timer = HPET_TIMER + 0x20 * number;
    *hpet(timer) = TIMER_32_BITS;
    *hpet(timer + 8) = *hpet(HPET_COUNTER) + ticks;
    *hpet(timer) = configuration | TIMER_32_BITS;
}

static void test_hpet(void)
{
    begin("hpet_id");
    put(" %x %x", *hpet(0), *hpet(4));
    *hpet(HPET_CONFIGURATION) = HPET_RUNS;
    outb(0x43, 0x30); /* the 8254 shares the input, and lets go of it */
    route(TIMER_PIN, 0x70);
    arm_timer(0, TIMER_ENABLED | TIMER_INPUT_2, TICKS);
    put_interrupt("hpet_one_shot", true);
    *apic(APIC_EOI) = 0;
    put_interrupt("hpet_once", false);
    *hpet(HPET_TIMER) = 0;
    /* Legacy replacement, periodic: the timer stands for the 8254. */
    *hpet(HPET_CONFIGURATION) = 0;
    *hpet(HPET_COUNTER) = 0;
    *hpet(HPET_COUNTER + 4) = 0;
    *hpet(HPET_TIMER) = TIMER_ENABLED | TIMER_PERIODIC | TIMER_SET | TIMER_32_BITS;
    *hpet(HPET_TIMER + 8) = 2 * TICKS;
    *hpet(HPET_TIMER + 8) = TICKS;
    *hpet(HPET_CONFIGURATION) = HPET_RUNS | HPET_LEGACY;
    begin("hpet_periodic");
    for (unsigned i = 0; i < 5; i++) {
        put_interrupt(NULL, true);
        *apic(APIC_EOI) = 0;
    }
    *hpet(HPET_TIMER) = 0;
    struct context c = ring0(window_of_time); /* for one that was on its way */
    run(&c);
    *apic(APIC_EOI) = 0;
    route(TIMER_PIN, ENTRY_MASKED);
    *hpet(HPET_CONFIGURATION) = 0;
}

/* By interrupt 8: level triggered, until the status says that it was seen. */
static void test_hpet_level(void)
{
    route(8, ENTRY_LEVEL | 0x78);
    *hpet(HPET_CONFIGURATION) = HPET_RUNS | HPET_LEGACY;
    arm_timer(1, TIMER_ENABLED | TIMER_LEVEL, TICKS);
    put_interrupt("hpet_level", true);
    put(" status %x", *hpet(HPET_STATUS));
    *apic(APIC_EOI) = 0;
    put_interrupt("hpet_level_again", false);
    *hpet(HPET_STATUS) = 2;
    *apic(APIC_EOI) = 0;
    put_interrupt("hpet_level_seen", false);
    put(" status %x", *hpet(HPET_STATUS));
    *hpet(HPET_TIMER + 0x20) = 0;
    *hpet(HPET_CONFIGURATION) = 0;
    route(8, ENTRY_MASKED);
}

static void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static uint32_t inl(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static uint32_t pci_read(uint32_t slot, uint32_t offset)
{
    outl(0xcf8, 0x80000000U | slot << 11 | offset);
    return inl(0xcfc);
}

static void pci_write16(uint32_t slot, uint32_t offset, uint16_t value)
{
    outl(0xcf8, 0x80000000U | slot << 11 | offset);
    outw(0xcfc, value);
}

static void pci_write8(uint32_t slot, uint32_t offset, uint8_t value)
{
    outl(0xcf8, 0x80000000U | slot << 11 | offset);
    outb(0xcfc, value);
}

static volatile uint16_t *watchdog_reload(uint32_t bar)
{
    return (volatile uint16_t *)(bar + 0xc);
}

static void watchdog_unlock(uint32_t bar)
{
    *watchdog_reload(bar) = 0x80;
    *watchdog_reload(bar) = 0x86;
}

static void watchdog_write(uint32_t bar, uint32_t offset, uint32_t value)
{
    watchdog_unlock(bar);
    *at(bar + offset) = value;
}

/* The machine's watchdog presses the power button. */
static void test_watchdog(void)
{
    enum { ID = 0x25ab8086, NO_INTERRUPT_FAST = 0x7, TIMEOUT = 0x200 };
    uint32_t slot = 0;
    while (slot < 32 && pci_read(slot, 0) != ID) {
        slot++;
    }
    begin("watchdog");
    put(" %s", slot < 32 ? "found" : "missing");
    if (slot == 32) {
        return;
    }
    pci_write16(slot, 4, 2);
    uint32_t bar = pci_read(slot, 0x10) & ~15U;
    outw(PM, 0xffff);
    outw(PM_ENABLE, POWER_BUTTON);
    outw(PM_CONTROL, 1);
    route(SCI_PIN, ENTRY_LEVEL | 0x79);
    put_interrupt("no_button", false);
    pci_write16(slot, 0x60, NO_INTERRUPT_FAST);
    watchdog_write(bar, 0, 1000); /* a millisecond, twice */
    watchdog_write(bar, 4, 1000);
    pci_write8(slot, 0x68, 2);
    put_interrupt("power_button", true);
    put(" status %x", inw(PM) & POWER_BUTTON);
    *apic(APIC_EOI) = 0;
    put_interrupt("power_button_held", false);
    outw(PM, POWER_BUTTON);
    *apic(APIC_EOI) = 0;
    put_interrupt("power_button_seen", false);
    put(" status %x", inw(PM) & POWER_BUTTON);
    begin("watchdog_timeout");
    put(" %x", *watchdog_reload(bar) & TIMEOUT);
    pci_write8(slot, 0x68, 0);
    watchdog_unlock(bar);
    *watchdog_reload(bar) = TIMEOUT;
    put(" %x", *watchdog_reload(bar) & TIMEOUT);
    outw(PM_ENABLE, 0);
    route(SCI_PIN, ENTRY_MASKED);
}

static void test_ports(void)
{
    begin("parallel");
    outb(PARALLEL + 2, 0x0c);
    outb(PARALLEL, 0x5a);
    put(" %x status %x", inb(PARALLEL), inb(PARALLEL + 1) & 0xf8);
    for (const char *text = "printed\n"; *text; text++) {
        outb(PARALLEL, (uint8_t)*text);
        outb(PARALLEL + 2, 0x0d);
        outb(PARALLEL + 2, 0x0c);
        for (unsigned i = 0; i < SPINS && !(inb(PARALLEL + 1) & 0x80); i++) {
        }
    }
    static const uint16_t uarts[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
    begin("serial");
    for (unsigned i = 0; i < 4; i++) {
        uint8_t old = inb(uarts[i] + 7);
        outb(uarts[i] + 7, (uint8_t)(0x50 + i));
        put(" %x", inb(uarts[i] + 7));
        outb(uarts[i] + 7, old);
    }
    for (const char *text = "third\n"; *text; text++) {
        outb(0x3e8, (uint8_t)*text);
    }
    /* COM4 shares its line with COM2: whoever is still asking keeps it active. */
    route(3, ENTRY_LEVEL | 0x73);
    outb(0x2f8 + 4, 8);
    outb(0x2e8 + 4, 8);
    outb(0x2f8 + 1, 2);
    outb(0x2e8 + 1, 2);
    put_interrupt("shared_line", false);
    inb(0x2f8 + 2);
    *apic(APIC_EOI) = 0;
    put_interrupt("shared_by_other", false);
    inb(0x2e8 + 2);
    *apic(APIC_EOI) = 0;
    put_interrupt("shared_by_nobody", false);
    outb(0x2f8 + 1, 0);
    outb(0x2e8 + 1, 0);
    route(3, ENTRY_MASKED);
}

void test_platform(void)
{
    test_hpet();
    test_hpet_level();
    test_watchdog();
    test_ports();
}
