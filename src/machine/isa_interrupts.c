#include "machine/isa_interrupts.h"

#include <assert.h>

/* A line's name for its sink is its interrupt and its source's bit. */
enum { SOURCE_SHIFT = 4, SOURCE_PCI = 0, SOURCES = 32 };

static void set_source(struct isa_interrupts *interrupts, unsigned number,
                       unsigned source, bool level)
{
    uint32_t *levels = &interrupts->levels[number];
    uint32_t bit = 1U << source;
    *levels = level ? *levels | bit : *levels & ~bit;
    for (unsigned i = 0; i < ISA_CONTROLLERS; i++) {
        if (interrupts->controllers[i].sink) {
            interrupts->controllers[i].sink(interrupts->controllers[i].opaque, number,
                                            *levels != 0);
        }
    }
}

void isa_interrupts_from_pci(void *isa_interrupts, unsigned number, bool level)
{
    set_source(isa_interrupts, number, SOURCE_PCI, level);
}

static void from_isa(void *isa_interrupts, unsigned name, bool level)
{
    set_source(isa_interrupts, name % ISA_INTERRUPTS, name >> SOURCE_SHIFT, level);
}

struct irq_line isa_interrupts_line(struct isa_interrupts *interrupts, unsigned number)
{
    unsigned source = ++interrupts->sources[number];
    assert(source < SOURCES);
    return irq_line_to(from_isa, interrupts, source << SOURCE_SHIFT | number);
}
