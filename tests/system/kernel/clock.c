#include "kernel.h"

enum {
    PIC = 0x20,
    READ_REQUESTS = 0x0a,
    PIT_CHANNEL_0 = 0x40,
    PIT_CONTROL = 0x43,
    MODE_0 = 0x30, /* of channel 0, both bytes: the line falls, and rises once */
    READ_STATUS = 0xe2,
    OUTPUT = 0x80,
};

void wait_for_clock(void)
{
    outb(PIT_CONTROL, MODE_0);
    outb(PIT_CHANNEL_0, 0x80);
    outb(PIT_CHANNEL_0, 0);
    do {
        outb(PIT_CONTROL, READ_STATUS);
    } while (!(inb(PIT_CHANNEL_0) & OUTPUT));
    outb(PIC, READ_REQUESTS);
    while (!(inb(PIC) & 1)) {
    }
}
