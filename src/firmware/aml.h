/* firmware/aml.h: writes ACPI Machine Language.
 *
 * The calls follow ASL in prefix order: an operator is followed by the calls that write
 * its operands, e.g. Return (And (PRQ0, 0x80)) is aml_return, aml_and, aml_path,
 * aml_integer, aml_no_target. What has a body (scope, device, method, …) is closed with
 * aml_end(). Names are ASL's: "\\_SB.PCI0", "LNKA", segments of up to four characters.
 * Source: ACPI Specification 1.0b, chapter 16 (AML) and section 6.4 (resources). */
#ifndef FIRMWARE_AML_H
#define FIRMWARE_AML_H

#include "base/types.h"

enum { AML_NESTING = 8 };

/* Zero it to begin; `bytes` belongs to the caller when all bodies are closed. */
struct aml {
    uint8_t *bytes;
    size_t length;
    unsigned depth;
    struct {
        size_t start;   /* where the length of the body will be inserted */
        bool resources; /* a buffer whose size is also to be inserted */
    } open[AML_NESTING];
};

void aml_end(struct aml *aml);

/* Named objects. aml_name is followed by its value. */
void aml_scope(struct aml *aml, const char *name);
void aml_device(struct aml *aml, const char *name);
/* `serialized`: needed by methods that create names. */
void aml_method(struct aml *aml, const char *name, unsigned arguments, bool serialized);
void aml_name(struct aml *aml, const char *name);
void aml_pci_region(struct aml *aml, const char *name, uint8_t offset, uint8_t bytes);
/* A byte-wise field list over a region: then aml_field_unit for each, aml_end. */
void aml_field(struct aml *aml, const char *region);
void aml_field_unit(struct aml *aml, const char *segment, unsigned bits);

/* Values. A package is followed by `elements` values and aml_end. */
void aml_integer(struct aml *aml, uint32_t value);
void aml_string(struct aml *aml, const char *text);
void aml_eisa_id(struct aml *aml, const char *id); /* "PNP0A03" */
void aml_package(struct aml *aml, uint8_t elements);
void aml_path(struct aml *aml, const char *name);
void aml_argument(struct aml *aml, unsigned number);

/* Operators. And/Or: two operands and a target (a path or aml_no_target). */
void aml_store(struct aml *aml); /* value, target */
void aml_and(struct aml *aml);
void aml_or(struct aml *aml);
void aml_no_target(struct aml *aml);
void aml_if(struct aml *aml); /* predicate, statements, aml_end */
void aml_return(struct aml *aml);
void aml_notify(struct aml *aml); /* a device's path, a value */
/* CreateDWordField: a buffer, an offset in it, the name for the four bytes there. */
void aml_dword_field(struct aml *aml);

/* A resource template: descriptors, then aml_end. Ranges include both ends. */
void aml_resources(struct aml *aml);
void aml_resource_ports(struct aml *aml, uint16_t first, uint8_t count);
void aml_resource_memory(struct aml *aml, uint32_t first, uint32_t bytes);
void aml_resource_irq(struct aml *aml, unsigned irq);     /* edge, not shared */
void aml_resource_dma(struct aml *aml, unsigned channel); /* of the first 8237 */
/* Level, active high, shared: any of the interrupts in `mask` (bit n: n), 0: none. */
void aml_resource_shared_irq(struct aml *aml, uint16_t mask);
void aml_resource_bus_range(struct aml *aml, uint16_t first, uint16_t last);
void aml_resource_port_range(struct aml *aml, uint16_t first, uint16_t last);
void aml_resource_memory_range(struct aml *aml, bool cacheable, uint32_t first,
                               uint32_t last);

#endif
