/* apic.h: the registers of the APICs, for topics that need interrupts. */
#ifndef APIC_H
#define APIC_H

#include "kernel.h"

enum {
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_PPR = 0xa0,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SPURIOUS = 0xf0,
    APIC_IN_SERVICE = 0x100,
    APIC_LEVEL = 0x180,
    APIC_REQUESTED = 0x200,
    APIC_COMMAND = 0x300,
    APIC_COMMAND_HIGH = 0x310,
    APIC_TIMER = 0x320,
    APIC_LINT0 = 0x350,
    APIC_LINT1 = 0x360,
    APIC_INITIAL = 0x380,
    APIC_CURRENT = 0x390,
    APIC_DIVIDE = 0x3e0,
    TO_SELF = 0x40000,
    IO_APIC_ENTRY = 0x10, /* two words for each input */
};

static inline volatile uint32_t *apic(uint32_t offset)
{
    return at(0xfee00000U + offset);
}

static inline uint32_t get_io_apic(uint32_t index)
{
    *at(0xfec00000U) = index;
    return *at(0xfec00010U);
}

static inline void set_io_apic(uint32_t index, uint32_t value)
{
    *at(0xfec00000U) = index;
    *at(0xfec00010U) = value;
}

/* Begins the line `name` (NULL: goes on), lets interrupts in and prints the vector of
 * the first: within a few instructions (3: there was none), or whenever it comes. */
void put_interrupt(const char *name, bool wait);

#endif
