/* Ways to reset the machine; QEMU's -no-reboot and ours end there. */
#include "apic.h"

static bool is(const char *how, const char *name)
{
    while (*name && *how == *name) {
        how++;
        name++;
    }
    return !*name;
}

/* An exception that finds no way to its handler, nor to that of the double fault. */
static void triple_fault(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } empty = {0, 0};
    __asm__ volatile("lidt %0\n"
                     "int3" ::"m"(empty));
}

/* A double fault whose handler's page is missing. */
static void triple_page_fault(void)
{
    paging_on();
    __asm__ volatile("movl $0, (%0)\n"
                     "mov %%cr3, %%eax\n"
                     "mov %%eax, %%cr3\n"
                     "ud2" ::"r"(page_entry((uint32_t)idt))
                     : "eax", "memory");
}

void test_reset(const char *how)
{
    topic("reset");
    begin("before");
    end_line();
    if (is(how, "triple-page")) {
        triple_page_fault();
    } else if (is(how, "triple")) {
        triple_fault();
    } else if (is(how, "keyboard")) {
        outb(0x64, 0xfe);
    } else if (is(how, "cf9")) {
        outb(0xcf9, 0x02);
        outb(0xcf9, 0x06);
    } else if (is(how, "port92")) {
        outb(0x92, inb(0x92) | 1);
    } else if (is(how, "init")) {
        /* To itself: the firmware begins anew, finds that it has run, and resets. */
        *apic(APIC_COMMAND) = TO_SELF | 0x4500;
    }
    /* A reset may take a moment. */
    for (volatile uint32_t i = 0; i < 100000000; i++) {
    }
    begin("after");
    leave(2);
}
