#include "machine/isa_interrupts.h"

static void set_source(struct isa_interrupts *interrupts, unsigned number,
                       enum isa_interrupt_source source, bool level)
{
    uint8_t *levels = &interrupts->levels[number];
    uint8_t bit = (uint8_t)(1U << source);
    *levels = level ? *levels | bit : *levels & (uint8_t)~bit;
    interrupts->controller(interrupts->opaque, number, *levels != 0);
}

void isa_interrupts_from_pci(void *isa_interrupts, unsigned number, bool level)
{
    set_source(isa_interrupts, number, ISA_SOURCE_PCI, level);
}

static void from_isa(void *isa_interrupts, unsigned number, bool level)
{
    set_source(isa_interrupts, number, ISA_SOURCE_ISA, level);
}

struct irq_line isa_interrupts_line(struct isa_interrupts *interrupts, unsigned number)
{
    return irq_line_to(from_isa, interrupts, number);
}
