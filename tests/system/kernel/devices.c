/* The board's chips, as a kernel meets them first: PICs, PIT, RTC, A20, port 61h. */
#include "kernel.h"

enum {
    PIC1 = 0x20,
    PIC2 = 0xa0,
    PIT = 0x40,
    RTC_INDEX = 0x70,
    RTC_DATA = 0x71,
    RTC_SLOW = 0x2c, /* 16 Hz: no second interrupt while the first is looked at */
    RTC_1024_HZ = 0x26,
    RTC_INTERRUPT = 0x80,
    RTC_PERIODIC = 0x40,
    FAST_A20 = 0x92,
    PORT_61 = 0x61,
    KEYBOARD = 0x60,
    KEYBOARD_COMMAND = 0x64,
};

SNIPPET(sti_wait, "sti; nop; nop; nop; nop");

static uint8_t cmos(uint8_t index)
{
    outb(RTC_INDEX, index);
    return inb(RTC_DATA);
}

static void set_cmos(uint8_t index, uint8_t value)
{
    outb(RTC_INDEX, index);
    outb(RTC_DATA, value);
}

/* In-service or request registers of both. */
static void put_pics(const char *what, uint8_t command)
{
    outb(PIC1, command);
    outb(PIC2, command);
    put(" %s %x %x", what, inb(PIC1), inb(PIC2));
}

static void test_pic(void)
{
    begin("pic_masks");
    outb(PIC1 + 1, 0xa5);
    outb(PIC2 + 1, 0x5a);
    put(" %x %x", inb(PIC1 + 1), inb(PIC2 + 1));
    outb(PIC1 + 1, 0xff);
    outb(PIC2 + 1, 0xff);
    /* A periodic RTC interrupt while the timer's is in service, and after. */
    wait_for_clock();
    outb(PIC1 + 1, 0xfa);
    struct context c = ring0(sti_wait);
    go("pic_timer", &c);
    put_pics("isr", 0x0b);
    set_cmos(0x0a, RTC_SLOW);
    cmos(0x0c);
    set_cmos(0x0b, cmos(0x0b) | 0x40);
    outb(PIC2 + 1, 0xfe);
    outb(PIC2, 0x0a);
    while (!(inb(PIC2) & 1)) {
    }
    c = ring0(sti_wait);
    go("pic_lower_priority", &c);
    put_pics("isr", 0x0b);
    outb(PIC1, 0x20);
    c = ring0(sti_wait);
    go("pic_after_eoi", &c);
    put_pics("isr", 0x0b);
    set_cmos(0x0b, cmos(0x0b) & ~0x40);
    begin("rtc_flags");
    put(" %x", cmos(0x0c) & (RTC_INTERRUPT | RTC_PERIODIC));
    put(" %x", cmos(0x0c) & (RTC_INTERRUPT | RTC_PERIODIC));
    set_cmos(0x0a, RTC_1024_HZ);
    outb(PIC2, 0x20);
    outb(PIC1, 0x20);
    outb(PIC1 + 1, 0xff);
    outb(PIC2 + 1, 0xff);
    begin("pic_isr_clear");
    put_pics("isr", 0x0b);
}

static void test_pit(void)
{
    begin("pit_status");
    outb(0x43, 0xb0); /* channel 2, mode 0, both bytes */
    outb(0x43, 0xe8); /* read back the status of channel 2 */
    put(" %x", inb(PIT + 2) & 0x3f);
    begin("pit_null_count");
    outb(0x43, 0xb0);
    outb(0x43, 0xe8);
    put(" %x", inb(PIT + 2) & 0x40);
    begin("pit_output");
    outb(PORT_61, (uint8_t)((inb(PORT_61) & ~2) | 1));
    outb(0x43, 0xb0);
    put(" %x", inb(PORT_61) & 0x20);
    outb(PIT + 2, 0x10);
    outb(PIT + 2, 0);
    while (!(inb(PORT_61) & 0x20)) {
    }
    put(" %x", inb(PORT_61) & 0x20);
    begin("pit_latch");
    outb(PORT_61, inb(PORT_61) & ~1);
    outb(0x43, 0xb0);
    outb(PIT + 2, 0x34);
    outb(PIT + 2, 0x12);
    outb(0x43, 0x80);
    uint32_t low = inb(PIT + 2);
    put(" %x", low | (uint32_t)inb(PIT + 2) << 8);
}

static void test_rtc(void)
{
    begin("rtc_ram");
    uint8_t old = cmos(0x50);
    set_cmos(0x50, 0x5a);
    put(" %x", cmos(0x50));
    set_cmos(0x50, old);
    begin("rtc_registers");
    put(" a %x b %x d %x", cmos(0x0a) & 0x7f, cmos(0x0b), cmos(0x0d));
    begin("rtc_century");
    put(" %s", cmos(0x32) == 0x20 ? "20" : "?");
}

static void test_a20(void)
{
    static volatile uint32_t *const low = (volatile uint32_t *)0x7000;
    volatile uint32_t *const high = at(0x107000);
    uint32_t saved_low = *low, saved_high = *high;
    begin("a20");
    uint8_t port = inb(FAST_A20);
    put(" on %x", port >> 1 & 1);
    *low = 0x11111111;
    *high = 0x22222222;
    put(" %x", *low);
    /* The kernel itself is at 1 MiB: what is above must not be touched while off. */
    *low = saved_low;
    *high = saved_high;
}

static void test_keyboard(void)
{
    begin("keyboard_self_test");
    while (inb(KEYBOARD_COMMAND) & 1) {
        inb(KEYBOARD);
    }
    outb(KEYBOARD_COMMAND, 0xaa);
    while (!(inb(KEYBOARD_COMMAND) & 1)) {
    }
    put(" %x", inb(KEYBOARD));
    outb(KEYBOARD_COMMAND, 0xab);
    while (!(inb(KEYBOARD_COMMAND) & 1)) {
    }
    put(" %x", inb(KEYBOARD));
    begin("keyboard_a20_bit");
    outb(KEYBOARD_COMMAND, 0xd0);
    while (!(inb(KEYBOARD_COMMAND) & 1)) {
    }
    put(" %x", inb(KEYBOARD) & 3);
}

void test_devices(void)
{
    test_pic();
    test_pit();
    test_rtc();
    test_a20();
    test_keyboard();
}
